"""Random values of every type: what goes into a column comes out of it again, and refusals are refusals."""

from __future__ import annotations

import datetime
import decimal
import json
import struct
import uuid
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from djarrow.codec.blob import pack
from djarrow.errors import InvalidValue
from djarrow.frame.columns import carrier, from_arrow, from_values
from djarrow.frame.problems import raising
from djarrow.frame.results import declared, to_polars, to_values
from djarrow.model.heading import Attribute, Heading, Special
from djarrow.model.types import AttributeType, Family, core
from djarrow.model.values import normalise

from .counts import examples

TEXT = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(TEXT),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(TEXT), inner, max_size=3),
    max_leaves=6,
)
DECIMAL = st.integers(-(10**7) + 1, 10**7 - 1).map(lambda n: decimal.Decimal(n).scaleb(-4))

VALUES: dict[AttributeType, st.SearchStrategy[Any]] = {
    core("int8"): st.integers(-128, 127),
    core("uint8"): st.integers(0, 255),
    core("int16"): st.integers(-(2**15), 2**15 - 1),
    core("uint16"): st.integers(0, 2**16 - 1),
    core("int32"): st.integers(-(2**31), 2**31 - 1),
    core("uint32"): st.integers(0, 2**32 - 1),
    core("int64"): st.integers(-(2**63), 2**63 - 1),
    core("uint64"): st.integers(0, 2**64 - 1),
    core("float32"): st.floats(width=32),
    core("float64"): st.floats(),
    core("decimal", 7, 4): DECIMAL,
    core("decimal", 38, 0): st.integers(-(10**38) + 1, 10**38 - 1).map(decimal.Decimal),
    core("bool"): st.booleans(),
    core("char", 5): st.text(TEXT, max_size=5),
    core("varchar", 20): st.text(TEXT, max_size=20),
    core("enum", "a", "it's", "größe", ""): st.sampled_from(["a", "it's", "größe", ""]),
    core("date"): st.dates(),
    core("time"): st.times().map(lambda moment: moment.replace(fold=0)),
    core("timestamp"): st.datetimes(timezones=st.just(datetime.UTC)).map(lambda moment: moment.replace(fold=0)),
    core("datetime"): st.datetimes().map(lambda moment: moment.replace(fold=0)),
    core("uuid"): st.uuids(),
    core("json"): JSON.filter(lambda value: value is not None),
    core("blob"): st.binary(max_size=20),
}

each_type = pytest.mark.parametrize("kind", VALUES, ids=str)


def optional(kind: AttributeType) -> Attribute:
    """An attribute of this type that may be NULL."""
    return Attribute("x", kind, nullable=True, default=Special.NULL)


def same(found: list[Any], expected: list[Any]) -> bool:
    """Equal, with NaN equal to itself, -0.0 apart from 0.0, True apart from 1, and any name of UTC as UTC."""
    return repr(list(map(_in_utc, found))) == repr(list(map(_in_utc, expected)))


def _in_utc(value: Any) -> Any:
    if isinstance(value, datetime.datetime) and value.utcoffset() == datetime.timedelta():
        return value.replace(tzinfo=datetime.UTC)
    return value


@each_type
@given(data=st.data())
@settings(max_examples=examples(16), deadline=None)
def test_columns_come_back(kind: AttributeType, data: st.DataObject) -> None:
    """A column of values and NULLs goes up in its carrier and comes back as the same Python values."""
    values = data.draw(st.lists(st.none() | VALUES[kind], max_size=8))
    attribute, heading = optional(kind), Heading((optional(kind),), ())
    column = from_values(values, attribute, raising("t"))
    assert column.type == carrier(kind)
    result = declared(pa.table({"x": column}), heading)
    assert result.schema == heading.arrow_schema
    assert same(to_values(result.column("x"), attribute), values)


@each_type
@given(data=st.data())
@settings(max_examples=examples(10), deadline=None)
def test_results_go_in_again(kind: AttributeType, data: st.DataObject) -> None:
    """What was fetched, as an Arrow table or a Polars frame, can be inserted again and is the same."""
    values = data.draw(st.lists(st.none() | VALUES[kind], max_size=8))
    attribute, heading = optional(kind), Heading((optional(kind),), ())
    source = pa.table({"x": from_values(values, attribute, raising("t"))})
    fetched = declared(source, heading)
    for column in (fetched.column("x"), to_polars(source, heading).to_arrow().column("x")):
        again = declared(pa.table({"x": from_arrow(column, attribute, raising("t"))}), heading)
        assert same(to_values(again.column("x"), attribute), values)


@each_type
@given(data=st.data())
@settings(max_examples=examples(16), deadline=None)
def test_normalise_is_idempotent(kind: AttributeType, data: st.DataObject) -> None:
    """A value of the type is kept, and what normalise gives it takes again."""
    value = data.draw(VALUES[kind])
    canonical = normalise(value, kind)
    if kind.row.name == "json":
        assert same([json.loads(canonical)], [value])
    else:
        assert same([canonical], [value])
        assert same([normalise(canonical, kind)], [canonical])


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.text(st.characters(), max_size=6),
    st.binary(max_size=17),
    st.dates(),
    st.times(),
    st.datetimes(timezones=st.none() | st.timezones()),
    st.timedeltas(),
    st.uuids(),
    st.complex_numbers(),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.floats(), max_size=2),
)


@each_type
@given(values=st.lists(ANYTHING, max_size=4))
@settings(max_examples=examples(24), deadline=None)
def test_anything_is_taken_or_refused(kind: AttributeType, values: list[Any]) -> None:
    """Any values whatever make a column of the type, or are refused by the first that does not fit, with its row."""
    bad = next((row for row, value in enumerate(values) if not taken(value, kind)), None)
    if bad is None:
        column = from_values(values, optional(kind), raising("t"))
        assert (len(column), column.type) == (len(values), carrier(kind))
        assert [value is None for value in column.to_pylist()] == [value is None for value in values]
    else:
        with pytest.raises(InvalidValue) as caught:
            from_values(values, optional(kind), raising("t"))
        assert caught.value.row == bad
        assert caught.value.value is values[bad]


def taken(value: Any, kind: AttributeType) -> bool:
    """Whether the type holds the value."""
    try:
        if kind.family is Family.BLOB and value is not None:
            pack(value)
        else:
            normalise(value, kind)
    except ValueError:
        return False
    return True


@given(st.integers(-(2**130), 2**130), st.sampled_from([kind for kind in VALUES if kind.row.minimum is not None]))
def test_integers_are_never_bent(value: int, kind: AttributeType) -> None:
    """An integer is stored as it is or refused."""
    low, high = kind.row.minimum, kind.row.maximum
    assert low is not None
    assert high is not None
    assert taken(value, kind) == (low <= value <= high)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-2000, max_value=2000))
def test_decimals_are_never_rounded(value: decimal.Decimal) -> None:
    """A decimal is stored exactly or refused."""
    kind = core("decimal", 7, 4)
    fits = abs(value) < 1000 and value == round(value, 4)
    assert taken(value, kind) == fits
    if fits:
        assert normalise(value, kind) == value


@given(st.integers(-(2**130), 2**130), st.sampled_from([core("float32"), core("float64")]))
def test_integers_in_floats_are_exact(value: int, kind: AttributeType) -> None:
    """An integer becomes a float only where the float is that integer, whether it comes alone, in a list or a frame."""
    form = "<f" if kind.row.name == "float32" else "<d"
    try:
        exact = int(struct.unpack(form, struct.pack(form, float(value)))[0]) == value
    except OverflowError:
        exact = False
    assert taken(value, kind) == exact
    columns: list[Callable[[], Any]] = [lambda: from_values([value], optional(kind), raising("t"))]
    if -(2**63) <= value < 2**63:
        columns.append(lambda: from_arrow(pa.array([value], pa.int64()), optional(kind), raising("t")))
    for column in columns:
        if exact:
            assert column().to_pylist() == [value]
        else:
            with pytest.raises(InvalidValue):
                column()


@given(st.uuids())
def test_uuid_forms(value: uuid.UUID) -> None:
    """Every written form of a UUID is the same UUID."""
    for form in (value, str(value), value.hex, value.urn, value.bytes, str(value).upper()):
        assert normalise(form, core("uuid")) == value
