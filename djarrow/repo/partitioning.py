"""How an export splits tables over files: which attributes' values name them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from djarrow.errors import RepositoryError, UnknownAttribute
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec
from djarrow.model.types import Family
from djarrow.table.table import Table

UNPARTITIONED = frozenset({Family.FLOAT, Family.JSON, Family.BLOB})
"""Types that cannot name a file: a float's 0 equals its -0, NaN equals nothing, and the others are too long."""

PartitionBy = Sequence[str] | Mapping[type[Table], Sequence[str]] | None


def partitions(specs: Sequence[TableSpec], partition_by: PartitionBy) -> dict[TableName, tuple[str, ...]]:
    """Table -> the attributes that split its rows over files. Raises UnknownAttribute or RepositoryError."""
    if isinstance(partition_by, Mapping):
        given = {cls().spec.name: _listed(names) for cls, names in partition_by.items()}
        if unknown := given.keys() - {spec.name for spec in specs}:
            raise RepositoryError(f"partition_by names {', '.join(map(str, unknown))}, which is not exported.")
    else:
        wanted = _listed(partition_by or ())
        given = {spec.name: wanted for spec in specs if all(name in spec.heading for name in wanted)}
        if not given:
            known = {name for spec in specs for name in spec.heading.names}
            missing = next((name for name in wanted if name not in known), None)
            if missing is not None:
                raise UnknownAttribute(missing, known, where="partition_by")
            raise RepositoryError(f"partition_by: no table has all of {', '.join(wanted)}.")
    return {spec.name: _checked(given.get(spec.name, ()), spec) for spec in specs}


def _listed(names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(names, str):
        raise RepositoryError(f"partition_by is a list of attributes: [{names!r}].")
    if len(set(names)) < len(names):
        raise RepositoryError("partition_by names each attribute once.")
    return tuple(names)


def _checked(names: tuple[str, ...], spec: TableSpec) -> tuple[str, ...]:
    """The names, each of which can name a file."""
    for name in names:
        attribute = spec.heading.attribute(name, where=f"partition_by of {spec.name}")
        if attribute.nullable:
            raise RepositoryError(f"partition_by of {spec.name}: {name!r} may be NULL and cannot name a file.")
        if attribute.type.family in UNPARTITIONED:
            raise RepositoryError(f"partition_by of {spec.name}: {name!r} is {attribute.type} and cannot name a file.")
    return names
