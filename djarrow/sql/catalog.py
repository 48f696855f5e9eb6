"""Reading what tables a database holds: the text of the question, and its answer -> TableSpec.

One statement, however many tables and schemas. Type and comment come from the column comment, lineage from the foreign
keys (design section 5). A database of DataJoint-Python reads the same: there, columns of foreign keys carry no comment
and have their parent's type, and columns of native types are known by what PostgreSQL calls them.
"""

from __future__ import annotations

import decimal
import json
import re
from collections.abc import Iterable, Mapping
from functools import cache, cached_property
from importlib.resources import files
from typing import Any

from attrs import evolve, field, frozen

from djarrow.errors import CyclicDependency, DefinitionError
from djarrow.model.defaults import read_default
from djarrow.model.definition import IndexLine, parse_definition, stored_type
from djarrow.model.graph import topological_order
from djarrow.model.heading import Attribute, Default, Heading, Origin, Special
from djarrow.model.legacy import LONGEST_TEXT
from djarrow.model.names import TableName
from djarrow.model.spec import ForeignKey, Index, TableSpec
from djarrow.model.types import AttributeType, Family, core
from djarrow.sql.ddl import constraint_name, full_name
from djarrow.sql.literals import quoted

Row = Mapping[str, Any]


@cache
def _catalog_text() -> str:
    return files(__package__).joinpath("catalog.sql").read_text("utf-8")


def tables_of(schemas: Iterable[str]) -> str:
    """The statement that reads the tables of these schemas, and of those that their foreign keys lead to."""
    return _catalog_text().replace("{schemas}", ", ".join(map(quoted, sorted(schemas))))


def schemas_among(names: Iterable[str]) -> str:
    """The statement that tells which of these schemas there are."""
    return f"SELECT nspname::text AS name FROM pg_namespace WHERE nspname IN ({', '.join(map(quoted, sorted(names)))})"


def sizes_of(tables: Iterable[TableName]) -> str:
    """The statement that tells how many bytes these tables take, 0 where there never was a row. It reads no row."""
    named = ", ".join(f"({quoted(name.schema)}, {quoted(name.table)})" for name in sorted(tables))
    return (
        'SELECT n.nspname::text AS "schema", c.relname::text AS "table", pg_relation_size(c.oid) AS "size" '
        f"FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE (n.nspname, c.relname) IN ({named})"
    )


def table_on_disk(name: TableName) -> str:
    """The statement that tells how many bytes a table takes with its indexes and blobs; NULL where there is none."""
    return f"SELECT pg_total_relation_size(to_regclass({quoted(full_name(name))})) AS size"


def schema_on_disk(schema: str) -> str:
    """The statement that tells how many bytes all tables of a schema take, of ours and of others; 0 where it has none.

    One that is dropped meanwhile counts nothing.
    """
    return (
        "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint AS size FROM pg_class AS c "
        "JOIN pg_namespace AS n ON n.oid = c.relnamespace "
        f"WHERE n.nspname = {quoted(schema)} AND c.relkind IN ('r', 'm')"
    )


@frozen
class Catalog:
    """What a database holds: the tables, parents before children, and those that no definition describes, with why.

    carriers: the columns of another type in PostgreSQL than ours would be, and that type, which those of foreign keys
    to them must have too.
    """

    specs: dict[TableName, TableSpec] = field(factory=dict)
    refused: dict[TableName, DefinitionError] = field(factory=dict)
    carriers: dict[Origin, str] = field(factory=dict)

    def spec(self, name: TableName) -> TableSpec | None:
        """The table of this name, or None where there is none. Raises DefinitionError for one that was refused."""
        if name in self.refused:
            raise self.refused[name]
        return self.specs.get(name)


def read_catalog(rows: Iterable[Row]) -> Catalog:
    """The tables that rows of the catalog describe."""
    tables = {table.name: table for table in map(_Table, rows)}
    catalog = Catalog()
    parents = {name: [p for p in table.parents if p != name and p in tables] for name, table in tables.items()}
    for name in _in_order(parents, catalog.refused):
        catalog.carriers.update(tables[name].carriers())
        try:
            catalog.specs[name] = tables[name].spec(catalog.specs)
        except DefinitionError as error:
            catalog.refused[name] = error
    return catalog


def _in_order(
    parents: dict[TableName, list[TableName]], refused: dict[TableName, DefinitionError]
) -> tuple[TableName, ...]:
    """Parents before children. Tables of a cycle, which other software can make, are refused."""
    while True:
        try:
            return topological_order(parents)
        except CyclicDependency as error:
            for name in [name for name in parents if str(name) in error.cycle]:
                refused[name] = error
                del parents[name]


Sources = dict[str, tuple[Origin | None, Attribute | None]]
"""Attribute of a foreign key -> its lineage, and the parent's attribute that it repeats where that is known."""


class _Table:
    """One row of the catalog."""

    def __init__(self, row: Row) -> None:
        self.name = TableName(row["schema"], row["table"])
        self.comment: str = row["comment"]
        self.columns = {column["name"]: column for column in _json(row["columns"])}
        self.constraints = _json(row["constraints"])
        self.indexes = _json(row["indexes"])

    @cached_property
    def references(self) -> list[dict[str, Any]]:
        return [constraint for constraint in self.constraints if constraint["kind"] == "f"]

    @property
    def parents(self) -> list[TableName]:
        return [_parent(reference) for reference in self.references]

    def spec(self, known: Mapping[TableName, TableSpec]) -> TableSpec:
        key = next((tuple(k["columns"]) for k in self.constraints if k["kind"] == "p"), None)
        if key is None:
            raise DefinitionError("it has no primary key, and was made by other software.", table=str(self.name))
        key = tuple(column for column in key if not _is_hidden(column))
        attributes = self.attributes(key, known)
        visible = [one for one in self.indexes if not any(map(_is_hidden, one["terms"]))]
        indexes = [(stored_index(one), self.implied(stored_index(one), one["name"])) for one in visible]
        unique = {frozenset(k["columns"]) for k in self.constraints if k["kind"] == "u"}
        unique |= {frozenset(index.terms) for index, implied in indexes if implied and index.unique}
        ordered = [attributes[name] for name in key] + [a for name, a in attributes.items() if name not in key]
        return TableSpec(
            self.name,
            self.comment,
            Heading(tuple(ordered), key),
            tuple(_foreign_key(reference, attributes, unique) for reference in self.references),
            tuple(index for index, implied in indexes if not implied),
        )

    def carriers(self) -> dict[Origin, str]:
        """The columns whose type in PostgreSQL is not the one that we would choose, and that type."""
        odd = {name: column["type"] for name, column in self.columns.items() if _is_odd(column)}
        return {Origin(self.name, name): carrier for name, carrier in odd.items()}

    def attributes(self, key: tuple[str, ...], known: Mapping[TableName, TableSpec]) -> dict[str, Attribute]:
        """The attributes with their lineage. Of an attribute that two foreign keys bring, the first one's counts."""
        sources: Sources = {}
        for reference in sorted(self.references, key=lambda each: _parent(each) == self.name):  # last, those to itself
            for child, found in self.sources(reference, known, sources).items():
                sources.setdefault(child, found)
        attributes = {}
        for name, column in self.columns.items():
            if _is_hidden(name):
                continue
            lineage, source = sources.get(name, (Origin(self.name, name) if name in key else None, None))
            attributes[name] = evolve(_attribute(column, self.name, source), lineage=lineage)
        return attributes

    def sources(self, reference: Row, known: Mapping[TableName, TableSpec], own: Sources) -> Sources:
        """Those of the attributes of a reference. own: those of the attributes that other references bring."""
        parent = _parent(reference)
        found: Sources = {}
        for child, name in zip(reference["columns"], reference["parent_columns"], strict=True):
            if parent == self.name:
                origin, source = own.get(name, (None, None))
                found[child] = (origin or Origin(parent, name), _attribute(self.columns[name], parent, source))
            elif parent in known and name in known[parent].heading:
                source = known[parent].heading[name]
                found[child] = (source.lineage, source)
            else:
                found[child] = (Origin(parent, name), None)
        return found

    def implied(self, index: Index, name: str) -> bool:
        """Whether an index is part of a foreign key: it speeds it up, or, as DataJoint-Python has it, makes it unique.

        One of exactly these columns that a definition of ours asks for has the name that we give it.
        """
        columns = [set(reference["columns"]) for reference in self.references]
        ours = constraint_name(self.name, "unique" if index.unique else "index", *index.terms)
        return set(index.terms) in columns and name != ours


def _is_odd(column: Row) -> bool:
    """Whether a column is of an enum type, of padded characters, or a timestamp that says no time zone."""
    bare = column["type"].startswith("timestamp") and column["type"].endswith("without time zone")
    return bool(column["labels"]) or column["type"].startswith("character(") or (bare and not column["comment"])


def _json(text: str | None) -> list[dict[str, Any]]:
    return [] if text is None else list(json.loads(text))


def _is_hidden(name: str) -> bool:
    return name.startswith("_")


def _parent(reference: Row) -> TableName:
    return TableName(reference["parent_schema"], reference["parent"])


def _foreign_key(reference: Row, attributes: Mapping[str, Attribute], unique: set[frozenset[str]]) -> ForeignKey:
    columns = tuple(reference["columns"])
    return ForeignKey(
        parent=_parent(reference),
        pairs=tuple(zip(columns, reference["parent_columns"], strict=True)),
        nullable=any(attributes[column].nullable for column in columns),
        unique=frozenset(columns) in unique,
    )


def stored_index(stored: Row) -> Index:
    """An index. Expressions are kept in its comment as they were written; PostgreSQL's text of them is its own."""
    terms = tuple(stored["terms"])
    if stored["comment"] and any(term.startswith("(") for term in terms):
        for line in parse_definition(stored["comment"], table=stored["name"]).key:
            if isinstance(line, IndexLine):
                return Index(line.terms, line.unique)
    return Index(terms, bool(stored["unique"]))


# --- columns -----------------------------------------------------------------------------------------------------


def _attribute(column: Row, table: TableName, source: Attribute | None) -> Attribute:
    """An attribute. source: that of the parent, whose type and comment it has where the column carries none."""
    kind, comment = _type_and_comment(column, table, source)
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


def _type_and_comment(column: Row, table: TableName, source: Attribute | None) -> tuple[AttributeType, str]:
    comment = column["comment"] or ""
    if found := _COLUMN_COMMENT.match(comment):
        try:
            return stored_type(found["type"]), found["comment"].replace(r"\"", '"')
        except DefinitionError as error:
            raise DefinitionError(f"the column {column['name']!r}: {error}", table=str(table)) from error
    if source is not None:
        return source.type, comment or source.comment
    kind = _by_column(column)
    if kind is None:
        raise DefinitionError(
            f"the column {column['name']!r} ({column['type']}) carries no `:type:comment` and was made by other "
            "software; there is no type for it.",
            table=str(table),
        )
    return kind, comment


_BY_COLUMN = {
    "smallint": "int16",
    "integer": "int32",
    "bigint": "int64",
    "real": "float32",
    "double precision": "float64",
    "boolean": "bool",
    "date": "date",
    "time without time zone": "time",
    "timestamp with time zone": "timestamp",
    "timestamp without time zone": "timestamp",  # so DataJoint-Python has it; its datetime has a comment
    "uuid": "uuid",
    "json": "json",
    "jsonb": "json",
    "bytea": "blob",
}
"""PostgreSQL's name of a column type -> the type that holds its values, where no comment tells it."""


def _by_column(column: Row) -> AttributeType | None:
    if column["labels"]:
        return core("enum", *column["labels"])
    plain = re.sub(r"\(\d+\)(?= with| without)", "", column["type"])  # the digits of a second
    if plain in _BY_COLUMN:
        return core(_BY_COLUMN[plain])
    if plain in ("text", "character varying"):
        return core("varchar", LONGEST_TEXT)
    if found := re.fullmatch(r"(character varying|character|numeric)\((\d+)(?:,(\d+))?\)", plain):
        name = {"character varying": "varchar", "character": "char", "numeric": "decimal"}[found[1]]
        return core(name, int(found[2]), *([int(found[3])] if found[3] else []))
    return None


def _default(text: str | None, kind: AttributeType) -> Default | None:
    """The default of a column, from PostgreSQL's text of it. One that only the server can compute counts as none."""
    if text is None or text.startswith("NULL::"):
        return None
    if text == "identity" or text.startswith("nextval("):
        return Special.AUTO
    if kind.family in _MOMENTS and _NOW.search(text):
        return Special.NOW
    found = (_QUOTED if text.startswith("'") else _BARE).fullmatch(text)
    if found is None or (kind.family in (Family.STRING, Family.ENUM) and not text.startswith("'")):
        return None
    try:
        return read_default(found[1].replace("''", "'"), kind)
    except (ValueError, KeyError, decimal.InvalidOperation):  # a function, which other software chose
        return None


_MOMENTS = (Family.DATE, Family.TIMESTAMP, Family.DATETIME)
_NOW = re.compile(r"\bnow\(\)|\bCURRENT_(?:TIMESTAMP|DATE)\b|\bLOCALTIMESTAMP\b")
_QUOTED = re.compile(r"'((?:[^']|'')*)'(?:::[^']*)?", re.DOTALL)
_BARE = re.compile(r"\(?([\w.+-]+)\)?(?:::[\w ]+)?")
