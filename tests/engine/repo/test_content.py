"""The content hash in a manifest: the same for the database, its exports, however they are split, and their reading."""

from __future__ import annotations

from pathlib import Path

import djarrow as dj
from djarrow.repo.content import ContentHash
from djarrow.repo.exporting.export import Exported
from djarrow.repo.manifest import Manifest, read
from djarrow.repo.places.find import place_of

from .conftest import Opener


def contents(document: Manifest) -> dict[str, str]:
    """Table -> content hash."""
    return {str(entry.name): entry.content for entry in document.tables}


def hashed(table: dj.Table | type[dj.Table]) -> str:
    """The content hash of the rows that a table's class gives."""
    found = ContentHash(table().heading if isinstance(table, type) else table.heading)
    for batch in table.to_batches():
        found.add(batch)
    return found.hexdigest()


def test_every_type(every: type[dj.Table], folder: Path, opened: Opener) -> None:
    """At both ends and NULL: read from the server, from the files, and as it was written."""
    document = read(place_of(dj.export(every, folder).path))
    (there,) = contents(document).values()
    repository = opened(folder)
    (name,) = repository
    assert hashed(every) == hashed(repository[name].Every) == there
    assert int(there, 16)


def test_partitions_do_not_matter(lab: dj.Schema, exported: Exported, tmp_path: Path) -> None:
    """Another export of the same rows, split otherwise, has other files and the same contents."""
    whole = read(place_of(dj.export(lab, tmp_path / "whole").path))
    split = read(place_of(exported.path))
    assert {file.path for table in whole.tables for file in table.files} != {
        file.path for table in split.tables for file in table.files
    }
    assert contents(whole) == contents(split)
    assert contents(whole) == {str(cls().spec.name): hashed(cls) for cls in lab.tables}


def test_what_changes_shows(lab: dj.Schema, exported: Exported, tmp_path: Path) -> None:
    """A value that was corrected changes the hash of its table, and of no other."""
    subject = next(cls for cls in lab.tables if cls.__name__ == "Subject")
    subject.update1({"subject_id": 3, "name": "another"})
    before, after = (
        contents(read(place_of(exported.path))),
        contents(read(place_of(dj.export(lab, tmp_path / "after").path))),
    )
    assert {name for name in before if before[name] != after[name]} == {f"{lab.name}.subject"}
