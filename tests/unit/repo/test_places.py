"""Which place a URL means, and what is none."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import djarrow as dj
from djarrow.errors import RepositoryError
from djarrow.repo.places.find import place_of

SECRET = "hunter2" + "hidden"


@pytest.mark.parametrize(
    "address",
    [
        f"host=127.0.0.1 user=me password={SECRET} dbname=lab",
        f"host=127.0.0.1 password = '{SECRET} and more' dbname=lab",
        f"PASSWORD={SECRET}",
        f"password={SECRET} application_name={'x' * 5_000}",
        f"postgresql://me:{SECRET}@127.0.0.1:1/lab",
        f"postgres://me@127.0.0.1:1/lab?password={SECRET}",
        f"POSTGRESQL://me:{SECRET}@127.0.0.1:1/lab",
    ],
)
@pytest.mark.parametrize("act", [dj.open, dj.verify, place_of])
def test_the_address_of_a_database(address: str, act: Callable[[str], Any]) -> None:
    """It is refused where a repository is wanted, and its password is in no line of what is said."""
    with pytest.raises(RepositoryError, match="the address of a database") as caught:
        act(address)
    said = "".join(traceback.format_exception(caught.value))
    assert SECRET not in said


def test_one_side_of_a_comparison() -> None:
    """`dj.diff`, which takes the URL of a database, refuses libpq's words in the same way."""
    with pytest.raises(RepositoryError, match="postgresql://user@host/database") as caught:
        dj.diff(f"host=127.0.0.1 password={SECRET}", "nowhere")
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_other_filesystems() -> None:
    """A URL of another filesystem that cannot be reached is told without its password."""
    with pytest.raises(RepositoryError, match="nonsense://me:") as caught:
        dj.open(f"nonsense://me:{SECRET}@127.0.0.1/lab")
    assert SECRET not in "".join(traceback.format_exception_only(caught.value))


def test_folders_that_are_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that is there may be called so, a new one is given as a Path; `user=me` is like any other name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "password=1").mkdir()
    assert str(place_of("password=1")) == str(tmp_path / "password=1")
    assert str(place_of(Path("password=2"))) == str(tmp_path / "password=2")
    assert str(place_of("user=me")) == str(tmp_path / "user=me")
    assert str(place_of(f"file://{tmp_path}/x")) == str(tmp_path / "x")
