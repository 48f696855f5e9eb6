"""What the tests of code share."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from djarrow.jobs.fingerprint import fingerprint
from tests.unit.jobs.lab import Imprint, forget, write


@pytest.fixture
def imprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Imprint]:
    """A function: the files of the package `lab` -> the fingerprint of one of its classes, by default Rate."""
    numbers = itertools.count()

    def of(files: Mapping[str, str], name: str = "Rate") -> str:
        folder = write(tmp_path / str(next(numbers)), files)
        forget("lab")
        with monkeypatch.context() as patched:
            patched.syspath_prepend(str(folder))
            module = importlib.import_module("lab.tables")
        return fingerprint(getattr(module, name))

    yield of
    forget("lab")
