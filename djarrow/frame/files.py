"""Rows in a CSV or Parquet file -> rows as insert takes them: by the types of the attributes, never by guessing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from djarrow.errors import InvalidValue, UnknownField, shown
from djarrow.model.heading import Attribute, Heading
from djarrow.model.texts import read_text
from djarrow.model.types import Family

SUFFIXES = (".csv", ".parquet")
"""The endings of the names of files that hold rows."""


def read_rows(path: Path, heading: Heading, table: str) -> Any:
    """The rows of a file: an Arrow table of Parquet, mappings of CSV. Raises InvalidValue and UnknownField.

    The first line of a CSV file, in UTF-8, names the attributes. A field with nothing in it takes the attribute's
    default, NULL where that may be; a string without a default is then empty. `""` is the empty string.
    """
    import pyarrow as pa

    try:
        return _read_csv(path, heading, table) if path.suffix.lower() == ".csv" else _read_parquet(path)
    except pa.ArrowException as error:
        raise InvalidValue(f"the file {str(path)!r} cannot be read: {error}.", table=table) from None


def _read_parquet(path: Path) -> Any:
    import pyarrow.parquet as pq

    return pq.read_table(path)


def _read_csv(path: Path, heading: Heading, table: str) -> list[dict[str, Any]]:
    import pyarrow as pa
    from pyarrow import csv

    texts = csv.read_csv(
        path,
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types={attribute.name: pa.string() for attribute in heading},
            strings_can_be_null=True,
            null_values=[""],
            quoted_strings_can_be_null=False,
        ),
    )
    names, known = texts.column_names, {attribute.name: attribute for attribute in heading}
    if twice := [name for name in names if names.count(name) > 1]:
        raise UnknownField(f"the column stands twice in {str(path)!r}.", table=table, attribute=twice[0])
    rows: list[dict[str, Any]] = [{} for _ in range(texts.num_rows)]
    for name in names:
        attribute = known.get(name)
        for number, text in enumerate(texts.column(name).to_pylist()):
            if attribute is None:
                rows[number][name] = text  # refused with the rest of the row, or passed over
            elif text is not None:
                rows[number][name] = _value(text, attribute, table, number)
            elif attribute.default is None and attribute.type.family is Family.STRING:
                rows[number][name] = ""
    return rows


def _value(text: str, attribute: Attribute, table: str, row: int) -> Any:
    """The value that a text of CSV stands for, which insert checks."""
    try:
        return read_text(text, attribute.type)
    except ValueError as error:
        reason = f"{shown(text)} is no {attribute.type}: {error}."
        raise InvalidValue(reason, table=table, attribute=attribute.name, row=row, value=text) from None
