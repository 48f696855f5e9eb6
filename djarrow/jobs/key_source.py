"""The keys that rows are computed for: by default the join of the parents that the primary key refers to.

Specification: 000 "Key Source".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from djarrow.errors import DefinitionError, DjarrowError, InvalidCondition, hint_nearest
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
    """The keys of the key source, so restricted.

    Raises DefinitionError for a key source of other attributes, and InvalidCondition for a restriction that restricts
    nothing: queries ignore unknown keys of a mapping (001 8.6.3), and here one that is misspelt would mean all keys.
    """
    source = _source(table)
    chosen = source.restrict(*restrictions)
    if nothing := chosen._unmatched[len(source._unmatched) :]:
        raise InvalidCondition(
            f"keys of {table.spec.name}: a restriction by {', '.join(map(repr, nothing[0]))} restricts nothing: none "
            f"of these is an attribute of what is restricted.{hint_nearest(nothing[0][0], source.heading.names)} "
            "Correct it, or leave it out to mean all keys."
        )
    return chosen.proj()


def has_gone(table: AutoPopulated, key: Mapping[str, Any]) -> bool:
    """Whether a key that was there is none of the key source any more: what it was to be made of was deleted."""
    try:
        return not source_keys(table, ()) & key
    except DjarrowError:  # what its make has raised is to be told
        return False


def restricts(table: AutoPopulated, restriction: Any) -> bool:
    """Whether a restriction names anything of the key source. A mapping of other attributes alone does not."""
    source = _source(table)
    return len(source.restrict(restriction)._unmatched) == len(source._unmatched)


def _source(table: AutoPopulated) -> QueryExpression:
    """The key source. Raises DefinitionError for one of other attributes."""
    source = as_expression(table.key_source)
    if source is None:
        text = f"`key_source` is a table or query, not {type(table.key_source).__name__}."
        if callable(table.key_source):
            text += " Put @property above the method that returns it."
        raise DefinitionError(text, table=str(table.spec.name))
    if foreign := [name for name in source.primary_key if name not in table.primary_key]:
        raise DefinitionError(
            f"the key of `key_source` has {', '.join(map(repr, foreign))}, which the primary key of the table lacks. "
            "Rename it there with `.proj()`, or restrict a coarser query.",
            table=str(table.spec.name),
        )
    return source
