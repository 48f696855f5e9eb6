"""The files beside the manifest that other tools and people read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec
from djarrow.repo.manifest import Manifest


def write(manifest: Manifest, specs: Mapping[TableName, TableSpec], root: Path) -> None:
    """Write all of them."""
