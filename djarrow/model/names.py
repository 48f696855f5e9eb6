"""Names: class <-> table, what an attribute may be called, and the limits of PostgreSQL.

Specification: 001 5.2.3, 5.4.1, 5.5.1.
"""

from __future__ import annotations

import keyword
import re
from functools import lru_cache

from attrs import frozen

from djarrow.errors import DefinitionError, shown

NAME_BYTES = 63
"""PostgreSQL cuts longer names silently; they are refused instead."""
MAX_COLUMNS = 1600
MAX_KEY_COLUMNS = 32

UNKEPT = re.compile(r"[\0\ud800-\udfff]")
"""Characters that no text of PostgreSQL holds: NUL, and halves of surrogate pairs."""

_CLASS_NAME = re.compile(r"[A-Z][A-Za-z0-9]*\Z")
_ATTRIBUTE_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_SYSTEM_COLUMNS = frozenset({"tableoid", "ctid", "xmin", "xmax", "cmin", "cmax"})
_SCHEMA_NAME = re.compile(r"[a-z][a-z0-9_\-]*\Z")


@frozen(order=True)
class TableName:
    """The name of a table in the database: its schema, and its name there with the tier's prefix."""

    schema: str
    table: str

    @property
    def is_note(self) -> bool:
        """Whether it is one of the notes that djarrow and DataJoint-Python keep beside the user's tables."""
        return self.table.startswith("~")

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}"


@frozen(order=True)
class Tier:
    """How the rows of a table come to be, and the prefix that its name carries in the database."""

    name: str
    prefix: str


LOOKUP = Tier("lookup", "#")
MANUAL = Tier("manual", "")
IMPORTED = Tier("imported", "_")
COMPUTED = Tier("computed", "__")
TIERS = (COMPUTED, IMPORTED, LOOKUP, MANUAL)
"""Longest prefix first, so that the first one that fits a table's name is its tier."""

PART_SEPARATOR = "__"


def snake_case(class_name: str) -> str:
    """`TwoPhotonScan` -> `two_photon_scan`. Each capital begins a word, so that the way back is exact."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", class_name).lower()


def camel_case(table_name: str) -> str:
    """`two_photon_scan` -> `TwoPhotonScan`."""
    return re.sub(r"(?:^|_)([a-z0-9])", lambda match: match.group(1).upper(), table_name)


def table_name(class_name: str, tier: Tier, master: str | None = None) -> str:
    """The name in the database of a class of this tier; of a part when master, the master's table name, is given."""
    if master is not None:
        return master + PART_SEPARATOR + snake_case(class_name)
    return tier.prefix + snake_case(class_name)


@lru_cache(maxsize=4096)
def split_table_name(name: str) -> tuple[Tier, str, str | None]:
    """Tier, class name, and the master's table name or None, of a table's name in the database.

    >>> split_table_name("_ephys__channel")
    (Tier(name='imported', prefix='_'), 'Channel', '_ephys')
    """
    tier = next(tier for tier in TIERS if name.startswith(tier.prefix))
    stem = name[len(tier.prefix) :]
    master, separator, part = stem.partition(PART_SEPARATOR)
    if separator:
        return tier, camel_case(part), tier.prefix + master
    return tier, camel_case(stem), None


def is_made(name: TableName) -> bool:
    """Whether the rows of a table come from a make, its own or its master's."""
    return split_table_name(name.table)[0] in (IMPORTED, COMPUTED)


_TAKEN = frozenset({"dj", "schema", "master", "import_module"})
"""Names that mean something else in definitions, or in the modules that djarrow writes."""


def module_name(schema: str) -> str:
    """The name of a schema in definitions and in Python: `my-lab` -> `my_lab`, `class` -> `class_`.

    It is an identifier whatever the schema of other software is called. Two schemas can have the same.
    """
    name = re.sub(r"[^A-Za-z0-9_]|^(?=\d)", "_", schema) or "_"
    return name + "_" if keyword.iskeyword(name) or name in _TAKEN else name


def master_of(name: TableName) -> TableName | None:
    """The master of a part; None for a table that is none."""
    master = split_table_name(name.table)[2]
    return None if master is None else TableName(name.schema, master)


def class_reference(name: TableName, schema: str) -> str:
    """How a definition in a schema refers to a table: `Session`, `Session.Probe`, `my_lab.Session`."""
    _, class_name, master = split_table_name(name.table)
    text = class_name if master is None else f"{split_table_name(master)[1]}.{class_name}"
    return text if name.schema == schema else f"{module_name(name.schema)}.{text}"


def check_class_name(name: str) -> None:
    """Refuse what is not CamelCase, because the way from table to class would not lead back."""
    if not _CLASS_NAME.match(name):
        raise DefinitionError(
            f"the class name {name!r} is not CamelCase: it must start with a capital and hold only letters and digits."
        )


def check_has_class(name: TableName) -> None:
    """Refuse a table of other software that no class of Python would be: `scan_2`, `None`, `../x`, or a part of such.

    What passes is safe as a folder's name and in the text of a module.
    """
    tier, class_name, master = split_table_name(name.table)
    check_class_name(class_name)
    if keyword.iskeyword(class_name):
        raise DefinitionError(f"the class name {class_name!r} is a word of Python.")
    if table_name(class_name, tier, master) != name.table:
        raise DefinitionError(f"a class {class_name!r} would be the table {table_name(class_name, tier, master)!r}.")
    if master is not None:
        check_has_class(TableName(name.schema, master))


def has_class(name: TableName) -> bool:
    """Whether a class of Python would be this table."""
    try:
        check_has_class(name)
    except DefinitionError:
        return False
    return True


SCHEMA_RULE = "the schema name {!r} must start with a lowercase letter and hold only a-z, 0-9, _ and -."


def is_held_schema_name(name: str) -> bool:
    """Whether a schema that exists can be called so."""
    try:
        check_held_schema_name(name)
    except DefinitionError:
        return False
    return True


def is_schema_name(name: str) -> bool:
    """Whether djarrow would make a schema of this name."""
    try:
        check_schema_name(name)
    except DefinitionError:
        return False
    return True


def check_schema_name(name: str) -> None:
    """Refuse a name for a new schema that PostgreSQL would cut or that the repository's folders could not carry."""
    _check_users(name)
    if not _SCHEMA_NAME.match(name):
        raise DefinitionError(SCHEMA_RULE.format(name))
    _check_length(name, "schema", None)


def check_held_schema_name(name: str) -> None:
    """Refuse what no schema of a user can be called, whatever software made it."""
    _check_users(name)
    if not name or UNKEPT.search(name):
        raise DefinitionError(f"the schema name {name!r} is empty, or holds NUL or half a surrogate pair.")
    _check_length(name, "schema", None)


def _check_users(name: object) -> None:
    if not isinstance(name, str):
        raise DefinitionError(f"the name of a schema is text, not {name!r}.")
    if name.startswith("pg_") or name == "information_schema":
        raise DefinitionError(f"the schema name {name!r} is PostgreSQL's own. Choose another.")


def check_attribute_name(name: str, *, table: str, line: int | None = None, column: int | None = None) -> None:
    """Refuse a name that does not follow 001 5.4.1. A leading underscore is reserved for hidden attributes."""
    if not _ATTRIBUTE_NAME.match(name):
        raise DefinitionError(
            f"the attribute name {shown(name)} must start with a lowercase letter and hold only a-z, 0-9 and _.",
            table=table,
            line=line,
            column=column,
        )
    if name in _SYSTEM_COLUMNS:
        problem = f"the attribute name {name!r} is taken by a hidden column that PostgreSQL gives every table."
        raise DefinitionError(problem, table=table, line=line, column=column)
    _check_length(name, "attribute", table, line, column)


def check_table_name(name: str) -> None:
    """Refuse a table name longer than PostgreSQL keeps."""
    _check_length(name, "table", name)


def _check_length(name: str, what: str, table: str | None, line: int | None = None, column: int | None = None) -> None:
    size = len(name.encode())
    if size > NAME_BYTES:
        text = f"the {what} name {shown(name)} has {size} bytes; PostgreSQL keeps {NAME_BYTES}. Shorten it."
        raise DefinitionError(text, table=table, line=line, column=column)
