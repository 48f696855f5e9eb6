"""Schemas that are bound later: collecting classes, activating them under a name, linking the modules of a pipeline."""

from __future__ import annotations

import importlib
import itertools
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import (
    AccessDenied,
    DefinitionError,
    DefinitionMismatch,
    InvalidValue,
    MissingSchema,
    MissingTable,
    NoSchema,
    TransactionError,
    UnknownReference,
)

from ...described import drop_schemas

Ask = Callable[[str], list[dict[str, Any]]]
_numbers = itertools.count(1)


def make(schema: dj.Schema, name: str, definition: str, base: type[dj.Table] = dj.Manual, **members: Any) -> Any:
    """A table class of this name and definition, in the schema."""
    return schema(type(name, (base,), {"definition": definition, **members}))


@pytest.fixture
def prefix(connection: PostgresConnection, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The beginning of schema names, dropped after the test; the server of the tests is the default connection."""
    monkeypatch.setattr("djarrow.engine.connect._default", connection)
    prefix = f"late{next(_numbers)}_"
    yield prefix
    for row in connection.query(
        f"SELECT nspname::text AS name FROM pg_namespace WHERE nspname ~ '^{prefix}'"
    ).to_pylist():
        drop_schemas(connection, row["name"])


@pytest.fixture
def made(prefix: str, ask: Ask) -> Callable[[], list[str]]:
    """What the database holds of the test: its schemas, and its tables with theirs."""

    def found() -> list[str]:
        schemas = ask(f"SELECT nspname::text AS name FROM pg_namespace WHERE nspname ~ '^{prefix}'")
        rows = ask(f"SELECT schemaname || '.' || tablename AS name FROM pg_tables WHERE schemaname ~ '^{prefix}'")
        return sorted(row["name"].removeprefix(prefix) for row in (*schemas, *rows))

    return found


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """The modules of the linked package, imported anew, and an empty linking module that `lab_pipeline` names."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    names = ("subject", "session", "ephys")
    modules = {name: importlib.import_module(f"linked_package.{name}") for name in names}
    lab = ModuleType("lab_pipeline")
    monkeypatch.setitem(sys.modules, "lab_pipeline", lab)
    yield SimpleNamespace(**modules, lab=lab)
    for name in ("linked_package", *(f"linked_package.{name}" for name in names)):
        del sys.modules[name]


def link(package: SimpleNamespace, prefix: str) -> None:
    """What a lab's own module does: activate the first module, name its classes, add a table and a function."""
    package.subject.activate(f"{prefix}subject")
    package.lab.subject, package.lab.Subject = package.subject, package.subject.Subject
    package.lab.Device = make(
        package.subject.schema, "Device", "device : varchar(8)\n---", dj.Lookup, contents=[("np",)]
    )
    package.lab.get_spikes = lambda key: [10, 20 + key["setting"]]


# --- a package of linked modules -----------------------------------------------------------------------------------


@pytest.mark.parametrize("by_name", [True, False], ids=["by name", "by module"])
def test_a_pipeline_of_linked_modules(
    package: SimpleNamespace, prefix: str, made: Callable[[], list[str]], by_name: bool
) -> None:
    """Three modules that find each other through a linking module are declared, filled, computed and described."""
    link(package, prefix)
    linking = "lab_pipeline" if by_name else package.lab
    package.ephys.activate(f"{prefix}ephys", f"{prefix}session", linking_module=linking)
    assert made() == [
        "ephys",
        "ephys.#method",
        "ephys.#setting",
        "ephys.__sorting",
        "ephys.__sorting__unit",
        "session",
        "session.follows",
        "session.session",
        "session.session__line",
        "subject",
        "subject.#device",
        "subject.#strain",
        "subject.subject",
        "subject.subject__line",
    ]
    subject, session, ephys = package.subject, package.session, package.ephys
    subject.Subject.insert1({"subject": "m1"})
    subject.Subject.Line.insert1(("m1", "C57BL/6"))
    session.Session.insert([("m1", 1, "np"), ("m1", 2, None)])
    session.Session.Line.insert1(("m1", 1, "C57BL/6"))
    session.Follows.insert1({"subject": "m1", "session": 2, "earlier": 1})
    assert ephys.Setting.to_dicts() == [{"method": "fast", "setting": 0}, {"method": "slow", "setting": 1}]
    assert ephys.Sorting.populate().done == 4
    assert (ephys.Sorting.Unit & "method = 'slow' and session = 2").fetch("spikes").tolist() == [10, 21]
    assert len(subject.Subject.Line * session.Session.Line * ephys.Sorting) == 2
    assert session.Follows.describe() == "-> Session\n-> Session.proj(earlier='session')\n---\n"
    assert session.Session.Line.describe() == f"-> master\n-> {prefix}subject.Subject.Line\n---\n"


def test_a_module_activated_by_itself_then_by_another(package: SimpleNamespace, prefix: str) -> None:
    """A module that activates another without a name, or with its own, takes it as it is."""
    link(package, prefix)
    package.session.activate(f"{prefix}session", linking_module=package.lab)
    package.ephys.activate(f"{prefix}ephys", linking_module=package.lab)
    package.ephys.activate(f"{prefix}ephys", f"{prefix}session", linking_module=package.lab)
    assert [module.schema.name for module in (package.session, package.ephys)] == [f"{prefix}session", f"{prefix}ephys"]
    assert package.session.schema.database == f"{prefix}session"


def test_parents_that_are_not_there(package: SimpleNamespace, prefix: str, made: Callable[[], list[str]]) -> None:
    """Without its parents a module is refused with class, line and what was searched; nothing of it remains."""
    session = package.session
    with pytest.raises(UnknownReference) as caught:
        session.activate(f"{prefix}session", linking_module="lab_pipeline")
    text = str(caught.value)
    assert (caught.value.reference, caught.value.table, caught.value.line) == ("Subject", "session", 2)
    assert "Looked for it in `add_objects`, the module 'linked_package.session', the schema" in text
    assert "`activate(..., add_objects={'Subject': ...})`" in text
    assert (session.schema.is_activated(), session.schema.name, made()) == (False, None, [])
    with pytest.raises(NoSchema, match="not activated"):
        session.Session.fetch()
    link(package, prefix)
    session.activate(f"{prefix}other", linking_module="lab_pipeline")
    assert session.schema.name == f"{prefix}other"
    assert len(session.Session.Line) == 0


def test_a_parent_found_too_late(package: SimpleNamespace, prefix: str, made: Callable[[], list[str]]) -> None:
    """Where only a later class lacks its parent, the classes before it are not declared either."""
    package.subject.activate(f"{prefix}subject")
    before = made()
    package.lab.Subject = package.subject.Subject
    package.lab.Device = make(package.subject.schema, "Device", "device : varchar(8)\n---")
    with pytest.raises(UnknownReference, match=r"'subject.Subject.Line'"):
        package.session.activate(f"{prefix}session", linking_module=package.lab)
    with pytest.raises(NoSchema):
        package.session.Session.heading  # noqa: B018 - asking is what is tested
    assert made() == before


def test_a_parent_whose_module_is_not_activated(package: SimpleNamespace, prefix: str) -> None:
    """A parent of a schema that waits itself is refused with the module to activate first."""
    package.lab.Subject = package.subject.Subject
    with pytest.raises(NoSchema, match=r"line 2.*'Subject'.*Activate that of 'linked_package.subject' first") as caught:
        package.session.activate(f"{prefix}session", linking_module=package.lab)
    assert (caught.value.table, caught.value.line) == ("session", 2)
    link(package, prefix)
    package.session.activate(f"{prefix}session", linking_module=package.lab)
    assert len(package.session.Session) == 0


def test_a_published_repository_is_read_with_the_package(package: SimpleNamespace, prefix: str, tmp_path: Path) -> None:
    """Activated with create_tables=False, which asks no server, the classes of a module read an exported repository."""
    link(package, prefix)
    package.session.activate(f"{prefix}session", linking_module=package.lab)
    package.subject.Subject.insert1(("m1", "F"))
    package.session.Session.insert1(("m1", 7, None))
    dj.export(package.session.schema, tmp_path / "published")
    fresh = dj.Schema(create_tables=False)
    Session = make(fresh, "Session", package.session.Session.definition)
    fresh.activate(f"{prefix}session", add_objects=package.lab)
    with dj.open(tmp_path / "published").using(fresh):
        assert Session.fetch1("session") == 7


# --- before a schema is activated ----------------------------------------------------------------------------------


def test_a_class_before_its_schema_is_activated(prefix: str) -> None:
    """Every use of a class before its schema is activated says what to call."""
    schema = dj.Schema()
    A = make(schema, "A", "a : uint8\n---", Item=type("Item", (dj.Part,), {"definition": "-> master\ni : uint8"}))
    assert repr(schema) == "Schema()"
    assert (schema.name, schema.database, schema.exists, schema.tables) == (None, None, False, ())
    for use in (A.fetch, A.Item.fetch, A.declare, A.describe, lambda: A & "a = 1", lambda: A.insert1((1,)), A.head):
        with pytest.raises(NoSchema, match=r"not activated. Call .*activate\('name'\)"):
            use()
    assert not hasattr(A, "heading")
    with pytest.raises(DefinitionError, match=r"no name yet.*activate\('name'\)"):
        schema.activate()
    with pytest.raises(DefinitionError, match="no name yet"):
        dj.export(schema, "nowhere")
    schema.activate(f"{prefix}a")
    assert (schema.name, schema.exists, schema.tables) == (f"{prefix}a", True, (A, A.Item))


@pytest.mark.parametrize(
    ("cls", "match"),
    [
        (type("A", (dj.Manual,), {"definition": "a : uint8 : uint8 x"}), "column"),
        (type("A", (dj.Manual,), {}), "no `definition`"),
        (type("a", (dj.Manual,), {"definition": "a : uint8"}), "CamelCase"),
        (type("A", (dj.Table,), {"definition": "a : uint8"}), "no tier"),
        (type("A", (dj.Part,), {"definition": "-> master"}), "nest it in the master's class"),
        (type("A", (dj.Manual,), {"definition": "a : uint8", "spec": 1}), "attribute 'spec'"),
        (dj.Manual, "attribute 'tier'"),
        (int, "is no table"),
    ],
    ids=["syntax", "definition", "name", "tier", "part", "attribute", "base", "no table"],
)
def test_mistakes_show_where_they_are_made(prefix: str, cls: Any, match: str) -> None:
    """What is wrong with a class by itself is refused when it is decorated, and leaves the schema without it."""
    schema = dj.Schema()
    with pytest.raises(DefinitionError, match=match):
        schema(cls)
    assert vars(dj.Manual).get("_schema") is None
    schema.activate(f"{prefix}a")
    assert schema.tables == ()


def test_a_class_defined_anew_before_activation(prefix: str, made: Callable[[], list[str]]) -> None:
    """A notebook's cell that runs again replaces its class; what refers to it finds the new one."""
    schema = dj.schema()
    first = make(schema, "A", "a : uint8\n---")
    B = make(schema, "B", "-> A\n---")
    again = make(schema, "A", "a : uint16\n---\nx = 0 : float64")
    schema.activate(f"{prefix}a")
    assert schema.tables == (again, B)
    assert B().heading["a"].type.row.name == "uint16"
    assert made() == ["a", "a.a", "a.b"]
    with pytest.raises(NoSchema, match="belongs to no schema"):
        first.fetch()
    third = make(schema, "A", "a : uint16\n---\nx = 0 : float64")
    assert len(third) == 0
    assert schema.tables == (third, B)


def test_a_parent_that_stands_later(prefix: str) -> None:
    """A class that refers to a later one of its schema is refused with what to move."""
    schema = dj.Schema()

    class B(dj.Manual):
        definition = "-> A\n---"

    schema(B)
    A = make(schema, "A", "a : uint8\n---")
    with pytest.raises(UnknownReference, match="is declared after this class") as caught:
        schema.activate(f"{prefix}a", add_objects={"A": A})
    assert (caught.value.table, caught.value.line) == ("b", 1)


# --- what references are resolved by ---------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["mapping", "module", "name", "context", "at first", "with the name"])
def test_the_forms_of_what_is_linked(
    prefix: str, schema: dj.Schema, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """Names for references come as a mapping, a module, or its name; from `activate`, `Schema` or its context."""
    names = {"Parent": make(schema, "Elsewhere", "p : uint8\n---")}
    module = ModuleType("linked_by_name")
    vars(module).update(names)
    monkeypatch.setitem(sys.modules, "linked_by_name", module)
    given: dict[str, Any] = {"mapping": names, "module": module, "name": "linked_by_name"}
    match form:
        case "context":
            late = dj.Schema(None, names)
        case "at first":
            late = dj.Schema(add_objects=module)
        case "with the name":
            late = dj.Schema(f"{prefix}a", add_objects=names)
        case _:
            late = dj.Schema()
    Child = make(late, "Child", "-> Parent\n---")
    late.activate(f"{prefix}a", add_objects=given.get(form))
    assert Child().spec.parents == (names["Parent"]().spec.name,)
    assert len(Child) == 0


def test_a_context_may_be_filled_later(prefix: str, schema: dj.Schema) -> None:
    """The mapping itself is kept, an empty one too: names count that are in it when a class is decorated."""
    names: dict[str, Any] = {}
    late = dj.Schema(f"{prefix}a", names)
    names["Parent"] = make(schema, "Elsewhere", "p : uint8\n---")
    assert make(late, "Child", "-> Parent\n---")().spec.parents == (names["Parent"]().spec.name,)


def test_what_is_linked_comes_before_what_is_in_sight(prefix: str, schema: dj.Schema) -> None:
    """A name of `add_objects` counts before the same name where a class is defined, as in DataJoint."""
    Parent = make(schema, "Parent", "p : uint8\n---")
    other = make(schema, "Other", "q : uint8\n---")
    assert Parent is not other
    late = dj.Schema()
    Child = make(late, "Child", "-> Parent\n---")

    @late
    class Near(dj.Manual):
        definition = "-> Parent\nnear : uint8"

    late.activate(f"{prefix}a", add_objects={"Parent": other})
    assert Child.primary_key == ("q",)
    assert Near.primary_key == ("q", "near")


@pytest.mark.parametrize(
    ("given", "match"),
    [
        (5, "a mapping of names to table classes, a module, or a module's dotted name, not 5"),
        (["Subject"], "not \\['Subject'\\]"),
        (dj.Manual, "not <class"),
        ("no_such_module_here", "cannot be imported"),
        ("linked_package.no_such_part", "cannot be imported"),
        ("", "is no dotted name"),
        (".subject", "is no dotted name"),
    ],
    ids=["number", "list", "class", "module", "submodule", "empty", "relative"],
)
def test_what_cannot_be_linked(
    package: SimpleNamespace, prefix: str, made: Callable[[], list[str]], given: Any, match: str
) -> None:
    """What is no mapping and no module that can be imported is refused before anything is done."""
    schema = dj.Schema()
    for call in (lambda: schema.activate(f"{prefix}a", add_objects=given), lambda: dj.Schema("a", add_objects=given)):
        with pytest.raises(DefinitionError, match=match) as caught:
            call()
        assert "`add_objects`" in str(caught.value)
    assert not schema.is_activated()
    assert made() == []


def test_an_import_that_fails_within_the_linking_module(
    prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes wrong while the linking module is imported is told as it is."""
    (tmp_path / "linking_that_fails.py").write_text("import no_such_module_at_all\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="no_such_module_at_all"):
        dj.Schema().activate(f"{prefix}a", add_objects="linking_that_fails")


def test_a_parent_in_another_database(prefix: str, schema: dj.Schema, second: PostgresConnection) -> None:
    """A reference to a table on another connection is refused: no foreign key leads there."""
    Parent = make(schema, "Parent", "p : uint8\n---")
    late = dj.Schema(connection=second)
    make(late, "Child", "-> Parent\n---")
    with pytest.raises(DefinitionError, match=r"child.*parent, which lives in another database"):
        late.activate(f"{prefix}a", add_objects={"Parent": Parent})
    late.activate(f"{prefix}a", connection=schema.connection, add_objects={"Parent": Parent})
    assert late.connection is schema.connection


# --- twice, or otherwise -------------------------------------------------------------------------------------------


def test_activating_twice(prefix: str, counting: Any) -> None:
    """Under its own name, or none, an activated schema stays as it is, without a statement."""
    schema = dj.Schema()
    A = make(schema, "A", "a : uint8\n---")
    schema.activate(f"{prefix}a", connection=counting)
    counting.statements.clear()
    schema.activate(f"{prefix}a")
    schema.activate(None, create_tables=True, connection=counting)
    schema.activate()
    assert counting.statements == []
    assert schema.tables == (A,)


def test_activating_under_another_name(prefix: str, made: Callable[[], list[str]], second: PostgresConnection) -> None:
    """A schema has one name and one connection, however it came by them."""
    late, early = dj.Schema(), dj.Schema(f"{prefix}a")
    late.activate(f"{prefix}a")
    make(early, "A", "a : uint8\n---").declare()
    for schema in (late, early):
        with pytest.raises(DefinitionError, match=rf"activated as '{prefix}a' and cannot be activated as '{prefix}b'"):
            schema.activate(f"{prefix}b")
        with pytest.raises(DefinitionError, match="cannot move to another connection"):
            schema.activate(f"{prefix}a", connection=second)
    assert made() == ["a", "a.a"]


def test_a_schema_with_a_name_is_activated(prefix: str, made: Callable[[], list[str]]) -> None:
    """A schema made with its name counts as activated, and makes its tables on first use or when told to."""
    schema = dj.Schema(f"{prefix}a")
    make(schema, "A", "a : uint8\n---")
    assert schema.is_activated()
    assert not schema.exists
    assert made() == []
    schema.activate(f"{prefix}a")
    assert made() == ["a", "a.a"]


@pytest.mark.parametrize(
    "combine",
    [lambda a, b: a * b, lambda a, b: a & b.proj(), lambda a, b: a - [b, "a = 1"], lambda a, b: a.aggr(b * a)],
    ids=["join", "restriction", "complement", "aggregation"],
)
def test_a_query_of_two_schemas_makes_both(prefix: str, combine: Callable[[Any, Any], Any]) -> None:
    """A query makes what is pending in the schemas of all its tables, also where none refers to another."""
    A = make(dj.Schema(f"{prefix}a"), "A", "a : uint8\n---")
    B = make(dj.Schema(f"{prefix}b"), "B", "b : uint8\n---")
    assert len(combine(A, B)) == 0


def test_a_schema_without_tables(prefix: str, made: Callable[[], list[str]]) -> None:
    """Activating a schema that has no class yet creates it; classes that come later are made on first use."""
    schema = dj.Schema()
    schema.activate(f"{prefix}a")
    assert made() == ["a"]
    A = make(schema, "A", "a : uint8\n---")
    assert made() == ["a"]
    assert len(A) == 0


def test_threads_activate_once(prefix: str, ask: Ask) -> None:
    """Of threads that activate one schema at the same time, one does, and all find it done."""
    schema = dj.Schema()
    Kind = make(schema, "Kind", "kind : uint8\n---", dj.Lookup, contents=[(1,), (2,)])
    Child = make(schema, "Child", "-> Kind\n---")
    together = threading.Barrier(6, timeout=20)

    def activate(_: int) -> tuple[int, tuple[Any, ...]]:
        together.wait()
        schema.activate(f"{prefix}a")
        return len(Kind), schema.tables

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(activate, range(6))) == {(2, (Kind, Child))}


def test_threads_activate_under_two_names(prefix: str, made: Callable[[], list[str]]) -> None:
    """Of two threads that activate one schema under two names, one succeeds, and only its schema is made."""
    schema = dj.Schema()
    make(schema, "A", "a : uint8\n---")
    together = threading.Barrier(2, timeout=20)

    def activate(name: str) -> bool:
        together.wait()
        try:
            schema.activate(prefix + name)
        except DefinitionError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        succeeded = dict(zip("ab", pool.map(activate, "ab"), strict=True))
    assert sorted(succeeded.values()) == [False, True]
    name = next(name for name, done in succeeded.items() if done)
    assert made() == [name, f"{name}.a"]


# --- what fails in the database --------------------------------------------------------------------------------------


def test_activation_inside_a_transaction(prefix: str, connection: PostgresConnection, made: Any) -> None:
    """A schema is activated before a transaction, not inside of one; once it is, doing so again is allowed there."""
    schema = dj.Schema()
    A = make(schema, "A", "a : uint8\n---")
    with connection.transaction, pytest.raises(TransactionError, match=f"'{prefix}a'.*before the transaction"):
        schema.activate(f"{prefix}a")
    assert not schema.is_activated()
    assert made() == []
    schema.activate(f"{prefix}a")
    with connection.transaction:
        schema.activate(f"{prefix}a")
        A.insert1((1,))
    assert len(A) == 1


def test_a_refusal_of_the_database(prefix: str, connection: PostgresConnection, made: Any) -> None:
    """Where the database refuses, the schema has no name afterwards, and another activation can succeed."""
    role = f"{prefix}nobody"
    connection.execute(f"CREATE ROLE {role}")
    schema = dj.Schema()
    A = make(schema, "A", "a : uint8\n---")
    try:
        connection.execute(f"SET ROLE {role}")
        with pytest.raises(AccessDenied, match="create_tables=False"):
            schema.activate(f"{prefix}a")
    finally:
        connection.execute("RESET ROLE")
        connection.execute(f"DROP ROLE {role}")
    assert (schema.is_activated(), made()) == (False, [])
    schema.activate(f"{prefix}b")
    assert len(A) == 0
    assert made() == ["b", "b.a"]


def test_a_schema_of_someone_else(prefix: str, connection: PostgresConnection, made: Any) -> None:
    """A user who may not create schemas declares tables in one that is there and theirs to use."""
    role = f"{prefix}user"
    connection.execute(f"CREATE ROLE {role}")
    connection.execute(f"CREATE SCHEMA {prefix}a")
    connection.execute(f"GRANT ALL ON SCHEMA {prefix}a TO {role}")
    schema = dj.Schema()
    make(schema, "A", "a : uint8\n---")
    try:
        connection.execute(f"SET ROLE {role}")
        schema.activate(f"{prefix}a")
    finally:
        connection.execute("RESET ROLE")
        connection.execute(f"DROP OWNED BY {role} CASCADE")
        connection.execute(f"DROP ROLE {role}")
    assert schema.is_activated()


def test_contents_that_do_not_fit(prefix: str, made: Callable[[], list[str]]) -> None:
    """Contents of a lookup that cannot be inserted fail the activation; then the schema has no name and no tables."""
    schema = dj.Schema()
    make(schema, "Kind", "kind : varchar(1)\n---", dj.Lookup, contents=[("too long",)])
    with pytest.raises(InvalidValue, match="'too long'"):
        schema.activate(f"{prefix}a")
    assert (schema.is_activated(), made()) == (False, [])


def test_a_class_that_disagrees_with_its_table(prefix: str) -> None:
    """A mismatch fails the activation with the difference; the schema stays activated, so that it can be settled."""
    make(dj.Schema(f"{prefix}a"), "A", "a : uint8\n---\nx : float64").insert1((1, 0.5))
    schema = dj.Schema()
    A = make(schema, "A", "a : uint8\n---\nx : float32")
    for activate in (lambda: schema.activate(f"{prefix}a"), schema.activate, A.fetch):
        with pytest.raises(DefinitionMismatch, match="the class says float32"):
            activate()
    assert schema.name == f"{prefix}a"
    assert A.describe() == "a : uint8\n---\nx : float64\n"


# --- what may be made ----------------------------------------------------------------------------------------------


def test_without_tables_nothing_is_written(prefix: str, counting: Any, made: Callable[[], list[str]]) -> None:
    """create_tables=False makes no schema, table or row; what is missing says so when used, what is there works."""
    definition = "kind : uint8\n---"
    schema = dj.Schema()
    Kind = make(schema, "Kind", definition, dj.Lookup, contents=[(1,), (2,)])
    Child = make(schema, "Child", "-> Kind\n---")
    schema.activate(f"{prefix}a", create_tables=False, connection=counting)
    assert counting.statements == []
    for use in (Kind.fetch, lambda: len(Child), lambda: Kind.insert1((3,)), Kind.describe, lambda: list(Child & Kind)):
        with pytest.raises(MissingTable, match=f"'{prefix}a.*create_tables=False.*Activate the schema with") as caught:
            use()
        assert isinstance(caught.value, DefinitionError)
    assert made() == []
    make(dj.Schema(f"{prefix}a"), "Kind", definition, dj.Lookup, contents=[(7,)]).declare()
    assert Kind.to_dicts() == [{"kind": 7}]
    with pytest.raises(MissingTable, match=f"'{prefix}a.child'"):
        Child.insert1((7,))
    schema.activate(f"{prefix}a", create_tables=True)
    with pytest.raises(MissingTable):
        Child.fetch()
    assert made() == ["a", "a.#kind"]


def test_a_later_activation_can_forbid(prefix: str, made: Callable[[], list[str]]) -> None:
    """create_tables=False counts for a schema that had its name before, too."""
    schema = dj.Schema(f"{prefix}a")
    A = make(schema, "A", "a : uint8\n---")
    schema.activate(f"{prefix}a", create_tables=False)
    with pytest.raises(MissingTable):
        A.fetch()
    with pytest.raises(MissingTable):
        make(dj.Schema(f"{prefix}b", create_tables=False), "A", "a : uint8\n---").fetch()
    assert made() == []


def test_a_parent_that_is_not_made(prefix: str, connection: PostgresConnection, made: Callable[[], list[str]]) -> None:
    """A table whose parent is missing, in a schema with create_tables=False, is refused with the parent."""
    far = dj.Schema(f"{prefix}far", create_tables=False)
    Far = make(far, "Far", "far : uint8\n---")
    near = dj.Schema()
    make(near, "Near", "-> Far\n---")
    with pytest.raises(MissingTable, match=rf"'{prefix}far.far': {prefix}near.near refers to it"):
        near.activate(f"{prefix}near", add_objects={"Far": Far})
    assert made() == []
    make(dj.Schema(f"{prefix}far"), "Far", "far : uint8\n---").declare()
    near.activate(f"{prefix}near", add_objects={"Far": Far})
    assert made() == ["far", "far.far", "near", "near.near"]


def test_a_class_that_disagrees_where_nothing_is_made(prefix: str) -> None:
    """With create_tables=False a class is still compared with its table on first use."""
    make(dj.Schema(f"{prefix}a"), "A", "a : uint8\n---").declare()
    schema = dj.Schema()
    A = make(schema, "A", "a : uint16\n---")
    schema.activate(f"{prefix}a", create_tables=False)
    with pytest.raises(DefinitionMismatch, match="uint16"):
        A.fetch()


def test_a_schema_that_may_not_be_created(prefix: str, connection: PostgresConnection, made: Any) -> None:
    """create_schema=False refuses a schema that is not there, and declares tables in one that is."""
    schema, empty = dj.Schema(), dj.Schema()
    A = make(schema, "A", "a : uint8\n---")
    for tables in (True, False):
        for each in (schema, empty):
            with pytest.raises(MissingSchema, match=f"no schema '{prefix}a'.*create_schema=True") as caught:
                each.activate(f"{prefix}a", create_schema=False, create_tables=tables)
            assert caught.value.schema == f"{prefix}a"
            assert not each.is_activated()
    with pytest.raises(MissingSchema):
        make(dj.Schema(f"{prefix}a", create_schema=False), "A", "a : uint8\n---").fetch()
    assert made() == []
    connection.execute(f"CREATE SCHEMA {prefix}a")
    schema.activate(f"{prefix}a", create_schema=False)
    assert len(A) == 0


# --- arguments and classes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("", "must start with a lowercase letter"),
        ("Lab", "must start with a lowercase letter"),
        ("a.b", "hold only"),
        ("pg_lab", "PostgreSQL's own"),
        ("a" * 64, "PostgreSQL keeps 63"),
        (5, "is text, not 5"),
    ],
)
def test_names_that_no_schema_can_have(prefix: str, name: Any, match: str) -> None:
    """A name that the database would not take as it is is refused, by the constructor and by activate."""
    schema = dj.Schema()
    for call in (dj.Schema, schema.activate):
        with pytest.raises(DefinitionError, match=match):
            call(name)
    assert not schema.is_activated()


def test_what_is_no_connection(connection: PostgresConnection) -> None:
    """A connection goes by its name, and nothing else goes under it."""
    with pytest.raises(DefinitionError, match=r"`context`.*passed as `connection=`"):
        dj.Schema("lab", connection)  # type: ignore[arg-type]
    url: Any = "postgresql://localhost/lab"
    for call in (lambda: dj.Schema("lab", connection=url), lambda: dj.Schema().activate("lab", connection=url)):
        with pytest.raises(DefinitionError, match=r"`connection` is what `dj.conn\(url\)` gives, not a str"):
            call()


def test_a_class_of_two_schemas(prefix: str) -> None:
    """A class belongs to one schema; one derived from it may belong to another."""
    first, second = dj.Schema(), dj.Schema(f"{prefix}b")
    A = make(first, "A", "a : uint8\n---", Item=type("Item", (dj.Part,), {"definition": "-> master\ni : uint8"}))
    with pytest.raises(DefinitionError, match=r"class A is a table of Schema\(\) already"):
        second(A)
    first.activate(f"{prefix}a")
    with pytest.raises(DefinitionError, match=rf"a table of Schema\('{prefix}a'\) already"):
        second(A)
    assert dj.Schema(f"{prefix}a")(A) is A
    B: Any = second(type("B", (A,), {}))
    B.insert1((1,))
    B.Item.insert1((1, 2))
    assert (len(A), len(B), len(A.Item), len(B.Item)) == (0, 1, 0, 1)


def test_parts_that_a_class_inherits(prefix: str, made: Callable[[], list[str]]) -> None:
    """A part of a base class is a part of each table derived from it, of its own, unless that one hides it."""

    class Recorded(dj.Manual):
        definition = "recorded : uint8\n---"

        class Channel(dj.Part):
            definition = "-> master\nchannel : uint8\n---"

        class Note(dj.Part):
            definition = "-> master\nnote : varchar(8)"

    schema = dj.Schema()

    @schema
    class Voltage(Recorded):
        Note = None  # type: ignore[assignment]

    @schema
    class Image(Recorded):
        class Channel(Recorded.Channel):
            definition = "-> master\ncolour : varchar(8)"

    schema.activate(f"{prefix}a")
    assert made() == ["a", "a.image", "a.image__channel", "a.image__note", "a.voltage", "a.voltage__channel"]
    Voltage.insert1((1,))
    Voltage.Channel.insert1((1, 3))
    assert Voltage.Channel().master is Voltage
    assert Image.Channel.primary_key == ("recorded", "colour")
    assert (Voltage.Channel.__qualname__, Voltage.Channel.__module__) == (f"{Voltage.__qualname__}.Channel", __name__)
    with pytest.raises(NoSchema, match="belongs to no schema"):
        Recorded.Channel.fetch()


def test_two_classes_of_one_table(prefix: str) -> None:
    """Classes of one name in two modules that say otherwise are refused; those that say the same are one table."""
    schema = dj.Schema(f"{prefix}a")
    make(schema, "A", "a : uint8\n---", __module__="one")
    with pytest.raises(DefinitionError, match=r"A of the module 'two' and A of 'one'.*Rename"):
        make(schema, "A", "a : uint16\n---", __module__="two")
    same = make(schema, "A", "a : uint8  # of one\n---", __module__="two")
    late = dj.Schema()
    for module, kind in (("one", "uint8"), ("two", "uint16")):
        make(late, "A", f"a : {kind}\n---", __module__=module)
    with pytest.raises(DefinitionError, match="their definitions differ"):
        late.activate(f"{prefix}b")
    assert len(same) == 0


def test_the_second_name_of_the_class() -> None:
    """`dj.schema` is `dj.Schema`, as published pipelines write it."""
    assert dj.schema is dj.Schema
