"""Every table that a test leaves behind: its description must declare the same table again, before it is dropped."""

from __future__ import annotations

import re
from collections import Counter

import attrs

from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import DefinitionError
from djarrow.expr.parse import parse_index_term
from djarrow.model import names
from djarrow.model.spec import TableSpec, table_spec
from djarrow.repo.definitions import definition_of, resolver
from djarrow.sql.catalog import Catalog
from djarrow.table.declaring import declare

REFERRING = """
SELECT DISTINCT child_home.nspname::text AS name
FROM pg_constraint AS k
JOIN pg_class AS parent ON parent.oid = k.confrelid
JOIN pg_namespace AS parent_home ON parent_home.oid = parent.relnamespace
JOIN pg_class AS child ON child.oid = k.conrelid
JOIN pg_namespace AS child_home ON child_home.oid = child.relnamespace
WHERE k.contype = 'f' AND parent_home.nspname IN ({})
"""
"""The schemas with tables that refer to those of some, and lose their foreign keys when these are dropped."""


def drop_schemas(connection: PostgresConnection, *schemas: str) -> None:
    """Drop schemas, after their tables were described and declared again, with those that refer to them."""
    try:
        check_descriptions(connection, *schemas)
    finally:
        for name in schemas:
            connection.execute(f'DROP SCHEMA IF EXISTS "{name}" CASCADE')


def check_descriptions(connection: PostgresConnection, *schemas: str) -> None:
    """Compare each table with what its description declares. Fails with the name of the table and both of them."""
    listed = ", ".join(f"'{name}'" for name in schemas)
    referring = connection.query(REFERRING.format(listed)).column(0).to_pylist() if schemas else []
    catalog = declare.stored(connection, {*schemas, *referring})
    for spec in catalog.specs.values():
        if can_be_said(spec, catalog):
            text = definition_of(spec)
            again = table_spec(text, spec.name, resolver(spec.name, catalog.specs), parse_index_term)
            unequal = [each for each in FIELDS if getattr(again, each) != getattr(spec, each)]
            shown = [f"{each}: {getattr(again, each)!r}, not {getattr(spec, each)!r}" for each in unequal]
            assert not shown, "\n".join([f"describe() of {spec.name} declares another table:\n{text}", *shown])


FIELDS = [each.name for each in attrs.fields(TableSpec)]


def can_be_said(spec: TableSpec, catalog: Catalog) -> bool:
    """Whether a definition can be the table. Other software made those that none can be, as the test wanted it.

    A definition has class names, each of one table (`#rig` and `rig` would both be Rig); for a part, a master;
    attribute names as ours are; and comments of one line, without blanks around them.
    """
    references = Counter(names.class_reference(name, spec.name.schema) for name in catalog.specs)
    tables = [spec.name, *spec.parents, *([] if spec.master is None else [spec.master])]
    comments = [spec.comment, *(attribute.comment for attribute in spec.heading)]
    return (
        all(name in catalog.specs and names.has_class(name) for name in tables)
        and all(references[names.class_reference(name, spec.name.schema)] == 1 for name in tables)
        and all(map(can_be_an_attribute, spec.heading.names))
        and not any(re.search(r"[\r\n]", text) or text != text.strip() for text in comments)
    )


def can_be_an_attribute(name: str) -> bool:
    """Whether a definition may have an attribute of this name."""
    try:
        names.check_attribute_name(name, table="")
    except DefinitionError:
        return False
    return True
