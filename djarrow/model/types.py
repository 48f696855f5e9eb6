"""The table of attribute types: one row a type drives DDL, Arrow, Polars, validation and literals.

Design section 4; specification 000 "Attribute Types". What differs by type is a row or a family here, not a branch
elsewhere. Arrow and Polars are imported when a type is first turned into theirs.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from attrs import frozen

from djarrow.errors import UnknownType, hint_nearest
from djarrow.model.legacy import LEGACY, LONGEST_TEXT, PLAIN_DECIMAL

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

Parameter = int | str


class Family(enum.Enum):
    """What a type is to someone who computes with it: decides literals, validation and how terms are typed."""

    INTEGER = "integer"
    FLOAT = "float"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    STRING = "string"
    ENUM = "enum"
    DATE = "date"
    TIME = "time"
    TIMESTAMP = "timestamp"
    DATETIME = "datetime"
    UUID = "uuid"
    JSON = "json"
    BLOB = "blob"

    __hash__ = object.__hash__  # members are one object each; that of enums is written in Python, and asked for often


@frozen
class TypeRow:
    """One row of the table.

    postgres, duckdb, spark: the column type, a format of the parameters; Spark's is that of a column of an exported
    file. check: a condition on `{column}` that PostgreSQL
    must hold where its type is wider than ours. as_text: read as text and cast in Arrow, because the driver gives
    the column's own form as an opaque string, more slowly (contract test `test_numeric_is_read_as_text`). recast: the
    type to which queries cast the column, because DataJoint-Python keeps such values in another one (an enum type, a
    padded char, a timestamp without zone, json); on a column of ours the cast is nothing. encoding: the format in
    which a blob stores values that are no bytes (codec/). known_as: DataJoint-Python's name of the type, under which
    columns keep it.
    """

    name: str
    family: Family
    postgres: str
    duckdb: str
    spark: str
    check: str | None = None
    minimum: int | None = None
    maximum: int | None = None
    as_text: bool = False
    recast: str | None = None
    encoding: str = "djarrow"
    known_as: str | None = None


def _integer(bits: int, *, signed: bool, postgres: str, duckdb: str, spark: str) -> TypeRow:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    exact = signed and bits > 8  # PostgreSQL has a column type of just this range
    return TypeRow(
        name=f"{'' if signed else 'u'}int{bits}",
        family=Family.INTEGER,
        postgres=postgres,
        duckdb=duckdb,
        spark=spark,
        check=None if exact else f"{{column}} BETWEEN {low} AND {high}",
        minimum=low,
        maximum=high,
        as_text=postgres.startswith("numeric"),
    )


# PostgreSQL's years go from -4713 to far beyond 9999, and end in infinities, which the driver wraps to finite values
# without an error; its day has a 24:00:00, which is read as 0:00. What is stored is what Python can hold.
_YEARS = "{{column}} >= '0001-01-01{0}' AND {{column}} < '10000-01-01{0}'"
_CALENDAR = _YEARS.format("")
_UTC_CALENDAR = _YEARS.format(" 00:00:00+00")

ROWS: dict[str, TypeRow] = {
    row.name: row
    for row in (
        _integer(8, signed=True, postgres="smallint", duckdb="TINYINT", spark="TINYINT"),
        _integer(8, signed=False, postgres="smallint", duckdb="UTINYINT", spark="SMALLINT"),
        _integer(16, signed=True, postgres="smallint", duckdb="SMALLINT", spark="SMALLINT"),
        _integer(16, signed=False, postgres="integer", duckdb="USMALLINT", spark="INT"),
        _integer(32, signed=True, postgres="integer", duckdb="INTEGER", spark="INT"),
        _integer(32, signed=False, postgres="bigint", duckdb="UINTEGER", spark="BIGINT"),
        _integer(64, signed=True, postgres="bigint", duckdb="BIGINT", spark="BIGINT"),
        _integer(64, signed=False, postgres="numeric(20,0)", duckdb="UBIGINT", spark="DECIMAL(20,0)"),
        TypeRow("float32", Family.FLOAT, "real", "FLOAT", "FLOAT"),
        TypeRow("float64", Family.FLOAT, "double precision", "DOUBLE", "DOUBLE"),
        TypeRow(
            "decimal",
            Family.DECIMAL,
            "numeric({0},{1})",
            "DECIMAL({0},{1})",
            "DECIMAL({0},{1})",
            check="{column} <> 'NaN'::numeric",
            as_text=True,
        ),
        TypeRow("bool", Family.BOOLEAN, "boolean", "BOOLEAN", "BOOLEAN"),
        TypeRow("char", Family.STRING, "varchar({0})", "VARCHAR", "STRING", recast="varchar"),
        TypeRow("varchar", Family.STRING, "varchar({0})", "VARCHAR", "STRING"),
        TypeRow("enum", Family.ENUM, "text", "VARCHAR", "STRING", check="{column} IN ({choices})", recast="text"),
        TypeRow("date", Family.DATE, "date", "DATE", "DATE", check=_CALENDAR),
        TypeRow("time", Family.TIME, "time", "TIME", "TIME", check="{column} < '24:00:00'"),
        TypeRow(
            "timestamp",
            Family.TIMESTAMP,
            "timestamptz",
            "TIMESTAMPTZ",
            "TIMESTAMP",
            recast="timestamptz",
            check=_UTC_CALENDAR,
        ),
        TypeRow("datetime", Family.DATETIME, "timestamp", "TIMESTAMP", "TIMESTAMP_NTZ", check=_CALENDAR),
        TypeRow("uuid", Family.UUID, "uuid", "UUID", "STRING"),
        TypeRow("json", Family.JSON, "jsonb", "JSON", "STRING", recast="jsonb"),
        TypeRow("<dj_blob>", Family.BLOB, "bytea", "BLOB", "BINARY", encoding="dj0", known_as="<blob>"),
        TypeRow("blob", Family.BLOB, "bytea", "BLOB", "BINARY"),
    )
}

NUMERIC_FAMILIES = frozenset({Family.INTEGER, Family.FLOAT, Family.DECIMAL})
KEYLESS_FAMILIES = frozenset({Family.BLOB, Family.JSON})
"""Types that cannot be part of a primary key (001 5.8.4)."""


@frozen(repr=False, eq=False)
class AttributeType:
    """A type with its parameters: `decimal(7,4)`, `enum('a','b')`, `uint8`. Equal when row and parameters are."""

    row: TypeRow
    parameters: tuple[Parameter, ...] = ()

    def __eq__(self, other: object) -> bool:
        """Most types that are compared are the same one, which then costs nothing."""
        if self is other or not isinstance(other, AttributeType):
            return self is other
        return (self.row.name, self.parameters) == (other.row.name, other.parameters)

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.row.name, self.parameters))

    def __str__(self) -> str:
        if not self.parameters:
            return self.row.name
        return f"{self.row.name}({','.join(map(_parameter_text, self.parameters))})"

    __repr__ = __str__

    @property
    def family(self) -> Family:
        """What the type is to someone who computes with it."""
        return self.row.family

    @property
    def choices(self) -> tuple[str, ...]:
        """The values of an enum, in order; empty for other types."""
        return tuple(map(str, self.parameters)) if self.family is Family.ENUM else ()

    @property
    def max_length(self) -> int | None:
        """The longest string in characters, of a char or varchar."""
        return int(self.parameters[0]) if self.family is Family.STRING and self.parameters else None

    @property
    def stored_name(self) -> str:
        """The type as the comment of a column keeps it."""
        return self.row.known_as or str(self)

    @property
    def postgres(self) -> str:
        """The type of the column in PostgreSQL."""
        return self._render(self.row.postgres)

    @property
    def duckdb(self) -> str:
        """The type of the column in DuckDB."""
        return self._render(self.row.duckdb)

    @property
    def spark(self) -> str:
        """The type of the column in Spark."""
        return self._render(self.row.spark)

    def _render(self, form: str) -> str:
        if "{" not in form:
            return form
        return form.format(*self.parameters) if self.parameters else form.partition("(")[0]

    @cached_property
    def arrow(self) -> pa.DataType:
        """The Arrow type of a column of this type."""
        return _ARROW.get(self.row.name, _arrow_by_name)(self)

    @cached_property
    def polars(self) -> pl.DataType:
        """The Polars type of a column of this type."""
        return _POLARS.get(self.row.name, _polars_by_name)(self)


def decimal_digits(kind: AttributeType) -> tuple[int, int]:
    """Precision and scale of a decimal; those of one that states none are the decimals' that queries compute."""
    precision, scale = kind.parameters or PLAIN_DECIMAL
    return int(precision), int(scale)


def _parameter_text(parameter: Parameter) -> str:
    return (
        str(parameter) if isinstance(parameter, int) else "'" + parameter.replace("\\", r"\\").replace("'", "''") + "'"
    )


def _arrow_by_name(kind: AttributeType) -> pa.DataType:
    import pyarrow as pa

    names = {
        "bool": "bool_",
        "char": "string",
        "varchar": "string",
        "date": "date32",
        "blob": "binary",
        "<dj_blob>": "binary",
        "json": "json_",
    }
    return getattr(pa, names.get(kind.row.name, kind.row.name))()


def _arrow_decimal(kind: AttributeType) -> pa.DataType:
    import pyarrow as pa

    return pa.decimal128(*decimal_digits(kind))


def _arrow_enum(_: AttributeType) -> pa.DataType:
    import pyarrow as pa

    return pa.dictionary(pa.int16(), pa.string(), ordered=True)


def _arrow_moment(unit_type: str, zone: str | None = None) -> Callable[[AttributeType], pa.DataType]:
    def make(_: AttributeType) -> pa.DataType:
        import pyarrow as pa

        return pa.time64("us") if unit_type == "time" else pa.timestamp("us", tz=zone)

    return make


_ARROW: dict[str, Callable[[AttributeType], pa.DataType]] = {
    "decimal": _arrow_decimal,
    "enum": _arrow_enum,
    "time": _arrow_moment("time"),
    "timestamp": _arrow_moment("timestamp", "UTC"),
    "datetime": _arrow_moment("timestamp"),
}


def _polars_by_name(kind: AttributeType) -> pl.DataType:
    import polars as pl

    names = {
        "bool": "Boolean",
        "char": "String",
        "varchar": "String",
        "json": "String",
        "date": "Date",
        "time": "Time",
        "uuid": "Binary",
        "blob": "Binary",
        "<dj_blob>": "Binary",
    }
    name = names.get(kind.row.name, re.sub("^(u?)(int|float)", lambda m: m[1].upper() + m[2].title(), kind.row.name))
    polars_type: pl.DataType = getattr(pl, name)()
    return polars_type


def _polars_decimal(kind: AttributeType) -> pl.DataType:
    import polars as pl

    return pl.Decimal(*decimal_digits(kind))


def _polars_enum(kind: AttributeType) -> pl.DataType:
    import polars as pl

    return pl.Enum(kind.choices)


def _polars_moment(zone: str | None) -> Callable[[AttributeType], pl.DataType]:
    def make(_: AttributeType) -> pl.DataType:
        import polars as pl

        return pl.Datetime("us", time_zone=zone)

    return make


_POLARS: dict[str, Callable[[AttributeType], pl.DataType]] = {
    "decimal": _polars_decimal,
    "enum": _polars_enum,
    "timestamp": _polars_moment("UTC"),
    "datetime": _polars_moment(None),
}


def core(name: str, *parameters: Parameter) -> AttributeType:
    """The core type of this name. `core("decimal", 7, 4)`."""
    return AttributeType(ROWS[name], parameters)


def attribute_type(
    name: str,
    parameters: tuple[Parameter, ...] = (),
    *,
    table: str | None = None,
    line: int | None = None,
    column: int | None = None,
    warn: bool = True,
) -> AttributeType:
    """The type that a definition names. Raises UnknownType.

    A name of earlier versions warns, unless told not to: once for each attribute, at the user's line that declares it.
    """
    words = " ".join(name.lower().split())
    words = _OTHER_NAMES.get(words, words)
    row = ROWS.get(words)
    problem = _unknown(words) if row is None else _parameter_problem(row, parameters)
    if row is not None and problem is None:
        return AttributeType(row, parameters)
    written = _written(name, parameters)
    old = LEGACY.get(_written(words, parameters)) or LEGACY.get(words)
    if old is not None and (kept := old.parameters(parameters)) is not None:
        kind = AttributeType(ROWS[old.core], kept)
        problem = _parameter_problem(kind.row, kept)
        if problem is None:
            if warn:
                old.warn(written, str(kind), table=table, line=line)
            return kind
    elif old is not None and row is None:
        problem = f"its parameters cannot be read; write {old.core!r}."
    raise UnknownType(written, problem or "", table=table, line=line, column=column)


def _written(name: str, parameters: tuple[Parameter, ...]) -> str:
    """A type as a definition writes it: the parameters stand after the first word."""
    first, *rest = name.split() or [name]
    return " ".join((first + (f"({', '.join(map(_parameter_text, parameters))})" if parameters else ""), *rest))


def _unknown(words: str) -> str:
    """Why these words name no type."""
    if words.startswith("<"):
        return "djarrow has no custom types yet. Use blob, json, or another core type."
    if "@" in words or words in _IN_STORES:
        return "djarrow has no object stores yet. Use blob, or a varchar that holds the path of a file."
    return "the types are " + ", ".join(ROWS) + "." + hint_nearest(words, ROWS)


_OTHER_NAMES = {"<djblob>": "<dj_blob>", "<blob>": "<dj_blob>"}
"""Names of a type besides its own: 000 writes `<djblob>` too, and DataJoint-Python `<blob>`."""

_IN_STORES = frozenset({"object", "attach", "filepath"})


def _parameter_problem(row: TypeRow, parameters: tuple[Parameter, ...]) -> str | None:
    """Why these parameters do not fit the type, or None."""
    if row.family is Family.ENUM:
        if not parameters or not all(isinstance(p, str) for p in parameters):
            return "an enum lists its values as strings, enum('a', 'b')."
        return None if len(set(parameters)) == len(parameters) else "an enum's values must differ."
    if row.family is Family.STRING:
        fits = len(parameters) == 1 and isinstance(parameters[0], int) and 1 <= parameters[0] <= LONGEST_TEXT
        return None if fits else f"it takes a length from 1 to {LONGEST_TEXT}, {row.name}(20)."
    if row.family is Family.DECIMAL:
        digits = [p for p in parameters if isinstance(p, int)]
        fits = len(parameters) == len(digits) == 2 and 1 <= digits[0] <= 38 and 0 <= digits[1] <= digits[0]
        return None if fits else "it takes precision (1 to 38) and scale, decimal(7, 4)."
    return "it takes no parameters." if parameters else None
