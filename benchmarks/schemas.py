"""A schema of 200 tables and 2,000 attributes: opening it and declaring it, djarrow against DataJoint-Python.

Opening is what a user does who has no classes: connected, from the name of the schema to classes of all its tables,
with their headings known. In djarrow that is `dj.virtual` and the heading of each class; with the peer `VirtualModule`
and the heading of each class, which it reads on first use. Declaring is 200 classes of the same definitions into a
database without the schema. Both use one server, and each runs in a process that stays: the peer's time contains one
line through a pipe.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import djarrow as dj
from benchmarks.paired import Count, Ratio, compare
from djarrow.engine.connect import connect
from djarrow.engine.embedded import EmbeddedServer
from djarrow.engine.embedded.supervisor import LOG_FILE
from djarrow.engine.postgres import PostgresConnection
from tests.peer import Peer, PeerWorker
from tests.peer.environment import interpreter

TABLES = 200
ATTRIBUTES = 10
"""Attributes of each table, those of its foreign keys included."""

OPENED, DECLARED = "bench_opened", "bench_declared"

TYPES = ("float64", "int32", "varchar(40)", "date", "bool", "decimal(8,2)", "enum('a','b','c')", "int16", "float32")


def run() -> Iterator[Ratio | Count]:
    """The time of opening and of declaring, and the statements that opening takes."""
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedServer(Path(folder) / "server")
        connection = connect(server.join())
        peer = Peer(interpreter(Path(folder)), connection.url)
        try:
            with peer.worker(PEER, definitions=definitions(), opened=OPENED, declared=DECLARED) as worker:
                yield from _opening(connection, worker, Path(folder) / "server" / LOG_FILE)
                yield _declaring(connection, worker)
        finally:
            connection.close()
            server.stop()


def _opening(connection: PostgresConnection, worker: PeerWorker, log: Path) -> Iterator[Ratio | Count]:
    """The schema was made by the peer, which both can open."""
    worker.call("make")

    def ours() -> int:
        return sum(len(table().heading.names) for table in dj.virtual(OPENED, connection=connection))

    found = (ours(), worker.call("open_schema"))
    if found != (TABLES * ATTRIBUTES,) * 2:
        raise RuntimeError(f"djarrow and the peer found {found} attributes of {TABLES * ATTRIBUTES}.")
    yield compare(
        f"open a schema of {TABLES} tables",
        ours,
        "DataJoint-Python's VirtualModule",
        lambda: worker.call("open_schema"),
        reach=0.1,
        rounds=5,
    )
    connection.execute("SET log_statement = 'all'")
    before = log.stat().st_size
    ours()
    statements = re.findall(r"LOG:  (?:statement|execute [^:]*):", log.read_bytes()[before:].decode())
    connection.execute("RESET log_statement")
    if not statements:
        raise RuntimeError(f"{log} names no statement of ours; its form has changed.")
    yield Count(f"open a schema of {TABLES} tables, statements that the server logs", len(statements), 6)


def _declaring(connection: PostgresConnection, worker: PeerWorker) -> Ratio:
    """From class bodies to tables, which a database without the schema gets."""

    def ours() -> None:
        schema = dj.Schema(DECLARED, connection=connection)
        for name, (tier, text) in definitions().items():
            schema(type(name, (getattr(dj, tier),), {"definition": text}))
        schema.activate()

    def drop() -> None:
        connection.execute(f"DROP SCHEMA IF EXISTS {DECLARED} CASCADE")

    drop()
    return compare(
        f"declare {TABLES} tables",
        ours,
        "DataJoint-Python",
        lambda: worker.call("declare"),
        reach=1 / 3,
        rounds=5,
        before=drop,
    )


# --- the schema ------------------------------------------------------------------------------------------------------


def definitions() -> dict[str, tuple[str, str]]:
    """Name of the class -> tier and definition, parents first, in the words that both packages know.

    Groups of five: a lookup, a manual table that refers to it and to the group before, one whose key contains that
    one's, and an imported and a computed table that share its key.
    """
    return {_name(number): _table(number) for number in range(TABLES)}


def _name(number: int) -> str:
    return f"Table{number}"


def _table(number: int) -> tuple[str, str]:
    place, key, parent = number % 5, f"id_{number} : int32", f"-> {_name(number - 1)}"
    before = f"-> [nullable] {_name(number - 5)}" if number > 5 else "spare = null : int32"
    tier, above, below, own = (
        ("Lookup", [key], [], 9),
        ("Manual", [key], [parent, before], 7),
        ("Manual", [parent, key], [], 8),
        ("Imported", [parent], [], 8),
        ("Computed", [parent], [], 8),
    )[place]
    lines = [f"a_{number}_{i} = null : {TYPES[i]}   # attribute {i} of table {number}" for i in range(own)]
    return tier, "\n".join([f"# table {number} of {TABLES}", *above, "---", *below, *lines])


PEER = """
TIERS = {tier: getattr(dj, tier) for tier in ("Lookup", "Manual", "Imported", "Computed")}


def _declare(name):
    schema, context = dj.Schema(name), {}
    for table, (tier, text) in definitions.items():
        context[table] = schema(type(table, (TIERS[tier],), {"definition": text}), context=context)


def make():
    _declare(opened)


def declare():
    _declare(declared)


def open_schema():
    module = dj.VirtualModule("module", opened)
    classes = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, dj.Table)]
    return sum(len(table().heading.names) for table in classes)
"""
"""What the peer's process runs."""
