"""The files beside the manifest: what other tools and people read. One module a format, each a text of the manifest.

djarrow itself reads none of them. They are the same for the same manifest, and hold no password, host or local path.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec
from djarrow.repo import checksums, manifest
from djarrow.repo.companions import croissant, datapackage, project, readme, schema_module, views
from djarrow.repo.manifest import Manifest


def texts(document: Manifest, specs: Mapping[TableName, TableSpec]) -> Iterator[tuple[str, str]]:
    """All of them, one after the other: path from the root, and text. The last is SHA256SUMS.

    specs: of the manifest's tables.
    """
    found: dict[str, str] = {}
    for path, text in _described(document, specs):
        found[path] = text
        yield path, text
    yield checksums.FILE_NAME, _checksums(document, found)


def _described(document: Manifest, specs: Mapping[TableName, TableSpec]) -> Iterator[tuple[str, str]]:
    yield "croissant.json", croissant.text(document, specs)
    yield "datapackage.json", datapackage.text(document, specs)
    yield "README.md", readme.text(document, specs)
    for name in document.schemas:
        yield f"{name}/schema.py", schema_module.text(name, specs)
    yield "open.sql", views.text(document, specs)
    yield "datajoint.toml", project.text(document)


def _checksums(document: Manifest, found: Mapping[str, str]) -> str:
    """What `sha256sum -c SHA256SUMS` checks: every file but this one.

    The manifest is among them although it is written after, because its text is known already. So every byte of a
    repository is covered, and where an export was interrupted the check fails too.
    """
    every = {**found, manifest.FILE_NAME: manifest.text_of(document)}
    sums = {path: hashlib.sha256(text.encode()).hexdigest() for path, text in every.items()}
    sums |= {file.path: file.sha256 for table in document.tables for file in table.every_file}
    return checksums.text_of(sums)
