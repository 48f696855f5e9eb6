"""Reading a manifest that others wrote: what is wrong in it is refused, and nothing is executed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from djarrow.errors import DjarrowError, RepositoryError
from djarrow.model.names import TableName
from djarrow.repo import manifest
from djarrow.repo.opening.repository import open_repository
from djarrow.repo.places.folder import Folder

Json = Any


def _document() -> Json:
    file = {"path": "lab/tables/subject/all.parquet", "rows": 1, "size": 1, "sha256": "0" * 64, "content": "0" * 32}
    file |= {"longest": 20, "values": []}
    definition = "subject : int32\n---\nname : varchar(8)\n"
    name = {"schema": "lab", "table": "subject", "definition": definition, "content": "0" * 32}
    table: dict[str, object] = {**name, "partition_by": [], "files": [file]}
    part = {**table, "table": "subject__part", "definition": "-> master\nn : int8\n---\n"}
    part["files"] = [{**file, "path": "lab/tables/subject__part/all.parquet"}]
    head = {"djarrow_repository": 1, "project": "p", "created": "2026-01-01T00:00:00+00:00", "source": "s"}
    return {**head, "software": {"djarrow": "0.1"}, "tables": [table, part], "code": []}


def _write(folder: Path, document: Json) -> Path:
    (folder / "manifest.json").write_text(json.dumps(document))
    return folder


def test_the_document_that_the_others_spoil(tmp_path: Path) -> None:
    """The document that the tests below change is itself a manifest that opens."""
    repository = open_repository(_write(tmp_path, _document()))
    assert repository.tables == {TableName("lab", "subject"), TableName("lab", "subject__part")}
    assert repository["lab"].Subject.Part.heading.names == ("subject", "n")


def _set(*path: Any) -> Callable[[Json], Json]:
    """A change that puts the last of these where the others lead."""
    *steps, last, value = path

    def change(document: Json) -> Json:
        place = document
        for step in steps:
            place = place[step]
        place[last] = value
        return document

    return change


def _without(*path: Any) -> Callable[[Json], Json]:
    *steps, last = path

    def change(document: Json) -> Json:
        place = document
        for step in steps:
            place = place[step]
        del place[last]
        return document

    return change


FILE = ("tables", 0, "files", 0)
SPOILED: dict[str, Callable[[Json], Json]] = {
    "a path that climbs": _set(*FILE, "path", "lab/../../secret.parquet"),
    "an absolute path": _set(*FILE, "path", "/etc/passwd"),
    "a path with a backslash": _set(*FILE, "path", "..\\secret"),
    "a path with a NUL": _set(*FILE, "path", "a\0b"),
    "a path with a drive": _set(*FILE, "path", "C:secret.parquet"),
    "the root as a path": _set(*FILE, "path", "."),
    "a newer format": _set("djarrow_repository", 2),
    "no format": _without("djarrow_repository"),
    "a list": lambda _: [],
    "a number": lambda _: 7,
    "no tables": _without("tables"),
    "tables that are no list": _set("tables", {"a": 1}),
    "a table that is no object": _set("tables", 0, 5),
    "no definition": _without("tables", 0, "definition"),
    "a definition that is no text": _set("tables", 0, "definition", ["n : int8"]),
    "no files": _without("tables", 0, "files"),
    "an empty list of files": _set("tables", 0, "files", []),
    "rows as text": _set(*FILE, "rows", "many"),
    "rows as infinity": _set(*FILE, "rows", float("inf")),
    "size as a boolean": _set(*FILE, "size", True),
    "software that is no object": _set("software", [["a", "b"]]),
    "a version that is no text": _set("software", {"djarrow": {}}),
    "a partition that is no text": _set("tables", 0, "partition_by", [1]),
    "a schema name with a quote": _set("tables", 0, "schema", 'lab"; DROP SCHEMA x; --'),
    "a schema name that climbs": _set("tables", 0, "schema", ".."),
    "a table name that is none": _set("tables", 0, "table", "../subject"),
    "a table name with a NUL": _set("tables", 0, "table", "sub\0ject"),
    "a table named by a word of Python": _set("tables", 0, "table", "none"),
    "a master that climbs": lambda d: {**d, "tables": [{**d["tables"][0], "table": "../x__part"}]},
    "an empty table name": _set("tables", 0, "table", ""),
    "a part without its master": _without("tables", 0),
    "the same table twice": lambda d: {**d, "tables": [d["tables"][0]] * 2},
    "two tables with one class name": lambda d: {
        **d,
        "tables": [d["tables"][0], {**d["tables"][0], "table": "#subject"}],
    },
}


@pytest.mark.parametrize("change", SPOILED.values(), ids=SPOILED.keys())
def test_spoiled_manifests(tmp_path: Path, change: Callable[[Json], Json]) -> None:
    """A manifest that lacks something, or says what cannot be, is refused when the repository is opened."""
    with pytest.raises(RepositoryError):
        open_repository(_write(tmp_path, change(_document())))


@pytest.mark.parametrize("table", ["", "#", "..", "../x", "a/b", "/x", "a\\b", "a\0b", "#../x"])
def test_folders_stay_under_the_root(table: str) -> None:
    """A table or schema whose name is no folder's name has none, whoever asks."""
    with pytest.raises(RepositoryError, match="no folder"):
        manifest.folder_of(TableName("lab", table))
    with pytest.raises(RepositoryError, match="no folder"):
        manifest.folder_of(TableName(table.removeprefix("#"), "subject"))


DEFINITIONS = {
    "not of the grammar": "subject int32",
    "code": "__import__('os').system('touch executed')",
    "an unknown type": "subject : int33",
    "no attributes": "",
    "a reference to nothing": "-> Nobody\n---\n",
    "a reference to itself": "-> Subject\n---\n",
    "a reference to a path": "-> os.path\n---\n",
    "a key with a default": "subject = 5 : int32\n---\n",
}


@pytest.mark.parametrize("definition", DEFINITIONS.values(), ids=DEFINITIONS.keys())
def test_definitions_that_cannot_be_used(tmp_path: Path, definition: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A definition that cannot be used is refused, and nothing of it is executed."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RepositoryError, match="a definition cannot be used"):
        open_repository(_write(tmp_path, _set("tables", 0, "definition", definition)(_document())))
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def test_an_unknown_partition_attribute(tmp_path: Path) -> None:
    """A manifest cannot say that a table is split by what it does not have."""
    with pytest.raises(DjarrowError, match="no attribute 'day'"):
        open_repository(_write(tmp_path, _set("tables", 0, "partition_by", ["day"])(_document())))


@pytest.mark.parametrize(
    "content",
    [b"", b"{", json.dumps(_document()).encode()[:-20], b"\xff\xfe", b"[" * 200_000, b"null"],
    ids=["empty", "an open brace", "cut", "not UTF-8", "nested too deep", "null"],
)
def test_broken_json(tmp_path: Path, content: bytes) -> None:
    """A manifest that is no JSON is refused."""
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(RepositoryError, match=r"manifest\.json"):
        open_repository(tmp_path)


def test_no_manifest(tmp_path: Path) -> None:
    """A folder without a manifest, a file, and nothing at all are no repositories."""
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "manifest.json").mkdir()
    for name in ("", "file", "absent", "folder"):
        with pytest.raises(RepositoryError):
            open_repository(tmp_path / name)


def test_it_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    """Writing leaves the manifest, equal when it is read again, and no other file."""
    place = Folder(_write(tmp_path, _document()))
    document = manifest.read(place)
    place.write(manifest.FILE_NAME, manifest.text_of(document).encode())
    assert manifest.read(place) == document
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]
