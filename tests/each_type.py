"""Each core type: the values that it holds, to its extremes, and those that it does not."""

from __future__ import annotations

import datetime
import decimal
import math
import struct
import uuid
from typing import Any

from attrs import frozen

from djarrow.model.definition import parse_type

UTC = datetime.UTC
Decimal = decimal.Decimal


@frozen
class Case:
    """A type; values that it holds, among them its extremes; the same in SQL; what the database refuses, in SQL."""

    written: str
    values: list[Any]
    sql: list[str]
    refused: list[str]

    @property
    def kind(self) -> Any:
        """The type itself."""
        return parse_type(self.written, table="case")


def integer(name: str, low: int, high: int) -> Case:
    """An integer type: its two ends, and the numbers beyond them."""
    return Case(name, [low, 0, high], [str(low), "0", str(high)], [str(low - 1), str(high + 1), "'NaN'", "'x'"])


CASES = [
    integer("int8", -128, 127),
    integer("uint8", 0, 255),
    integer("int16", -32_768, 32_767),
    integer("uint16", 0, 65_535),
    integer("int32", -(2**31), 2**31 - 1),
    integer("uint32", 0, 2**32 - 1),
    integer("int64", -(2**63), 2**63 - 1),
    integer("uint64", 0, 2**64 - 1),
    Case(
        "float32",
        [-0.0, 3.4028234663852886e38, 1.401298464324817e-45, math.inf, -math.inf, math.nan],
        ["'-0'", "3.4028234663852886e38", "1.401298464324817e-45", "'Infinity'", "'-Infinity'", "'NaN'"],
        ["1e39", "-1e39", "1e-50", "'x'"],
    ),
    Case(
        "float64",
        [-0.0, 1.7976931348623157e308, 5e-324, math.inf, -math.inf, math.nan],
        ["'-0'", "1.7976931348623157e308", "'5e-324'", "'Infinity'", "'-Infinity'", "'NaN'"],
        ["1e309", "'x'"],
    ),
    Case(
        "decimal(7,4)",
        [Decimal("-999.9999"), Decimal("0.0000"), Decimal("999.9999")],
        ["-999.9999", "0", "999.9999"],
        ["1000", "-1000", "999.99995", "'NaN'", "'Infinity'"],
    ),
    Case(
        "decimal(38,0)",
        [Decimal("9" * 38), Decimal("-" + "9" * 38)],
        ["9" * 38, "-" + "9" * 38],
        ["1" + "0" * 38, "'NaN'", "'-Infinity'"],
    ),
    Case(
        "decimal(38,38)",
        [Decimal("-0." + "9" * 38), Decimal("0." + "0" * 37 + "1")],
        ["-0." + "9" * 38, "0." + "0" * 37 + "1"],
        ["1", "-1"],
    ),
    Case("bool", [True, False], ["true", "false"], ["2", "'maybe'"]),
    Case("char(3)", ["", "a", "a  ", "µß🐭"], ["''", "'a'", "'a  '", "'µß🐭'"], ["'abcd'", "'🐭🐭🐭🐭'"]),
    Case("varchar(3)", ["", " a ", "µß🐭"], ["''", "' a '", "'µß🐭'"], ["'abcd'", "'    x'"]),
    Case(
        r"""enum('', 'left', 'it''s', 'C:\\', "µ🐭")""",
        ["", "left", "it's", "C:\\", "µ🐭"],
        ["''", "'left'", "'it''s'", r"'C:\'", "'µ🐭'"],
        ["'Left'", "'left '", "'right'"],
    ),
    Case(
        "date",
        [datetime.date.min, datetime.date(2024, 2, 29), datetime.date.max],
        ["'0001-01-01'", "'2024-02-29'", "'9999-12-31'"],
        ["'10000-01-01'", "'0001-12-31 BC'", "'infinity'", "'-infinity'", "'2023-02-29'"],
    ),
    Case(
        "time",
        [datetime.time.min, datetime.time(10, 20, 30, 5), datetime.time.max],
        ["'00:00'", "'10:20:30.000005'", "'23:59:59.999999'"],
        ["'24:00'", "'25:00'"],
    ),
    Case(
        "timestamp",
        [
            datetime.datetime.min.replace(tzinfo=UTC),
            datetime.datetime(2024, 2, 29, 12, tzinfo=UTC),
            datetime.datetime.max.replace(tzinfo=UTC),
        ],
        ["'0001-01-01 00:00:00+00'", "'2024-02-29 14:00:00+02'", "'9999-12-31 23:59:59.999999+00'"],
        ["'10000-01-01 00:00:00+00'", "'0001-12-31 23:59:59+00 BC'", "'infinity'", "'-infinity'"],
    ),
    Case(
        "datetime",
        [datetime.datetime.min, datetime.datetime(2024, 2, 29, 12), datetime.datetime.max],
        ["'0001-01-01 00:00:00'", "'2024-02-29 12:00:00'", "'9999-12-31 23:59:59.999999'"],
        ["'10000-01-01'", "'0001-12-31 BC'", "'infinity'", "'-infinity'"],
    ),
    Case(
        "uuid",
        [uuid.UUID(int=0), uuid.UUID(int=2**128 - 1)],
        ["'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"],
        ["'x'", "'00000000'"],
    ),
    Case(
        "json",
        [{"a": [1, None, "µ🐭"], "b": {}}, [], "text", 0.5, True],
        ["""'{"a": [1, null, "µ🐭"], "b": {}}'""", "'[]'", "'\"text\"'", "'0.5'", "'true'"],
        ["'{'", "'NaN'", """'"\\u0000"'"""],
    ),
    Case(
        "blob", [b"", b"\0\xff", bytes(range(256))], ["''", r"'\x00ff'", rf"'\x{bytes(range(256)).hex()}'"], [r"'\x0'"]
    ),
]


def same(found: list[Any], wanted: list[Any]) -> bool:
    """Whether values and their Python types are equal, to the bit where they are floats."""

    def exact(value: Any) -> Any:
        return value if not isinstance(value, float) else "NaN" if math.isnan(value) else struct.pack("<d", value)

    return [(type(v), exact(v)) for v in found] == [(type(v), exact(v)) for v in wanted]
