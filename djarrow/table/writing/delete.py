"""Delete: rows go with all that depends on them, in every schema, in one transaction and one statement.

Which rows is target.py's question, what goes with them model/cascade.py's, and a whole table that nothing refers to
emptying.py's. Specification: 000 "Delete", 001 7.3; docs/writing.md; docs/decisions/015.
"""

from __future__ import annotations

import random
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from attrs import frozen

from djarrow.errors import (
    AccessDenied,
    CyclicDependency,
    DeleteRefused,
    DjarrowError,
    EngineError,
    IntegrityError,
    told,
)
from djarrow.model import cascade, names
from djarrow.settings import config
from djarrow.sql import dependencies, locks
from djarrow.sql.delete import Rows, Statements, asked, chosen
from djarrow.table.changing.confirm import can_ask, confirm, listed, rows_text
from djarrow.table.writing.deleted import Deleted
from djarrow.table.writing.emptying import emptied
from djarrow.table.writing.permission import too_early
from djarrow.table.writing.target import Target, target

if TYPE_CHECKING:
    from djarrow.engine.postgres import PostgresConnection
    from djarrow.table.expression import QueryExpression

PAUSE = 0.02
"""The longest wait, in seconds, before a delete that others stood in the way of is begun anew; twice that each time."""


_ISOLATION = {False: "REPEATABLE READ", True: "READ COMMITTED"}
"""By whether the rows are locked first. Where not, a row that others change meanwhile must end the transaction: what
chose it, in another part of the statement, would not be asked again. Where they are, each statement must see what came
before it.
"""


def delete(expression: QueryExpression, *, prompt: bool | None, dry_run: bool, part_integrity: str) -> Deleted:
    """What QueryExpression.delete does."""
    if part_integrity not in cascade.PART_INTEGRITY:
        known = ", ".join(map(repr, cascade.PART_INTEGRITY))
        raise DeleteRefused(f"part_integrity is one of {known}, and not {part_integrity!r}.")
    if not isinstance(prompt, bool | None):  # a condition that is empty would count as False, and empty the table
        raise DeleteRefused(
            f"prompt is True, False or None, and not {told(prompt)}. Some rows of a table are deleted by "
            "`(Table & condition).delete()`."
        )
    wanted = target(expression)
    connection = wanted.schema.ready_connection(wanted.name)
    first = chosen(wanted.table, wanted.node, wanted.key)
    deletion = Deletion(connection, wanted, first, part_integrity)
    if dry_run:
        return deletion.counted()
    if why := too_early():
        raise DeleteRefused(why, table=str(wanted.name))
    shown: frozenset[str] | None = None
    if _asks(prompt):
        planned = deletion.counted()
        if not planned.counts or not confirm(_question(planned), prompt=prompt):
            return Deleted()
        shown = frozenset(planned.counts)
    return deletion.run(shown)


def _asks(prompt: bool | None) -> bool:
    """Whether to show what goes and ask. Where nobody can answer, a script is not stopped unless it is told to ask."""
    return config["safemode"] and can_ask() if prompt is None else prompt


def _question(planned: Deleted) -> str:
    tables = f"{len(planned.counts)} {'table' if len(planned.counts) == 1 else 'tables'}"
    return f"{listed(planned.counts)}Delete {rows_text(sum(planned.counts.values()))} of {tables}?"


class _PartsAdded(EngineError):
    """Others gave a part rows between the look for masters and the delete."""


@frozen
class Deletion:
    """What is to be deleted, and where."""

    connection: PostgresConnection
    target: Target
    first: Rows
    part_integrity: str

    def counted(self) -> Deleted:
        """What would be deleted now."""
        if self.connection.in_transaction:
            with self._undone():
                return self._counted()
        with self.connection.begin():
            return self._counted()

    def run(self, shown: Collection[str] | None) -> Deleted:
        """Delete. shown: the tables that were confirmed; no other may lose rows."""
        if self.connection.in_transaction:
            return self._once(shown)
        if self._may_be_emptied and (number := emptied(self.connection, self.target.name)) is not None:
            return self._told({str(self.target.name): number})
        locking = False
        for attempt in range(1, locks.ATTEMPTS + 1):
            try:
                with self.connection.begin(isolation=_ISOLATION[locking]):
                    return self._deleted(shown, locking=locking)
            except (EngineError, IntegrityError) as error:
                denied = locking and isinstance(error, AccessDenied)  # locking a row takes the right to update it
                if not denied and not _passes(error):
                    raise
                if attempt == locks.ATTEMPTS:
                    raise _contended(error, f"each of the {attempt} times that this was begun") from error
                locking = attempt == 1 or (locking and not denied)
            time.sleep(random.uniform(0, PAUSE * 2**attempt))  # noqa: S311 - so that two do not meet again
        raise AssertionError  # pragma: no cover - the last attempt returns or raises

    def _once(self, shown: Collection[str] | None) -> Deleted:
        """Delete in the user's transaction, which cannot be begun anew here."""
        try:
            with self._kept():
                return self._deleted(shown, locking=False)
        except IntegrityError as error:
            if not _passes(error):
                raise
            raise _contended(error, "since the transaction began") from error

    @property
    def _may_be_emptied(self) -> bool:
        alone = self.part_integrity == cascade.IGNORE or names.master_of(self.target.name) is None
        return self.target.whole and alone

    # --- inside a transaction ------------------------------------------------------------------------------------

    def _counted(self) -> Deleted:
        statements = self._statements()
        self._find_masters(statements)
        return self._result(statements, statements.count())

    def _deleted(self, shown: Collection[str] | None, *, locking: bool) -> Deleted:
        statements = self._statements()
        self._find_masters(statements)
        for text in statements.locks() if locking else ():
            self.connection.read(text, few=True)
        result = self._result(statements, statements.delete())
        for text in statements.drop_masters():
            self.connection.execute(text)
        if new := [] if shown is None else [name for name in result.counts if name not in shown]:
            raise DeleteRefused(
                f"rows of {', '.join(new)} would go, too, and were added meanwhile. Delete again.",
                table=str(self.target.name),
            )
        return result

    def _statements(self) -> Statements:
        """The text for the references that there are now."""
        rows = self.connection.read(dependencies.references_below(self.target.name), few=True).to_pylist()
        references, keys = dependencies.read_below(rows)
        try:
            plan = cascade.plan(
                self.target.name,
                references,
                keys,
                whole=self.target.whole,
                part_integrity=self.part_integrity,
                asked=asked(self.target.node),
            )
        except CyclicDependency as error:
            raise DeleteRefused(
                f"tables of other software refer to each other in a circle: {' -> '.join(error.cycle)}. Let rows go by "
                "its own means.",
                table=str(self.target.name),
            ) from None
        return Statements(plan, self.first, self.target.node)

    def _find_masters(self, statements: Statements) -> None:
        """Note the masters that go because of their parts, until these bring no more."""
        for text in statements.create_masters():
            self.connection.execute(text)
        if (finding := statements.find_masters()) is not None:
            while self.connection.read(finding, few=True).column("n")[0].as_py():
                pass

    def _result(self, statements: Statements, text: str) -> Deleted:
        row = self.connection.read(text, few=True).to_pylist()[0]
        self._check_parts(statements, row)
        counts = {str(step.table): row[f"n{number}"] for number, step in enumerate(statements.plan.steps)}
        return self._told(counts)

    def _told(self, counts: dict[str, int]) -> Deleted:
        return Deleted(str(self.target.name), {name: number for name, number in counts.items() if number})

    def _check_parts(self, statements: Statements, row: dict[str, Any]) -> None:
        """Refuse to leave a master without rows of its parts. Raises DeleteRefused."""
        for number, step in enumerate(statements.plan.steps):
            if step.owner is None or not row[f"v{number}"]:
                continue
            if self.part_integrity == cascade.CASCADE:  # it was added since the masters were looked for
                raise _PartsAdded("parts were added to what is deleted. Nothing was deleted.", sqlstate=locks.CONFLICT)
            owners = (step.table, step.owner.parent, names.master_of(step.table) or step.owner.parent)
            part, owner, master = (names.class_reference(name, step.table.schema) for name in owners)
            raise DeleteRefused(
                f"{rows_text(row[f'v{number}'])} of the part {part} would go, and what they belong to in {owner} "
                f"would stay. Delete that: `({master} & query).delete()`. Or pass part_integrity='cascade', which "
                "deletes it along, or 'ignore', which leaves it incomplete.",
                table=str(self.target.name),
                part=str(step.table),
                master=str(step.owner.parent),
            )

    # --- a transaction of the user's -----------------------------------------------------------------------------

    @contextmanager
    def _kept(self) -> Iterator[None]:
        """Inside a transaction of the user's, what was refused is undone, and the rest of it stays."""
        self.connection.execute("SAVEPOINT djarrow_delete")
        try:
            yield
        except (DeleteRefused, _PartsAdded):
            self.connection.execute("ROLLBACK TO SAVEPOINT djarrow_delete")
            raise
        self.connection.execute("RELEASE SAVEPOINT djarrow_delete")

    @contextmanager
    def _undone(self) -> Iterator[None]:
        """Leave nothing of what counting needed."""
        with self._kept():
            yield
            self.connection.execute("ROLLBACK TO SAVEPOINT djarrow_delete")


def _passes(error: DjarrowError) -> bool:
    """Whether it is for the sake of another transaction, which added rows below those that go, that this one failed."""
    if isinstance(error, EngineError):
        return error.sqlstate in locks.RETRIED
    return type(error) is IntegrityError


def _contended(error: DjarrowError, when: str) -> EngineError:
    """What can be tried again. when: others came in between."""
    state = error.sqlstate if isinstance(error, EngineError) else locks.CONFLICT
    hidden = (
        "" if isinstance(error, EngineError) else "Rows that row-level security hides from you stand in the way, too. "
    )
    return EngineError(
        f"others changed the rows that were to go, or added rows below them, {when}. Nothing was deleted; delete "
        f"again. {hidden}What the database said: {error}",
        sqlstate=state,
    )
