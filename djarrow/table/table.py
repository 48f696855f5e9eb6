"""Tables: what a table class can do beyond being a query. Declaring is schema.py's question, computing jobs/'s.

Specification: 000 "Table Tiers", "Master-Part Relationship", "Lookup tables".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from djarrow.errors import DefinitionError, NoSchema, QueryError
from djarrow.expr.nodes import Stored
from djarrow.model import names
from djarrow.model.describe import describe
from djarrow.model.names import Tier
from djarrow.model.spec import TableSpec
from djarrow.table.expression import QueryExpression, as_expression
from djarrow.table.methods import on_class_too, property_on_class_too
from djarrow.table.source import Offline, check_held, current_offline

if TYPE_CHECKING:
    import polars as pl

    from djarrow.engine.base import Database, Reader
    from djarrow.expr.nodes import Node
    from djarrow.model.names import TableName
    from djarrow.table.changing.alter import Changes
    from djarrow.table.writing.inserted import Inserted


class Home(Protocol):
    """What a table belongs to: a schema of a database, or of a repository."""

    @property
    def name(self) -> str:
        """The name of the schema."""
        ...

    @property
    def place(self) -> object:
        """What two tables must share to be combined in a query."""
        ...

    @property
    def repository(self) -> Offline | None:
        """The repository that it is a schema of; None of one of a database."""
        ...

    def ready_connection(self, table: TableName | None = None) -> Reader:
        """The engine that answers queries, after what is pending was declared. table: that is to be used."""
        ...

    def open_connection(self, table: TableName, seconds: float) -> Reader | None:
        """The engine that answers queries, where it is open: nothing is opened or declared. seconds: as for a look.

        Raises DefinitionMismatch where the database holds the table otherwise than its class says.
        """
        ...

    @property
    def makes_tables(self) -> bool:
        """Whether tables are made where they are missing."""
        ...

    def makes(self, table: TableName) -> bool:
        """Whether the table is yet to be made on first use."""
        ...

    def writable(self, table: TableName | None = None) -> Database:
        """The same, for writing. Raises InsertRefused where nothing can be written."""
        ...

    def stored_spec(self, name: TableName) -> TableSpec:
        """What is held under this name."""
        ...

    def table_size(self, name: TableName) -> int:
        """How many bytes a table takes. Raises MissingTable."""
        ...

    def parent_spec(self, name: TableName) -> TableSpec:
        """The spec of a table that one of these refers to."""
        ...

    def all_parents(self) -> dict[TableName, tuple[TableName, ...]]:
        """Table -> the tables that it refers to, of these and of those that they refer to."""
        ...

    def tables_known(self) -> tuple[int, ...]:
        """A number for each of these: others where what is known of the tables may have changed."""
        ...

    def reference_to(self, name: TableName) -> str:
        """How a definition here refers to a table."""
        ...


class TableClass(type):
    """The class of table classes: a class stands for its table in every operator, and has a length."""

    def __and__(cls, condition: Any) -> QueryExpression:
        return _instance(cls).__and__(condition)

    def __sub__(cls, condition: Any) -> QueryExpression:
        return _instance(cls).__sub__(condition)

    def __mul__(cls, other: Any) -> QueryExpression:
        return _instance(cls).__mul__(other)

    def __add__(cls, other: Any) -> QueryExpression:
        return _instance(cls).__add__(other)

    def __contains__(cls, row: Any) -> bool:
        return row in _instance(cls)

    def __iter__(cls) -> Iterator[dict[str, Any]]:
        return iter(_instance(cls))

    def __len__(cls) -> int:
        return len(_instance(cls))

    def __bool__(cls) -> bool:
        return True  # a class is there; its instance is true when the table has rows


def _instance(cls: type) -> QueryExpression:
    """The query that a table class stands for."""
    expression = as_expression(cls)
    if expression is None:
        raise DefinitionError(f"{cls.__name__} is no table.")
    return expression


class Table(QueryExpression, metaclass=TableClass):
    """Base of all tables. A subclass of a tier gives `definition`, and `@schema` makes it a table of that schema."""

    tier: ClassVar[Tier | None] = None
    definition: ClassVar[str]
    _spec: ClassVar[TableSpec | None] = None
    _schema: ClassVar[Home | None] = None
    _stored: ClassVar[Stored | None] = None
    _is_table: ClassVar[bool] = True

    def __init__(self) -> None:
        """An instance is the query that gives all rows of the table."""
        self._roots = (self,)

    @property
    def spec(self) -> TableSpec:
        """What the table is, complete."""
        if self._spec is None and self._schema is not None:
            raise NoSchema(
                f"the schema of the class {type(self).__name__} is not activated. Call `activate('name')` of the "
                f"module {type(self).__module__!r}, or of its schema, before using the class."
            )
        if self._spec is None:
            raise NoSchema(
                f"the class {type(self).__name__} belongs to no schema; decorate it, or the master it is nested in, "
                "with `@schema`, where `schema = dj.Schema('name')`."
            )
        return self._spec

    @property
    def schema(self) -> Home:
        """The schema that the table belongs to."""
        if self._schema is None:
            self.spec  # noqa: B018 - raises with what to do
            raise NoSchema(f"the class {type(self).__name__} belongs to no schema.")
        return self._schema

    @property
    def node(self) -> Node:
        """The query that gives all rows."""
        spec = self.spec
        node = type(self)._stored
        if node is None or node.heading is not spec.heading or node.name is not spec.name:
            node = type(self)._stored = Stored(spec.name, spec.heading)
        return node

    @property_on_class_too
    def full_table_name(self) -> str:
        """The quoted name of the table in the database."""
        from djarrow.sql.ddl import full_name

        return full_name(self.spec.name)

    @property_on_class_too
    def size_on_disk(self) -> int:
        """How many bytes the table takes: in the database with its indexes and blobs, in a repository in its files.

        Raises MissingTable.
        """
        offline = current_offline()
        if offline is None:
            return self.schema.table_size(self.spec.name)
        check_held(offline, self.node)
        return offline.table_size(self.spec.name)

    def _reader(self) -> Reader:
        return self.schema.ready_connection(self.spec.name)

    def _place(self) -> object:
        return self.schema.place

    def __hash__(self) -> int:
        return hash(self.node)

    # --- structure -----------------------------------------------------------------------------------------------

    @on_class_too
    def describe(self) -> str:
        """The definition of the table as the database holds it, which declares the same table again (001 5.3.3)."""
        return describe(self.schema.stored_spec(self.spec.name), self.schema.reference_to)

    @on_class_too
    def declare(self) -> None:
        """Make the table in the database now, where it is not there; using it does so anyway (001 5.3.1)."""
        self.schema.ready_connection(self.spec.name)

    @on_class_too
    def alter(self, prompt: bool | None = None) -> Changes:
        """Change the table in the database to what its class says, all of it in one transaction. See docs/evolution.md.

        prompt: attributes that the class lacks are dropped with their values after a question; False drops them
        without one, None asks where someone can answer and `safemode` is on. Returns the changes that were made: none
        where the class agrees with its table, and none where the answer was no.

        Raises AlterRefused with every reason where a change would lose or alter values, or cannot be made; then the
        table is as it was. Raises NotConfirmed where there is nobody to ask, TransactionError inside a transaction.
        """
        from djarrow.table.changing.alter import alter

        return alter(self, prompt=prompt)

    @on_class_too
    def drop(self, prompt: bool | None = None) -> list[str]:
        """Drop the table, its rows, and all tables that depend on it, in every schema, in one transaction.

        What goes is shown first, with how many rows each table has, and asked for. A part goes with its master, and so
        does the master of a part that must go. prompt: False does not ask, True asks, None asks where someone can
        answer and `safemode` is on. Using a class of a dropped table raises; declared again, it makes the table anew.

        Returns the names of the tables dropped; none where there was none, or where the answer was no. Raises
        DropRefused of a part, and where others use the tables meanwhile; NotConfirmed where there is nobody to ask;
        TransactionError inside of a transaction; AccessDenied. Nothing was dropped then. Specification: 001 5.13.
        """
        from djarrow.table.changing.drop import drop_table

        return drop_table(self, prompt=prompt)

    # --- writing -------------------------------------------------------------------------------------------------

    @on_class_too
    def insert(
        self,
        rows: Any,
        *,
        replace: bool = False,
        skip_duplicates: bool = False,
        ignore_extra_fields: bool = False,
        allow_direct_insert: bool = False,
        chunk_size: int | None = None,
    ) -> Inserted:
        """Insert rows, all or none. Specification: 000 "Batch Insert", "Query Insert"; docs/writing.md.

        rows: a Polars frame or lazy frame; an Arrow table, batch, reader, or what gives an Arrow stream; a pandas
        frame; NumPy records; the path of a Parquet or CSV file, or of a folder of Parquet files; an iterable of
        mappings (fields with a default may be left out) or of sequences with a value for every attribute in order; or
        a query, which goes from table to table on the server. Memory is bounded by a piece of them, of 16 MiB.

        skip_duplicates: pass over rows whose primary key is there. replace: rows whose primary key is there take the
        place of those that have it, whose dependents stay. ignore_extra_fields: pass over fields that are no
        attributes. allow_direct_insert: insert into an auto-populated table outside its make. chunk_size: send so many
        rows at once, and show a progress bar; all of them are one transaction.

        Returns how many rows were inserted: a number with `skipped` and `replaced`. Raises UnknownField, MissingField,
        InvalidValue, DuplicateKey, MissingParent or InsertRefused, with the table, the attribute, the row and the value
        of the first problem, and a frame of all as `problems`; then nothing was inserted. Raises UnknownOutcome where
        the connection was lost at the commit and the server cannot be asked.
        """
        from djarrow.table.writing.insert import Options, insert

        options = Options.of(
            replace=replace,
            skip_duplicates=skip_duplicates,
            ignore_extra_fields=ignore_extra_fields,
            allow_direct_insert=allow_direct_insert,
            chunk_size=chunk_size,
        )
        return insert(self, rows, options)

    @on_class_too
    def insert1(
        self,
        row: Mapping[str, Any] | Iterable[Any],
        *,
        replace: bool = False,
        skip_duplicates: bool = False,
        ignore_extra_fields: bool = False,
        allow_direct_insert: bool = False,
    ) -> Inserted:
        """Insert one row: a mapping, or a sequence with a value for every attribute. Specification: 000 "Insert1"."""
        return self.insert(
            [row],
            replace=replace,
            skip_duplicates=skip_duplicates,
            ignore_extra_fields=ignore_extra_fields,
            allow_direct_insert=allow_direct_insert,
        )

    @on_class_too
    def validate(self, rows: Any, *, ignore_extra_fields: bool = False) -> pl.DataFrame:
        """A frame of all that is wrong with rows, which are not inserted; the database is not asked.

        Its columns are row (Int64, from 0; NULL where all rows have the problem), attribute, value, reason (String).
        Told are unknown and missing fields, values that are not of the attribute's type, NULL where a value is
        required, and primary keys that are given twice; not what only the database knows: rows that are there, and
        parents that are not. rows: as insert takes them, but no query.
        """
        from djarrow.table.writing.validate import validate

        return validate(self, rows, ignore_extra_fields=ignore_extra_fields)

    @on_class_too
    def update1(self, row: Any) -> None:
        """Change attributes of one row, which exists: a deliberate correction (000 "Update"; docs/updates.md).

        row: a mapping, a record of NumPy or pandas, or a frame of one row, with the whole primary key and new values of
        attributes outside of it. None resets an attribute to its default, or to NULL. Each value that becomes
        another one is kept in the schema's log, `schema.updates`, with who changed it and when.

        Raises NoSuchRow; UnknownField, MissingField, InvalidValue, DuplicateKey, MissingParent; UpdateRefused in a
        repository, and where no log may be made; AccessDenied. Then nothing was changed.
        """
        from djarrow.table.writing.update import update1

        update1(self, row)


class Manual(Table):
    """A table whose rows come from outside the pipeline, entered by people or their scripts."""

    tier = names.MANUAL


class Lookup(Table):
    """A table of general facts that are part of the design; `contents` are its rows, inserted when it is declared.

    contents: rows as `insert` takes them, a query, a generator, a function, method or property that gives them, or the
    path of a CSV or Parquet file. Declared again, what is new is added and what differs is reported: docs/lookups.md.
    """

    tier = names.LOOKUP
    contents: ClassVar[Any] = ()


class Part(Table):
    """A table nested in its master's class, whose rows belong to a row of the master: `-> master`."""

    _master: ClassVar[type[Table] | None] = None

    @property
    def master(self) -> type[Table]:
        """The class of the master."""
        if self._master is None:
            raise DefinitionError(f"the part {type(self).__name__} is not nested in the class of a master.")
        return self._master

    @on_class_too
    def stale(self) -> QueryExpression:
        """The keys of the rows that do not hold any more: those of rows of the master that do not."""
        found = getattr(self.master, "stale_part", None)
        if found is None:
            raise QueryError(f"{self.spec.name} does not fill itself: its rows are as they were entered.")
        result: QueryExpression = found(self)
        return result


BASES: dict[Tier, type[Table]] = {names.LOOKUP: Lookup, names.MANUAL: Manual}
"""Tier -> what its classes derive from. jobs/ adds those that compute, which this layer does not know."""
