"""A data set: random tables with their rows in lists, in two schemas of PostgreSQL, and in an exported repository."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.model.types import Family
from djarrow.repo.opening.repository import Repository
from tests.property.algebra.rows import random_rows
from tests.property.algebra.schemas import Table, random_tables
from tests.property.naive import Relation, Row

ENGINES = ("postgres", "duckdb")


@dataclass
class DataSet:
    """One seed's tables. relations: what they are; classes: the same in the database; repository: and exported."""

    seed: int
    tables: dict[str, Table]
    rows: dict[str, list[Row]]
    classes: dict[str, type[dj.Manual]]
    schemas: tuple[dj.Schema, dj.Schema]
    repository: Repository

    @property
    def relations(self) -> dict[str, Relation]:
        """By class."""
        return {name: Relation(t.attributes, t.key, self.rows[name]) for name, t in self.tables.items()}

    def using(self, engine: str) -> AbstractContextManager[Any]:
        """Inside, queries are run by this engine."""
        return nullcontext() if engine == "postgres" else self.repository.using(*self.schemas)

    @property
    def text(self) -> str:
        """The tables and their rows, to be typed again."""
        blocks = [f"# data set {self.seed}"]
        for name, table in self.tables.items():
            blocks.append(f"class {name}(dj.Manual):  # in {self.schemas[table.schema].name}")
            blocks.append(f'    definition = """\n{table.definition}\n"""')
            blocks += [f"{name}.insert({self.rows[name]!r})"]
        return "\n".join(blocks)

    def _repr_pretty_(self, printer: Any, _: bool) -> None:
        """What hypothesis shows of it."""
        printer.text(f"data set {self.seed}")


def schema_names(seed: int) -> tuple[str, str]:
    """The two schemas of a data set."""
    return f"algebra{seed}_0", f"algebra{seed}_1"


def load(seed: int, connection: PostgresConnection, folder: Path) -> DataSet:
    """Declare the tables of a seed, fill and export them."""
    tables = random_tables(seed, f"algebra{seed}_")
    rows = random_rows(tables, seed)
    classes: dict[str, type[dj.Manual]] = {}
    one, two = schema_names(seed)
    schemas = (dj.Schema(one, classes, connection=connection), dj.Schema(two, classes, connection=connection))
    for name, table in tables.items():
        bare: Any = type(name, (dj.Manual,), {"definition": table.definition, "__module__": __name__})
        classes[name] = schemas[table.schema](bare)
    for name, cls in classes.items():
        cls.insert(rows[name])
    dj.export(classes.values(), folder, partition_by={cls: split for cls in classes.values() if (split := _split(cls))})
    return DataSet(seed, tables, rows, classes, schemas, dj.open(folder))


def _split(cls: type[dj.Manual]) -> list[str]:
    """The attribute whose values split a table over files: so a query must not leave out a file whose rows matter."""
    named = [name for name in cls.primary_key if cls.heading[name].type.family not in (Family.FLOAT, Family.BOOLEAN)]
    return named[-1:]
