"""dj.verify: whether a repository is whole, every byte of it against the manifest and the list of checksums.

Design section 11; docs/repositories.md. Nothing is opened but the files that are listed, and these under the root only.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path

from attrs import frozen

from djarrow.errors import InvalidCondition, RepositoryError
from djarrow.repo import checksums, manifest
from djarrow.repo.places.base import NotPlain, Place
from djarrow.repo.places.find import StorageOptions, place_of


class Damage(StrEnum):
    """What can be wrong with a file of a repository."""

    MISSING = "missing"
    CHANGED = "changed"
    UNLISTED = "unlisted"
    UNREADABLE = "unreadable"
    NO_FILE = "no file"


@frozen
class Problem:
    """One file that is not as it was written. path: from the root; reason: what was found."""

    path: str
    damage: Damage
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.damage}: {self.reason}"


@frozen
class Verified:
    """What verify found, and where. True where the repository is whole, as far as it was read.

    files, bytes: how many were read; listed: how many bytes all files of the repository have; seconds: it took.
    """

    place: str
    problems: tuple[Problem, ...]
    files: int
    bytes: int
    listed: int
    seconds: float

    @property
    def path(self) -> Path:
        """The folder, where it is one."""
        return Path(self.place)

    def __bool__(self) -> bool:
        return not self.problems


@frozen
class Expected:
    """A file as it was written. size: in bytes, where the manifest tells it."""

    path: str
    sha256: str
    size: int | None = None


def verify(url: str | Path, *, sample: float = 1.0, storage_options: StorageOptions | None = None) -> Verified:
    """Read a repository's files and compare them with what was written: whether any byte changed, and what is missing
    or was added.

    sample: the share of the bytes of Parquet files to read, from 0 to 1, chosen by chance; sizes are always compared,
    and the manifest and all other files read. storage_options: how an object store is reached.

    Whoever changes a file, the manifest and SHA256SUMS alike is not found
    out: keep the checksum of SHA256SUMS where others cannot write.

    Raises RepositoryError where the folder has neither a manifest nor checksums, and InvalidCondition.
    """
    from concurrent.futures import ThreadPoolExecutor

    if type(sample) not in (int, float) or not 0 <= sample <= 1:
        raise InvalidCondition(f"verify: sample is a share from 0 to 1, not {sample!r}.")
    started = time.monotonic()
    place = place_of(url, storage_options)
    expected, problems = _listed(place)
    try:
        unlisted = list(_unlisted(place, expected))
    except OSError as error:
        raise RepositoryError(f"{place} cannot be listed: {error}") from error
    wanted = list(_chosen(expected, sample))
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as readers:
        found = list(readers.map(lambda each: _compared(place, *each), wanted))
    problems += [*(problem for problem, _ in found if problem), *unlisted]
    return Verified(
        str(place),
        tuple(sorted(set(problems), key=str)),
        sum(read is not None for _, read in found),
        sum(read or 0 for _, read in found),
        sum(each.size or 0 for each in expected.values()),
        time.monotonic() - started,
    )


# --- what was written --------------------------------------------------------------------------------------------


def _listed(place: Place) -> tuple[dict[str, Expected], list[Problem]]:
    """What the manifest and SHA256SUMS say of the files, by path, and what is wrong with these two."""
    sums, problems = _checksums(place)
    files: dict[str, Expected] = {}
    try:
        tables = manifest.read(place).tables
        files = {f.path: Expected(f.path, f.sha256, f.size) for table in tables for f in table.every_file}
    except RepositoryError as error:
        if not any(_is_there(place, name) for name in (manifest.FILE_NAME, checksums.FILE_NAME)):
            raise
        problems.append(Problem(manifest.FILE_NAME, Damage.UNREADABLE, error.message))
    if sums:
        problems += _disagreeing(files, sums)
    return {path: Expected(path, digest) for path, digest in sums.items()} | files, problems


def _is_there(place: Place, path: str) -> bool:
    """Whether anything lies there, were it not to be read."""
    try:
        place.size(path)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


def _checksums(place: Place) -> tuple[dict[str, str], list[Problem]]:
    """Path -> SHA-256, as SHA256SUMS has them, and what is wrong with it."""
    try:
        with place.open(checksums.FILE_NAME) as file:
            content = file.read(manifest.MAX_BYTES + 1)
        if len(content) > manifest.MAX_BYTES:
            text = f"it has more than the {manifest.MAX_BYTES:,} bytes that are read of it."
            return {}, [Problem(checksums.FILE_NAME, Damage.CHANGED, text)]
        sums, as_written = checksums.sums_in(content.decode("utf-8"))
    except (OSError, ValueError) as error:
        missing = isinstance(error, FileNotFoundError)
        return {}, [Problem(checksums.FILE_NAME, Damage.MISSING if missing else Damage.UNREADABLE, str(error))]
    if not as_written:
        return sums, [Problem(checksums.FILE_NAME, Damage.CHANGED, "it is not a list of files as djarrow writes it.")]
    return sums, []


def _disagreeing(files: Mapping[str, Expected], sums: Mapping[str, str]) -> Iterator[Problem]:
    """The manifest and SHA256SUMS were written together."""
    for path, file in files.items():
        if sums.get(path) != file.sha256:
            yield Problem(
                checksums.FILE_NAME, Damage.CHANGED, f"it says another checksum of {path!r} than the manifest."
            )


def _chosen(expected: Mapping[str, Expected], sample: float) -> Iterator[tuple[Expected, bool]]:
    """Every file, and whether its bytes are to be read: of those of tables as many as make the share."""
    tables = [each for each in expected.values() if each.size is not None]
    random.shuffle(tables)
    left = sample * sum(each.size or 0 for each in tables)
    for each in tables:
        yield each, left > 0 or sample == 1
        left -= each.size or 0
    yield from ((each, True) for each in expected.values() if each.size is None)


# --- what is there -----------------------------------------------------------------------------------------------


def _compared(place: Place, expected: Expected, whole: bool) -> tuple[Problem | None, int | None]:
    """What is wrong with a file, if anything, and how many of its bytes were read; None where it was not opened."""
    try:
        size = place.size(expected.path)
        if expected.size not in (None, size):
            return Problem(expected.path, Damage.CHANGED, f"it has {size} bytes, and had {expected.size}."), None
        if not whole:
            return None, None
        with place.open(expected.path) as file:
            digest = checksums.sha256_of(file)
    except FileNotFoundError:
        return Problem(expected.path, Damage.MISSING, "it is listed and is not there."), None
    except NotPlain as error:
        return Problem(expected.path, Damage.NO_FILE, str(error)), None
    except OSError as error:
        return Problem(expected.path, Damage.UNREADABLE, str(error)), None
    if digest != expected.sha256:
        return Problem(expected.path, Damage.CHANGED, f"its SHA-256 is {digest}, and was {expected.sha256}."), size
    return None, size


def _unlisted(place: Place, expected: Mapping[str, Expected]) -> Iterator[Problem]:
    """What nobody has listed."""
    known = expected.keys() | {checksums.FILE_NAME, manifest.FILE_NAME}
    for path in place.paths():
        if path not in known:
            shown = os.fsencode(path).decode(errors="backslashreplace")
            yield Problem(shown, Damage.UNLISTED, "it is there and is not listed.")
