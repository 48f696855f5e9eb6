"""What is recorded when. Finds `Subject` and `Device` through the linking module."""

from __future__ import annotations

import importlib
from types import ModuleType

import djarrow as dj

schema = dj.schema()
_linking_module: ModuleType | None = None


def activate(
    schema_name: str | None,
    *,
    create_schema: bool = True,
    create_tables: bool = True,
    linking_module: ModuleType | str | None = None,
) -> None:
    """Declare the tables of this module in a schema of the database.

    linking_module: has `Subject`, and `Device`, which users say.
    """
    global _linking_module  # noqa: PLW0603
    if isinstance(linking_module, str):
        linking_module = importlib.import_module(linking_module)
    assert isinstance(linking_module, ModuleType), "The argument 'linking_module' must be a module's name or a module"
    _linking_module = linking_module
    schema.activate(
        schema_name, create_schema=create_schema, create_tables=create_tables, add_objects=_linking_module.__dict__
    )


@schema
class Session(dj.Manual):
    """A recording of a subject."""

    definition = """
    -> Subject
    session : uint8
    ---
    -> [nullable] Device
    """

    class Line(dj.Part):
        definition = """
        -> master
        -> subject.Subject.Line
        """


@schema
class Follows(dj.Manual):
    """Which session came before another one."""

    definition = """
    -> Session
    -> Session.proj(earlier='session')
    """
