"""What makes that share a transaction read of their keys at once: never what has changed meanwhile, nor too much."""

from __future__ import annotations

import datetime
import decimal
import random
import uuid
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.jobs.together import Together

from .sharing import KEYS, anything, declare, together

if TYPE_CHECKING:
    import pyarrow as pa


@pytest.fixture
def pipeline(schema: dj.Schema) -> SimpleNamespace:
    """Scan with notes, and Stats."""
    return declare(schema)


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts of all reads."""
    found = []
    read = PostgresConnection.read

    def kept(self: PostgresConnection, text: str, *, few: bool = False) -> Any:
        found.append(text)
        return read(self, text, few=few)

    monkeypatch.setattr(PostgresConnection, "read", kept)
    return found


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[pa.Table]:
    """The results of all reads."""
    found = []
    read = PostgresConnection.read

    def kept(self: PostgresConnection, text: str, *, few: bool = False) -> Any:
        found.append(read(self, text, few=few))
        return found[-1]

    monkeypatch.setattr(PostgresConnection, "read", kept)
    return found


def test_what_a_trigger_changes_is_read(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """A row of one table changes another, of which the next key's was read ahead."""
    home, scan, note = f'"{pipeline.schema.name}"', pipeline.Scan().full_table_name, pipeline.Note().full_table_name
    body = f"BEGIN UPDATE {scan} SET value = -NEW.scan WHERE scan = NEW.scan; RETURN NEW; END"
    connection.execute(f"CREATE FUNCTION {home}.f() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
    connection.execute(f"CREATE TRIGGER t AFTER INSERT ON {note} FOR EACH ROW EXECUTE FUNCTION {home}.f()")

    def make(table: Any, key: dict[str, Any]) -> None:
        table.insert1({**key, "double": (pipeline.Scan & key).fetch1("value")})
        pipeline.Note.insert1({"scan": key["scan"] + 1, "text": ""})

    pipeline.made.make = make
    with anything():
        assert pipeline.Stats.populate().done == KEYS
    assert pipeline.Stats.to_polars("double", order_by="KEY")["double"].to_list() == [-n for n in range(KEYS)]


def test_what_a_view_shows_is_read(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """A table of a class can be a view: what it reads is not known here."""

    @pipeline.schema
    class Shown(dj.Manual):
        definition = "scan : int32\n---\ntext : varchar(20)"

    Shown.declare()
    shown = Shown().full_table_name
    connection.execute(f"DROP TABLE {shown}")
    connection.execute(f"CREATE VIEW {shown} AS SELECT * FROM {pipeline.Note().full_table_name}")
    seen = []

    def make(table: Any, key: dict[str, Any]) -> None:
        seen.append(len(Shown & key))
        table.insert1({**key, "double": 0})
        pipeline.Note.insert1({"scan": key["scan"] + 1, "text": ""})

    pipeline.made.make = make
    with anything():
        assert pipeline.Stats.populate().done == KEYS
    connection.execute(f"DROP VIEW {shown}")
    connection.execute(f"CREATE TABLE {shown} (scan integer PRIMARY KEY, text varchar(20) NOT NULL)")
    assert seen == [0] + [1] * (KEYS - 1)


@pytest.mark.parametrize("kind", ["blob", "json", "varchar(2000000)"])
def test_large_values_are_not_read_ahead(schema: dj.Schema, reads: list[pa.Table], kind: str) -> None:
    """Even where those of the first keys are small: memory holds one of them at a time."""

    @schema
    class Image(dj.Manual):
        definition = f"image : int32\n---\ndata = null : {kind}"

    @schema
    class Size(dj.Computed):
        definition = "-> Image\n---\nsize : int64"

        def make(self, key: dict[str, Any]) -> None:
            data = (Image & key).fetch1()["data"]
            self.insert1({**key, "size": 0 if data is None else len(data)})

    noise = random.Random(13).randbytes(500_000)  # noqa: S311 - what does not become smaller
    large: dict[str, Any] = {"blob": noise, "json": {"x": noise.hex()}, "varchar(2000000)": noise.hex()}
    small: dict[str, Any] = {"blob": b"a", "json": {"x": 1}, "varchar(2000000)": "a"}
    Image.insert(
        [{"image": n, "data": [small[kind], None][n % 2] if n < 5 or n > 30 else large[kind]} for n in range(40)]
    )
    with anything():
        assert Size.populate().done == 40
    sizes = Size.to_polars("size", order_by="KEY")["size"].to_list()
    assert sizes == [len(large[kind]) if 5 <= n <= 30 else len(small[kind]) if n % 2 == 0 else 0 for n in range(40)]
    assert max(found.nbytes for found in reads) < 2_500_000


def test_attributes_of_one_value_are_told_apart(schema: dj.Schema, reads: list[pa.Table]) -> None:
    """The key of which others are guessed has the same value twice, and they are read ahead all the same."""

    @schema
    class Pair(dj.Manual):
        definition = "a : int32\nb : int32\n---\nvalue : int32"

    @schema
    class Copy(dj.Computed):
        definition = "-> Pair\n---\nvalue : int32"

        def make(self, key: dict[str, Any]) -> None:
            self.insert1({**key, "value": (Pair & key).fetch1("value")})

    Pair.insert([(0, 0, 0), *((1, b, b + 1) for b in range(19))])
    with together():
        assert Copy.populate().done == 20
    of_pair = [found for found in reads if "value" in found.column_names]
    assert len(of_pair) <= 3
    assert Copy.to_polars("value", order_by="KEY")["value"].to_list() == list(range(20))


def test_queries_that_are_asked_once_are_forgotten(schema: dj.Schema, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered of them does not grow with the keys."""
    pipeline, begun = declare(schema), []
    pipeline.Scan.insert([(n, 0) for n in range(KEYS, 30 * KEYS)])
    init = Together.__init__

    def kept(self: Together, *arguments: Any) -> None:
        begun.append(self)
        init(self, *arguments)

    def make(table: Any, key: dict[str, Any]) -> None:
        n = key["scan"]
        table.insert1({**key, "double": (pipeline.Scan.proj(**{f"x{n}": f"value + {n}"}) & key).fetch1(f"x{n}")})

    monkeypatch.setattr(Together, "__init__", kept)
    monkeypatch.setattr("djarrow.jobs.ahead.HABITS", 50)
    pipeline.made.make = make
    with dj.config.override(strict_reads="off", jobs__together=0.05):
        assert pipeline.Stats.populate().done == 30 * KEYS
    assert len(begun[0]._habits) < 25 * KEYS


# --- keys of any type ----------------------------------------------------------------------------------------------

KINDS = {
    "a": "varchar(20)",
    "b": "date",
    "c": "decimal(9,3)",
    "d": "uuid",
    "e": "datetime",
    "f": "bool",
    "g": "enum('x', 'y''z')",
    "h": "int64",
    "i": "time",
    "j": "uint64",
    "k": "timestamp",
    "l": "char(3)",
    "m": "int8",
}
TEXTS = ["", "'", '"', "\\", "%s", "{}", "$1", "--", "é", "\N{GRINNING FACE}", "0", "a\nb"]


def value(name: str, n: int) -> Any:
    """A value of that attribute, another one for each number but for those of few values."""
    moment = datetime.datetime(2000, 1, 1, 0, 0, n, n)
    values: dict[str, Any] = {
        "a": TEXTS[n],
        "b": datetime.date(1970 + n, 1, 1),
        "c": decimal.Decimal(n) / 8,
        "d": uuid.UUID(int=n),
        "e": moment,
        "f": bool(n % 2),
        "g": ["x", "y'z"][n % 2],
        "h": (-1) ** n * 2 ** (5 * n) + n,
        "i": datetime.time(n, 0, 0, n),
        "j": 2**64 - 1 - n if n % 3 else n,
        "k": moment,
        "l": "xyz"[: n % 4],
        "m": n - 6,
    }
    return values[name]


@pytest.mark.parametrize("names", ["abcdefghijklm", "bdehjkm", *"abcdehijkm", "lm", "gm"])
def test_keys_of_all_types_are_read_ahead(schema: dj.Schema, statements: list[str], names: str) -> None:
    """The constants of others' keys are written as their own would be, or stand in a list where they say their type."""

    @schema
    class Thing(dj.Manual):
        definition = "\n".join(f"{name} : {KINDS[name]}" for name in names) + "\n---\nnumber : int32"

    @schema
    class Copy(dj.Computed):
        definition = "-> Thing\n---\nfirst : int32\nsecond : int32"

        def make(self, key: dict[str, Any]) -> None:
            first = (Thing & key).fetch1("number")
            second = (Thing & {name: key[name] for name in names[-2:]} & key).fetch1("number")
            self.insert1({**key, "first": first, "second": second})

    Thing.insert({**{name: value(name, n) for name in names}, "number": n} for n in range(len(TEXTS)))
    with together(), dj.config.override(strict_reads="off"):
        assert Copy.populate().done == len(TEXTS)
    assert Copy.to_polars("first", "second", order_by="first").rows() == [(n, n) for n in range(len(TEXTS))]
    ahead = [text for text in statements if " AS q" in text]
    assert ahead
    assert all(("LATERAL" in text) == (set(names) <= set("bdehjkm")) for text in ahead)
