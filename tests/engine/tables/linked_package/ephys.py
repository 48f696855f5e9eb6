"""What is computed. Activates the sessions first; calls functions of the linking module."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import djarrow as dj

from . import session

schema = dj.schema()
_linking_module: Any = None


def activate(
    ephys_schema_name: str,
    session_schema_name: str | None = None,
    *,
    create_schema: bool = True,
    create_tables: bool = True,
    linking_module: ModuleType | str | None = None,
) -> None:
    """Declare the tables of this module and of `session`, where that is not activated yet.

    linking_module: has what `session` needs, and `get_spikes(key)`, the spikes of a session.
    """
    global _linking_module  # noqa: PLW0603
    if isinstance(linking_module, str):
        linking_module = importlib.import_module(linking_module)
    assert hasattr(linking_module, "get_spikes"), "The linking module must specify a lookup function for spikes"
    _linking_module = linking_module
    session.activate(
        session_schema_name, create_schema=create_schema, create_tables=create_tables, linking_module=linking_module
    )
    schema.activate(
        ephys_schema_name,
        create_schema=create_schema,
        create_tables=create_tables,
        add_objects=_linking_module.__dict__,
    )


@schema
class Method(dj.Lookup):
    """A way to sort."""

    definition = """
    method : varchar(8)
    """
    contents = (("fast",), ("slow",))


@schema
class Setting(dj.Lookup):
    """How a method is used."""

    definition = """
    -> Method
    setting : uint8
    """

    @property
    def contents(self) -> list[tuple[str, int]]:
        """One setting of each method that is in the database."""
        return [(method, number) for number, method in enumerate(Method.fetch("method"))]


@schema
class Sorting(dj.Computed):
    """The units of a session."""

    definition = """
    -> session.Session
    -> Setting
    ---
    units : uint8
    """

    class Unit(dj.Part):
        definition = """
        -> master
        unit : uint8
        ---
        spikes : uint32
        """

    def make(self, key: dict[str, Any]) -> None:
        """One unit for each train of spikes."""
        trains = _linking_module.get_spikes(key)
        self.insert1({**key, "units": len(trains)})
        self.Unit.insert({**key, "unit": unit, "spikes": spikes} for unit, spikes in enumerate(trains))
