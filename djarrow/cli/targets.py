"""What a command is to work on, as words of a command line: modules, their classes, tables of schemas -> table classes.

The folder that the command runs in is searched for modules, as by `python -m`.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from djarrow.errors import InvalidCondition

if TYPE_CHECKING:
    from djarrow.jobs.autopopulate import AutoPopulated
    from djarrow.table.schema import Schema

Imports = Annotated[
    list[str] | None,
    typer.Option(
        "--import", metavar="MODULE", help="Import this module first: it declares the classes of SCHEMA.TABLE."
    ),
]


def modules(names: Iterable[str]) -> list[ModuleType]:
    """The modules of these names, imported. Raises typer.BadParameter of one that is not found."""
    if os.getcwd() not in sys.path:  # noqa: PTH109 - as the path has it
        sys.path.insert(0, os.getcwd())  # noqa: PTH109
    found = []
    for name in names:
        module = _module(name)
        if module is None:
            raise typer.BadParameter(f"there is no module {name!r}, in this folder or installed.")
        found.append(module)
    return found


def tables(words: Sequence[str], imported: Sequence[ModuleType]) -> list[AutoPopulated]:
    """The tables that fill themselves which these words mean, parents first. Raises typer.BadParameter."""
    from djarrow.jobs.gather import tables_of

    return tables_of([_found(word, imported) for word in words])


def exported(words: Sequence[str], imported: Sequence[ModuleType]) -> list[Any]:
    """What these words mean, modules, schemas and table classes, also of schemas that only the database knows.

    Raises typer.BadParameter.
    """
    return [_in_database(word) if (what := _meant(word, imported)) is None else what for word in words]


def _in_database(word: str) -> Any:
    from djarrow.table.existing.virtual import list_schemas, virtual

    name, _, path = word.partition(".")
    if name not in list_schemas():
        raise typer.BadParameter(
            f"{word!r} is no module, no class of a module as in `package.module:Class`, and no schema of the database."
        )
    module = virtual(name)
    if not path:
        return module
    found = _attribute(module, path)
    if found is None:
        raise typer.BadParameter(f"the schema {name!r} has no table {path!r}, as SCHEMA.Class or SCHEMA.Master.Part.")
    return found


def _found(word: str, imported: Sequence[ModuleType]) -> list[AutoPopulated]:
    from djarrow.jobs.gather import tables_of

    what = _meant(word, imported)
    if what is None:
        raise typer.BadParameter(
            f"{word!r} is no module, no class of a module as in `package.module:Class`, and no table of an imported "
            "schema. The module that declares the class of SCHEMA.TABLE is given by `--import MODULE`."
        )
    try:
        found = tables_of(what)
    except InvalidCondition as error:
        raise typer.BadParameter(error.message) from None
    if not found:
        raise typer.BadParameter(
            f"{word!r} has no Imported or Computed table. Of a package the modules count that it imports: name one."
        )
    return found


def _meant(word: str, imported: Sequence[ModuleType]) -> Any:
    """What a word means: a schema, a table class or a module; None if nothing."""
    module, separator, path = word.partition(":")
    if separator:
        (owner,) = modules([module])
        return _attribute(owner, path)
    known = _of_schemas(word, imported)
    if known is not None:
        return known
    found = _module(word)
    if found is not None:
        return found
    above, _, name = word.rpartition(".")
    owner_or_none = _module(above) if above else None
    return None if owner_or_none is None else _attribute(owner_or_none, name)


def _of_schemas(word: str, imported: Sequence[ModuleType]) -> Schema | type | None:
    """The schema of this name, or the table SCHEMA.TABLE, of imported modules."""
    from djarrow.jobs.gather import schemas_of
    from djarrow.table.existing.classes import find

    for schema in (schema for module in imported for schema in schemas_of(module) if schema.name is not None):
        if word == schema.name:
            return schema
        if word.startswith(f"{schema.name}."):
            classes = {cls().spec.name: cls for cls in schema.tables}
            found = find(classes, word.removeprefix(f"{schema.name}."))
            if found is not None:
                return found
    return None


def _attribute(owner: Any, path: str) -> Any:
    for name in path.split("."):
        owner = getattr(owner, name, None)
    return owner


def _module(name: str) -> ModuleType | None:
    """The module of this name, imported; None where there is none. What goes wrong within it is let out as it is."""
    if not all(part.isidentifier() for part in name.split(".")):
        return None
    if name not in sys.modules:
        try:
            spec = importlib.util.find_spec(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise  # an import within a package above it
            return None
        if spec is None:
            return None
    return importlib.import_module(name)
