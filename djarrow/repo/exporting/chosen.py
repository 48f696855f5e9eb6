"""What a user names for an export -> tables, and queries of some of their rows. What comes with them: selection.py."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

from attrs import frozen

from djarrow.errors import RepositoryError, hint_nearest, told
from djarrow.expr.nodes import Climbed, First, Node, Restricted, Stored
from djarrow.model.slices import Choice
from djarrow.table.existing.virtual import SchemaModule
from djarrow.table.expression import QueryExpression, as_expression
from djarrow.table.schema import Schema
from djarrow.table.table import Table

What = Schema | ModuleType | type[Table] | QueryExpression
"""What can be exported."""


@frozen
class Chosen:
    """One thing that was named. choice: the table; node: the query of its rows; schemas: all that are concerned."""

    choice: Choice
    node: Node
    schemas: tuple[Schema, ...]


def chosen(what: What | Iterable[What]) -> list[Chosen]:
    """What is named. Tables that are to be made on first use are made. Raises RepositoryError."""
    found: list[Chosen] = []
    for item in _items(what):
        found += _of(item)
    if not found:
        raise RepositoryError("there is nothing to export: no table was given, and no schema that holds one.")
    return found


def _items(what: Any) -> Iterable[Any]:
    if isinstance(what, Schema | type | QueryExpression) or type(what) is ModuleType:
        return [what]
    if isinstance(what, str | bytes) or not isinstance(what, Iterable):
        raise _no_table(what)
    return list(what)


def _of(item: Any) -> Iterator[Chosen]:
    if isinstance(item, Schema):
        yield from _whole(item)
    elif isinstance(item, SchemaModule):
        for cls in item:
            yield from _of(cls)
    elif isinstance(item, ModuleType):
        schemas = [value for value in vars(item).values() if isinstance(value, Schema)]
        if not schemas:
            raise RepositoryError(f"the module {item.__name__} has no schema, and so no tables to export.")
        for schema in schemas:
            yield from _whole(schema)
    elif (expression := as_expression(item)) is not None:
        yield _rows(expression)
    else:
        raise _no_table(item)


def _no_table(item: Any) -> RepositoryError:
    return RepositoryError(
        f"{told(item)} cannot be exported; give a schema, a module, a table class, or a restricted one, as in "
        "`Session & 'date > \"2024-01-01\"'`, or several of these."
    )


def _whole(schema: Schema) -> Iterator[Chosen]:
    """All tables of a schema."""
    schema.activate()
    schemas = schema.linked_schemas()
    for cls in schema.tables or _held(schema):
        yield Chosen(Choice(cls().spec.name, whole=True, alone=False), cls().node, schemas)


def _held(schema: Schema) -> list[type[Table]]:
    """The tables that the database holds of a schema without classes. Warns of those that no definition describes."""
    found = list(schema)
    if refused := schema.held.refused:
        listed = "".join(f"\n  - {name}: {why}" for name, why in refused.items())
        warnings.warn(f"these tables are not exported, because no definition describes them:{listed}", stacklevel=7)
    return found


# --- rows of a table -----------------------------------------------------------------------------------------------


def _rows(expression: QueryExpression) -> Chosen:
    """All rows of a table, or some of them."""
    node, roots = expression.node, [root for root in expression._roots if isinstance(root, Table)]
    name = _table_of(node)
    table = next((root for root in roots if root.spec.name == name), None)
    if name is None or table is None or name.is_note:
        raise RepositoryError(
            f"{node} has rows of its own: what is exported are rows of tables, with all of their attributes. Restrict "
            "the table by it, as in `Table & query`; or save its result, `query.to_polars().write_parquet(...)`."
        )
    _check_matched(expression)
    schemas: dict[Schema, None] = {}
    for root in [table, *roots]:
        if not isinstance(root.schema, Schema):
            raise RepositoryError(f"{type(root).__name__} is a table of a repository; copy its files instead.")
        root.schema.activate()
        schemas |= dict.fromkeys(root.schema.linked_schemas())
    return Chosen(Choice(name, whole=isinstance(node, Stored)), node, tuple(schemas))


def _table_of(node: Node) -> Any:
    """The table of which a query gives some rows as they are; None of any other."""
    while isinstance(node, Restricted | First):
        node = node.source
    if isinstance(node, Climbed):
        return node.table.name
    return node.name if isinstance(node, Stored) else None


def _check_matched(expression: QueryExpression) -> None:
    """Refuse what restricts by nothing: queries ignore unknown keys (001 8.6.3), and all rows would be published."""
    if not expression._unmatched:
        return
    names = expression._unmatched[0]
    known = {name for root in expression._roots for name in root.heading.names}
    raise RepositoryError(
        f"a restriction by {', '.join(map(repr, names))} restricts nothing: none of these is an attribute of what is "
        f"restricted.{hint_nearest(names[0], known)} Correct it, or leave it out to export all rows."
    )
