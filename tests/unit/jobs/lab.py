"""A package of a lab, written to a folder, imported anew for each variant of its code."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

TABLES = '''
"""The pipeline."""
import math
from collections import namedtuple
from functools import lru_cache, partial, wraps

import numpy as np
import djarrow as dj

from . import helpers
from .helpers import smooth as s, Model, Mode
from .constants import LIMIT

THRESHOLD = 0.5
NAMES = {"a": [1, 2], "b": (3.0, None, True)}
TOTAL = sum([1, 2, 3])
MEMO = {}
COUNTS = 0
METHODS = {"mean": helpers.mean_of, "median": helpers.median_of}
halved = partial(helpers.scaled, factor=0.5)


class Session(dj.Manual):
    definition = "session : int32"

    def make(self, key):
        return "other"


class Base(dj.Computed):
    def shared(self, value):
        return value + 1


class Rate(Base):
    """The rate."""
    definition = """
    session : int32
    """
    gain = 2.0

    def make(self, key):
        """Compute it."""
        global COUNTS
        COUNTS += 1
        rows = (Session & key).to_dicts()  # the inputs
        width: int = 3
        values = [row["x"] * self.gain for row in rows if row["x"] > THRESHOLD]
        total = s(values, width=width) + self.offset(key) + self.shared(1) + self.level + Rate.still(2)
        total += helpers.recursive(3) + halved(2) + helpers.cached(4) + helpers.timed(5) + self.of_class()
        if key["session"] in MEMO:
            return
        MEMO[key["session"]] = METHODS["mean"](values)

        def nested(item, power=2):
            return item ** power

        model = Model(limit=LIMIT)
        total += model.fit(values) + sum(map(lambda one: one + TOTAL, values)) + nested(total)
        if Mode.FAST.value:
            total += NAMES["b"][0] + np.linalg.norm(values) + math.pi
        self.insert1({**key, "rate": total})

    def offset(self, key):
        return key["session"] - 1

    @property
    def level(self):
        return self.gain + 7

    @staticmethod
    def still(value):
        return value * 11

    @classmethod
    def of_class(cls):
        return cls.gain / 13

    def unused(self):
        return 17
'''

HELPERS = '''
"""Helpers."""
import enum
from functools import lru_cache, wraps

SCALE = 100


class Mode(enum.Enum):
    FAST = 1
    SLOW = 2


def smooth(values, width=5, *, start=0):
    """Smooth."""
    return window(values)[start:width]


def window(values):
    return values[1:-1]


def mean_of(values):
    return sum(values) / len(values)


def median_of(values):
    return sorted(values)[len(values) // 2]


def recursive(n):
    return n * recursive(n - 1) if n else SCALE


def scaled(value, factor):
    return value * factor


@lru_cache(maxsize=10)
def cached(value):
    return value + 21


def measured(times):
    def decorate(function):
        @wraps(function)
        def wrapper(*args, **kwargs):
            for _ in range(times):
                result = function(*args, **kwargs)
            return result
        return wrapper
    return decorate


@measured(2)
def timed(value):
    return value - 31


class Fit:
    def base(self):
        return 41


class Model(Fit):
    tolerance = 0.01

    def __init__(self, limit):
        self.limit = limit

    def fit(self, values):
        return self.step(values) + self.base()

    def step(self, values):
        return max(values) * self.tolerance


def unused():
    return 51
'''

FILES = {"__init__.py": "", "tables.py": TABLES, "helpers.py": HELPERS, "constants.py": "LIMIT = 61\nOTHER = 62\n"}

Imprint = Callable[..., str]


def changed(*changes: tuple[str, str, str]) -> dict[str, str]:
    """The files with one text replaced by another, which must be there: (file, old, new); a name as a whole word."""
    files = dict(FILES)
    for file, old, new in changes:
        pattern = rf"\b{old}\b" if old.isidentifier() else re.escape(old)
        files[file], count = re.subn(pattern, new.replace("\\", "\\\\"), files[file])
        assert count, (file, old)
    return files


def forget(package: str) -> None:
    """Take a package out of the modules that are imported."""
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]


def write(folder: Path, files: Mapping[str, str], package: str = "lab") -> Path:
    """Write the files of a package to a new folder."""
    for name, text in files.items():
        (folder / package / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / package / name).write_text(text, "utf-8")
    return folder
