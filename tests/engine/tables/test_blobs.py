"""Values in blobs: inserted as rows they come back as they were; frames carry what is stored, and can go in again."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import djarrow as dj
from djarrow.errors import InvalidBlob, InvalidValue

from ...property.sameness import same

VALUES: list[Any] = [
    b"bytes \0\xff",
    b"mYm\0 that is none",
    np.arange(6.0).reshape(2, 3),
    np.asfortranarray(np.ones((300, 20))),
    np.array([(1, "a")], [("n", ">i2"), ("s", "U2")]),
    np.float32(1.5),
    {"gain": 2.5, "channels": [0, 3], 7: {"a", "b"}, "when": datetime.datetime(2024, 10, 28, tzinfo=datetime.UTC)},
    [1, 2, 3],
    [np.arange(2), "text", None, uuid.UUID(int=7)],
    (1.5, 1j, True),
    "text",
    0,
    False,
    [],
]

DEFINITION = """
n : uint8
---
value = null : {}  # anything
"""


def table(schema: dj.Schema, kind: str = "blob") -> Any:
    """A table with a blob."""
    return schema(type("Thing", (dj.Manual,), {"definition": DEFINITION.format(kind)}))


def rows(values: list[Any] = VALUES) -> list[dict[str, Any]]:
    """A row for each value, and one without any."""
    return [{"n": n, "value": value} for n, value in enumerate([*values, None])]


def assert_values(found: Any, expected: list[Any]) -> None:
    """The values are those that are expected, to their types and dtypes."""
    assert [n for n, (a, b) in enumerate(zip(found, expected, strict=True)) if not same(a, b)] == []


@pytest.mark.parametrize("form", ["dicts", "tuples", "generator", "objects"])
def test_values_come_back(schema: dj.Schema, form: str) -> None:
    """Values inserted in any form of rows come back in every form of rows as they were."""
    Thing = table(schema)
    given: dict[str, Any] = {
        "dicts": rows(),
        "tuples": [tuple(row.values()) for row in rows()],
        "generator": iter(rows()),
        "objects": pl.DataFrame({"n": range(len(VALUES) + 1), "value": pl.Series([*VALUES, None], dtype=pl.Object)}),
    }
    Thing.insert(given[form])
    expected = [*VALUES, None]
    assert_values([row["value"] for row in Thing.to_dicts()], expected)
    assert_values([row["value"] for row in Thing()], expected)
    assert_values(Thing.fetch("value"), expected)
    assert_values([(Thing & {"n": n}).fetch1("value") for n in range(len(expected))], expected)
    assert Thing.fetch("value").dtype == object
    assert (Thing & {"n": 2}).fetch1()["value"].flags.writeable


def test_arrays_of_one_shape(schema: dj.Schema) -> None:
    """An attribute of arrays of one shape is fetched as an array of arrays, not as one array of more dimensions."""
    Thing = table(schema)
    Thing.insert((n, np.arange(3) + n) for n in range(4))
    found = Thing.fetch("value")
    assert found.shape == (4,)
    assert_values(found, [np.arange(3) + n for n in range(4)])


def test_frames_carry_what_is_stored(schema: dj.Schema) -> None:
    """Frames have the stored bytes, `dj.blob.unpack` makes values of them, and they go in again unchanged."""
    Thing = table(schema)
    Thing.insert(rows())
    frame, arrow = Thing.fetch(order_by="KEY"), Thing.to_arrow(order_by="KEY")
    assert frame.schema["value"] == pl.Binary()
    assert arrow.schema.field("value").type == pa.binary()
    assert frame["value"].to_list() == arrow["value"].to_pylist() == [*map(dj.blob.pack, VALUES), None]
    assert_values([None if x is None else dj.blob.unpack(x) for x in frame["value"]], [*VALUES, None])
    for number, again in enumerate((frame, arrow), 1):
        shifted = pl.DataFrame(again).with_columns(pl.col("n") + 50 * number)
        Thing.insert(shifted if number == 1 else shifted.to_arrow())
        found = (Thing & f"n >= {50 * number}").to_dicts()
        assert_values([row["value"] for row in found][: len(VALUES)], VALUES)


def test_other_columns_of_a_frame_are_values(schema: dj.Schema) -> None:
    """A column of a frame that is not of bytes is packed value by value."""
    Thing = table(schema)
    Thing.insert(pl.DataFrame({"n": [0, 1], "value": [[1, 2], [3]]}))
    Thing.insert(pa.table({"n": [2, 3], "value": ["text", None]}))
    Thing.insert(pl.DataFrame({"n": [4], "value": [{"a": 1.5}]}))
    assert_values(Thing.fetch("value"), [[1, 2], [3], "text", None, {"a": 1.5}])


def test_a_value_that_cannot_be_stored(schema: dj.Schema) -> None:
    """A refusal names the table, the attribute, the row, the part of the value and the reason; nothing is inserted."""
    Thing = table(schema)
    with pytest.raises(InvalidValue) as caught:
        Thing.insert([{"n": 0, "value": [1]}, {"n": 1, "value": {"f": [print]}}])
    assert str(caught.value).startswith(
        f"Table '{schema.name}.thing', attribute 'value', row 1: value['f'][0] cannot be stored in a blob: "
        "it is of type builtin_function_or_method; a blob holds NumPy arrays"
    )
    assert str(caught.value).endswith(" Nothing was written.")
    assert (caught.value.row, caught.value.attribute) == (1, "value")
    assert len(Thing) == 0


def test_bytes_that_are_no_blob(schema: dj.Schema) -> None:
    """Stored bytes that only begin as a blob are refused with attribute and row, and can be read as they are."""
    Thing = table(schema)
    Thing.insert(pl.DataFrame({"n": [0, 1], "value": [b"fine", b"mYm\0spam"]}))
    with pytest.raises(InvalidBlob, match=r"Attribute 'value', row 1 of the result: .* structure code 0x73") as caught:
        Thing.to_dicts()
    assert "`to_arrow()` gives them as they are" in str(caught.value)
    assert Thing.to_arrow(order_by="KEY")["value"].to_pylist() == [b"fine", b"mYm\0spam"]
    assert (Thing & "n = 0").fetch1("value") == b"fine"


@pytest.mark.parametrize("kind", ["<dj_blob>", "<djblob>", "<blob>"])
def test_datajoint_blobs(schema: dj.Schema, ask: Callable[[str], Any], kind: str) -> None:
    """A `<dj_blob>`, by any of its names, stores DataJoint's format and is called as DataJoint calls it."""
    Thing = table(schema, kind)
    values = [b"bytes", b"dj0\0", np.arange(6.0), np.zeros(9999), [1, {"a": None}], (1.5, True), "text", np.float32(1)]
    Thing.insert(rows(values))
    assert_values([row["value"] for row in Thing.to_dicts()], [*values, None])
    stored = Thing.to_arrow()["value"].to_pylist()
    assert [bytes(x[:3]) for x in stored[:-1]] == [b"dj0", b"dj0", b"mYm", b"ZL1", b"dj0", b"dj0", b"dj0", b"dj0"]
    (found,) = ask(
        "SELECT col_description(attrelid, attnum) AS comment FROM pg_attribute "
        f"WHERE attrelid = '{schema.name}.thing'::regclass AND attname = 'value'"
    )
    assert found["comment"] == ":<blob>:anything"
    assert "value : <dj_blob> = null  # anything" in Thing.describe()
    with pytest.raises(
        InvalidValue, match=r"row 0: the value cannot be stored .* is of type frozenset, .* DataJoint's"
    ):
        Thing.insert1({"n": 99, "value": frozenset()})


def test_plain_bytes_in_a_datajoint_blob(schema: dj.Schema) -> None:
    """Bytes of no known header in a `<dj_blob>`, which a frame can bring there, are read as bytes."""
    Thing = table(schema, "<dj_blob>")
    Thing.insert(pl.DataFrame({"n": [0], "value": [b"raw"]}))
    assert Thing.fetch1("value") == b"raw"


@pytest.mark.parametrize(
    ("kind", "values"), [("blob", VALUES), ("<dj_blob>", [{"a": [1, None]}, np.arange(3), b"raw"])]
)
def test_offline(schema: dj.Schema, tmp_path: Path, kind: str, values: list[Any]) -> None:
    """An exported repository gives the same values."""
    Thing = table(schema, kind)
    Thing.insert(rows(values))
    dj.export(schema, tmp_path / "exported")
    repository = dj.open(tmp_path / "exported")
    try:
        assert_values([row["value"] for row in repository[schema.name].Thing.to_dicts()], [*values, None])
    finally:
        repository.close()


def test_contents(schema: dj.Schema) -> None:
    """A lookup's contents may hold values of blobs."""
    attributes = {"definition": DEFINITION.format("blob"), "contents": [(0, {"a": [1, 2]}), (1, np.arange(3))]}
    Thing: Any = schema(type("Choice", (dj.Lookup,), attributes))
    assert_values(Thing.fetch("value"), [{"a": [1, 2]}, np.arange(3)])
