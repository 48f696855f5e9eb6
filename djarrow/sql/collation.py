"""Strings in order: by their code points on every engine, whatever the collation of a database is."""

from __future__ import annotations

from djarrow.model.types import AttributeType
from djarrow.sql.dialects import Dialect, by_code_points
from djarrow.sql.forms import form
from djarrow.sql.tree import Expression


def in_order(kind: AttributeType, node: Expression, dialect: Dialect) -> Expression:
    """The node as what is compared by its order. Equality needs no collation, and stays as it is."""
    text = by_code_points("{0}", kind)
    return node if text == "{0}" or dialect is not Dialect.POSTGRES else form(text, node)
