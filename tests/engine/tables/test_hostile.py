"""2,000 hostile strings in every place for a string: equal on return or an error of djarrow, and no harm elsewhere."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import polars as pl
import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import DefinitionError, DjarrowError, InvalidValue
from djarrow.model.names import UNKEPT, TableName
from djarrow.model.spec import table_spec
from tests.hostile import hostile_strings

STRINGS = hostile_strings(2000)
KEPT = [text for text in STRINGS if not UNKEPT.search(text)]
"""Those that a text of PostgreSQL holds: without NUL and halves of surrogate pairs."""


EVERYTHING = """
SELECT nspname || '.' || relname AS name, relkind::text AS kind
FROM pg_class AS t JOIN pg_namespace AS s ON s.oid = t.relnamespace
WHERE nspname !~ '^(pg_|test)' ORDER BY nspname, relname
"""


@pytest.fixture(autouse=True)
def canary(connection: PostgresConnection) -> Iterator[None]:
    """A schema that hostile strings name: it is as it was after each test, and so are all other tables."""

    def look() -> list[Any]:
        tables = connection.read(EVERYTHING).select(["name", "kind"]).to_pylist()
        return [tables, connection.read("SELECT k, n FROM canary.bird ORDER BY n").to_pylist()]

    connection.execute("CREATE SCHEMA canary")
    connection.execute("CREATE TABLE canary.bird (k text, n int)")
    connection.execute("INSERT INTO canary.bird SELECT 'tweet', g FROM generate_series(1, 10) AS g")
    before = look()
    yield
    assert look() == before
    assert len(before[1]) == 10
    connection.execute("DROP SCHEMA canary CASCADE")


def outcome(work: Callable[[], Any]) -> Any:
    """What work gives, or the error of djarrow that it raises. Another error is a failure."""
    try:
        return work()
    except DjarrowError as error:
        return error


def test_the_strings_are_as_many_and_as_hostile() -> None:
    """They are 2,000 different ones, some of which cannot be kept."""
    assert len(set(STRINGS)) == len(STRINGS) == 2000
    assert 100 < len(STRINGS) - len(KEPT) < 400
    assert max(map(len, KEPT)) == 20_000


# --- values ------------------------------------------------------------------------------------------------------


def texts(schema: dj.Schema) -> Any:
    """A table of a text and a JSON value a row."""
    definition = "n : int32\n---\nvalue : varchar(20000)\ndocument : json"
    return schema(type("Text", (dj.Manual,), {"definition": definition}))


def test_values_come_back(schema: dj.Schema) -> None:
    """Texts, and texts in JSON as values and as names, come back equal, as rows and as a frame."""
    table = texts(schema)
    rows = [{"n": n, "value": text, "document": {text: [text]}} for n, text in enumerate(KEPT)]
    assert table.insert(rows) == len(KEPT)
    assert table.to_dicts() == rows
    assert table.fetch(order_by="n")["value"].to_list() == KEPT


def test_values_of_a_frame_come_back(schema: dj.Schema) -> None:
    """Of a Polars frame the texts come back equal, and in the order of their code points where they are sorted."""
    table = texts(schema)
    table.insert(pl.DataFrame({"n": range(len(KEPT)), "value": KEPT, "document": ["{}"] * len(KEPT)}))
    assert table.fetch(order_by="value")["value"].to_list() == sorted(KEPT)


def test_values_that_cannot_be_kept_are_refused(schema: dj.Schema) -> None:
    """Each NUL and each half of a surrogate pair is refused with its row; so are they within JSON."""
    table = texts(schema)
    for text in STRINGS:
        if UNKEPT.search(text):
            for row in ((1, text, {}), (1, "", {"a": text}), (1, "", {text: 1})):
                with pytest.raises(InvalidValue):
                    table.insert1(row)
    assert len(table) == 0


# --- keys and conditions -----------------------------------------------------------------------------------------


def keyed(schema: dj.Schema) -> tuple[Any, list[str]]:
    """A table whose key is a text, with the strings that fit an index, and these."""
    table: Any = schema(type("Keyed", (dj.Manual,), {"definition": "k : varchar(600)\n---\nn : int32"}))
    fit = [text for text in KEPT if len(text) <= 600]
    table.insert([{"k": text, "n": n} for n, text in enumerate(fit)])
    return table, fit


def test_keys_restrict_to_their_row(schema: dj.Schema) -> None:
    """A mapping with the string gives its own row and no other, a list of mappings gives them all."""
    table, fit = keyed(schema)
    for n, text in enumerate(fit):
        assert (table & {"k": text}).to_dicts() == [{"k": text, "n": n}]
    assert len(table & [{"k": text} for text in fit]) == len(fit)
    assert len(table - [{"k": text} for text in fit[1:]]) == 1
    again = table.insert([{"k": text, "n": -1} for text in fit], skip_duplicates=True)
    assert (again, len(table)) == (0, len(fit))


def test_what_cannot_be_kept_matches_nothing(schema: dj.Schema) -> None:
    """A mapping with a string that no row can hold is refused, or matches no row."""
    table, _ = keyed(schema)
    for text in STRINGS:
        if UNKEPT.search(text):
            found = outcome(lambda text=text: len(table & {"k": text}))  # type: ignore[misc]
            assert found == 0 or isinstance(found, DjarrowError)


def test_conditions_of_text(schema: dj.Schema) -> None:
    """Within the quotes of a condition a string is a string; as a condition of its own it is refused, or harmless."""
    table, fit = keyed(schema)
    for n, text in enumerate(fit):
        found = outcome(lambda text=text: (table & f"k = {quoted(text)}").to_dicts())  # type: ignore[misc]
        assert isinstance(found, DjarrowError) or found == [{"k": text, "n": n}], text
    for text in STRINGS:
        found = outcome(lambda text=text: len(table & text))  # type: ignore[misc]
        assert isinstance(found, DjarrowError) or 0 <= found <= len(fit)


# --- names -------------------------------------------------------------------------------------------------------


def specified(definition: str) -> Any:
    """The spec of a definition."""
    return table_spec(definition, TableName("test", "sample"), lambda _text, _line: None)


def test_names_of_attributes(schema: dj.Schema) -> None:
    """Nearly all are refused; those that are names make a table that has them."""
    taken = []
    for text in STRINGS:
        found = outcome(lambda text=text: specified(f"{text} : int32"))  # type: ignore[misc]
        if not isinstance(found, DjarrowError):
            assert found.heading.names == (text.strip(),)
            taken.append(text.strip())
    taken = list(dict.fromkeys(taken))
    assert 5 < len(taken) < 60
    definition = "\n".join(f"{text} : int32" for text in taken[:30])
    table: Any = schema(type("Sample", (dj.Manual,), {"definition": definition}))
    row = {text: n for n, text in enumerate(taken[:30])}
    table.insert1(row)
    assert table.fetch1() == row


def test_names_of_classes(schema: dj.Schema) -> None:
    """A class whose name is no CamelCase is refused, and makes no table."""
    for text in STRINGS:
        try:
            cls = type(text, (dj.Manual,), {"definition": "n : int32"})
        except (ValueError, UnicodeError):  # Python's own refusal
            continue
        found = outcome(lambda cls=cls: schema(cls))  # type: ignore[misc]
        assert isinstance(found, DefinitionError) or text.isalnum()
    schema.activate()
    assert all(name.replace("_", "").isalnum() for name in schema.list_tables())


def test_names_of_schemas(connection: PostgresConnection) -> None:
    """A schema that is made has exactly the name that was given, and the others are refused."""

    def make(name: str) -> None:
        table: Any = dj.Schema(name, connection=connection)(type("Sample", (dj.Manual,), {"definition": "n : int32"}))
        table.declare()

    listed = "SELECT nspname::text AS name FROM pg_namespace"
    before = set(connection.read(listed).column("name").to_pylist())
    for text in STRINGS:
        made = outcome(functools.partial(make, text))
        if not isinstance(made, DjarrowError):
            assert set(connection.read(listed).column("name").to_pylist()) == before | {text}
            connection.execute(f'DROP SCHEMA "{text}" CASCADE')
    assert set(connection.read(listed).column("name").to_pylist()) == before


# --- definitions -------------------------------------------------------------------------------------------------


def quoted(text: str) -> str:
    """The text as a definition, or a condition, has it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def test_defaults(schema: dj.Schema) -> None:
    """A default that a definition takes is that of the column; one that is not escaped is read as such, or refused."""
    for text in STRINGS:
        for plain in (f"n : int8\n---\nv = '{text}' : varchar(9)", f"n : int8\n---\nv = {text} : varchar(9)"):
            found = outcome(functools.partial(specified, plain))
            assert isinstance(found, DjarrowError) or found.heading.names[0] == "n"
    taken = [text for text in STRINGS if not isinstance(outcome(lambda: specified(default(0, text))), DjarrowError)]  # noqa: B023
    assert len(taken) > 1000
    for number, chunk in enumerate(batched(taken, 300)):
        lines = [f"a{n} = {quoted(text)} : varchar(20000)" for n, text in enumerate(chunk)]
        definition = "\n".join(["n : int8", "---", *lines])
        table: Any = schema(type(f"Defaults{number}", (dj.Manual,), {"definition": definition}))
        table.insert1({"n": 1})
        assert list(table.fetch1().values())[1:] == list(chunk)


def default(n: int, text: str) -> str:
    """A definition with the text as a default."""
    return f"n : int8\n---\na{n} = {quoted(text)} : varchar(20000)"


def test_labels_of_enums(schema: dj.Schema) -> None:
    """A label that a definition takes is a value that comes back, and restricts to its row; long ones are refused."""
    taken = [text for text in STRINGS if not isinstance(outcome(lambda: label(text)), DjarrowError)]  # noqa: B023
    assert len(taken) > 1000
    short = [text for text in taken if len(text.encode()) < 64]
    for number, chunk in enumerate(batched(short, 400)):
        table = labelled(schema, f"Labels{number}", chunk)
        assert [row["v"] for row in table.to_dicts()] == list(chunk)
        for n in range(0, len(chunk), 10):
            assert (table & {"v": chunk[n]}).fetch1("n") == n
    for number, text in enumerate(set(taken) - set(short)):
        found = outcome(functools.partial(labelled, schema, f"Long{number}", (text,)))
        assert isinstance(found, DjarrowError) or found.to_dicts() == [{"n": 0, "v": text}]


def labelled(schema: dj.Schema, name: str, labels: tuple[str, ...]) -> Any:
    """A table of an enum with these labels, one in each row."""
    definition = f"n : int32\n---\nv : enum({', '.join(map(quoted, labels))})"
    table: Any = schema(type(name, (dj.Manual,), {"definition": definition}))
    table.insert(list(enumerate(labels)))
    return table


def label(text: str) -> Any:
    """The spec of a table with the text as one of the labels of an enum."""
    return specified(f"n : int32\n---\nv : enum('other label', {quoted(text)})")


def batched(texts: Sequence[str], size: int) -> Iterator[tuple[str, ...]]:
    """The texts in tuples of so many."""
    left = iter(texts)
    while chunk := tuple(itertools.islice(left, size)):
        yield chunk
