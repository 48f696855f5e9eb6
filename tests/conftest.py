"""What all tests share: one real PostgreSQL, started by the tests themselves, and a schema of its own for each test."""

from __future__ import annotations

import gc
import importlib
import itertools
import os
import secrets
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import djarrow as dj
from djarrow.engine.connect import connect
from djarrow.engine.embedded import EmbeddedServer
from djarrow.engine.postgres import PostgresConnection

from .described import check_descriptions, drop_schemas
from .peer import Peer
from .peer.environment import interpreter
from .processes import WITHOUT_PANDAS

_numbers = itertools.count(1)


NAMED = {
    "spark": "needs Java and a library of 400 MB",
    "slurm": "needs Slurm and Dask",
    "soak": "takes minutes",
}
"""Suites that run only where they are named, as by `nox -s spark`, and why."""

TESTS = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    """Have the processes of a run name their cases alike: a set in a name is in the order of its hashes."""
    if config.getoption("numprocesses", None):
        os.environ.setdefault("PYTHONHASHSEED", str(secrets.randbelow(2**32)))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the suites that are not named."""
    name = collection_path.name
    return True if name in NAMED and not any(name in argument for argument in config.args) else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """File by file: those that wait mixed with those that work, and at the end those without a database, which are
    short, so that of several processes none works alone for long.
    """
    units = TESTS / "unit"
    items.sort(key=lambda item: (units in item.path.parents, zlib.crc32(item.path.name.encode()), str(item.path)))


def pytest_collection_finish() -> None:
    """Leave what was loaded out of the search for garbage, which goes over all of it again and again otherwise."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """An embedded server for the whole run."""
    embedded = EmbeddedServer(tmp_path_factory.mktemp("server"))
    embedded.join()
    yield embedded
    embedded.leave()
    embedded.stop()


@pytest.fixture(scope="session")
def connection(server: EmbeddedServer) -> Iterator[PostgresConnection]:
    """A connection to that server, which is not the default one."""
    url = server.url()
    assert url is not None
    opened = connect(url)
    for setting in ("fsync", "full_page_writes"):  # no test outlives a crash of the machine
        opened.execute(f"ALTER SYSTEM SET {setting} = off")
    opened.execute("SELECT pg_reload_conf()")
    yield opened
    opened.close()


@pytest.fixture
def schema(connection: PostgresConnection) -> Iterator[dj.Schema]:
    """An empty schema, dropped after the test: by then, describe() of its tables must declare them again."""
    made = dj.Schema(f"test{next(_numbers)}", connection=connection)
    yield made
    drop_schemas(connection, made.name)


@pytest.fixture
def without_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that are spawned have the path of this one, which has pandas already: see tests/paths.py."""
    importlib.import_module("pandas")
    monkeypatch.syspath_prepend(WITHOUT_PANDAS)


@pytest.fixture(scope="session")
def peer(connection: PostgresConnection, tmp_path_factory: pytest.TempPathFactory) -> Peer:
    """DataJoint-Python on that server, in processes of its own. Its tests have a longer time: it may be installed."""
    return Peer(interpreter(tmp_path_factory.mktemp("peer")), connection.url)


@pytest.fixture(scope="session")
def university(connection: PostgresConnection) -> Iterator[SimpleNamespace]:
    """The university of the manual with its rows, to be read only: its classes by name. Loaded once a run."""
    from .university import declare

    yield declare(dj.Schema("university", connection=connection))
    check_descriptions(connection, "university")
