"""Where the programs of PostgreSQL are looked for, and what happens when they are of another version than the data."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from djarrow.engine.embedded import EmbeddedServer, binaries
from djarrow.errors import ServerBinariesMissing, ServerVersionMismatch

MakeInstallation = Callable[[str, int], Path]


@pytest.fixture
def make_installation(tmp_path: Path) -> MakeInstallation:
    """Make a `bin` folder of programs that know their version and nothing else."""

    def make(place: str, major: int) -> Path:
        folder = tmp_path / place
        folder.mkdir(parents=True)
        for name in ("postgres", "initdb"):
            program = folder / name
            program.write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {major}.3 (Debian {major}.3-1)'\n")
            program.chmod(0o755)
        return folder

    return make


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which PostgreSQL is only where a test puts it."""
    monkeypatch.setattr(binaries, "_SYSTEM", tmp_path / "system")
    monkeypatch.setattr(binaries, "WHEEL", "wheel_of_the_test")
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.syspath_prepend(tmp_path / "packages")


@pytest.mark.usefixtures("bare_machine")
def test_the_order_of_places(make_installation: MakeInstallation, monkeypatch: pytest.MonkeyPatch) -> None:
    """PATH comes after the system, that after the wheel, that after the setting; the highest version of each."""
    on_path = make_installation("path", 11)
    assert binaries.find_binaries() == binaries.Binaries(on_path, 11)
    make_installation("system/9/bin", 9)
    of_the_system = make_installation("system/15/bin", 15)
    assert binaries.find_binaries() == binaries.Binaries(of_the_system, 15)
    make_installation("packages/wheel_of_the_test/pginstall/bin", 16)
    make_installation("packages/wheel_of_the_test/pginstall9/bin", 9)
    newest = make_installation("packages/wheel_of_the_test/pginstall18/bin", 18)
    (newest.parents[1] / "__init__.py").write_text("raise RuntimeError('imported')")
    importlib.invalidate_caches()
    assert binaries.find_binaries() == binaries.Binaries(newest, 18)
    assert "wheel_of_the_test" not in sys.modules
    monkeypatch.setenv("DJARROW_PG_BIN", str(make_installation("mine", 13)))
    assert binaries.find_binaries().major == 13


@pytest.mark.usefixtures("bare_machine")
def test_a_link_on_path_leads_to_the_folder_with_all(make_installation: MakeInstallation, tmp_path: Path) -> None:
    """Packages put a link to postgres alone into PATH."""
    real = make_installation("opt/pg/bin", 17)
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "postgres").symlink_to(real / "postgres")
    assert binaries.find_binaries() == binaries.Binaries(real, 17)


@pytest.mark.usefixtures("bare_machine")
def test_none_anywhere(new_root: Path, tmp_path: Path) -> None:
    """The error names all places that were looked at, and what to do."""
    with pytest.raises(ServerBinariesMissing) as failure:
        EmbeddedServer(new_root).join()
    for place in ("$DJARROW_PG_BIN", "wheel_of_the_test", str(tmp_path / "system"), "PATH", "Install the wheel"):
        assert place in str(failure.value)
    assert EmbeddedServer(new_root).status().users == 0


def test_a_setting_that_leads_nowhere(new_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an error, not a reason to take a version from elsewhere."""
    monkeypatch.setenv("DJARROW_PG_BIN", str(tmp_path))
    with pytest.raises(ServerBinariesMissing, match="DJARROW_PG_BIN: no postgres and initdb in"):
        EmbeddedServer(new_root).join()


def test_programs_that_do_not_run(make_installation: MakeInstallation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs for another machine are told as such."""
    folder = make_installation("broken", 18)
    (folder / "postgres").write_bytes(b"\x7fELF nonsense")
    monkeypatch.setenv("DJARROW_PG_BIN", str(folder))
    with pytest.raises(ServerBinariesMissing, match="cannot be run"):
        binaries.find_binaries()


def test_another_major_version(
    root: Path, make_installation: MakeInstallation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both versions are told, and what to do; nothing in the folder is changed."""
    has = int((root / "data" / "PG_VERSION").read_text())
    monkeypatch.setenv("DJARROW_PG_BIN", str(make_installation("next", has + 1)))
    before = _snapshot(root)
    with pytest.raises(ServerVersionMismatch, match="Nothing was changed") as failure:
        EmbeddedServer(root).join()
    assert (failure.value.found, failure.value.available) == (has, has + 1)
    for words in (f"PostgreSQL {has}", f"version {has + 1}", "DJARROW_PG_BIN", "pg_dumpall"):
        assert words in str(failure.value)
    assert _snapshot(root) == before
    monkeypatch.delenv("DJARROW_PG_BIN")
    EmbeddedServer(root).join()


def test_the_cure_names_programs_that_fit(
    root: Path, make_installation: MakeInstallation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """When programs of the right version are on the machine, the error says where."""
    monkeypatch.setattr(binaries, "_SYSTEM", tmp_path / "system")
    fitting = make_installation("system/12/bin", 12)
    (root / "data" / "PG_VERSION").write_text("12\n")
    with pytest.raises(ServerVersionMismatch, match=f"DJARROW_PG_BIN={fitting}"):
        EmbeddedServer(root).join()


@pytest.mark.skipif(not list(Path("/usr/lib/postgresql").glob("*/bin")), reason="the system has no PostgreSQL")
def test_the_programs_of_the_system(new_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server of the system's packages works like one of the wheel."""
    folder = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[0]
    monkeypatch.setenv("DJARROW_PG_BIN", str(folder))
    server = EmbeddedServer(new_root)
    server.join()
    assert str(server.status().version) == folder.parent.name


def _snapshot(root: Path) -> dict[str, tuple[int, int]]:
    """Size and time of all files under a folder."""
    files = (Path(folder, name) for folder, _, names in os.walk(root / "data") for name in names)
    state = [root / "state.json", root / "postgres.log"]
    return {str(file): (file.stat().st_size, file.stat().st_mtime_ns) for file in [*files, *state]}
