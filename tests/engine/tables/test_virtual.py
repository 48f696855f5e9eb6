"""Tables that have no class: virtual modules, the classes of a schema, and the names of what a database holds."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import (
    AccessDenied,
    DefinitionError,
    DefinitionMismatch,
    IncompatibleOperands,
    InsertRefused,
    MakeError,
    MissingParent,
    MissingSchema,
    MissingTable,
    NoSchema,
    RepositoryError,
    UnknownTable,
)
from djarrow.table.existing.module_text import literal

from ...described import drop_schemas

SUBJECT = "subject_id : uint16  # number\n---\nname : varchar(20)"


def make(schema: dj.Schema, name: str, definition: str, base: type[dj.Table] = dj.Manual, **members: Any) -> Any:
    """A table class of this name and definition, declared in the schema."""
    return schema(type(name, (base,), {"definition": definition, **members}))


@pytest.fixture
def pipeline(schema: dj.Schema) -> dj.Schema:
    """A schema with a table of each tier, parts, and a row or two."""
    Subject = make(schema, "Subject", "# who is studied\n" + SUBJECT)
    make(schema, "Rig", "rig : varchar(8)\n---", dj.Lookup, contents=[("left",), ("right",)])
    trial = type("Trial", (dj.Part,), {"definition": "-> master\ntrial : uint8\n---\nhit : bool"})
    echo = type("Echo", (dj.Part,), {"definition": "-> master\n-> Session.Trial\necho : uint8\n---"})
    Session = make(schema, "Session", "-> Subject\nsession : uint8\n---\n-> [nullable] Rig", Trial=trial, Echo=echo)
    make(schema, "Scan", "-> Session\n---\nframes : uint32", dj.Imported)
    make(schema, "Mask", "-> Scan\n---\narea : float64", dj.Computed)
    Subject.insert([(1, "Ada"), (2, "Bo")])
    Session.insert([(1, 1, "left"), (1, 2, None), (2, 1, "right")])
    Session.Trial.insert([(1, 1, 1, True), (1, 1, 2, False), (2, 1, 1, True)])
    return schema


@pytest.fixture
def lab(pipeline: dj.Schema, connection: PostgresConnection) -> Any:
    """Its classes, made from the database."""
    return dj.virtual(pipeline.name, connection=connection)


@pytest.fixture
def other(schema: dj.Schema, connection: PostgresConnection) -> Iterator[dj.Schema]:
    """A second schema, dropped after the test."""
    made = dj.Schema(f"{schema.name}-b", connection=connection)
    yield made
    drop_schemas(connection, made.name)


# --- classes -----------------------------------------------------------------------------------------------------


def test_classes_have_their_tiers_masters_and_headings(lab: Any, pipeline: dj.Schema) -> None:
    """Each table has a class of its tier, parts stand in their masters, and headings are those of the definitions."""
    tiers = {"Subject": dj.Manual, "Rig": dj.Lookup, "Session": dj.Manual, "Scan": dj.Imported, "Mask": dj.Computed}
    assert all(issubclass(getattr(lab, name), base) for name, base in tiers.items())
    assert issubclass(lab.Session.Trial, dj.Part)
    assert lab.Session.Trial().master is lab.Session
    specs = {cls().spec.name: cls().spec for cls in lab}
    assert specs == pipeline.specs
    assert lab.Subject.__doc__ == "who is studied"


def test_opening_takes_one_statement(pipeline: dj.Schema, counting: Any) -> None:
    """A virtual module reads the catalog once, and its classes take one statement a query."""
    lab = dj.virtual(pipeline.name, connection=counting)
    assert len(counting.statements) == 1
    counting.statements.clear()
    assert next(cls().heading.names for cls in lab) in (("rig",), ("subject_id", "name"))
    assert len(lab.Subject) == 2
    assert len(counting.statements) == 1


def test_asking_for_a_class_takes_no_statement(pipeline: dj.Schema, counting: Any) -> None:
    """Whether a schema has a table is known without the database where a class of the schema is that table."""
    mine = dj.Schema(pipeline.name, connection=counting)
    make(mine, "Subject", SUBJECT)
    assert "Subject" in mine
    assert counting.statements == []
    assert "Session" in mine
    assert len(counting.statements) == 1


def test_every_operator_takes_them(lab: Any, pipeline: dj.Schema) -> None:
    """Virtual classes join, restrict, aggregate and project as declared ones do, and with them."""
    Subject = pipeline["Subject"]
    assert (lab.Session * lab.Session.Trial & "hit").to_dicts("subject_id", "rig") == [
        {"subject_id": 1, "rig": "left"},
        {"subject_id": 2, "rig": "right"},
    ]
    assert (lab.Subject.aggr(lab.Session, n="count(*)") & "n > 1").fetch1("subject_id") == 1
    assert len(lab.Session - lab.Session.Trial) == 1
    assert (Subject & lab.Session.proj(..., other="session") & {"name": "Bo"}).fetch1("subject_id") == 2
    assert len(lab.Session.proj(n="subject_id * 2") & [{"n": 2}]) == 2
    with pytest.raises(IncompatibleOperands):
        lab.Subject.proj(session="name") * lab.Session


def test_inserts_are_those_of_any_class(lab: Any) -> None:
    """Rows are checked and inserted, also into parts; auto-populated tables refuse them."""
    lab.Subject.insert1((3, "Cy"))
    lab.Session.insert1({"subject_id": 3, "session": 1})
    lab.Session.Trial.insert1((3, 1, 1, True))
    assert len(lab.Session.Trial & "subject_id = 3") == 1
    with pytest.raises(MissingParent):
        lab.Session.insert1((9, 1, None))
    with pytest.raises(InsertRefused):
        lab.Scan.insert1((1, 1, 5))


def test_there_is_no_make_to_populate_with(lab: Any) -> None:
    """Progress is known, and populating says that the database keeps no make."""
    assert lab.Scan.progress() == (3, 3)
    with pytest.raises(MakeError, match="made from the database"):
        lab.Scan.populate()


def test_a_new_schema_refers_to_them(
    lab: Any, pipeline: dj.Schema, other: dj.Schema, connection: PostgresConnection
) -> None:
    """Virtual classes and their parts are parents in definitions of another schema, whose tables compute from them."""

    @other
    class Note(dj.Manual):
        definition = "-> lab.Subject\n-> lab.Session.Trial.proj(seen='trial')\n---\ntext : varchar(40)"

    @other
    class Length(dj.Computed):
        definition = "-> lab.Session\n---\ntrials : uint32"

        def make(self, key: dict[str, Any]) -> None:
            self.insert1({**key, "trials": len(lab.Session.Trial & key)})

    Note.insert1((1, 1, 2, "late"))
    with pytest.raises(MissingParent):
        Note.insert1((1, 1, 9, "never"))
    assert Length.populate().done == 3
    assert (Length & {"subject_id": 1, "session": 1}).fetch1("trials") == 2
    assert Note().spec.heading["seen"].lineage == lab.Session.Trial().spec.heading["trial"].lineage
    assert Note.describe() == (
        f"-> {pipeline.name}.Subject\n-> {pipeline.name}.Session.Trial.proj(seen='trial')\n---\ntext : varchar(40)\n"
    )


def test_export_takes_them(lab: Any, tmp_path: Path) -> None:
    """A virtual module, or some of its classes, are exported with the tables that they refer to."""
    dj.export(lab.Session.Trial, tmp_path / "some")
    dj.export(lab, tmp_path / "all")
    some, every = dj.open(tmp_path / "some"), dj.open(tmp_path / "all")
    try:
        name = lab.schema.name
        assert len(some[name].Session.Trial) == 3
        assert {table.table for table in some.tables} == {"#rig", "subject", "session", "session__trial"}
        assert len(every.tables) == 7
    finally:
        some.close()
        every.close()


# --- the module --------------------------------------------------------------------------------------------------


def test_a_virtual_module_shows_its_tables(lab: Any, pipeline: dj.Schema) -> None:
    """It completes class names, says what it is, and gives classes by attribute, by name and in order of dependency."""
    assert {name for name in dir(lab) if name[0].isupper()} == {"Subject", "Rig", "Session", "Scan", "Mask"}
    assert repr(lab) == f"<{pipeline.name}: 7 tables of the schema '{pipeline.name}'>"
    assert lab["session__trial"] is lab["Session.Trial"] is lab.Session.Trial
    assert lab["scan"] is lab["_scan"] is lab.Scan
    assert "Session.Echo" in lab
    assert "Session.Ecco" not in lab
    order = [cls.__qualname__ for cls in lab]
    assert order.index("Subject") < order.index("Session") < order.index("Session.Trial") < order.index("Session.Echo")


@pytest.mark.parametrize("ask", [lambda lab: lab.Sesion, lambda lab: lab["Sesion"], lambda lab: lab.schema["Sesion"]])
def test_a_wrong_name_gets_the_nearest(lab: Any, ask: Any) -> None:
    """A table that is not there is named with the nearest one, as attribute and by name."""
    with pytest.raises(UnknownTable, match=r"no table 'Sesion'\. Did you mean 'Session'") as caught:
        ask(lab)
    assert isinstance(caught.value, AttributeError)
    assert isinstance(caught.value, KeyError)
    assert not hasattr(lab, "__wrapped__")


def test_a_schema_that_is_not_there(pipeline: dj.Schema, connection: PostgresConnection) -> None:
    """A wrong name of a schema raises with the nearest right one, and one that cannot be a name says so."""
    with pytest.raises(MissingSchema, match=f"no schema '{pipeline.name}x'.*Did you mean '{pipeline.name}'"):
        dj.virtual(pipeline.name + "x", connection=connection)
    with pytest.raises(MissingSchema, match="no schema 'No Schema'"):
        dj.virtual("No Schema", connection=connection)
    for name in (None, 5, "", "a\0b", "pg_catalog", "information_schema", "n" * 64):
        with pytest.raises(DefinitionError, match="name"):
            dj.virtual(name, connection=connection)  # type: ignore[arg-type]
    with pytest.raises(DefinitionError, match="name of a module"):
        dj.VirtualModule(None, pipeline.name, connection=connection)  # type: ignore[arg-type]


def test_the_names_that_datajoint_users_know(lab: Any, pipeline: dj.Schema, connection: PostgresConnection) -> None:
    """VirtualModule has a name of its own and takes more objects; virtual_schema is dj.virtual."""
    module = dj.VirtualModule("animals", pipeline.name, connection=connection, add_objects={"number": 5})
    assert repr(module).startswith("<animals: 7 tables")
    assert module.number == 5
    assert module.schema.name == pipeline.name
    assert len(dj.virtual_schema(pipeline.name, connection=connection).Subject) == 2


def test_virtual_modules_can_make_what_is_missing(schema: dj.Schema, connection: PostgresConnection) -> None:
    """With create_schema the schema is made, and with create_tables classes are declared in it."""
    empty = dj.VirtualModule("m", schema.name, connection=connection, create_schema=True)
    assert schema.exists
    assert list(empty) == []
    A = make(empty.schema, "A", "a : uint8\n---")
    with pytest.raises(MissingTable):
        len(A)
    full = dj.VirtualModule("m", schema.name, connection=connection, create_tables=True)
    B = make(full.schema, "B", "b : uint8\n---")
    assert len(B) == 0


def test_tables_that_come_later(lab: Any, pipeline: dj.Schema) -> None:
    """A table made or dropped meanwhile is there, or gone, after refresh."""
    make(pipeline, "Late", "-> Subject\n---").insert1((1,))
    pipeline["Mask"].drop(prompt=False)
    with pytest.raises(UnknownTable):
        _ = lab.Late
    lab.refresh()
    assert len(lab.Late) == 1
    with pytest.raises(UnknownTable):
        _ = lab.Mask


# --- other software ----------------------------------------------------------------------------------------------


def test_tables_that_no_class_describes(pipeline: dj.Schema, connection: PostgresConnection) -> None:
    """They are left out with one warning that names them and why, and asking for one raises that."""
    connection.execute(f'CREATE TABLE "{pipeline.name}".heap (a integer)')
    connection.execute(f'CREATE TABLE "{pipeline.name}"._span (a integer PRIMARY KEY, b interval)')
    with pytest.warns(UserWarning, match="have no class") as caught:
        lab = dj.virtual(pipeline.name, connection=connection)
    assert len(caught) == 1
    text = str(caught[0].message)
    assert f"{pipeline.name}.heap: " in text
    assert "no primary key" in text
    assert "interval" in text
    for name, why in (("Heap", "no primary key"), ("Span", "interval")):
        with pytest.raises(UnknownTable, match=why):
            getattr(lab, name)
        with pytest.raises(UnknownTable, match=why):
            _ = lab.schema[name]
    assert len(list(lab)) == 7


def test_names_that_no_class_has(schema: dj.Schema, connection: PostgresConnection) -> None:
    """Tables whose names lead to no class, or to that of another table, are there under their own names."""
    schema.activate()
    connection.execute(f'CREATE SCHEMA "{schema.name}"')
    tables = ("scan_2", "Upper", "my table", "lone__part", "kind", "#kind", "none")
    for table in tables:
        connection.execute(f'CREATE TABLE "{schema.name}"."{table}" (a integer PRIMARY KEY)')
    lab = dj.virtual(schema.name, connection=connection)
    assert {name for name in dir(lab) if name[0].isupper()} == set()  # `lab.None` would be no Python
    for table in tables:
        lab[table].insert1((1,))
        assert lab[table].fetch1("a") == 1
    with pytest.raises(UnknownTable, match="could be '#kind' and 'kind'"):
        _ = lab.Kind
    with pytest.raises(DefinitionError, match="not nested"):
        _ = lab["lone__part"]().master  # type: ignore[attr-defined]


ODD = ["Odd_Schema", 'it\'s "odd"', "two\nlines --", "$djarrow$; %s {schemas}", "tab\tand\\", "\u65e5\u672c", "None"]


@pytest.mark.parametrize("name", ODD)
def test_schemas_of_any_name(name: str, schema: dj.Schema, connection: PostgresConnection, tmp_path: Path) -> None:
    """A schema that other software named is listed, read, written, referred to, saved, declared in and dropped."""
    identifier = '"' + name.replace('"', '""') + '"'
    connection.execute(f"CREATE SCHEMA {identifier}")
    try:
        connection.execute(f"CREATE TABLE {identifier}.subject (a integer PRIMARY KEY, t text)")
        assert name in dj.list_schemas(connection)
        lab = dj.virtual(name, connection=connection)
        lab.Subject.insert([(1, "x"), (2, "y")])
        lab.Subject.insert(pl.DataFrame({"a": [3], "t": ["z"]}))
        schema.activate(add_objects={"lab": lab})
        Note = make(schema, "Note", "-> lab.Subject\n---\nn : int8")
        Note.insert1((3, 7))
        assert (Note * lab.Subject).fetch1("t") == "z"
        assert "agrees" in str(Note.alter(prompt=False))
        assert f"= dj.virtual({literal(name)})\n" in schema.save()
        existing = dj.Schema(name, connection=connection, create_schema=False)
        existing.activate(add_objects={"lab": lab})
        More = make(existing, "More", "-> lab.Subject\n---\nkind : enum('a', 'b')  # of it\nindex (kind)")
        More.insert1((1, "a"))
        assert f"schema = dj.Schema({literal(name)}, create_schema=False)\n" in existing.save()
        with pytest.raises(DefinitionError, match="One that exists is opened by"):
            dj.Schema(name, connection=connection)
        with pytest.raises(RepositoryError, match="name of other software"):
            dj.export(lab, tmp_path / "out")
        schema.drop(prompt=False)
        assert len(existing.drop(prompt=False)) == 2
        assert name not in dj.list_schemas(connection)
    finally:
        connection.execute(f"DROP SCHEMA IF EXISTS {identifier} CASCADE")


def test_the_name_of_a_schema_is_no_statement(
    schema: dj.Schema, other: dj.Schema, connection: PostgresConnection
) -> None:
    """A schema whose name ends a comment of SQL, with a table that refers to ours, puts nothing into our statements."""
    hostile = f'"x\nINSERT INTO ""{other.name}"".target --"'
    A = make(schema, "A", "a : int32\n---\nb : int32")
    Target = make(other, "Target", "t : int32\n---")
    schema.activate()
    other.activate()
    connection.execute(f"CREATE SCHEMA {hostile}")
    try:
        connection.execute(f'CREATE TABLE {hostile}.u (a integer PRIMARY KEY REFERENCES "{schema.name}".a)')
        A.insert1((1, 2))
        again = dj.Schema(schema.name, connection=connection)
        wider = make(again, "A", "a : int32\n---\nb : int32\nc = 0 : int32")
        wider.alter(prompt=False)
        assert "c : int32 = 0" in wider.describe()
        assert len(dj.virtual(schema.name, connection=connection).A) == 1
        name = next(each for each in dj.list_schemas(connection) if each.startswith("x\n"))
        assert len(dj.virtual(name, connection=connection).U) == 0
        assert len(Target) == 0
    finally:
        connection.execute(f"DROP SCHEMA {hostile} CASCADE")


# --- the classes of a schema -------------------------------------------------------------------------------------


def test_classes_of_a_schema(pipeline: dj.Schema, connection: PostgresConnection) -> None:
    """A schema gives its own classes where it has some, and virtual ones for the rest; both work together."""
    mine = dj.Schema(pipeline.name, connection=connection)
    Subject = make(mine, "Subject", SUBJECT)
    lab = mine.classes()
    assert lab.Subject is Subject
    assert mine["Session"] is lab.Session
    assert mine["subject"] is Subject
    assert mine.tables == (Subject,)
    assert len(lab.Session & (Subject & "name = 'Ada'")) == 2
    assert [cls.__qualname__ for cls in mine] == [cls.__qualname__ for cls in lab]
    names = mine.list_tables()
    assert sorted(names) == ["#rig", "__mask", "_scan", "session", "session__echo", "session__trial", "subject"]
    assert names.index("subject") < names.index("session") < names.index("_scan") < names.index("__mask")
    assert "Session.Trial" in mine
    assert "scan" in mine
    assert "Nope" not in mine
    assert 5 not in mine


def test_looking_makes_nothing(schema: dj.Schema) -> None:
    """Classes that wait for their first use are listed, and neither they nor the schema are made by that."""
    A = make(schema, "A", "a : uint8\n---")
    assert schema.list_tables() == ["a"]
    assert list(schema.classes()) == list(schema) == [A]
    assert "A" in schema
    assert schema["A"] is A
    assert not schema.exists


def test_a_class_that_disagrees_is_the_schemas_own(pipeline: dj.Schema, connection: PostgresConnection) -> None:
    """Where the database holds a table otherwise, the schema still gives its class, which says so when it is used."""
    mine = dj.Schema(pipeline.name, connection=connection)
    Subject = make(mine, "Subject", SUBJECT + "\nage : uint8")
    assert mine.classes().Subject is Subject
    with pytest.raises(DefinitionMismatch):
        len(Subject)


def test_a_class_declared_later_takes_the_place(pipeline: dj.Schema, connection: PostgresConnection) -> None:
    """After a table was used without a class, declaring one for it works as if it had not been."""
    mine = dj.Schema(pipeline.name, connection=connection)
    before = mine.classes()
    Subject = make(mine, "Subject", SUBJECT)
    assert mine["Subject"] is Subject
    assert before.Subject is not Subject
    assert mine.classes().Subject is Subject
    assert len(Subject & before.Subject.proj()) == 2


def test_classes_into_a_namespace(pipeline: dj.Schema) -> None:
    """make_classes fills a namespace, and leaves the names that are taken."""
    names: dict[str, Any] = {"Subject": None}
    dj.Schema(pipeline.name, connection=pipeline.connection).make_classes(names)
    assert set(names) == {"Subject", "Rig", "Session", "Scan", "Mask"}
    assert names["Subject"] is None
    assert len(names["Session"]) == 3


def test_the_classes_of_a_schema_without_a_name() -> None:
    """A schema that is not activated has nothing to show, and says so."""
    for ask in (dj.Schema().classes, dj.Schema().list_tables):
        with pytest.raises(NoSchema, match="not activated"):
            ask()
    assert dj.Schema().drop() == []


# --- schemas -----------------------------------------------------------------------------------------------------


def test_list_schemas(pipeline: dj.Schema, other: dj.Schema, connection: PostgresConnection) -> None:
    """The schemas of users are listed, empty ones and those of other software too, and PostgreSQL's own are not."""
    connection.execute(f'CREATE SCHEMA "{other.name}"')
    listed = dj.list_schemas(connection)
    assert {pipeline.name, other.name} <= set(listed)
    assert listed == sorted(listed)
    assert not [name for name in listed if name.startswith("pg_") or name in ("information_schema", "public")]
    connection.execute("CREATE TABLE public.thing (a integer)")
    try:
        assert "public" in dj.list_schemas(connection)
    finally:
        connection.execute("DROP TABLE public.thing")


def test_what_a_user_may_not_read(pipeline: dj.Schema, connection: PostgresConnection) -> None:
    """A schema that the user has no right to is not listed, and reading its tables is refused."""
    connection.execute("CREATE ROLE visitor_here")
    try:
        connection.execute("SET ROLE visitor_here")
        assert pipeline.name not in dj.list_schemas(connection)
        lab = dj.virtual(pipeline.name, connection=connection)
        with pytest.raises(AccessDenied):
            len(lab.Subject)
    finally:
        connection.execute("RESET ROLE")
        connection.execute("DROP ROLE visitor_here")


def test_the_default_connection(
    pipeline: dj.Schema, connection: PostgresConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a connection the default one is used, and such classes combine with those that name it."""
    monkeypatch.setattr("djarrow.engine.connect._default", connection)
    assert pipeline.name in dj.list_schemas()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lab = dj.virtual(pipeline.name)
    assert len(lab.Session & pipeline["Subject"]) == 3
