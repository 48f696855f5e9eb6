"""The content hash of a table: what docs/decisions/023-content-hashes.md says, whatever the layout of the rows."""

from __future__ import annotations

import datetime
import decimal
import hashlib
import math
import random
import struct
import uuid
from typing import Any

import pyarrow as pa
import pytest

from djarrow.model.heading import Attribute, Heading
from djarrow.model.types import Family, core
from djarrow.repo.content import LONG, ROWS, ContentHash

M = 2**64
UTC = datetime.UTC

VALUES: dict[str, tuple[Any, list[Any]]] = {
    "i8": (core("int8"), [0, 1, -1, -128, 127]),
    "u16": (core("uint16"), [0, 1, 65535]),
    "i64": (core("int64"), [0, -1, -(2**63), 2**63 - 1]),
    "u64": (core("uint64"), [0, 2**63, 2**64 - 1]),
    "f32": (core("float32"), [0.0, -0.0, 0.5, math.inf, -math.inf, math.nan]),
    "f64": (core("float64"), [0.0, -0.0, 0.1, math.inf, -math.inf, math.nan, 5e-324]),
    "wide": (core("decimal", 38, 10), [decimal.Decimal(10) ** 27, decimal.Decimal(-1), decimal.Decimal("1E-10")]),
    "price": (core("decimal", 9, 2), [decimal.Decimal("0.01"), decimal.Decimal("-0.01"), decimal.Decimal(1)]),
    "flag": (core("bool"), [True, False]),
    "text": (
        core("varchar", 2000),
        ["", "a", "A", "ab", "a\0", "12345678", "123456789", "é" * 7, "x" * 256, "y" * 257],
    ),
    "kind": (core("enum", "a", "b", "it's"), ["a", "b", "it's"]),
    "day": (core("date"), [datetime.date(1, 1, 1), datetime.date(1970, 1, 1), datetime.date(9999, 12, 31)]),
    "clock": (core("time"), [datetime.time(0), datetime.time(23, 59, 59, 999999)]),
    "moment": (core("timestamp"), [datetime.datetime(1, 1, 1, tzinfo=UTC), datetime.datetime(2024, 1, 1, tzinfo=UTC)]),
    "local": (core("datetime"), [datetime.datetime(1969, 12, 31, 23, 59, 59, 999999)]),
    "ident": (core("uuid"), [uuid.UUID(int=0), uuid.UUID(int=1), uuid.UUID(int=2**128 - 1)]),
    "doc": (core("json"), ["{}", '{"a": 1}', "null"]),
    "raw": (core("blob"), [b"", b"\0", b"\0\0", bytes(range(256)), b"z" * 100_000]),
}


# --- the same in plain Python -------------------------------------------------------------------------------------


def mix(x: int) -> int:
    """The finaliser of SplitMix64."""
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 % M
    x = (x ^ x >> 27) * 0x94D049BB133111EB % M
    return x ^ x >> 31


def parts(value: Any, family: Family) -> list[int]:
    """The bits of a value."""
    match family:
        case Family.FLOAT:
            return [struct.unpack("<Q", struct.pack("<d", math.nan if math.isnan(value) else value))[0]]
        case Family.DECIMAL:
            sign, digits, _ = value.as_tuple()
            whole = int("".join(map(str, digits))) * (-1 if sign else 1) % 2**128
            return [whole % M, whole >> 64]
        case Family.UUID:
            return list(struct.unpack("<QQ", value.bytes))
        case Family.DATE:
            return [(value - datetime.date(1970, 1, 1)).days % M]
        case Family.TIME:
            return [((value.hour * 60 + value.minute) * 60 + value.second) * 10**6 + value.microsecond]
        case Family.TIMESTAMP | Family.DATETIME:
            since = value.replace(tzinfo=None) - datetime.datetime(1970, 1, 1)
            return [since // datetime.timedelta(microseconds=1) % M]
        case Family.STRING | Family.ENUM | Family.JSON | Family.BLOB:
            data = value if isinstance(value, bytes) else value.encode()
            if len(data) > 256:
                return [int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")]
            found = len(data)
            for start in range(0, len(data), 8):
                found = mix(found ^ int.from_bytes(data[start : start + 8], "little"))
            return [found]
        case _:
            return [int(value) % M]


def naive(heading: Heading, rows: list[dict[str, Any]]) -> str:
    """The content hash by the words of the decision."""
    first = second = 0
    for row in rows:
        total = 0
        for attribute in heading:
            seeds = struct.unpack("<3Q", hashlib.sha256(f"{attribute.name}\0{attribute.type}".encode()).digest()[:24])
            value, kind = row[attribute.name], attribute.type
            if value is None:
                total += seeds[2]
                continue
            if kind.family is Family.DECIMAL:
                value = value.quantize(decimal.Decimal(1).scaleb(-kind.arrow.scale), context=decimal.Context(prec=40))
            total += sum(mix(part ^ seed) for part, seed in zip(parts(value, kind.family), seeds, strict=False))
        row_hash = mix(total % M)
        first, second = first + row_hash, second + mix(row_hash ^ 0x9E3779B97F4A7C15)
    return f"{first % M:016x}{second % M:016x}"


# --- what is compared --------------------------------------------------------------------------------------------


def heading(*names: str) -> Heading:
    """A heading with these attributes, which may be NULL."""
    return Heading(tuple(Attribute(name, VALUES[name][0], nullable=True) for name in names), ())


def column(values: list[Any], kind: pa.DataType) -> pa.Array:
    """An array of the declared type."""
    if isinstance(kind, pa.UuidType):
        values = [None if value is None else value.bytes for value in values]
        return kind.wrap_array(pa.array(values, kind.storage_type))
    storage = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
    array = pa.array(values, storage)
    return kind.wrap_array(array) if isinstance(kind, pa.BaseExtensionType) else array


def batch(of: Heading, rows: list[dict[str, Any]]) -> pa.RecordBatch:
    """Rows as the heading declares them."""
    schema = of.arrow_schema
    return pa.record_batch([column([r[f.name] for r in rows], f.type) for f in schema], schema=schema)


def hashed(of: Heading, *batches: pa.RecordBatch) -> str:
    """The content hash of batches."""
    found = ContentHash(of)
    for each in batches:
        found.add(each)
    return found.hexdigest()


def some(names: tuple[str, ...], number: int, chance: random.Random) -> list[dict[str, Any]]:
    """Random rows, with NULL."""
    return [{n: chance.choice([*VALUES[n][1], None]) for n in names} for _ in range(number)]


@pytest.mark.parametrize("names", [*((name,) for name in VALUES), tuple(VALUES)], ids=lambda names: "-".join(names)[:9])
def test_it_is_what_the_decision_says(names: tuple[str, ...]) -> None:
    """Of every type, at the ends of its range, with NULL, as another program would compute it."""
    rows = [{n: (*VALUES[n][1], None)[at % (len(VALUES[n][1]) + 1)] for n in names} for at in range(24)]
    of = heading(*names)
    assert hashed(of, batch(of, rows)) == naive(of, rows)


def test_order_and_cuts_do_not_matter() -> None:
    """However the rows are shuffled, cut into batches and sliced."""
    chance = random.Random(7)  # noqa: S311 - any will do
    of, rows = heading(*VALUES), some(tuple(VALUES), 500, chance)
    expected = hashed(of, batch(of, rows))
    for _ in range(20):
        chance.shuffle(rows)
        whole, cut = batch(of, rows), sorted(chance.sample(range(501), 3))
        pieces = [whole.slice(a, b - a) for a, b in zip([0, *cut], [*cut, 500], strict=True)]
        assert hashed(of, *pieces) == expected


def test_many_rows() -> None:
    """More than are hashed at once, and texts of more than a block."""
    of = heading("i64", "text")
    rows = [{"i64": n, "text": chr(97 + n % 26) * (n % (LONG + 20))} for n in range(ROWS + 1000)]
    assert hashed(of, batch(of, rows)) == naive(of, rows)


def test_every_change_shows() -> None:
    """A row twice, none of it, one value for another, or two values exchanged between attributes or rows."""
    of = heading("i64", "f64", "text", "raw", "day", "flag")
    one = {"i64": 0, "f64": 0.0, "text": "", "raw": b"", "day": datetime.date(1970, 1, 1), "flag": False}
    others: list[list[dict[str, Any]]] = [[], [one], [one, one], [one, one, one]]
    others += [[{**one, name: None}] for name in one]
    others += [[{**one, "i64": 1}], [{**one, "f64": -0.0}], [{**one, "f64": 5e-324}], [{**one, "text": "\0"}]]
    others += [
        [{**one, "raw": b"\0"}],
        [{**one, "raw": b"\0" * 8}],
        [{**one, "text": "\0" * 8}],
        [{**one, "flag": True}],
    ]
    others += [[{**one, "i64": 1}, {**one, "f64": 1.0}], [{**one, "i64": 1, "f64": 1.0}, one]]
    found = [hashed(of, batch(of, rows)) for rows in others]
    assert len(set(found)) == len(found)


def test_names_and_types_count() -> None:
    """The same values under another name, or of another type, are another table."""
    kinds = [("a", core("int32")), ("b", core("int32")), ("a", core("int64"))]
    headings = [Heading((Attribute(name, kind),), (name,)) for name, kind in kinds]
    found = {
        hashed(of, pa.record_batch([pa.array([1, 2], of.arrow_schema[0].type)], schema=of.arrow_schema))
        for of in headings
    }
    assert len(found) == 3


def test_the_order_of_attributes_does_not_count() -> None:
    """It is no part of what a table holds."""
    rows = some(("i64", "text"), 50, random.Random(1))  # noqa: S311 - any will do
    one, other = heading("i64", "text"), heading("text", "i64")
    assert hashed(one, batch(one, rows)) == hashed(other, batch(other, rows))


def test_nothing_has_a_hash() -> None:
    """A table without rows, and one of no attributes, whose rows still count."""
    of, none = heading("i64"), Heading((), ())
    assert hashed(of) == hashed(of, batch(of, [])) == "0" * 32
    single = pa.RecordBatch.from_struct_array(pa.array([{}], pa.struct([])))
    assert hashed(none, single) == hashed(none, single, single.slice(0, 0))


def test_nan_is_one() -> None:
    """Whatever its bits."""
    of = heading("f64")
    bits = pa.array([0x7FF8000000000001, 0xFFF8000000000000], pa.uint64()).view(pa.float64())
    twice = [{"f64": math.nan}, {"f64": math.nan}]
    assert hashed(of, pa.record_batch([bits], schema=of.arrow_schema)) == hashed(of, batch(of, twice))
