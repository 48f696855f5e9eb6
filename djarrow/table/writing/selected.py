"""Insert of a query: from table to table in one statement, without a row leaving the server. 000 "Query Insert"."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from djarrow.errors import (
    DuplicateKey,
    EngineError,
    IntegrityError,
    InvalidCondition,
    InvalidValue,
    MissingField,
    UnknownField,
    hint_nearest,
)
from djarrow.model.values import within
from djarrow.sql.insert import Conflict
from djarrow.sql.locks import repeated
from djarrow.table.strict import check_read
from djarrow.table.writing.agreement import check_columns
from djarrow.table.writing.inserted import Inserted, inserted
from djarrow.table.writing.log import ensure_log
from djarrow.table.writing.permission import making
from djarrow.table.writing.replacing import replaced

if TYPE_CHECKING:
    from djarrow.engine.base import Database
    from djarrow.model.heading import Heading
    from djarrow.model.spec import TableSpec
    from djarrow.table.expression import QueryExpression
    from djarrow.table.table import Table
    from djarrow.table.writing.insert import Options


def insert_selected(table: Table, database: Database, query: QueryExpression, options: Options) -> Inserted:
    """Insert the rows of a query of the same database."""
    if options.chunk_size is not None:
        raise InvalidCondition("insert: a query goes from table to table on the server at once, without chunk_size.")
    if (make := making.get()) is not None:
        check_read(query.node, make)
    statement = _statement(table.spec, query, options)
    query._reader()  # tables that it reads are made on first use, outside of the transaction
    if database.in_transaction:
        return _run(database, table, statement, options)

    def work() -> Inserted:
        with database.begin(isolation="READ COMMITTED"):
            return _run(database, table, statement, options)

    return repeated(work, lambda reason: EngineError(f"{reason}. Nothing was written."), bounded=False)


def _statement(spec: TableSpec, query: QueryExpression, options: Options) -> str:
    from djarrow.sql import assignment, insert
    from djarrow.sql import compile as compiler
    from djarrow.sql.dialects import Dialect

    names = _names(spec, query.heading, ignore_extra_fields=options.ignore_extra_fields)
    values = []
    for name in names:
        source, target = query.heading[name].type, spec.heading[name].type
        expression = assignment.assigned(name, source, target)
        if expression is None:
            raise InvalidValue(
                f"it is {source} in the query and {target} in the table. Compute it as {target} in the query, or "
                "insert what the query reads: `insert(query.to_polars())`.",
                table=str(spec.name),
                attribute=name,
            )
        values.append((name, expression))
    source_text = compiler.source(query.node, Dialect.POSTGRES, names).text
    return insert.insert_selected(spec, values, source_text, options.conflict)


def _names(spec: TableSpec, given: Heading, *, ignore_extra_fields: bool) -> tuple[str, ...]:
    """The attributes that the query gives, in the order of the table."""
    for name in given.names:
        if name not in spec.heading and not ignore_extra_fields:
            hint = hint_nearest(name, spec.heading.names)
            raise UnknownField(
                f"the query has {name!r}, and the table has no such attribute.{hint} Leave it out by `.proj(...)`, "
                "or pass ignore_extra_fields=True.",
                table=str(spec.name),
                attribute=name,
            )
    for attribute in spec.heading:
        if attribute.name not in given and attribute.default is None:
            reason = "a value is required, and the query has no such attribute."
            raise MissingField(reason, table=str(spec.name), attribute=attribute.name)
    return tuple(name for name in spec.heading.names if name in given)


def _run(database: Database, table: Table, statement: str, options: Options) -> Inserted:
    spec = table.spec
    if options.conflict is Conflict.REPLACE:
        ensure_log(database, table)
    check_columns(database, spec)
    with _explained(spec):
        replaces = options.conflict is Conflict.REPLACE
        result = replaced(database, statement) if replaces else database.read(statement, few=True)
    return inserted(result, result.column("given")[0].as_py())


@contextlib.contextmanager
def _explained(spec: TableSpec) -> Iterator[None]:
    """A value that a column does not take is told as such."""
    from djarrow.frame.offenders import typed

    try:
        yield
    except IntegrityError as error:
        error.key = typed(error.key, spec.heading)
        raise
    except InvalidValue as error:  # of a check that holds the column to its range, by its name alone
        if error.attribute is None or error.attribute not in spec.heading:
            raise
        kind = spec.heading[error.attribute].type
        row = _FAILING.search(error.reason)
        reason = f"a value of the query is no {kind}{within(kind)}{f', in the row {row[1]}' if row else ''}."
        raise InvalidValue(reason, table=str(spec.name), attribute=error.attribute) from error
    except EngineError as error:
        if error.sqlstate == _TWICE:
            reason = "the query gives a key twice, and does not say which of its rows is to stay."
            raise DuplicateKey(reason, table=str(spec.name)) from error
        if not (error.sqlstate or "").startswith("22"):
            raise
        refused = _REFUSED.search(error.message)
        reason = f"{refused[1]}." if refused else error.message
        raise InvalidValue(reason, table=str(spec.name)) from error


_FAILING = re.compile(r"Failing row contains (\(.*\))\.", re.DOTALL)

_TWICE = "21000"
"""The state of a row that one statement would replace a second time."""

_REFUSED = re.compile('for type numeric: "(.*)"', re.DOTALL)
"""What assignment.py makes the server say of a value."""
