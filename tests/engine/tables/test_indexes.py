"""Indexes on PostgreSQL: unique and not, on attributes and on expressions, kept by describe (000 "Indexes")."""

from __future__ import annotations

import datetime

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import DefinitionError, DuplicateKey

PERSON = """
person_id : uint32
---
name  : varchar(50)
email : varchar(100) = null
born  : date
born_at = null : timestamp
index (name, (year(born)))
unique index (lower(email))
"""


def _declared(schema: dj.Schema, text: str) -> type[dj.Manual]:
    """The class Person of a schema with this definition."""

    class Person(dj.Manual):
        definition = text

    return schema(Person)


def _index_definitions(connection: PostgresConnection, schema: dj.Schema) -> list[str]:
    found = connection.query(f"SELECT indexdef FROM pg_indexes WHERE schemaname = '{schema.name}' ORDER BY indexname")
    return [str(text) for text in found.column(0).to_pylist()]


def test_an_index_on_expressions_is_there(schema: dj.Schema, connection: PostgresConnection) -> None:
    """The database indexes what the expression gives, read in the dialect of queries."""
    _declared(schema, PERSON).declare()
    found = _index_definitions(connection, schema)
    assert any("name" in text and "EXTRACT(year FROM born)" in text for text in found)
    assert any("UNIQUE" in text and "lower(" in text for text in found)


def test_a_unique_index_on_an_expression_holds(schema: dj.Schema) -> None:
    """Two rows for which the expression is equal are one too many; any number may be NULL."""
    person = _declared(schema, PERSON)
    day = datetime.date(2000, 1, 1)
    person.insert([(1, "Ada", "ada@x.org", day, None), (2, "Bo", None, day, None), (3, "Cy", None, day, None)])
    with pytest.raises(DuplicateKey):
        person.insert1((4, "Ada", "ADA@X.ORG", day, None))
    assert len(person) == 3


def test_describe_keeps_expressions_as_they_were_written(schema: dj.Schema) -> None:
    """describe() shows the line of the definition, not PostgreSQL's own text, and it declares the same again."""
    described = _declared(schema, PERSON).describe()
    assert "index (name, (year(born)))\nunique index ((lower(email)))\n" in described


def test_an_index_of_other_software_is_shown_as_the_database_writes_it(
    schema: dj.Schema, connection: PostgresConnection
) -> None:
    """Without our comment, an expression is PostgreSQL's text."""
    person = _declared(schema, "person_id : int32\n---\nname : varchar(50)")
    person.declare()
    connection.execute(f'CREATE INDEX ON "{schema.name}".person (upper(name))')
    assert "index ((upper((name)::text)))" in person.describe().replace("upper(name::text)", "upper((name)::text)")


@pytest.mark.parametrize(
    ("line", "message", "column"),
    [
        ("index (nmae)", "no attribute 'nmae' to index. Did you mean 'name'", 8),
        ("index (name, (yaer(born)))", "yaer", 14),
        ("index (name, (year(brn)))", "brn", 14),
        ("index ((sum(person_id)))", "nothing to aggregate", 8),
        ("index ((select 1))", "not", 8),
        ('index (name, ("name"))', "no attribute is named here. .* backticks quote a name", 14),
        ("index (('name'))", "no attribute is named here", 8),
        ("index ((1 + 1))", "no attribute is named here", 8),
        ("index (name, name)", "names each attribute once", 8),
    ],
)
def test_what_cannot_be_indexed_is_refused(schema: dj.Schema, line: str, message: str, column: int) -> None:
    """Before anything is made, with the line and the column of the term."""
    with pytest.raises(DefinitionError, match=message) as caught:
        _declared(schema, f"person_id : int32\n---\nname : varchar(50)\nborn : date\n{line}")
    assert (caught.value.line, caught.value.column) == (5, column)


def test_what_changes_by_itself_cannot_be_indexed(schema: dj.Schema, connection: PostgresConnection) -> None:
    """How a moment is written depends on the session of who asks: the database refuses, and nothing is made."""
    person = _declared(schema, "person_id : int32\n---\nat : timestamp\nindex ((cast(at as char)))")
    with pytest.raises(DefinitionError, match="depends on more than the row"):
        person.declare()
    assert _index_definitions(connection, schema) == []


@pytest.mark.parametrize(
    "expression",
    ["year(at)", "month(at)", "day(at)", "hour(at)", "dayofweek(at)", "second(at)", "date(at)", "datediff(at, born)"],
)
def test_parts_of_a_moment_can_be_indexed(schema: dj.Schema, connection: PostgresConnection, expression: str) -> None:
    """A moment is one in UTC whoever asks, so that its year or day has an index, and a query uses it."""
    person = _declared(schema, f"person_id : int32\n---\nborn : date\nat : timestamp\nindex (({expression}))")
    late = datetime.datetime(2020, 12, 31, 23, 30, tzinfo=datetime.UTC)
    person.insert1((1, late.date(), late))
    found = person & {"date(at)": f"date(at) = '{late.date()}'"}.get(expression, f"{expression} >= 0")
    assert len(found) == 1
    assert "Index Cond" in _plan(connection, found.to_sql())


def _plan(connection: PostgresConnection, text: str) -> str:
    """How the server would run a query if it avoided reading whole tables."""
    with connection.transaction:
        connection.execute("SET LOCAL enable_seqscan = off")
        return "\n".join(connection.query(f"EXPLAIN {text}").column(0).to_pylist())


def test_the_cast_of_a_column_leaves_its_index_in_use(schema: dj.Schema, connection: PostgresConnection) -> None:
    """Queries cast char and enum columns, for tables of DataJoint-Python; on ours that is nothing to the planner."""

    @schema
    class Rig(dj.Manual):
        definition = """
        rig  : char(8)
        side : enum('left', 'right')
        """

    Rig.declare()
    plan = _plan(connection, (Rig & {"rig": "a", "side": "left"}).to_sql())
    condition = next(line for line in plan.splitlines() if "Index Cond" in line)
    assert "rig" in condition
    assert "side" in condition


def test_counting_up(schema: dj.Schema) -> None:
    """001 5.8.5: the database numbers rows that bring no number, and goes on after those that do."""

    @schema
    class Entry(dj.Manual):
        definition = """
        # log entries
        entry_id : int16 auto_increment
        ---
        entry_text : varchar(4000)
        entry_time = CURRENT_TIMESTAMP : timestamp  # automatic
        """

    Entry.insert([{"entry_text": "a"}, {"entry_text": "b"}])
    Entry.insert1({"entry_id": 7, "entry_text": "c"})
    Entry.insert1({"entry_text": "d"})
    assert Entry.to_dicts("entry_id", "entry_text") == [
        {"entry_id": 1, "entry_text": "a"},
        {"entry_id": 2, "entry_text": "b"},
        {"entry_id": 7, "entry_text": "c"},
        {"entry_id": 8, "entry_text": "d"},
    ]
    assert "entry_id : int16 auto_increment\n" in Entry.describe()


def test_counting_up_in_some_rows_is_refused(schema: dj.Schema) -> None:
    """Within one insert either every row brings its number or none does."""

    @schema
    class Entry(dj.Manual):
        definition = "entry_id : int32 auto_increment\n---\nnote : varchar(10)"

    with pytest.raises(dj.errors.MissingField, match="every row, or in none"):
        Entry.insert([{"entry_id": 1, "note": "a"}, {"note": "b"}])
    assert len(Entry) == 0


def test_a_child_does_not_count_up_by_itself(schema: dj.Schema) -> None:
    """The number of a parent comes with the foreign key as a required attribute."""

    @schema
    class Entry(dj.Manual):
        definition = "entry_id : int32 auto_increment\n---\nnote : varchar(10)"

    @schema
    class Reply(dj.Manual):
        definition = "-> Entry\n---\nreply : varchar(10)"

    assert Reply.heading["entry_id"].default is None
    Entry.insert1({"note": "a"})
    Reply.insert1({"entry_id": 1, "reply": "b"})
    with pytest.raises(dj.errors.MissingField):
        Reply.insert1({"reply": "b"})


def test_a_key_may_be_the_time_of_insertion(schema: dj.Schema) -> None:
    """001 5.8.3: CURRENT_TIMESTAMP is the one default of a key attribute."""

    @schema
    class Tick(dj.Manual):
        definition = "at = CURRENT_TIMESTAMP : timestamp\n---\nnote : varchar(10)"

    Tick.insert1({"note": "a"})
    assert abs(Tick.fetch1("at") - datetime.datetime.now(datetime.UTC)) < datetime.timedelta(minutes=1)
