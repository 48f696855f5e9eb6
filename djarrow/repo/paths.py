"""Which paths a repository may name: under its root, by what they say."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

DIGITS = 16
"""Of a file's SHA-256, in the name of one whose usual name is taken."""


def is_inside(path: str) -> bool:
    """Whether a path, from the root and with `/`, stays under the root by what it says, on every system."""
    parts = PurePosixPath(path).parts
    return bool(parts) and ".." not in parts and not path.startswith("/") and not re.search(r"[\\:\0]", path)
