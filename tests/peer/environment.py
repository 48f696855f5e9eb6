"""Where the peer is installed: a virtual environment of its own.

It brings pandas, which our tests run without, and limits of its own on packages that we share. pip takes half a minute
for it, so it is kept in the user's cache folder, one for each version of the peer and of Python.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REQUIREMENT = "datajoint[postgres,polars]==2.3.5"


class PeerUnavailable(RuntimeError):
    """The peer could not be installed; the message holds what pip said."""


def interpreter(spare: Path) -> Path:
    """A Python that has the peer, which is installed where it is not there yet.

    spare: the folder to use when the user's cache cannot be written. Raises PeerUnavailable.
    """
    cache = _cache_folder()
    place = (cache if _can_write(cache) else spare) / f"{_REQUIREMENT_NAME}-{_python_name()}"
    python = place / "bin" / "python"
    if not python.exists():  # also when the Python that it was made of is gone
        shutil.rmtree(place, ignore_errors=True)
        _install(place)
    return python


_REQUIREMENT_NAME = re.sub(r"\W+", "-", REQUIREMENT)


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path("~/.cache").expanduser()) / "djarrow-tests"


def _can_write(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def _python_name() -> str:
    """The Python that makes the environment: an environment of another one does not run with it."""
    base = f"{sys.base_prefix} {sys.version}"
    return f"{sys.implementation.cache_tag}-{hashlib.sha256(base.encode()).hexdigest()[:8]}"


def _install(place: Path) -> None:
    """Make the environment aside and rename it, so that one that is there is complete, also after an interruption."""
    aside = Path(tempfile.mkdtemp(prefix=place.name + ".", dir=place.parent))
    try:
        _run(sys.executable, "-m", "venv", str(aside))
        _run(str(aside / "bin" / "python"), "-m", "pip", "install", "--quiet", REQUIREMENT)
        _move(aside, place)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _move(aside: Path, place: Path) -> None:
    try:
        aside.rename(place)
    except OSError:
        if not (place / "bin" / "python").exists():  # else another run was faster
            raise


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PeerUnavailable(f"{REQUIREMENT} cannot be installed: {' '.join(command)}\n{done.stdout}{done.stderr}")
