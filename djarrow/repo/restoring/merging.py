"""Restoring into schemas that have tables: new rows are added, equal ones kept, others of the same keys refused.

Design section 11; docs/repositories.md. The statements: sql/merging.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from typing import TYPE_CHECKING

from attrs import define, field

from djarrow.errors import DefinitionMismatch, IntegrityError, MergeConflict, RepositoryError
from djarrow.expr.nodes import Written
from djarrow.model.changes import mismatches
from djarrow.model.flow import stages
from djarrow.model.names import TableName, is_made
from djarrow.repo.restoring.filling import Target, complete, sending
from djarrow.repo.restoring.occupied import check_not_begun
from djarrow.repo.restoring.recalling import fill_told, has_made, owners_told, prepare
from djarrow.sql import ddl, locks
from djarrow.sql.carried import Kind
from djarrow.sql.insert import Conflict
from djarrow.sql.makes import add_made_column
from djarrow.sql.merging import WIDEST, Differing, Foreign, comparable, count_differing
from djarrow.table.declaring import declare
from djarrow.table.expression import QueryExpression
from djarrow.table.writing.inserted import Inserted
from djarrow.table.writing.sending import STAGING, Sending

if TYPE_CHECKING:
    import polars as pl

    from djarrow.engine.postgres import PostgresConnection
    from djarrow.model.spec import ForeignKey
    from djarrow.sql.catalog import Catalog
    from djarrow.table.table import Table


def merge(database: PostgresConnection, targets: Sequence[Target]) -> Inserted:
    """Add what the database lacks of these tables, parents first, in one transaction. Gives what was done of all rows.

    Raises MergeConflict, DefinitionMismatch, and RepositoryError for rows that the database refuses.
    """

    def work() -> Inserted:
        with database.begin(isolation="READ COMMITTED"):
            return _merged(database, targets)

    return locks.repeated(work, lambda reason: RepositoryError(f"{reason}. Nothing was restored."), bounded=False)


def _merged(database: PostgresConnection, targets: Sequence[Target]) -> Inserted:
    database.read(locks.lock_declarations())
    schemas = dict.fromkeys(target.spec.name.schema for target in targets)
    check_not_begun(database, schemas)
    held = declare.stored(database, schemas)
    absent = {target.spec.name for target in targets if _is_absent(target, held)}
    _create(database, schemas, [target for target in targets if target.spec.name in absent], held)
    _prepare(database, targets, absent)
    owners, found, done = _owners(targets), Conflicts(), Inserted()
    for target in targets:
        table = target.table(database)
        if target.spec.name not in absent:
            way = Merging(table, database, found)
            with _owned(database, targets, owners.get(target.spec.name), way):
                done = done.and_then(_add(database, target, targets, way))
        elif not found:
            done = done.and_then(fill_told(database, target, targets, sending(target, database)))
    found.check()
    for target in targets:
        if target.spec.name in absent:
            complete(target, database)
    return done


def _is_absent(target: Target, held: Catalog) -> bool:
    """Whether a table is to be made. Raises DefinitionMismatch where another one is there under its name."""
    there = held.spec(target.spec.name)
    if there is not None and (lines := mismatches(target.spec, there, given="the repository")):
        raise DefinitionMismatch(
            lines,
            table=str(target.spec.name),
            given="the definition in the repository",
            advice="Alter the table to what the repository says, or restore under other names by `rename`.",
        )
    return there is None


def _create(database: PostgresConnection, schemas: Mapping[str, None], absent: Sequence[Target], held: Catalog) -> None:
    there = declare.existing_schemas(database, schemas)
    statements = [ddl.create_schema(name) for name in schemas if name not in there]
    for target in absent:
        statements += ddl.create_bare_table(target.spec, declare.carriers_of(target.spec, held.carriers))
    if statements:
        database.execute(ddl.block(statements))


def _prepare(database: PostgresConnection, targets: Sequence[Target], absent: Set[TableName]) -> None:
    prepare(database, targets)
    for target in targets:
        name = target.spec.name
        if Kind.ROWS in target.carried and name not in absent and not has_made(database, name):
            database.execute(add_made_column(name))


def _owners(targets: Sequence[Target]) -> dict[TableName, ForeignKey]:
    """Part of a table that fills itself -> the reference by which its rows belong to those of the master."""
    specs = {target.spec.name: target.spec for target in targets}
    masters = {spec.master for spec in specs.values() if spec.master is not None and is_made(spec.master)}
    return {
        part.spec.name: part.owner for master in masters for part in stages(master, specs)[-1].parts if master in specs
    }


@contextmanager
def _owned(
    database: PostgresConnection, targets: Sequence[Target], owner: ForeignKey | None, way: Merging
) -> Iterator[None]:
    """Have rows of a part compared with the makes of those that they belong to."""
    if owner is None or not has_made(database, owner.parent):
        yield
        return
    (target,) = (each for each in targets if each.spec.name == owner.parent)
    with owners_told(database, target, owner) as made:
        way.owner = (owner, made)
        yield


def _add(database: PostgresConnection, target: Target, targets: Sequence[Target], way: Merging) -> Inserted:
    """Send the rows of a table that is there."""
    try:
        return fill_told(database, target, targets, way)
    except IntegrityError as error:
        raise RepositoryError(
            f"the rows of {target.spec.name} do not go with those that the database holds: {error}"
        ) from error


# --- rows of one table -------------------------------------------------------------------------------------------


@define
class Conflicts:
    """What contradicts what is there, as far as it was looked for, by table: the number of rows, and the first ones."""

    counts: dict[str, int] = field(factory=dict)
    frames: dict[str, list[pl.DataFrame]] = field(factory=dict)

    def __bool__(self) -> bool:
        return bool(self.counts)

    def add(self, table: TableName, number: int, frame: pl.DataFrame) -> None:
        """More rows of a table."""
        name = str(table)
        self.counts[name] = self.counts.get(name, 0) + number
        self.frames.setdefault(name, []).append(frame)

    def check(self) -> None:
        """Raise MergeConflict where there are any."""
        import polars as pl

        from djarrow.sql.merging import FIRST

        if self.counts:
            whole = {name: pl.concat(each, how="diagonal").head(FIRST) for name, each in self.frames.items()}
            last = (pl.exclude("_conflict"), "_conflict")  # pieces differ in other attributes
            frames = {name: frame.select(*last) for name, frame in whole.items()}
            raise MergeConflict(frames, self.counts)


class Merging(Sending):
    """Rows for a table that has rows: new ones go in, as long as nothing was found anywhere that contradicts.

    The order makes it right beside others who write: first what is new goes in, which waits for those who insert the
    same key, and then all is compared with what is there.
    """

    owner: tuple[ForeignKey, str] | None = None
    """Of a part of a table that fills itself, the reference to the row that its rows belong to, and the make of that in
    the repository, as an expression over a staged row `s`."""

    def __init__(self, table: Table, database: PostgresConnection, found: Conflicts) -> None:
        super().__init__(table, database, Conflict.SKIP, ignore_extra_fields=False)
        self._found = found

    def take_staged(self, columns: Sequence[str], rows: int) -> Inserted:
        """Write and compare what is staged."""
        if self.owner is not None:
            self._find_foreign(Foreign(self.spec, STAGING, *self.owner))
        done = Inserted(0, skipped=rows) if self._found else super().take_staged(columns, rows)
        if done.skipped and comparable(self.spec):
            self._find_differing()
        return done

    def _find_foreign(self, foreign: Foreign) -> None:
        """A result that one make has written has no parts of another."""
        import polars as pl

        number = self.database.read(foreign.count(), few=True).column("n")[0].as_py()
        if number:
            frame = self._read(Written(foreign.heading, foreign))
            self._found.add(self.spec.name, number, frame.with_columns(_conflict=pl.lit("part of another make")))

    def _find_differing(self) -> None:
        told = self.database.read(count_differing(self.spec, STAGING)).to_pylist()[0]
        if told["n"]:
            different = [a.name for n, a in enumerate(comparable(self.spec)) if told[f"d{n}"]][:WIDEST]
            statement = Differing(self.spec, STAGING, tuple(different))
            frame = _side_by_side(self._read(Written(statement.heading, statement)), statement)
            self._found.add(self.spec.name, told["n"], frame)

    def _read(self, node: Written) -> pl.DataFrame:
        return QueryExpression(node, self._table).to_polars()


def _side_by_side(frame: pl.DataFrame, statement: Differing) -> pl.DataFrame:
    """The key, and of each attribute that differs both values, as dj.diff has them; NULL in rows where they do not."""
    import polars as pl

    key = statement.spec.heading.primary_key
    columns = {name: pl.col(f"k{number}") for number, name in enumerate(key)}
    for number, name in enumerate(statement.attributes):
        for side, column in (("database", f"a{number}"), ("repository", f"b{number}")):
            columns[f"{name}.{side}"] = pl.when(pl.col(f"d{number}")).then(pl.col(column))
    return frame.select(**columns, _conflict=pl.lit("other values"))
