"""Reading what tables a database holds: the text of the question, and its answer -> TableSpec.

One statement a round, however many tables: a second round only where foreign keys lead to schemas not yet read.
Type and comment come from the column comment, lineage from the foreign keys (design section 5).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from attrs import evolve

from djarrow.errors import DefinitionError
from djarrow.model.defaults import read_default
from djarrow.model.definition import parse_type
from djarrow.model.graph import topological_order
from djarrow.model.heading import Attribute, Default, Heading, Origin, Special
from djarrow.model.names import TableName
from djarrow.model.spec import ForeignKey, Index, TableSpec
from djarrow.model.types import AttributeType
from djarrow.sql.ddl import constraint_name
from djarrow.sql.literals import quoted

Row = Mapping[str, Any]


@cache
def _catalog_text() -> str:
    return files(__package__).joinpath("catalog.sql").read_text("utf-8")


def tables_of(schemas: Iterable[str]) -> str:
    """The statement that reads the tables of these schemas."""
    return _catalog_text().replace("{schemas}", ", ".join(map(quoted, sorted(schemas))))


def referenced_schemas(rows: Iterable[Row]) -> set[str]:
    """The schemas that foreign keys lead to."""
    return {k["parent_schema"] for row in rows for k in _json(row["constraints"]) if k["kind"] == "f"}


def _json(text: str | None) -> list[dict[str, Any]]:
    return [] if text is None else list(json.loads(text))


def specs(rows: Iterable[Row]) -> dict[TableName, TableSpec]:
    """The tables that rows of the catalog describe, parents before children."""
    by_name = {TableName(row["schema"], row["table"]): row for row in rows}
    parents = {
        name: {TableName(k["parent_schema"], k["parent"]) for k in _json(row["constraints"]) if k["kind"] == "f"}
        for name, row in by_name.items()
    }
    found: dict[TableName, TableSpec] = {}
    for name in topological_order({child: its - {child} for child, its in parents.items()}):
        found[name] = _spec(name, by_name[name], found)
    return found


def _spec(name: TableName, row: Row, known: Mapping[TableName, TableSpec]) -> TableSpec:
    constraints = _json(row["constraints"])
    key = next((tuple(k["columns"]) for k in constraints if k["kind"] == "p"), ())
    key = tuple(column for column in key if not column.startswith("_"))
    unique = {tuple(k["columns"]) for k in constraints if k["kind"] == "u"}
    attributes = {c["name"]: _attribute(c, name) for c in _json(row["columns"]) if not c["name"].startswith("_")}
    foreign_keys = tuple(_foreign_key(k, attributes, unique) for k in constraints if k["kind"] == "f")
    for attribute in key:
        attributes[attribute] = evolve(attributes[attribute], lineage=Origin(name, attribute))
    for foreign_key in foreign_keys:
        _trace(foreign_key, attributes, known)
    ordered = [attributes[column] for column in key]
    ordered += [attribute for column, attribute in attributes.items() if column not in key]
    spec = TableSpec(name, row["comment"], Heading(tuple(ordered), key), foreign_keys)
    return evolve(spec, indexes=_indexes(row, spec))


def _attribute(column: Mapping[str, Any], table: TableName) -> Attribute:
    kind, comment = _type_and_comment(column, table)
    nullable = bool(column["nullable"])
    default = _default(column["default"], kind)
    return Attribute(
        name=column["name"],
        type=kind,
        nullable=nullable,
        default=Special.NULL if nullable and default is None else default,
        comment=comment,
    )


_COLUMN_COMMENT = re.compile(r":(?P<type>[^'\":]*(?:'[^']*'[^'\":]*|\"[^\"]*\"[^'\":]*)*):(?P<comment>.*)\Z", re.DOTALL)


def _type_and_comment(column: Mapping[str, Any], table: TableName) -> tuple[AttributeType, str]:
    found = _COLUMN_COMMENT.match(column["comment"])
    if found is None:
        raise DefinitionError(
            f"the column {column['name']!r} ({column['type']}) carries no `:type:comment` and was made by other "
            "software; its type cannot be told.",
            table=str(table),
        )
    return parse_type(found["type"], table=str(table)), found["comment"]


def _default(text: str | None, kind: AttributeType) -> Default | None:
    """The default of a column, from PostgreSQL's text of it."""
    if text is None:
        return None
    string = re.match(r"'((?:[^']|'')*)'", text)
    if not string and ("now()" in text or text.startswith("CURRENT_")):
        return Special.NOW
    return read_default(string[1].replace("''", "'") if string else text.strip("()"), kind)


def _foreign_key(k: Mapping[str, Any], attributes: Mapping[str, Attribute], unique: set[tuple[str, ...]]) -> ForeignKey:
    columns = tuple(k["columns"])
    return ForeignKey(
        parent=TableName(k["parent_schema"], k["parent"]),
        pairs=tuple(zip(columns, k["parent_columns"], strict=True)),
        nullable=any(attributes[column].nullable for column in columns),
        unique=columns in unique,
    )


def _trace(key: ForeignKey, attributes: dict[str, Attribute], known: Mapping[TableName, TableSpec]) -> None:
    """Give the attributes of a foreign key the lineage of the parent's."""
    parent = known.get(key.parent)
    for child, name in key.pairs:
        origin = Origin(key.parent, name) if parent is None else parent.heading[name].lineage
        attributes[child] = evolve(attributes[child], lineage=origin)


def _indexes(row: Row, spec: TableSpec) -> tuple[Index, ...]:
    found: list[Index] = []
    for index in _json(row["indexes"]):
        columns = tuple(index["columns"])
        if index["name"] != constraint_name(spec, "reference", *columns):
            found.append(Index(columns, bool(index["unique"])))
    return tuple(found)
