"""The files beside the manifest: what other tools and people read. One module a format, each a text of the manifest.

djarrow itself reads none of them. They are the same for the same manifest, and hold no password, host or local path.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec
from djarrow.repo import checksums, manifest
from djarrow.repo.companions import croissant, datapackage, project, readme, schema_module, views
from djarrow.repo.manifest import Manifest


def texts(document: Manifest, specs: Mapping[TableName, TableSpec]) -> dict[str, str]:
    """All of them: path from the root -> text, SHA256SUMS among them. specs: of the manifest's tables."""
    found = {
        "README.md": readme.text(document, specs),
        "croissant.json": croissant.text(document, specs),
        "datajoint.toml": project.text(document),
        "datapackage.json": datapackage.text(document, specs),
        "open.sql": views.text(document, specs),
        **{f"{name}/schema.py": schema_module.text(name, specs) for name in document.schemas},
    }
    return {**found, checksums.FILE_NAME: _checksums(document, found)}


def _checksums(document: Manifest, found: Mapping[str, str]) -> str:
    """What `sha256sum -c SHA256SUMS` checks: every file but this one.

    The manifest is among them although it is written after, because its text is known already. So every byte of a
    repository is covered, and where an export was interrupted the check fails too.
    """
    every = {**found, manifest.FILE_NAME: manifest.text_of(document)}
    sums = {path: hashlib.sha256(text.encode()).hexdigest() for path, text in every.items()}
    sums |= {file.path: file.sha256 for table in document.tables for file in table.every_file}
    return checksums.text_of(sums)
