"""Strings in order: by their code points on every engine, whatever the collation of a database is."""

from __future__ import annotations

from djarrow.model.types import AttributeType, Family
from djarrow.sql.dialects import Dialect
from djarrow.sql.forms import form
from djarrow.sql.tree import Expression

_STRINGS = (Family.STRING, Family.ENUM)


def in_order(kind: AttributeType, node: Expression, dialect: Dialect) -> Expression:
    """The node as what is compared by its order.

    PostgreSQL compares by the collation of the database, which may be that of a language. Equality needs no other one,
    and stays as it is, so that it finds its index.
    """
    if kind.family not in _STRINGS or dialect is not Dialect.POSTGRES:
        return node
    return form('{0} COLLATE "C"', node)
