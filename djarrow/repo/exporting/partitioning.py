"""How an export splits tables over files: which of them, and by which attributes. How files are called: patterns.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from djarrow.errors import RepositoryError, UnknownAttribute, hint_nearest
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec
from djarrow.model.types import Family
from djarrow.project import project_settings
from djarrow.repo.exporting.patterns import ALL, Partitioning, by_attributes, leading, pattern
from djarrow.table.table import Table

UNPARTITIONED = frozenset({Family.FLOAT, Family.JSON, Family.BLOB})
"""Types that cannot name a file: a float's 0 equals its -0, NaN equals nothing, and the others are too long."""

PartitionBy = Sequence[str] | Mapping[type[Table], Sequence[str]] | None


def partitions(specs: Sequence[TableSpec], partition_by: PartitionBy) -> dict[TableName, Partitioning]:
    """Table -> how its rows are split over files: as partition_by says; where that is None, as the project's settings.

    Raises UnknownAttribute, RepositoryError or ConfigError.
    """
    if partition_by is None:
        return _by_pattern(specs)
    if isinstance(partition_by, Mapping):
        given = {cls().spec.name: _listed(names) for cls, names in partition_by.items()}
        if unknown := given.keys() - {spec.name for spec in specs}:
            raise RepositoryError(f"partition_by names {', '.join(map(str, unknown))}, which is not exported.")
    else:
        wanted = _listed(partition_by)
        given = {spec.name: wanted for spec in specs if all(name in spec.heading for name in wanted)}
        if not given:
            known = {name for spec in specs for name in spec.heading.names}
            missing = next((name for name in wanted if name not in known), None)
            if missing is not None:
                raise UnknownAttribute(missing, known, where="partition_by")
            raise RepositoryError(f"partition_by: no table has all of {', '.join(wanted)}.")
    return {spec.name: by_attributes(_checked(given.get(spec.name, ()), spec, where="partition_by")) for spec in specs}


def _listed(names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(names, str):
        raise RepositoryError(f"partition_by is a list of attributes: [{names!r}].")
    if len(set(names)) < len(names):
        raise RepositoryError("partition_by names each attribute once.")
    return tuple(names)


def _checked(names: tuple[str, ...], spec: TableSpec, *, where: str) -> tuple[str, ...]:
    """The names, each of which can name a file."""
    for name in names:
        attribute = spec.heading.attribute(name, where=f"{where} of {spec.name}")
        if attribute.nullable:
            raise RepositoryError(f"{where} of {spec.name}: {name!r} may be NULL and cannot name a file.")
        if attribute.type.family in UNPARTITIONED:
            raise RepositoryError(f"{where} of {spec.name}: {name!r} is {attribute.type} and cannot name a file.")
    return names


# --- the pattern of the project ------------------------------------------------------------------------------------


def _by_pattern(specs: Sequence[TableSpec]) -> dict[TableName, Partitioning]:
    """Each table by the leading parts of the pattern that its key has the attributes of."""
    if (text := _pattern_of_project()) is None:
        return {spec.name: ALL for spec in specs}
    whole = pattern(text)
    _check_known(whole, specs)
    found = {spec.name: leading(whole, spec.heading.primary_key) for spec in specs}
    for spec in specs:
        _checked(found[spec.name].attributes, spec, where="partition_pattern, for the key")
    return found


def _pattern_of_project() -> str | None:
    section = project_settings().get("object_storage", {})
    found = section.get("partition_pattern") if isinstance(section, dict) else section
    if found is not None and not isinstance(found, str):
        raise RepositoryError(
            "partition_pattern in [object_storage] of datajoint.toml is text, as 'subject{subject_id}', and not "
            f"{found!r}."
        )
    return found


def _check_known(whole: Partitioning, specs: Sequence[TableSpec]) -> None:
    """Refuse what is likely a slip: an attribute that no table has, where one has a name like it, or a later one.

    An export of some tables need not have all attributes that the project's pattern names.
    """
    known = {name for spec in specs for name in spec.heading.names}
    names = whole.attributes
    for place, name in enumerate(names):
        alike = "Did you mean" in hint_nearest(name, known)
        if name not in known and (alike or any(later in known for later in names[place + 1 :])):
            raise UnknownAttribute(name, known, where="partition_pattern of datajoint.toml")
