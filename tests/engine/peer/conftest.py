"""The pipeline as the peer made it, and the same classes declared by djarrow over its tables."""

from __future__ import annotations

import importlib.util
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from djarrow.engine.postgres import PostgresConnection
from djarrow.model.spec import TableSpec
from djarrow.table.declaring.declare import stored

from ...described import check_descriptions
from ...peer import Peer
from .pipelines import (
    ANIMALS,
    BLOBS,
    EPHYS,
    EVERYTHING,
    FILL,
    LAB,
    MOMENT,
    NATIVE,
    OUR_HEAD,
    PEER_HEAD,
    SESSIONS,
    TRIALS,
)

SCHEMAS = {"peer_lab", "peer_ephys", "peer_native"}
MODULES = {"lab": PEER_HEAD + LAB, "ephys": PEER_HEAD + EPHYS, "native": PEER_HEAD + NATIVE}
"""The pipeline's modules, for scripts of the peer."""


@pytest.fixture(scope="session")
def pipeline(peer: Peer, connection: PostgresConnection) -> Iterator[Peer]:
    """The peer, after it declared and filled the pipeline."""
    rows: dict[str, Any] = {"animals": ANIMALS, "sessions": SESSIONS, "trials": TRIALS, "moment": MOMENT}
    peer.run(FILL, modules=MODULES, everything=EVERYTHING, blobs=BLOBS, **rows)
    yield peer
    check_descriptions(connection, *SCHEMAS)


@pytest.fixture
def ask(connection: PostgresConnection) -> Callable[[str], list[dict[str, Any]]]:
    """The rows that a statement of SQL gives."""
    return lambda text: connection.query(text).to_pylist()


@pytest.fixture
def specs(pipeline: Peer, connection: PostgresConnection) -> dict[str, TableSpec]:
    """What djarrow reads of the pipeline from the catalog, by the names of the tables."""
    return {str(name): spec for name, spec in stored(connection, SCHEMAS).specs.items()}


@pytest.fixture(scope="session")
def ours(pipeline: Peer, connection: PostgresConnection, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The pipeline's modules with djarrow in the place of the peer: `ours.lab`, `ours.ephys`."""
    folder = tmp_path_factory.mktemp("ours")
    modules: dict[str, ModuleType] = {}
    for name, text in (("lab", LAB), ("ephys", EPHYS)):
        path = folder / f"{name}.py"
        path.write_text(OUR_HEAD + text.replace(": real", ": float32"), "utf-8")  # a real is a float64 to djarrow
        modules[name] = sys.modules[name] = _load(name, path, connection)
    yield SimpleNamespace(**modules)
    for name in modules:
        sys.modules.pop(name, None)  # a test of others may have had a module of this name


def _load(name: str, path: Path, connection: PostgresConnection) -> ModuleType:
    """Import a module of the pipeline, whose names of types from earlier versions warn."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    module.__dict__["connection"] = connection
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        spec.loader.exec_module(module)
    return module
