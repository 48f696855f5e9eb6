"""The folder that a demo takes, and where it finds its data."""

from __future__ import annotations

from pathlib import Path

import pytest

from djarrow.demo import data
from djarrow.demo.folder import new_folder
from djarrow.errors import DemoError


def test_a_new_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    """The folder that was asked for, where nothing is there."""
    wanted = tmp_path / "a" / "demo"
    assert new_folder(wanted) == wanted
    assert wanted.is_dir()


def test_an_existing_folder_is_left_alone(tmp_path: Path) -> None:
    """The first free number beside it is taken, and what is in it stays."""
    first = new_folder(tmp_path / "demo")
    (first / "mine").touch()
    assert [new_folder(first).name, new_folder(first).name] == ["demo-2", "demo-3"]
    assert [path.name for path in first.iterdir()] == ["mine"]


@pytest.mark.parametrize("below", ["", "below"])
def test_a_file_in_the_way(tmp_path: Path, below: str) -> None:
    """A file is no folder to put a numbered one beside, nor one to make a folder in."""
    (tmp_path / "file").touch()
    with pytest.raises(DemoError, match="--folder"):
        new_folder(tmp_path / "file" / below)


def test_a_place_that_cannot_be_written() -> None:
    """The system's refusal is told with the folder and what to do."""
    with pytest.raises(DemoError, match=r"The folder /proc/djarrow/demo cannot be made: .*--folder"):
        new_folder(Path("/proc/djarrow/demo"))


def test_missing_data_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no place holds the files, the error names the places."""
    monkeypatch.setattr(data, "_PLACES", (tmp_path / "here", tmp_path / "there"))
    with pytest.raises(DemoError, match=r"here and .*there"):
        data.data_folder()
