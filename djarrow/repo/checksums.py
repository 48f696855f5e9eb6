"""SHA256SUMS: every file of a repository but itself, in the form that `sha256sum -c` checks."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from io import BufferedReader
from typing import BinaryIO, cast

from djarrow.repo.paths import is_inside

FILE_NAME = "SHA256SUMS"


def sha256_of(file: BinaryIO) -> str:
    """The SHA-256 of what is left to read of a file, in hexadecimal."""
    return hashlib.file_digest(cast("BufferedReader", file), "sha256").hexdigest()


def text_of(sums: Mapping[str, str]) -> str:
    """The content of the file. sums: path from the root -> SHA-256 in hexadecimal."""
    return "".join(f"{digest}  {path}\n" for path, digest in sorted(sums.items()))


def sums_in(text: str) -> tuple[dict[str, str], bool]:
    """Path -> SHA-256, of the lines that name a file under the root; and whether nothing but these lines is there."""
    sums = {path: digest for digest, path in _LINE.findall(text) if is_inside(path)}
    return sums, text_of(sums) == text


_LINE = re.compile(r"^([0-9a-f]{64})  ([^\n]+)$", re.MULTILINE)
