"""Names that SQL or its tools could trip over: reserved words, the longest names, letters beyond ASCII."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import djarrow as dj
from djarrow.errors import DefinitionError, DuplicateKey, MissingParent

from ...described import drop_schemas

Ask = Callable[[str], list[dict[str, Any]]]

RESERVED = [
    "select",
    "user",
    "table",
    "order",
    "group",
    "index",
    "unique",
    "end",
    "limit",
    "all",
    "check",
    "default",
    "from",
    "where",
    "having",
    "union",
    "primary",
    "foreign",
    "key",
    "references",
    "constraint",
    "column",
    "create",
    "drop",
    "insert",
    "update",
    "delete",
    "join",
    "on",
    "in",
    "is",
    "not",
    "null",
    "true",
    "false",
    "and",
    "or",
    "as",
    "case",
    "when",
    "then",
    "else",
    "cast",
    "collate",
    "distinct",
    "desc",
    "asc",
    "fetch",
    "offset",
    "for",
    "grant",
    "to",
    "using",
    "with",
    "window",
    "session_user",
    "current_user",
    "analyze",
    "array",
    "both",
    "do",
    "except",
    "intersect",
    "into",
    "lateral",
    "leading",
    "only",
    "placing",
    "returning",
    "some",
    "symmetric",
    "trailing",
    "variadic",
]
"""Words that PostgreSQL or DuckDB reserve."""


def make(schema: dj.Schema, name: str, definition: str, base: type[dj.Table] = dj.Manual, **members: Any) -> Any:
    """A table class of this name and definition, declared in the schema."""
    return schema(type(name, (base,), {"definition": definition, **members}))


def camel(word: str) -> str:
    """A word as the name of a class."""
    return "".join(part.title() for part in word.split("_"))


# --- reserved words ----------------------------------------------------------------------------------------------


def test_reserved_words_as_attributes(schema: dj.Schema) -> None:
    """A table whose every attribute is a reserved word is made, filled, indexed, queried and described."""
    key, *rest = RESERVED
    lines = [f"{key} : uint8", "---", *(f"{word} : int16" for word in rest), f"unique index ({', '.join(rest[:5])})"]
    Odd = make(schema, "Odd", "\n".join(lines))
    values = {name: number for number, name in enumerate([key, *rest])}
    Odd.insert1(values)
    assert Odd.fetch1() == values
    for word, number in values.items():
        assert len(Odd & {word: number}) == 1
        assert len(Odd & {word: number + 1}) == 0
    assert Odd.fetch(order_by=rest[0]).columns == [key, *rest]
    assert Odd.proj(**{rest[0]: rest[1], rest[1]: rest[0]}).fetch1() == {key: 0, rest[0]: 2, rest[1]: 1}
    with pytest.raises(DuplicateKey):
        Odd.insert1({**values, key: 99})
    again = dj.Schema(schema.name, connection=schema.connection)
    assert make(again, "Odd", Odd.describe()).fetch1() == values


@pytest.mark.parametrize("word", ["user", "order", "limit", "end", "group", "default", "check", "all", "key"])
def test_reserved_words_in_the_text_of_conditions(schema: dj.Schema, word: str) -> None:
    """A condition names an attribute by a reserved word in backquotes, and most of them bare."""
    Odd = make(schema, "Odd", f"{word} : uint8\n---")
    Odd.insert([(1,), (2,)])
    assert (Odd & f"`{word}` > 1").fetch1(word) == 2
    assert Odd.proj(twice=f"2 * `{word}`").fetch("twice").tolist() == [2, 4]


def test_reserved_words_as_tables(schema: dj.Schema) -> None:
    """Tables of all these names live side by side, refer to one another, are joined and described."""
    classes: list[Any] = [make(schema, camel(RESERVED[0]), "a0 : uint8\n---")]
    for number, word in enumerate(RESERVED[1:], 1):
        classes.append(make(schema, camel(word), f"-> {classes[-1].__name__}.proj(a{number}='a{number - 1}')\n---"))
    for cls in classes:
        cls.insert1((1,))
    schema.activate()
    for number, cls in enumerate(classes[1:], 1):
        parent = classes[number - 1]
        assert len(cls * parent.proj(**{f"a{number}": f"a{number - 1}"})) == 1
        assert cls.describe() == f"-> {parent.__name__}.proj(a{number}='a{number - 1}')\n---\n"
        with pytest.raises(MissingParent):
            cls.insert1((2,))


@pytest.mark.parametrize("name", ["user", "order", "all", "default", "select", "public-order"])
def test_reserved_words_as_schemas(schema: dj.Schema, name: str) -> None:
    """A schema may have the name of a reserved word, and its tables are referred to from another."""
    home = dj.Schema(name, connection=schema.connection)
    try:
        Group = make(home, "Group", "group : uint8\n---", dj.Lookup, contents=[(1,)])
        linked = dj.Schema(schema.name, connection=schema.connection, add_objects={"Group": Group})
        Table = make(linked, "Table", "-> Group\n---")
        Table.insert1((1,))
        assert len(Table * Group) == 1
        assert Table.describe() == f"-> {name.replace('-', '_')}.Group\n---\n"
    finally:
        drop_schemas(schema.connection, name)


def test_reserved_words_in_a_repository(schema: dj.Schema, tmp_path: Path) -> None:
    """Tables and attributes named by reserved words are exported and queried offline; the classes are Python."""

    @schema
    class Order(dj.Manual):
        definition = "select : uint8\n---\nuser : varchar(8)\nindex (user)"

        class Group(dj.Part):
            definition = "-> master\nfrom : uint8\n---\ndefault = 5 : int16"

    Order.insert([(1, "ada"), (2, "alan")])
    Order.Group.insert([{"select": 1, "from": 3}, {"select": 2, "from": 4, "default": 6}])
    dj.export(schema, tmp_path / "repo", partition_by=["select"])
    opened = dj.open(tmp_path / "repo")
    try:
        Offline = opened[schema.name].Order
        joined = Offline * Offline.Group & "user = 'ada'" & "`from` > 2"
        assert joined.to_dicts() == [{"select": 1, "from": 3, "user": "ada", "default": 5}]
        assert Offline.describe() == Order.describe()
    finally:
        opened.close()
    ast.parse((tmp_path / "repo" / schema.name / "schema.py").read_text("utf-8"))


# --- long names --------------------------------------------------------------------------------------------------

LONG = "x" * 62


def test_names_of_63_bytes(schema: dj.Schema, ask: Ask) -> None:
    """Schema, table, part and attributes of 63 bytes are made, told apart, referred to and described."""
    name = f"s{schema.name}_".ljust(63, "s")
    home = dj.Schema(name, connection=schema.connection)
    try:
        table, part = "T" + "t" * 30, "P" + "p" * 29  # with the separator 63 together
        master = type(table, (dj.Manual,), {"definition": f"{LONG}a : uint8\n---\n{LONG}b : uint8\nindex ({LONG}b)"})
        inner = type(part, (dj.Part,), {"definition": f"-> master\n{LONG}c : uint8\n---\n{LONG}d = 7 : uint8"})
        setattr(master, part, inner)
        Long: Any = home(master)
        Inner: Any = inner
        assert len(Inner().spec.name.table.encode()) == 63
        Child = make(
            home, "C" + "c" * 62, f"-> {table}.{part}\n---\n-> [nullable, unique] {table}.proj({LONG}e='{LONG}a')"
        )
        Long.insert([(1, 2)])
        Inner.insert1({f"{LONG}a": 1, f"{LONG}c": 3})
        Child.insert1((1, 3, 1))
        assert (Child * Inner * Long).fetch1(f"{LONG}d") == 7
        with pytest.raises(MissingParent):
            Child.insert1((1, 4, None))
        assert [
            row["name"]
            for row in ask(f"SELECT tablename::text AS name FROM pg_tables WHERE schemaname = '{name}' ORDER BY 1")
        ] == sorted(["c" * 63, "t" * 31, "t" * 31 + "__" + "p" * 30])
        assert Child.describe() == f"-> {table}.{part}\n---\n-> [nullable, unique] {table}.proj({LONG}e='{LONG}a')\n"
        indexes = ask(f"SELECT count(DISTINCT indexname) AS n FROM pg_indexes WHERE schemaname = '{name}'")
        assert indexes == [{"n": 5}]
    finally:
        drop_schemas(schema.connection, name)


@pytest.mark.parametrize(
    ("name", "definition"),
    [("T" + "t" * 63, "a : uint8\n---"), ("T", f"{LONG}xx : uint8\n---"), ("T", f"a : uint8\n---\n{LONG}xx : uint8")],
    ids=["table", "key", "attribute"],
)
def test_names_of_64_bytes(schema: dj.Schema, name: str, definition: str) -> None:
    """PostgreSQL would cut longer names silently: they are refused with their size."""
    with pytest.raises(DefinitionError, match=r"has 64 bytes; PostgreSQL keeps 63"):
        make(schema, name, definition)


def test_a_schema_of_64_bytes() -> None:
    """The name of a schema is held to the same length."""
    with pytest.raises(DefinitionError, match=r"has 64 bytes; PostgreSQL keeps 63"):
        dj.Schema("s" * 64)


# --- letters beyond ASCII, and other forms -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Café", "Größe", "Δelta", "Ünit", "鼠", "A_B", "a", "aB", "T1_", "\uff21"])
def test_class_names_that_are_refused(schema: dj.Schema, name: str) -> None:
    """A class is named in CamelCase of ASCII letters and digits, so that the way from table to class leads back."""
    with pytest.raises(DefinitionError, match=f"{name!r} is not CamelCase"):
        make(schema, name, "a : uint8\n---")
    assert schema.tables == ()


@pytest.mark.parametrize("name", ["größe", "naïve", "λ", "id", "ID", "1st", "a-b", "_hidden", "a b", "\uff41"])
def test_attribute_names(schema: dj.Schema, name: str) -> None:
    """An attribute begins with a lowercase ASCII letter and holds only those, digits and _ (001 5.4.1)."""
    if name == "id":
        assert make(schema, "A", f"{name} : uint8\n---").primary_key == ("id",)
        return
    with pytest.raises(DefinitionError) as caught:
        make(schema, "A", f"{name} : uint8\n---")
    assert (caught.value.table, caught.value.line) == ("a", 1)


@pytest.mark.parametrize(
    "name", ["größe", "Lab", "1lab", "_lab", "lab name", "pg_lab", "information_schema", "", "\uff41"]
)
def test_schema_names_that_are_refused(name: str) -> None:
    """A schema has a name that PostgreSQL, folders and modules can carry."""
    with pytest.raises(DefinitionError, match="schema"):
        dj.Schema(name)


def test_letters_beyond_ascii_in_what_is_no_name(schema: dj.Schema) -> None:
    """Comments, enum values, defaults and contents hold any letter, and come back."""
    Kind = make(
        schema,
        "Kind",
        "# Größen - 尺寸\nkind : enum('größe', 'Δ', '鼠')  # naïve ☃\n---\nlabel = 'café' : varchar(8)",
        dj.Lookup,
        contents=[{"kind": "größe"}, {"kind": "鼠", "label": "Ünit"}],
    )
    assert Kind.to_dicts() == [{"kind": "größe", "label": "café"}, {"kind": "鼠", "label": "Ünit"}]
    assert Kind.fetch().schema["kind"] == pl.Enum(["größe", "Δ", "鼠"])
    described = Kind.describe()
    assert described.startswith("# Größen - 尺寸\nkind : enum('größe','Δ','鼠')  # naïve ☃\n")
    again = dj.Schema(schema.name, connection=schema.connection)
    assert len(make(again, "Kind", described, dj.Lookup) & "kind = '鼠'") == 1


def test_names_that_differ_in_case_only(schema: dj.Schema) -> None:
    """Two classes whose tables would have names that differ only in capitals are told apart, or refused."""
    make(schema, "OddName", "a : uint8\n---")
    make(schema, "ODdName", "b : uint8\n---")
    assert sorted(name.table for name in schema.specs) == ["o_dd_name", "odd_name"]
    schema.activate()
