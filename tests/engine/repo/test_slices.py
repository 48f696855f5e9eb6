"""Restricted tables, all that they refer to, and what depends on them: no more rows, no fewer, none that dangles."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import polars as pl
import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import RepositoryError
from djarrow.frame.results import declared_batch
from djarrow.model.names import TableName
from djarrow.model.spec import ForeignKey, TableSpec
from djarrow.repo.exporting.export import Exported
from djarrow.repo.exporting.selection import Selection, select
from djarrow.sql import compile as compiler
from djarrow.sql.dialects import Dialect
from tests.described import drop_schemas
from tests.random_pipelines import Rows, declare, fill, refers

from .conftest import Opener, declared

Row = tuple[tuple[str, Any], ...]
Found = dict[str, set[Row]]
Item = tuple[TableName, dict[str, Any]]
Dropped = Callable[..., None]

# --- what is taken, by a naive walk over all rows ------------------------------------------------------------------


class Walk:
    """All rows of some tables, and what follows from some of them."""

    def __init__(self, classes: Iterable[type[dj.Table]]) -> None:
        tables = {cls().spec.name: cls for cls in classes}
        self.specs: dict[TableName, TableSpec] = {name: cls().spec for name, cls in tables.items()}
        self.rows: Rows = {name: cls.to_dicts() for name, cls in tables.items()}

    def master(self, name: TableName) -> TableName | None:
        """The master of a part."""
        return self.specs[name].master

    def owner(self, name: TableName) -> ForeignKey:
        """The reference of a part to its master, or to a fellow part."""
        keys = [key for key in self.specs[name].foreign_keys if not key.nullable]
        fellows = [key for key in keys if self.specs[key.parent].master == self.master(name)]
        return next((key for key in keys if key.parent == self.master(name)), *fellows)

    def taken(self, given: Iterable[tuple[type[dj.Table], list[dict[str, Any]]]], *, below: bool) -> Found:
        """The rows of a slice. given: rows of tables."""
        found: Found = {}
        for cls, rows in given:
            name = cls().spec.name
            start = [(name, row) for row in rows]
            alone = self.master(name)
            for table, row in self.closed(self.below(start) if below else start, alone):
                found.setdefault(str(table), set()).add(tuple(row.items()))
        return found

    def below(self, start: list[Item]) -> list[Item]:
        """These rows and all that depend on them."""
        return self.walked(start, self.children)

    def children(self, name: TableName, row: dict[str, Any]) -> Iterator[Item]:
        """Rows that refer to a row."""
        for child, spec in self.specs.items():
            for key in spec.foreign_keys:
                if key.parent == name:
                    yield from ((child, each) for each in self.rows[child] if refers(each, row, key))

    def closed(self, start: list[Item], alone: TableName | None) -> list[Item]:
        """These rows and all that they need. alone: a master whose parts do not come with it."""

        def needed(name: TableName, row: dict[str, Any]) -> Iterator[Item]:
            for key in self.specs[name].foreign_keys:
                yield from ((key.parent, each) for each in self.rows[key.parent] if refers(row, each, key))
            for part in self.specs:
                if self.master(part) not in (None, alone) and self.owner(part).parent == name:
                    yield from ((part, each) for each in self.rows[part] if refers(each, row, self.owner(part)))

        return self.walked(start, needed)

    def walked(self, start: list[Item], following: Callable[[TableName, dict[str, Any]], Iterator[Item]]) -> list[Item]:
        """All that is reached, once each."""
        seen: set[tuple[TableName, Row]] = set()
        found: list[Item] = []
        waiting = list(start)
        while waiting:
            name, row = waiting.pop()
            if (name, tuple(row.items())) not in seen:
                seen.add((name, tuple(row.items())))
                found.append((name, row))
                waiting += following(name, row)
        return found


def read(selection: Selection) -> Found:
    """The rows that a selection takes, of tables that have any; each once, or this fails."""
    found: Found = {}
    for taken in selection.tables:
        text = compiler.select(taken.rows, Dialect.POSTGRES).text
        batches = selection.connection.read(text).to_batches()
        frames = (declared_batch(batch, taken.spec.heading) for batch in batches)
        rows = [tuple(row.items()) for frame in frames for row in frame.to_pylist()]
        assert len(set(rows)) == len(rows), taken.spec.name
        if rows:
            found[str(taken.spec.name)] = set(rows)
    return found


def dangling(path: Path) -> list[str]:
    """The references of a repository that lead nowhere, by plain DuckDB over its files."""
    repository = dj.open(path)
    entries, specs = repository.manifest.tables, repository.specs
    repository.close()
    found = []
    with duckdb.connect() as engine:
        tables = {entry.name: f"t{number}" for number, entry in enumerate(entries)}
        for entry in entries:
            files = [str(path / file.path) for file in entry.files]
            engine.execute(f"CREATE TABLE {tables[entry.name]} AS SELECT * FROM read_parquet($1)", [files])
        for name, spec in specs.items():
            for key in spec.foreign_keys:
                same = " AND ".join(f'p."{there}" = c."{own}"' for own, there in key.pairs)
                present = " AND ".join(f'c."{own}" IS NOT NULL' for own in key.attributes)
                orphans = engine.execute(
                    f"SELECT count(*) FROM {tables[name]} AS c WHERE {present} AND NOT EXISTS "
                    f"(SELECT 1 FROM {tables[key.parent]} AS p WHERE {same})"
                ).fetchone()
                if orphans != (0,):
                    found.append(f"{orphans} of {name} to {key.parent}")
    return found


# --- at random -----------------------------------------------------------------------------------------------------


def choices(dice: random.Random, classes: list[type[dj.Table]]) -> list[tuple[type[dj.Table], list[dict[str, Any]]]]:
    """Some rows of one to three tables."""
    given = []
    for cls in dice.sample(classes, dice.randint(1, min(3, len(classes)))):
        rows = cls.to_dicts()
        given.append((cls, dice.sample(rows, min(len(rows), dice.randint(0, 4)))))
    return given


def query(cls: type[dj.Table], rows: list[dict[str, Any]]) -> Any:
    """The query of these rows."""
    return cls & [{name: row[name] for name in cls.primary_key} for row in rows]


@pytest.fixture
def dropped(connection: PostgresConnection) -> Iterator[Dropped]:
    """Notes schemas that are dropped after the test."""
    noted: list[str] = []
    yield lambda *names: noted.extend(names)
    drop_schemas(connection, *noted)


@pytest.mark.parametrize("seed", range(200 if "DJARROW_SOAK" in os.environ else 3))
def test_random_slices(
    connection: PostgresConnection, dropped: Dropped, tmp_path: Path, opened: Opener, seed: int
) -> None:
    """Of random pipelines, rows and choices: what is taken is what a walk over all rows finds, it opens with these
    rows, nothing in it dangles, and it is restored with its foreign keys.
    """
    dice = random.Random(seed)  # noqa: S311 - a test that can be repeated
    context: dict[str, Any] = {}
    names = {"slice_a": "again_a", "slice_b": "again_b"}
    schemas = [dj.Schema(name, context, connection=connection) for name in names]
    dropped(*names, *names.values())
    classes = declare(schemas[0], dice, context, schemas[1])
    fill(classes, dice)
    walk = Walk(classes)
    for _ in range(6):
        given, below = choices(dice, classes), dice.random() < 0.5
        what, include = [query(*each) for each in given], "descendants" if below else None
        expected = walk.taken(given, below=below)
        assert read(select(what, include)) == expected, (given, below)
    path = dj.export(what, tmp_path / "slice", include=include).path
    assert dangling(path) == []
    repository = opened(path)
    held = {name.schema for name in repository.tables}
    dj.restore(path, connection, rename={name: new for name, new in names.items() if name in held})
    again = {name: dj.Schema(names[name], connection=connection) for name in held}
    for cls in classes:
        name = cls().spec.name
        rows = expected.get(str(name), set())
        if name in repository.tables:
            assert {tuple(row.items()) for row in repository.table(name).to_dicts()} == rows
            assert {tuple(row.items()) for row in again[name.schema][name.table].to_dicts()} == rows
        else:
            assert not rows


# --- what can be given ---------------------------------------------------------------------------------------------


def by_name(schema: dj.Schema) -> dict[str, Any]:
    """The classes of a schema by the names of their tables."""
    return {cls().spec.name.table: cls for cls in schema.tables}


def sizes(what: Any, include: str | None = None) -> dict[str, int]:
    """How many rows of each table are taken, of those that have any."""
    return {name.partition(".")[2]: len(rows) for name, rows in read(select(what, include)).items()}


def test_a_restricted_table(lab: dj.Schema, folder: Path, opened: Opener) -> None:
    """The rows come with those that they need, a master's with its parts', and the rest of the database does not."""
    tables = by_name(lab)
    sessions = tables["session"] & "subject_id = 1 and session > 0"
    written = dj.export(sessions, folder)
    repository = opened(folder)[lab.name]
    assert set(repository.Session.to_dicts("subject_id", "session", order_by="KEY")[0]) == {"subject_id", "session"}
    assert len(repository.Session) == len(sessions) == 5
    assert {row["subject_id"] for row in repository.Subject} == {0, 1}  # 0 is the helper
    assert {row["method"] for row in repository.Method} == {row["way"] for row in sessions} - {None}
    assert len(repository.Session.Note) == len(tables["session__note"] & sessions) == 3
    assert written.tables == 4
    assert dangling(folder) == []


def test_every_form_of_restriction(lab: dj.Schema) -> None:
    """Text, mappings, lists, complements, frames, first rows, other queries, and what a trace gives."""
    tables = by_name(lab)
    session, subject, score = tables["session"], tables["subject"], tables["__score"]
    forms: list[Any] = [
        session & "session = 2",
        session & {"session": 2},
        session & [{"session": 2}, "subject_id = 3"],
        session - {"session": 2},
        session & pl.DataFrame({"subject_id": [1, 2], "session": [0, 5]}),
        session & pl.DataFrame({"subject_id": [1, 2]}).to_pandas(),
        session & dj.Top(4, "x desc"),
        session & dj.Top(4, "x desc") & "session > 2",
        session & (subject & "name = 'n\\\\3\\''"),
        session & score,
        session - score,
        session & dj.AndList(["session > 2", subject & "sex = 'M'"]),
        session & dj.Not("session = 2"),
        session & (session * subject & "sex = 'F'").proj(),
        session & (dj.U("subject_id") & score),
        session & False,
        session & [],
        dj.trace(score & "subject_id = 2")[session],
        session() & "session = 2",
        session() & {"subject_id": 1} & {"session": 2},
    ]
    for form in forms:
        taken = next(each for each in select(form).tables if each.spec.name == session().spec.name)
        text = compiler.select(taken.rows, Dialect.POSTGRES, session.primary_key).text
        keys = {tuple(row.items()) for row in lab.connection.read(text).to_pylist()}
        assert keys == {tuple(key.items()) for key in form.keys()}, form.node  # noqa: SIM118 - the keys of a query


def test_empty(lab: dj.Schema, folder: Path, opened: Opener) -> None:
    """A slice without rows has its tables, and opens."""
    session = by_name(lab)["session"]
    assert dj.export(session & "session = 99", folder, include="descendants").rows == 0
    repository = opened(folder)
    assert len(repository.tables) == 7
    assert len(repository[lab.name].Score * repository[lab.name].Session) == 0


def test_several(lab: dj.Schema) -> None:
    """Several restrictions of a table are taken together, and a whole table beside them whole, with all above it."""
    tables = by_name(lab)
    session, subject, method = tables["session"], tables["subject"], tables["#method"]
    one, other, note = session & "subject_id = 1", session & "subject_id = 4", session & tables["session__note"]
    assert sizes([one, other]) == sizes(session & ["subject_id = 1", "subject_id = 4"])
    assert sizes([one, session & "subject_id = 1 and session = 2", one]) == sizes(one)
    assert sizes([one, note])["session"] == len(session & ["subject_id = 1", tables["session__note"]])
    assert sizes([one, note, note & dj.Top(2)]) == sizes([one, note])
    assert sizes([one, subject])["subject"] == 12
    assert sizes([one, subject])["session"] == 6
    assert sizes([one & "way is null", method]) == {"session": 2, "subject": 2, "session__note": 2, "#method": 2}
    assert sizes([one, lab]) == sizes(lab) == {name: len(cls()) for name, cls in tables.items() if len(cls())}
    assert sizes([one, session]) == sizes(session)


def test_whole_tables(lab: dj.Schema) -> None:
    """A table without a restriction takes all rows of the tables above it; with one, the rows that are needed."""
    session = by_name(lab)["session"]
    assert sizes(session)["subject"] == 12
    assert sizes(session & {})["subject"] == 12
    assert sizes(session & "true")["subject"] == 10


def test_descendants(lab: dj.Schema, folder: Path) -> None:
    """What depends on the rows comes with all that it needs: its own ancestors', and its parts."""
    tables = by_name(lab)
    sessions = tables["session"] & "subject_id = 2 and session < 4"
    below = sizes(sessions, "descendants")
    assert below == {
        "session": 4,
        "session__note": len(tables["session__note"] & sessions),
        "subject": 2,
        "#method": 2,
        "__score": len(tables["__score"] & sessions),
        "__score__item": len(tables["__score__item"] & sessions),
    }
    assert below["__score__item"] > 0
    subjects = sizes(tables["subject"] & "subject_id = 2", "descendants")
    assert subjects["session"] == 12  # six of its own, and six that it helped with
    assert subjects["subject"] == 3
    dj.export(tables["subject"] & "subject_id = 2", folder, include="descendants")
    assert dangling(folder) == []


def test_a_part_by_itself(lab: dj.Schema) -> None:
    """Rows of a part bring their master's row and not its other parts; what else refers to the master brings all."""
    tables = by_name(lab)
    note, score = tables["session__note"], tables["__score"]
    first = note & "subject_id = 1 and session = 2 and note = 0"
    assert sizes(first) == {"session__note": 1, "session": 1, "subject": 2}
    assert sizes(note)["session"] == 60
    assert sizes(score & "subject_id = 1 and session = 2").get("session__note", 2) == 2
    both = sizes([note & "subject_id = 0 and session = 1", tables["session"] & "subject_id = 1 and session = 2"])
    assert both["session__note"] == 3


def test_modules(lab: dj.Schema, folder: Path) -> None:
    """A module is exported with all tables of the schemas in it."""
    module = ModuleType("pipeline")
    with pytest.raises(RepositoryError, match="the module pipeline has no schema"):
        dj.export(module, folder)
    vars(module)["schema"] = lab
    assert sizes(module) == sizes([module]) == sizes(lab)


def test_what_has_rows_of_its_own(lab: dj.Schema, folder: Path) -> None:
    """What is no rows of a table is refused, and so is what restricts by nothing; nothing is written."""
    tables = by_name(lab)
    session, subject = tables["session"], tables["subject"]
    for what in (
        session.proj(),
        session.proj(..., number="session"),
        session.proj(..., y="x + 1"),
        session * subject,
        session.aggr(tables["session__note"], n="count(*)"),
        dj.U("subject_id") & session,
        session.proj() + tables["_unused"].proj(),
        lab.updates,
        [session, session.proj()],
    ):
        with pytest.raises(RepositoryError, match="rows of its own"):
            dj.export(what, folder)
    for what in (session & {"sesion": 3}, session & [{"sesion": 3}], session & pl.DataFrame({"sesion": [3]})):
        with pytest.raises(RepositoryError, match=r"'sesion' restricts nothing.*Did you mean 'session'"):
            dj.export(what, folder)
    for what in ("session", b"session", 5, None, [session, "subject"], {"session": 1}, [[session]]):
        with pytest.raises(RepositoryError, match="cannot be exported; give a schema"):
            dj.export(what, folder)  # type: ignore[arg-type]
    with pytest.raises(RepositoryError, match="include is 'descendants', or left out, and not 'ancestors'"):
        dj.export(session, folder, include="ancestors")
    assert not folder.exists()


def test_tables_of_a_repository(lab: dj.Schema, exported: Exported, opened: Opener, tmp_path: Path) -> None:
    """They are refused, restricted or not."""
    table = opened(exported.path)[lab.name].Session
    for what in (table, table & "session = 1"):
        with pytest.raises(RepositoryError, match="copy its files instead"):
            dj.export(what, tmp_path / "again")


def test_what_is_locked(lab: dj.Schema) -> None:
    """All tables that are read, also those that only choose rows: a TRUNCATE would show through the snapshot."""
    tables = by_name(lab)
    selection = select(tables["subject"] & (tables["session"] & tables["_unused"]))
    assert [name.table for name in selection.read] == ["_unused", "session", "subject"]
    assert [taken.spec.name.table for taken in selection.tables] == ["subject"]


# --- shapes of pipelines -------------------------------------------------------------------------------------------


def made(connection: PostgresConnection, name: str, *statements: str) -> Any:
    """A schema of other software."""
    for text in (f"CREATE SCHEMA {name}", f"SET search_path TO {name}", *statements, "RESET search_path"):
        connection.execute(text)
    return dj.virtual(name, connection=connection)


def test_a_master_that_its_parts_depend_on(connection: PostgresConnection, dropped: Dropped) -> None:
    """Rows of a master bring their parts' rows, these by way of other tables other rows of the master, and so on."""
    dropped("circle")
    circle = made(
        connection,
        "circle",
        "CREATE TABLE run (run int PRIMARY KEY)",
        "CREATE TABLE scan (scan int PRIMARY KEY, run int NOT NULL REFERENCES run)",
        "CREATE TABLE run__best (run int REFERENCES run, n int, scan int REFERENCES scan, PRIMARY KEY (run, n))",
        "CREATE TABLE report (report int PRIMARY KEY, run int, n int, FOREIGN KEY (run, n) REFERENCES run__best)",
        "INSERT INTO run SELECT generate_series(0, 9)",
        "INSERT INTO scan SELECT n, n FROM generate_series(0, 9) AS n",
        "INSERT INTO run__best VALUES (1, 0, 2), (1, 1, NULL), (2, 0, 3), (3, 0, 1), (3, 1, 5), (5, 0, 5), (7, 0, 8)",
        "INSERT INTO report VALUES (0, 7, 0), (1, 7, NULL), (2, NULL, NULL)",
    )
    around = {"run": 4, "run__best": 6, "scan": 4}
    assert sizes(circle.Run & "run = 1") == around
    assert sizes(circle.Scan & "scan = 2") == around
    assert sizes(circle.Run & "run = 9") == {"run": 1}
    assert sizes(circle.Run & "run in (7, 9)") == {"run": 3, "run__best": 1, "scan": 1}
    assert sizes(circle.Report & "true") == {"report": 3, "run": 2, "run__best": 1, "scan": 1}
    assert sizes(circle.Run.Best & "run = 1 and n = 0") == {"run": 2, "run__best": 1, "scan": 1}
    assert sizes(circle.Run & "run = 7", "descendants")["report"] == 1
    assert sizes(circle.Run & "run = 5", "descendants") == {"run": 4, "run__best": 6, "scan": 4}


def test_hierarchies(schema: dj.Schema) -> None:
    """Rows bring all above them in their own table, however many levels there are, and those below where asked."""
    node = declared(schema, "Node", "node : int32\n---\n-> [nullable] Node.proj(above='node')")
    leaf = declared(schema, "Leaf", "leaf : varchar(9)\n---\n-> Node\n-> [nullable] Leaf.proj(before='leaf')")
    number = 3000
    node.insert([{"node": n, "above": (n - 1) // (1 if n < number else 2) if n else None} for n in range(number + 50)])
    leaf.insert([{"leaf": f"{n}'", "node": n, "before": f"{n - 10}'" if n % 3 else None} for n in range(0, number, 10)])
    assert sizes(node & f"node = {number - 1}") == {"node": number}
    assert sizes(node & {"node": 7}) == {"node": 8}
    assert sizes(node & {"node": number - 5}, "descendants")["node"] == number
    assert sizes(leaf & {"leaf": "20'"}) == {"leaf": 3, "node": 21}


def test_references_outside_of_keys(connection: PostgresConnection, dropped: Dropped) -> None:
    """Other software has references to attributes that are unique and no key, which no definition can say."""
    dropped("uniques")
    other = made(
        connection,
        "uniques",
        "CREATE TABLE place (id int PRIMARY KEY, code text UNIQUE)",
        "CREATE TABLE visit (id int PRIMARY KEY, code text REFERENCES place (code))",
    )
    with pytest.raises(RepositoryError, match="no definition can say what it is"):
        select(other.Visit & "id = 1")
    connection.execute("ALTER TABLE uniques.visit DROP CONSTRAINT visit_code_fkey")


def test_schemas_that_nothing_here_knows(
    schema: dj.Schema, connection: PostgresConnection, dropped: Dropped, folder: Path, opened: Opener
) -> None:
    """What depends on the rows is found in the database, in whichever schema, with all that it refers to there."""
    dropped("elsewhere")
    subject = declared(schema, "Subject", "subject : int32")
    subject.insert([(1,), (2,)])
    elsewhere = dj.Schema("elsewhere", {"Subject": subject}, connection=connection)
    rig = declared(elsewhere, "Rig", "rig : int32")
    scan: Any = type("Scan", (dj.Manual,), {"definition": "-> Subject\n---\n-> [nullable] Rig"})
    scan.Frame = type("Frame", (dj.Part,), {"definition": "-> master\nn : int32"})
    elsewhere(scan)
    rig.insert([(1,), (2,), (3,)])
    scan.insert([(1, 2), (2, None)])
    scan.Frame.insert([(1, 0), (1, 1), (2, 0)])
    connection.execute(f'CREATE TABLE elsewhere.heap (s integer REFERENCES "{schema.name}".subject)')
    with pytest.warns(UserWarning, match="elsewhere.heap: ") as caught:
        dj.export(subject & "subject = 1", folder, include="descendants")
    assert caught[0].filename == __file__
    repository = opened(folder)
    assert {name.table: len(repository.table(name)) for name in repository.tables} == {
        "subject": 1,
        "scan": 1,
        "scan__frame": 2,
        "rig": 1,
    }
    assert sizes(subject & "subject = 1") == {"subject": 1}


def test_diamonds(schema: dj.Schema) -> None:
    """Many layers of two tables, each of which refers to both above: the statements stay short, and end."""
    depth = 30 if "DJARROW_SOAK" in os.environ else 12  # by then there are 4,096 paths
    layers: list[Any] = []
    for layer in range(depth):
        pair = []
        for side in "ab":
            above = "".join(f"-> T{layer - 1}{other}.proj({other}_{layer - 1}='id')\n" for other in "ab" if layer)
            pair.append(declared(schema, f"T{layer}{side}", f"id : int32\n---\n{above}"))
        for cls in pair:
            cls.insert([(n, n, 20 - n) if layer else (n,) for n in range(21)])
        layers.append(pair)
    last = layers[-1][0]
    schema.connection.execute(f"ANALYZE {', '.join(cls.full_table_name for pair in layers for cls in pair)}")
    for what, include in ((last & "id = 3", None), (layers[0][0] & "id = 3", "descendants")):
        selection = select(what, include)
        texts = [compiler.select(taken.rows, Dialect.POSTGRES).text for taken in selection.tables]
        assert max(map(len, texts)) < 1_500 * depth
        assert len(read(selection)) == 2 * depth - (include is None)
