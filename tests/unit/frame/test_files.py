"""Rows of files: CSV is read by the types of the attributes, Parquet by its own."""

from __future__ import annotations

import datetime
import decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from djarrow.errors import InvalidValue
from djarrow.frame.rows import to_arrow
from djarrow.model.heading import Attribute, Heading, Special
from djarrow.model.types import AttributeType, core


def read(folder: Path, content: bytes, *attributes: Attribute) -> Any:
    """The rows of a CSV file for a table of these attributes, as they go to the database."""
    (folder / "rows.CSV").write_bytes(content)
    return to_arrow(folder / "rows.CSV", Heading(attributes, ()), "t").to_pylist()


def test_the_form_of_the_file(tmp_path: Path) -> None:
    """A byte order mark, CRLF, quotes, and lines within quotes are CSV as other programs write it."""
    text = '\ufeffa,b\r\n1,"x, ""y"""\r\n2,"two\r\nlines"\r\n'.encode()
    rows = read(tmp_path, text, Attribute("a", core("int8")), Attribute("b", core("varchar", 20)))
    assert rows == [{"a": 1, "b": 'x, "y"'}, {"a": 2, "b": "two\r\nlines"}]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (core("int32"), "007", 7),
        (core("uint64"), "18446744073709551615", 18446744073709551615),
        (core("float64"), "-1.5e3", -1500.0),
        (core("float32"), "inf", float("inf")),
        (core("bool"), "True", True),
        (core("bool"), "f", False),
        (core("bool"), "0", False),
        (core("json"), '"{""a"": [1, null]}"', '{"a": [1, null]}'),
        (core("float64"), "NaN", pytest.approx(float("nan"), nan_ok=True)),
        (core("decimal", 5, 2), "1.10", decimal.Decimal("1.10")),
        (core("varchar", 8), "007", "007"),
        (core("varchar", 8), "NULL", "NULL"),
        (core("varchar", 8), " x ", " x "),
        (core("date"), "2024-10-28", datetime.date(2024, 10, 28)),
        (core("time"), "10:20", datetime.time(10, 20)),
        (core("datetime"), "2024-10-28 10:20:30.123456000", datetime.datetime(2024, 10, 28, 10, 20, 30, 123456)),
        (core("timestamp"), "2024-10-28T10:20:30Z", datetime.datetime(2024, 10, 28, 10, 20, 30, tzinfo=datetime.UTC)),
        (core("enum", "a", "1"), "1", "1"),
        (core("uuid"), "c" * 32, b"\xcc" * 16),
    ],
    ids=str,
)
def test_a_field_by_its_type(tmp_path: Path, kind: AttributeType, text: str, value: Any) -> None:
    """A field is read as its attribute's type, not as what it looks like; insert then checks ranges and lengths."""
    assert read(tmp_path, f"a,b\n{text},1\n".encode(), Attribute("a", kind), Attribute("b", core("int8"))) == [
        {"a": value, "b": 1}
    ]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (core("int32"), "1.0"),
        (core("int32"), "0x10"),
        (core("int32"), "one"),
        (core("int32"), "1_000"),
        (core("int32"), "٣"),
        (core("int32"), " 12"),
        (core("int32"), "9" * 5000),
        (core("float64"), "1,5"),
        (core("float64"), "1_000.5"),
        (core("float64"), "٣.5"),
        (core("float64"), "1e400"),
        (core("decimal", 9, 2), "1_000.5"),
        (core("decimal", 9, 2), "٣"),
        (core("decimal", 9, 2), "NaN"),
        (core("date"), "31.10.2024"),
        (core("datetime"), "2024-10-28 10:20:30.1234567"),
        (core("time"), "10:20:30.000000001"),
        (core("bool"), "maybe"),
        (core("bool"), " true"),
        (core("json"), "{"),
        (core("blob"), "00ff"),
    ],
    ids=str,
)
def test_a_field_that_is_no_value(tmp_path: Path, kind: AttributeType, text: str) -> None:
    """A field that its type cannot read is refused with attribute, row and text; bytes have no form in CSV."""
    content = f'a,b\n,1\n"{text}",1\n'.encode()
    with pytest.raises(InvalidValue, match=f"is no {kind.row.name}") as caught:
        read(tmp_path, content, Attribute("a", kind, True, Special.NULL), Attribute("b", core("int8")))
    assert (caught.value.attribute, caught.value.row, caught.value.value) == ("a", 1, text)


def test_a_field_with_nothing_in_it(tmp_path: Path) -> None:
    """It is left to the default, or is the empty text where a text is required; quotes always give the empty text."""
    attributes = (
        Attribute("key", core("int8")),
        Attribute("required", core("varchar", 8)),
        Attribute("maybe", core("varchar", 8), nullable=True, default=Special.NULL),
        Attribute("number", core("int8"), default=5),
        Attribute("needed", core("int8")),
    )
    rows = read(tmp_path, b'key,required,maybe,number,needed\n1,,,,8\n2,"","",6,7\n', *attributes)
    assert rows == [
        {"key": 1, "required": "", "maybe": None, "number": 5, "needed": 8},
        {"key": 2, "required": "", "maybe": "", "number": 6, "needed": 7},
    ]


def test_text_that_is_no_utf8(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are refused with the name of the file."""
    with pytest.raises(InvalidValue, match=r"rows\.CSV' cannot be read: .*UTF8"):
        read(tmp_path, b"a\n\xff\n", Attribute("a", core("varchar", 8)))


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_names_that_commas_do_not_separate(tmp_path: Path, mark: str) -> None:
    """A file of another separator is refused as such, not for an attribute of all its names."""
    with pytest.raises(InvalidValue, match=r"first line are separated by .* and not by commas\. Nothing"):
        read(tmp_path, f"a{mark}b\n1{mark}2\n".encode(), Attribute("a", core("int8")), Attribute("b", core("int8")))


def test_a_parquet_file_that_is_none(tmp_path: Path) -> None:
    """A file that only ends like Parquet is refused with its name; a true one gives its columns."""
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"a,b")
    with pytest.raises(InvalidValue, match=r"rows\.parquet' cannot be read"):
        to_arrow(path, Heading((), ()), "t")
    pq.write_table(pa.table({"a": [1, 2]}), path)
    assert to_arrow(path, Heading((Attribute("a", core("int8")),), ()), "t").to_pydict() == {"a": [1, 2]}
