"""Where the files of a repository may lie: under its root, by what their paths say and by what is there."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path, PurePosixPath


def is_inside(path: str) -> bool:
    """Whether a path, from the root and with `/`, stays under the root by what it says, on every system."""
    parts = PurePosixPath(path).parts
    return bool(parts) and ".." not in parts and not path.startswith("/") and not re.search(r"[\\:\0]", path)


class NotPlain(OSError):
    """What is no file under the root: a pipe would never end, and a link could lead anywhere."""


def plain_file(root: Path, path: str) -> Path:
    """Where a file lies. root: resolved. Raises NotPlain, or FileNotFoundError."""
    place = root.joinpath(*PurePosixPath(path).parts)
    if not Path(os.path.realpath(place)).is_relative_to(root):
        raise NotPlain(f"{path} is a link that leads out of the repository.")
    if not stat.S_ISREG(place.stat().st_mode):
        raise NotPlain(f"{path} is a folder or a device.")
    return place
