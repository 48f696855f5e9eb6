"""What tests of makes that share a transaction have in common: a pipeline, and how many transactions wrote a table."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection

KEYS = 40


def declare(schema: dj.Schema) -> SimpleNamespace:
    """Scan (40 rows), a manual table of notes, and Stats with a part, whose make does what `made.make` says.

    made.calls: the keys for which it was called; insert: what it does unless told otherwise.
    """

    @schema
    class Scan(dj.Manual):
        definition = "scan : int32\n---\nvalue : int32"

    @schema
    class Note(dj.Manual):
        definition = "scan : int32\n---\ntext : varchar(20)"

    made = SimpleNamespace(calls=[], make=lambda table, key: insert(table, key, Scan))

    def insert(table: Any, key: dict[str, Any], scan: Any) -> None:
        table.insert1({**key, "double": 2 * (scan & key).fetch1("value")})

    @schema
    class Stats(dj.Computed):
        definition = "-> Scan\n---\ndouble : int32"

        class Item(dj.Part):
            definition = "-> master\nitem : int32"

        def make(self, key: dict[str, Any]) -> None:
            made.calls.append(key["scan"])
            made.make(self, key)

    Scan.insert([(number, number * number) for number in range(KEYS)])
    Stats.declare()
    Note.declare()
    return SimpleNamespace(Scan=Scan, Note=Note, Stats=Stats, made=made, schema=schema, insert=insert)


def transactions(connection: PostgresConnection, table: Any) -> list[int]:
    """How many rows each transaction has written of a table, the earliest first."""
    number = "xmin::text::bigint"
    text = f"SELECT count(*) AS n FROM {table().full_table_name} GROUP BY {number} ORDER BY {number}"
    found: list[int] = connection.query(text).column("n").to_pylist()
    return found


def together(seconds: float = 60, **settings: Any) -> Any:
    """Makes share a transaction for so long."""
    return dj.config.override(jobs__together=seconds, **settings)


def anything() -> Any:
    """The same, and they may read what they will."""
    return together(strict_reads="off")
