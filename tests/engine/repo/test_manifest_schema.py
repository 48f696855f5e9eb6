"""docs/manifest.schema.json describes the manifest: what is written agrees, and it requires what opening requires."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import djarrow as dj
from djarrow.errors import RepositoryError
from djarrow.repo import manifest
from djarrow.repo.exporting.export import Exported
from djarrow.repo.places.folder import Folder

DOCS = Path(__file__).parents[3] / "docs"
SCHEMA = json.loads((DOCS / "manifest.schema.json").read_text("utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def test_the_schema_is_one() -> None:
    """It is a JSON Schema itself, and says of every member what it means, or what it is made of."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    objects = [SCHEMA, *SCHEMA["$defs"].values()]
    for each in objects:
        if each.get("type") == "object":
            assert set(each["required"]) == set(each["properties"]) - {"provenance", "extent", "restriction"}


def test_what_is_written(lab: dj.Schema, exported: Exported) -> None:
    """A manifest with tables of every kind agrees with it, and has no member that it does not name."""
    document = json.loads((exported.path / "manifest.json").read_bytes())
    VALIDATOR.validate(document)
    assert set(document) == set(SCHEMA["properties"])
    for name, found in (("table", document["tables"]), ("file", [f for t in document["tables"] for f in t["files"]])):
        assert {member for each in found for member in each} == set(SCHEMA["$defs"][name]["properties"])


def test_the_page_has_every_member() -> None:
    """The page says of each member what it is."""
    page = (DOCS / "manifest.md").read_text("utf-8")
    named = set(re.findall(r"`(\w+)`", page))
    assert set(SCHEMA["properties"]) <= named
    for name in ("table", "file", "revision"):
        assert set(SCHEMA["$defs"][name]["properties"]) <= named


FILE: dict[str, Any] = {"path": "lab/tables/day/all.parquet", "rows": 1, "size": 9, "sha256": "0" * 64, "content": "c"}
FILE |= {"longest": 20, "values": ["1"]}
TABLE = {
    "schema": "lab",
    "table": "day",
    "definition": "n : int8",
    "content": "c",
    "partition_by": ["n"],
    "provenance": [],
    "extent": "all",
    "restriction": None,
}
DOCUMENT = {
    "djarrow_repository": 1,
    "project": "p",
    "created": "c",
    "source": "s",
    "software": {"a": "1"},
    "tables": [{**TABLE, "files": [FILE]}],
    "code": [{"commit": "c", "dirty": False}],
}
OTHERS: list[Any] = [
    None,
    7,
    1.5,
    -1,
    2**63,
    True,
    "x",
    "X y",
    "",
    "..",
    "/x",
    "a/../b",
    "a\\b",
    "a:b",
    "a\0",
    [],
    {},
    [7],
    [[]],
]
OTHERS += [["x"], {"a": 1}, "x" * 1025, "0" * 63, "0" * 65, "G" * 64]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where every value in a document is."""
    for key, inside in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        yield (*path, key)
        yield from places(inside, (*path, key))


def opens(document: Any, place: Folder) -> bool:
    """Whether djarrow takes a manifest for one."""
    try:
        manifest.parsed(json.dumps(document).encode(), place)
    except RepositoryError:
        return False
    return True


@pytest.mark.parametrize("path", list(places(DOCUMENT)), ids=str)
def test_they_agree(path: tuple[Any, ...], tmp_path: Path) -> None:
    """With each member left out, and with each of many values in its place, both take it or both refuse it."""
    place, differing = Folder(tmp_path), []
    for value in (..., *OTHERS):
        document = copy.deepcopy(DOCUMENT)
        holder: Any = document
        for key in path[:-1]:
            holder = holder[key]
        if value is not ...:
            holder[path[-1]] = value
        else:
            del holder[path[-1]]
        if opens(document, place) != VALIDATOR.is_valid(document):
            differing.append(value)
    assert differing == []
