"""dj.trace: every upstream row of a result, as queries, as text and as a diagram."""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import EngineError, NotUpstream, QueryError

from ...described import drop_schemas


@pytest.fixture
def filled(lab: SimpleNamespace) -> SimpleNamespace:
    """The pipeline with its results, without a word about what makes read."""
    with dj.config.override(strict_reads="off"):
        lab.run(lambda *_: None, True)
    lab.Speed.Sample.insert([(3, 1, 1), (3, 1, 2)], allow_direct_insert=True)
    return lab


def rows(trace: dj.Trace) -> dict[str, int]:
    """The rows of each table, by its name without the schema."""
    return {name.partition(".")[2]: number for name, number in trace.counts().items()}


def test_every_table_upstream(filled: SimpleNamespace) -> None:
    """The table first, then its parts, and every table after all that depend on it; rows by any chain of references."""
    traced = dj.trace(filled.Speed & {"subject": 3, "session": 1})
    assert rows(traced) == {
        "__speed": 1,
        "__speed__sample": 2,
        "session": 1,
        "session__trial": 2,
        "subject": 3,
        "#method": 1,
        "#room": 1,
        "#kind": 1,
        "person": 1,
    }
    names = [name.partition(".")[2] for name in traced]
    assert names[:2] == ["__speed", "__speed__sample"]
    assert names.index("session") < min(map(names.index, ("session__trial", "subject", "#room", "person")))
    assert names.index("session__trial") < names.index("#kind")
    assert "#stray" not in names


def test_a_table_is_asked_for_by_class_or_name(filled: SimpleNamespace) -> None:
    """As class, instance, or text; another one raises with a hint, and is not in the mapping."""
    traced = dj.trace(filled.Speed & {"subject": 4})
    schema = filled.schema.name
    for given in (filled.Room, filled.Room(), f"{schema}.#room", f"{schema}.Room"):
        assert traced[given].to_dicts() == [{"room": "b", "level": 1 + 1}]
        assert given in traced
    assert filled.Stray not in traced
    assert traced.get(filled.Stray) is None
    with pytest.raises(NotUpstream, match="does not depend on"):
        traced[filled.Stray]
    with pytest.raises(KeyError, match="Did you mean"):
        traced[f"{schema}.sessions"]


def test_what_can_be_traced(filled: SimpleNamespace) -> None:
    """A class, an instance, and every query that tells which rows of a table it means; no other."""
    key = {"subject": 3, "session": 2}
    for given, number in (
        (filled.Speed, 3),
        (filled.Speed(), 3),
        (filled.Speed & key, 1),
        (filled.Speed.proj() & key, 1),
        (filled.Speed.proj(s="subject") & {"s": 4}, 1),
        (filled.Speed * filled.Session & "minutes > 5.5", 2),
        (filled.Speed & dj.Top(2), 2),
        (filled.Speed.aggr(filled.Speed.Sample, n="count(*)") & "n = 0", 2),
        (filled.Speed - key, 2),
        (filled.Speed & [], 0),
    ):
        traced = dj.trace(given)
        assert len(traced[filled.Speed]) == number
        assert len(traced[filled.Session]) == number
        assert traced[filled.Speed].heading.names == filled.Speed.heading.names
    for bad in (dj.U("room") & filled.Session, filled.Speed.proj() + filled.Session.proj(), 3, "Speed", dj.U("a")):
        with pytest.raises(QueryError, match=r"dj\.trace"):
            dj.trace(bad)


def test_a_part_brings_its_master_alone(filled: SimpleNamespace) -> None:
    """Of a row of a part, its own references and its master's count, and not those of its siblings."""
    traced = dj.trace(filled.Session.Trial & {"subject": 3, "session": 1, "trial": 1})
    assert rows(traced) == {"session__trial": 1, "session": 1, "subject": 3, "#room": 1, "#kind": 1, "person": 1}
    assert next(iter(traced)) == f"{filled.schema.name}.session__trial"


def test_references_that_share_an_attribute(schema: dj.Schema) -> None:
    """A nullable reference of which a part is NULL refers to nothing, and what is above it is not reached by it."""

    @schema
    class Top(dj.Manual):
        definition = "top : uint8\n---"

    @schema
    class Middle(dj.Manual):
        definition = "-> Top\nmiddle : uint8\n---"

    @schema
    class Bottom(dj.Manual):
        definition = "bottom : uint8\n---\n-> [nullable] Middle\n"

    Top.insert([(1,), (2,)])
    Middle.insert([(1, 1), (2, 1)])
    Bottom.insert([{"bottom": 1, "top": 1, "middle": None}, {"bottom": 2, "top": 2, "middle": 1}])
    assert rows(dj.trace(Bottom)) == {"bottom": 2, "middle": 1, "top": 1}
    assert dj.trace(Bottom)[Top].to_arrays("top").tolist() == [2]


def test_across_schemas(filled: SimpleNamespace, connection: PostgresConnection) -> None:
    """Tables of other schemas are upstream as those of one, with names that say which."""
    other = dj.Schema(f"{filled.schema.name}_more", connection=connection)
    Speed = filled.Speed

    @other
    class Report(dj.Manual):
        definition = "report : uint8\n---\n-> Speed.proj(animal='subject', day='session')"

    try:
        assert Speed.__name__ == "Speed"
        Report.insert1((1, 4, 1))
        traced = dj.trace(Report)
        assert list(traced)[:2] == [f"{other.name}.report", f"{filled.schema.name}.__speed"]
        assert traced[filled.Subject].to_arrays("subject").tolist() == [4]
        assert traced[filled.Person].to_arrays("person").tolist() == ["tom"]
        virtual = dj.virtual(other.name, connection=connection)
        assert dj.trace(virtual.Report).counts() == traced.counts()
    finally:
        drop_schemas(connection, other.name)


def test_queries_are_queries(filled: SimpleNamespace) -> None:
    """Each is one statement, and can be restricted, joined, traced again, and used to delete."""
    traced = dj.trace(filled.Speed & {"subject": 3, "session": 1})
    assert all(query.to_sql().count(";") == 0 for query in traced.values())
    assert (traced[filled.Session] * traced[filled.Room]).fetch1("level") == 1
    assert rows(dj.trace(traced[filled.Session] & "minutes > 1"))["person"] == 1
    assert traced[filled.Subject].delete(dry_run=True).counts[str(filled.Subject().spec.name)] == 4 - 1


def test_the_key_reaches_far_ancestors_directly(filled: SimpleNamespace) -> None:
    """A chain of foreign keys in primary keys is one step: the ancestor is found by the key, not by what is between."""

    @filled.schema
    class Deep(dj.Manual):
        definition = "-> Speed\ndeep : uint8\n---"

    @filled.schema
    class Deeper(dj.Manual):
        definition = "-> Deep\ndeeper : uint8\n---"

    traced = dj.trace(Deeper & {"subject": 3, "session": 1, "deep": 1, "deeper": 1})
    text = traced[filled.Session].to_sql()
    assert text.count("FROM") == 2
    assert "deeper" in text
    assert "__speed" not in text


def test_too_many_ways(schema: dj.Schema) -> None:
    """Where references part and meet again, the number of ways doubles each time: too many are refused in words."""

    @schema
    class Rung0(dj.Manual):
        definition = "id0 : uint8\n---"

    classes: list[Any] = [Rung0]
    for number in range(1, 12):
        above = f"Rung{number - 1}"
        text = f"id{number} : uint8\n---\n-> {above}.proj(a='id{number - 1}')\n-> {above}.proj(b='id{number - 1}')"
        classes.append(schema(type(f"Rung{number}", (dj.Manual,), {"definition": text})))
    for number, cls in enumerate(classes):
        cls.insert1((1, *((1, 1) if number else ())))
    traced = dj.trace(classes[-1])
    assert len(traced[classes[5]]) == 1
    with pytest.raises(QueryError, match="by more than 1000 ways"):
        traced[classes[0]]


def test_looking_at_a_trace(filled: SimpleNamespace, connection: PostgresConnection) -> None:
    """The repr names tables with their rows, and never raises: not in a failed transaction, not without tables."""
    traced = dj.trace(filled.Speed & {"subject": 3, "session": 1})
    shown = repr(traced)
    assert shown.splitlines()[1:3] == [
        f"  {filled.schema.name}.__speed  1 row",
        f"  {filled.schema.name}.__speed__sample  2 rows",
    ]
    assert len(shown.splitlines()) == 1 + len(traced)
    shown = ""
    with contextlib.suppress(EngineError), connection.transaction:
        with pytest.raises(EngineError, match="zero"):
            connection.execute("SELECT 1 / 0")
        shown = repr(traced)
    assert "not counted: TransactionError" in shown
    unbound = dj.Schema("trace_unbound")

    @unbound
    class Thing(dj.Manual):
        definition = "thing : uint8\n---"

    assert "not counted" in repr(dj.trace(Thing))


def test_the_diagram(filled: SimpleNamespace) -> None:
    """Tables that have rows, with counts, in the shape and colour of their tier; arrows are foreign keys."""
    text = dj.trace(filled.Speed & {"subject": 3, "session": 2}).diagram()
    lines = [line.strip() for line in text.splitlines()]
    schema = filled.schema.name
    assert lines[0] == "flowchart TB"
    assert f't0("{schema}.__speed<br/>1 row"):::computed' in lines
    numbers = {
        line.split(f'"{schema}.')[1].split("<br/>")[0]: line.partition("(")[0].partition("[")[0]
        for line in lines
        if "<br/>" in line
    }
    assert {"person", "__speed__sample"} & set(numbers) == set()  # they have no rows here
    at = {name.replace("#35;", "#"): number for name, number in numbers.items()}
    assert f"{at['session']} --> {at['__speed']}" in lines
    assert f"{at['#method']} -.-> {at['__speed']}" in lines
    assert f"{at['subject']} -.-> {at['subject']}" in lines
    assert f'{at["#room"]}(["{schema}.#35;room<br/>1 row"]):::lookup' in lines
    assert f'{at["session__trial"]}[["{schema}.session__trial<br/>1 row"]]:::manual' in lines
    assert any(line.startswith("classDef computed fill:") for line in lines)


def test_a_trace_offline(filled: SimpleNamespace, tmp_path: Path) -> None:
    """In a repository, the same trace gives the same rows."""
    expected = dj.trace(filled.Speed & {"subject": 3}).counts()
    dj.export(filled.schema, tmp_path / "out")
    repository = dj.open(tmp_path / "out")
    with repository.using(filled.schema):
        assert dj.trace(filled.Speed & {"subject": 3}).counts() == expected


def test_hostile_names(schema: dj.Schema, connection: PostgresConnection) -> None:
    """Names with quotes, percent signs and brackets, of tables of other software, are names and nothing else."""
    place, odd = schema.name, 'we""ird %s'
    connection.execute(f'CREATE SCHEMA "{place}"')
    connection.execute(
        f'CREATE TABLE "{place}"."{odd}" '
        f'("a ""q"" %s" integer PRIMARY KEY, "up ]" integer REFERENCES "{place}"."{odd}")'
    )
    connection.execute(f'COMMENT ON TABLE "{place}"."{odd}" IS \'x"] --> y <b>%%{{init}}%%\'')
    connection.execute(
        f'CREATE TABLE "{place}"."child" (id integer PRIMARY KEY, "r \' f" integer REFERENCES "{place}"."{odd}")'
    )
    connection.execute(f'INSERT INTO "{place}"."{odd}" VALUES (1, NULL), (2, 1), (3, NULL)')
    connection.execute(f'INSERT INTO "{place}"."child" VALUES (1, 2), (2, 3)')
    traced = dj.trace(dj.virtual(place, connection=connection)["child"] & {"id": 1})
    name = f'{place}.we"ird %s'
    assert traced.counts() == {f"{place}.child": 1, name: 2}
    assert f"  {name}  2 rows" in repr(traced).splitlines()
    boxes = [line for line in traced.diagram().splitlines() if "<br/>" in line]
    assert len(boxes) == 2
    assert "we#34;ird #37;s<br/>x#34;#93; --#62; y #60;b#62;" in boxes[1]
