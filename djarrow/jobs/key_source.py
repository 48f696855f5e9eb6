"""The keys that rows are computed for: by default the join of the parents that the primary key refers to.

Specification: 000 "Key Source".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from djarrow.errors import DefinitionError
from djarrow.table.expression import QueryExpression, as_expression

if TYPE_CHECKING:
    from djarrow.jobs.autopopulate import AutoPopulated
    from djarrow.model.spec import ForeignKey


def default_key_source(table: AutoPopulated) -> QueryExpression:
    """The join of the primary dependencies, each projected to its key under the names that it has here."""
    keys = table.spec.primary_foreign_keys
    if not keys:
        raise DefinitionError(
            "the primary key refers to no parent, so that nothing says what to compute. "
            "Add a foreign key above `---`, or define `key_source`.",
            table=str(table.spec.name),
        )
    result = _parent_keys(table, keys[0])
    for key in keys[1:]:
        result = result * _parent_keys(table, key)
    return result


def _parent_keys(table: AutoPopulated, key: ForeignKey) -> QueryExpression:
    """The keys of a parent, renamed as the foreign key does."""
    from djarrow.expr.nodes import Stored
    from djarrow.expr.operators import project

    spec = table.schema.parent_spec(key.parent)
    node = project(Stored(spec.name, spec.heading), **key.renamed)
    return QueryExpression(project(node), table)


def source_keys(table: AutoPopulated, restrictions: Sequence[Any]) -> QueryExpression:
    """The keys of the key source, so restricted. Raises DefinitionError for a key source of other attributes."""
    source = as_expression(table.key_source)
    if source is None:
        text = f"`key_source` is a table or query, not {type(table.key_source).__name__}."
        raise DefinitionError(text, table=str(table.spec.name))
    if foreign := [name for name in source.primary_key if name not in table.primary_key]:
        raise DefinitionError(
            f"the key of `key_source` has {', '.join(map(repr, foreign))}, which the primary key of the table lacks. "
            "Rename it there with `.proj()`, or restrict a coarser query.",
            table=str(table.spec.name),
        )
    return source.restrict(*restrictions).proj()
