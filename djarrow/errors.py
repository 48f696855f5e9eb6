"""Every error that djarrow raises, under one root. Messages say what was wrong, where, and what to do.

A leaf also inherits the builtin that a caller would catch, and carries as fields what a program needs.
Translating a driver's error into one of these is the business of `engine/faults.py`.
"""

from __future__ import annotations

import datetime
import decimal
import difflib
import re
import uuid
from collections.abc import Iterable, Mapping
from typing import Any


class DjarrowError(Exception):
    """The root of all errors of djarrow."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:  # KeyError would show the repr of its argument
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:  # the fields are given by keyword, which Exception's own does not know
        return _copied, (type(self), self.message, vars(self))


def _copied(kind: type[DjarrowError], message: str, fields: dict[str, Any]) -> DjarrowError:
    """An error as it was in another process."""
    error = kind.__new__(kind, message)
    vars(error).update(fields)
    return error


def hint_nearest(name: str, candidates: Iterable[str]) -> str:
    """The end of a message about an unknown name: the nearest known one, or all of them when few."""
    known = sorted(candidates)
    same = [candidate for candidate in known if candidate.casefold() == name.casefold()]
    near = same or difflib.get_close_matches(name, known, n=1)
    if near:
        return f" Did you mean {near[0]!r}?"
    return f" Known: {', '.join(known)}." if 0 < len(known) <= 20 else ""


def shown(text: str) -> str:
    """A text in quotes, as a message shows it: the middle of a long one is left out."""
    return repr(text) if len(text) <= 200 else f"{text[:90]!r}...{text[-90:]!r}"


def told(value: object) -> str:
    """What a user gave, as a message tells it: plain values as Python writes them, other objects by their type.

    The repr of a frame has many lines, and that of a query reads the database.
    """
    if value is None or isinstance(value, _PLAIN):
        return shown(value) if isinstance(value, str) else repr(value)[:200]
    return f"an object of type {type(value).__name__}"


_PLAIN = (str, bytes, bool, int, float, decimal.Decimal, uuid.UUID, datetime.date, datetime.time, datetime.timedelta)


# --- definitions -------------------------------------------------------------------------------------------------


class DefinitionError(DjarrowError, ValueError):
    """A table definition cannot be used. Base of the errors of this section.

    table: the table's name; line, column: the place in the definition's text, both from 1, where it is known.
    """

    def __init__(
        self, message: str, *, table: str | None = None, line: int | None = None, column: int | None = None
    ) -> None:
        where = [] if table is None else [f"Table {table!r}"]
        where += [f"{what} {number}" for what, number in (("line", line), ("column", column)) if where and number]
        super().__init__(f"{', '.join(where)}: {message}" if where else message)
        self.table = table
        self.line = line
        self.column = column


class DefinitionSyntaxError(DefinitionError):
    """A line of a definition does not follow the grammar.

    text is the whole line; expected names what could have stood at the column.
    """

    def __init__(self, *, table: str | None, line: int, column: int, text: str, expected: tuple[str, ...]) -> None:
        wanted = " or ".join(expected) if expected else "the end of the line"
        start = max(0, column - 100)
        before, after = text[start : column - 1], text[column - 1 : start + 200]
        indent = re.sub(r"[^\t]", " ", before)
        pointer = f"\n    {before}{after}\n    {indent}^"
        super().__init__(f"expected {wanted}.{pointer}", table=table, line=line, column=column)
        self.text = text
        self.expected = expected


class UnknownType(DefinitionError):
    """An attribute names a type that does not exist, or gives it parameters that it does not take."""

    def __init__(
        self,
        type_text: str,
        reason: str,
        *,
        table: str | None = None,
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        super().__init__(f"{shown(type_text)} is not a type: {reason}", table=table, line=line, column=column)
        self.type_text = type_text


class UnknownReference(DefinitionError, LookupError):
    """A foreign key names a class that cannot be found from where the table is declared.

    why: what is wrong with the name; advice: where it was looked for, and what to do.
    """

    def __init__(
        self,
        reference: str,
        candidates: Iterable[str],
        *,
        table: str | None = None,
        line: int | None = None,
        column: int | None = None,
        why: str = "is no table class in sight",
        advice: str = "",
    ) -> None:
        message = f"the foreign key refers to {reference!r}, which {why}."
        super().__init__(message + hint_nearest(reference, candidates) + advice, table=table, line=line, column=column)
        self.reference = reference


class NoSchema(DefinitionError, AttributeError):
    """A class is used as a table and belongs to no schema, or to one that is not activated."""


class MissingSchema(DefinitionError, LookupError):
    """The database lacks a schema that may not be created. schema: its name; known: those that there are."""

    def __init__(self, schema: str, known: Iterable[str] = ()) -> None:
        known = tuple(known)
        super().__init__(
            f"the database has no schema {schema!r}, and create_schema=False forbids to create it. Check the name and "
            f"the connection, or pass create_schema=True.{hint_nearest(schema, known)}"
        )
        self.schema = schema
        self.known = known


class CyclicDependency(DefinitionError):
    """Foreign keys form a cycle. cycle: the full names around it, the first repeated at the end."""

    def __init__(
        self,
        cycle: tuple[str, ...],
        *,
        table: str | None = None,
        advice: str = "Remove one of these references.",
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        super().__init__(
            f"the foreign keys form a cycle: {' -> '.join(cycle)}. {advice}", table=table, line=line, column=column
        )
        self.cycle = cycle


class DefinitionMismatch(DefinitionError):
    """A class and the table that is held under its name do not agree. differences: one line each.

    place: what holds the table, the database or a repository. advice: what to do, where it is no class that disagrees.
    """

    def __init__(
        self,
        differences: tuple[str, ...],
        *,
        table: str,
        place: str = "the database",
        given: str = "the class",
        advice: str | None = None,
    ) -> None:
        listing = "".join(f"\n  - {line}" for line in differences)
        if advice is None:
            change = "Call `alter()` of the class to change the table, or change"
            advice = f"{change if place == 'the database' else 'Change'} the class to what `describe()` of the table "
            advice += "there shows."
        super().__init__(f"{given} does not agree with the table in {place}:{listing}\n{advice}", table=table)
        self.differences = differences


class AlterRefused(DefinitionError):
    """A table was not altered, and is as it was. reasons: what stands against it, one line each."""

    def __init__(self, reasons: tuple[str, ...], *, table: str) -> None:
        listing = "".join(f"\n  - {line}" for line in reasons)
        super().__init__(f"the table was not altered, nothing of it:{listing}", table=table)
        self.reasons = reasons


# --- existing tables ---------------------------------------------------------------------------------------------


class UnknownTable(DjarrowError, AttributeError, KeyError):
    """A schema of a database or of a repository has no table of this name, or none that can be used."""


class DropRefused(DjarrowError, PermissionError):
    """Tables cannot be dropped: nothing was."""


class DeleteRefused(DjarrowError, PermissionError):
    """Rows may not be deleted this way: none was. table: that of the rows; part, master: where a part stands alone."""

    def __init__(
        self, message: str, *, table: str | None = None, part: str | None = None, master: str | None = None
    ) -> None:
        super().__init__(f"{message} Nothing was deleted.")
        self.table = table
        self.part = part
        self.master = master


class NotConfirmed(DjarrowError, PermissionError):
    """What would be lost must be confirmed, and there is nobody to ask. question: what would have been asked."""

    def __init__(self, question: str) -> None:
        super().__init__(
            f"{question}\nThere is nobody to answer, and nothing was done. Pass prompt=False to go on without asking."
        )
        self.question = question


class ModuleExists(DjarrowError, FileExistsError):
    """A module is to be saved where a file is already. path: of the file."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} exists, and nothing was written. Pass overwrite=True to replace it.")
        self.path = path


# --- rows --------------------------------------------------------------------------------------------------------


class RowError(DjarrowError):
    """Rows cannot be inserted or changed; nothing was. Base of the errors of this section.

    table: the table's name; attribute: the attribute concerned; row: the number of the first row concerned, from 0;
    reason: what is wrong with it. problems: a Polars frame of all problems that the rows have, each with its row,
    attribute, value and reason; None where nobody looked for others.
    """

    def __init__(
        self, message: str, *, table: str, attribute: str | None = None, row: int | None = None, value: Any = None
    ) -> None:
        self.reason = message
        self.table = table
        self.attribute = attribute
        self.row = row
        self.value = value
        self.problems: Any = None
        super().__init__(self._text())

    def _text(self) -> str:
        place = f"Table {self.table!r}"
        place += f", attribute {self.attribute!r}" if self.attribute is not None else ""
        place += f", row {self.row}" if self.row is not None else ""
        return f"{place}: {self.reason} Nothing was written."

    def found_in(self, row: int) -> None:
        """Tell the row, which is looked for after the database refused it."""
        self.row = row
        self.message = self._text()
        self.args = (self.message,)


class UnknownField(RowError, KeyError):
    """A row has a field that the table does not have."""


class MissingField(RowError, KeyError):
    """A row lacks a field that has no default."""


class InvalidValue(RowError, ValueError):
    """A value is not of the attribute's type, or outside its range."""


class UpdateRefused(RowError, PermissionError):
    """Rows may not be changed here: of a query, in a repository, or where no log of changes may be made."""


class NoSuchRow(RowError, LookupError):
    """The row that is to be changed does not exist. key: its primary key as it was given."""

    def __init__(self, message: str, *, table: str, key: Mapping[str, Any]) -> None:
        super().__init__(message, table=table)
        self.key = dict(key)


class InsertRefused(RowError, PermissionError):
    """Rows may not be inserted here: in an auto-populated table outside its own make, or in a repository."""


class IntegrityError(RowError):
    """The database refused rows. constraint: its name; key: the attributes and values concerned."""

    def __init__(
        self,
        message: str,
        *,
        table: str,
        attribute: str | None = None,
        constraint: str | None = None,
        key: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, table=table, attribute=attribute)
        self.constraint = constraint
        self.key = dict(key or {})


class DuplicateKey(IntegrityError):
    """A row with the same primary key, or the same values under a unique index, is there already."""


class MissingParent(IntegrityError, LookupError):
    """A foreign key refers to a row that does not exist. parent: the table it refers to."""

    def __init__(
        self,
        message: str,
        *,
        table: str,
        parent: str,
        attribute: str | None = None,
        constraint: str | None = None,
        key: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, table=table, attribute=attribute, constraint=constraint, key=key)
        self.parent = parent


# --- blobs -------------------------------------------------------------------------------------------------------


class UnstorableValue(DjarrowError, ValueError):
    """A value, or a part of it, cannot be stored in a blob. path: where it stands in the value; reason: why."""

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(f"{f'value{path}' if path else 'the value'} cannot be stored in a blob: {reason}.")
        self.reason = reason
        self.path = path

    def within(self, part: str) -> UnstorableValue:
        """The same refusal, seen from the container: the part of it that holds the value goes before the path."""
        return UnstorableValue(self.reason, part + self.path)


class InvalidBlob(DjarrowError, ValueError):
    """Stored bytes that begin as a blob does and are none: damaged, cut off, hostile, or of a later version."""


# --- queries -----------------------------------------------------------------------------------------------------


class QueryError(DjarrowError):
    """A query expression cannot be built or run. Base of the errors of this section."""


class UnknownAttribute(QueryError, KeyError):
    """A condition, projection or order names an attribute that the operand does not have."""

    def __init__(self, name: str, candidates: Iterable[str], *, where: str) -> None:
        super().__init__(f"{where}: there is no attribute {name!r}." + hint_nearest(name, candidates))
        self.name = name
        self.where = where


class NotUpstream(QueryError, KeyError):
    """What depends on rows was asked of a table that they do not depend on. table: that table."""

    def __init__(self, message: str, *, table: str) -> None:
        super().__init__(message)
        self.table = table


class IncompatibleOperands(QueryError, ValueError):
    """Two operands cannot be matched: a namesake has different origins, or the keys do not fit."""


class InvalidTerm(QueryError, ValueError):
    """Text given as a condition or computed attribute is not one allowed scalar expression. text: as given."""

    def __init__(self, reason: str, *, text: str) -> None:
        super().__init__(f"{text!r}: {reason}")
        self.text = text


class InvalidCondition(QueryError, TypeError):
    """An object of this kind cannot restrict a query."""


class NotOneRow(QueryError, ValueError):
    """fetch1 needs exactly one row. found: how many there were, at least."""

    def __init__(self, found: int, *, where: str) -> None:
        count = "none" if found == 0 else "more than one"
        super().__init__(f"{where}: fetch1 needs exactly one row and found {count}. Restrict to one primary key.")
        self.found = found


# --- connections and engines -------------------------------------------------------------------------------------


class EngineError(DjarrowError):
    """The database engine refused or failed. sqlstate: PostgreSQL's code, where there is one."""

    def __init__(self, message: str, *, sqlstate: str | None = None) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


class ConnectionFailed(EngineError, ConnectionError):
    """No connection could be made, or an open one was lost."""


class AccessDenied(EngineError, PermissionError):
    """The database user may not do this, or its password was refused."""


class TransactionError(EngineError):
    """A transaction cannot be used this way, or was already aborted by the server when it should commit."""


class UnknownOutcome(TransactionError):
    """The connection was lost while COMMIT ran, and the server does not tell whether the transaction was kept.

    transaction, since: its number, and the place that the server's log had come to, which
    `connection.transaction_status` takes.
    """

    def __init__(self, transaction: str, *, since: str | None = None) -> None:
        super().__init__(
            f"It is not known whether transaction {transaction} was committed: the answer to COMMIT did not come, and "
            f"the server did not tell later. Ask once it can: connection.transaction_status({transaction!r}, "
            f"since={since!r}) gives 'committed' where all of it was kept, and 'aborted' where nothing was. Until then "
            "do not repeat it: it could be done twice."
        )
        self.transaction = transaction
        self.since = since


class TimedOut(EngineError, TimeoutError):
    """A statement took longer than it was given, and was stopped."""


class ResultTooLarge(EngineError, MemoryError):
    """A result that is held whole is larger than a query of a repository may take. limit: in bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"the result has more than {limit:,} bytes, which is what the setting `repository.memory` allows. Read "
            "fewer rows or columns, read it in pieces by `to_batches()`, or raise that and open the repository again."
        )
        self.limit = limit


class TableChanged(DefinitionError, EngineError):
    """A table is no longer what its class says: another process altered it since this one declared the class."""

    def __init__(self, message: str, *, table: str | None = None, sqlstate: str | None = None) -> None:
        super().__init__(f"{message} Start the process anew with a class that agrees with the table.", table=table)
        self.sqlstate = sqlstate


class MissingTable(DefinitionError, EngineError):
    """A table is used that the database does not hold, and that is not made on first use."""

    def __init__(self, message: str, *, table: str, sqlstate: str | None = None) -> None:
        super().__init__(
            f"{message} It was dropped: then declare its class again. Or it was never made, as where its schema was "
            "activated with create_tables=False. Activate the schema with create_tables=True, as a user who may make "
            "tables.",
            table=table,
        )
        self.sqlstate = sqlstate


class ServerError(DjarrowError):
    """The embedded PostgreSQL server cannot be used. Base of the errors of this section."""


class ServerFolderDenied(ServerError, PermissionError):
    """The data folder of the embedded server cannot be made or written."""


class ServerVersionMismatch(ServerError):
    """The data folder belongs to another major version of PostgreSQL. found, available: the two versions."""

    def __init__(self, message: str, *, found: int, available: int) -> None:
        super().__init__(message)
        self.found = found
        self.available = available


class ServerBinariesMissing(ServerError, FileNotFoundError):
    """No PostgreSQL binaries were found."""


class ServerStartFailed(ServerError):
    """The server did not come up. log: the last lines that it wrote."""

    def __init__(self, message: str, *, log: str = "") -> None:
        super().__init__(message + (f"\n{log}" if log else ""))
        self.log = log


class MissingPackage(DjarrowError, ImportError):
    """Something needs a package that is not installed, and that djarrow does not bring. package: its name."""

    def __init__(self, package: str, *, what: str) -> None:
        super().__init__(f"{what} needs {package}, which is not installed: `pip install {package}`.")
        self.package = package


class ConfigError(DjarrowError, ValueError):
    """A setting, environment variable or datajoint.toml holds what cannot be used."""


class UnknownSetting(ConfigError, AttributeError, KeyError):
    """There is no setting of this name."""

    def __init__(self, name: object, known: Iterable[str]) -> None:
        about = hint_nearest(str(name), known)
        if str(name).startswith("database"):
            about = (
                " Where the database is, `dj.conn(url)` says, or DJARROW_URL, or DJ_HOST, DJ_USER and DJ_PASS, or "
                "[database] of datajoint.toml."
            )
        super().__init__(f"there is no setting {told(name)}.{about}")


# --- computation -------------------------------------------------------------------------------------------------


class MakeError(DjarrowError, RuntimeError):
    """A make could not do its work. table: whose make; key: for which key, None where it is none's in particular.

    keys: a Polars frame of those of a batch that have no row, of a thousand at most; None of other errors.
    """

    def __init__(self, message: str, *, table: str, key: Mapping[str, Any] | None = None, keys: Any = None) -> None:
        of = "" if key is None else f", key {dict(key)}"
        super().__init__(f"Table {table!r}{of}: {message}")
        self.table = table
        self.key = None if key is None else dict(key)
        self.keys = keys


class InputsChanged(MakeError):
    """What a make in parts had fetched was changed by others before it could insert: it is to be made again."""


class RefreshRefused(MakeError):
    """A stale result was not replaced: rows that no make would bring back depend on it."""


class LeaseLost(MakeError):
    """A worker was away for longer than its lease, and its key was given to another one: nothing of it was kept."""


class LeaseWarning(UserWarning):
    """A worker's sign of life does not arrive, or does again. If none does before its lease ends, LeaseLost follows."""


class StrictReadError(MakeError):
    """A make read what is not upstream of its key, where `strict_reads` is "error".

    table, key: of the make, which has no key where it is for many; read: the table that it read; file, line: where.
    """

    def __init__(
        self, message: str, *, table: str, key: Mapping[str, Any] | None, read: str, file: str, line: int
    ) -> None:
        super().__init__(f"{message} At {file}:{line}.", table=table, key=key)
        self.read = read
        self.file = file
        self.line = line


class StrictReadWarning(UserWarning):
    """A make read what is not upstream of its key, where `strict_reads` is "warn"."""


# --- repositories ------------------------------------------------------------------------------------------------


class RepositoryError(DjarrowError):
    """An exported repository cannot be written or opened."""


class MergeConflict(RepositoryError, ValueError):
    """A repository holds other rows than the database under the same keys, and nothing of it was restored.

    conflicts: table -> a Polars frame of the first of them: the primary key, for each attribute that differs in any of
    them `NAME.database` and `NAME.repository`, both NULL in a row that agrees in it, and `_conflict`, which says what
    is wrong with the row. counts: table -> how many there are.
    """

    def __init__(self, conflicts: Mapping[str, Any], counts: Mapping[str, int]) -> None:
        listing = "".join(f"\n  - {table}: {n:,} row{'s' if n > 1 else ''}" for table, n in counts.items())
        super().__init__(
            "the repository and the database hold different rows under the same keys, and which are right is not known"
            f" here:{listing}\nNothing was restored. `conflicts` of this error has a frame of them for each table. "
            "Correct or delete one side, or restore under other names by `rename`."
        )
        self.conflicts = dict(conflicts)
        self.counts = dict(counts)


# --- the demo ----------------------------------------------------------------------------------------------------


class DemoError(DjarrowError, OSError):
    """The demo cannot find its data or make its folder, or its two engines do not agree."""


DataJointError = DjarrowError
