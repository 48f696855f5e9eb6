"""A pipeline in a module of its own, as other processes import it: its makes do what their rows of Scan say."""

from __future__ import annotations

import importlib
import itertools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

HEAD = '''
import os
import signal
import sys
import time
import uuid
from pathlib import Path

import djarrow as dj

schema = dj.schema()


class Plain(Exception):
    """An error that any process can read."""


class Odd(Exception):
    """One that none can: it is made with two arguments, and kept with one."""

    def __init__(self, first, second):
        super().__init__(first)
'''
"""What the modules begin with: their schema, and errors that can go to other processes, and cannot."""

TEXT = (
    HEAD
    + '''


@schema
class Scan(dj.Manual):
    definition = """
    scan_id : uint16
    ---
    task = "" : varchar(20)
    seconds = 0 : float64
    """


@schema
class Ledger(dj.Manual):
    definition = """
    entry : uuid
    ---
    scan_id : uint16
    """


@schema
class Result(dj.Computed):
    definition = """
    -> Scan
    ---
    process : int64
    added : int32
    """

    def make(self, key, added=0):
        task, seconds = (Scan & key).fetch1("task", "seconds")
        Ledger.insert1((uuid.uuid4(), key["scan_id"]))
        if seconds:
            Path(__file__).with_suffix(f".{key['scan_id']}").write_text(str(os.getpid()))
            time.sleep(seconds)
        if task == "plain":
            raise Plain("no", 7)
        if task == "odd":
            raise Odd("a", "b")
        if task == "exit":
            sys.exit(3)
        if task == "die" or (task == "die once" and not (died := Path(__file__).with_suffix(".died")).exists()):
            if task == "die once":
                died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        self.insert1({**key, "process": os.getpid(), "added": added})
'''
)

_numbers = itertools.count(1)


@contextmanager
def imported(folder: Path, text: str = TEXT) -> Iterator[ModuleType]:
    """The pipeline as a module of a name that is new, for the time of the block."""
    name = f"elsewhere{next(_numbers)}"
    (folder / f"{name}.py").write_text(text, "utf-8")
    sys.path.insert(0, str(folder))
    try:
        yield importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop(name, None)
