"""What differs between a class and the table in the database: records, and one line of text each."""

from __future__ import annotations

import pytest
from attrs import evolve

from djarrow.model.changes import (
    AddAttribute,
    ChangeComment,
    ChangeForeignKey,
    DropAttribute,
    changes,
    differences,
    mismatches,
)
from djarrow.model.names import TableName
from djarrow.model.spec import ForeignKey, TableSpec, table_spec

PERSON: TableSpec = table_spec("person : int8", TableName("lab", "person"), lambda *_: PERSON)


def declare(text: str) -> TableSpec:
    """The spec of a table of this text."""
    return table_spec(text, TableName("lab", "rig"), lambda *_: PERSON)


BASE = "a : int8\n---\nb = 3 : int16\nc : varchar(4) = null\n-> Person\nindex (b)"


@pytest.mark.parametrize(
    "text",
    [
        BASE,
        "# commented\na : int8  # id\n---\nb = 3 : int16  # size\nc : varchar(4) = null\n-> Person\nindex (b)",
        "a : int8\n---\n-> Person\nc : varchar(4) = null\nb : int16 = 3\nindex (b)",
    ],
)
def test_agreement(text: str) -> None:
    """Comments and the order of secondary attributes do not differ."""
    assert differences(declare(text), declare(BASE)) == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            BASE.replace("int16", "int32"),
            ["attribute 'b': the class says int32 = 3, the database int16 = 3"],
        ),
        (BASE.replace("b = 3", "b = 4"), ["attribute 'b': the class says int16 = 4, the database int16 = 3"]),
        (BASE.replace("b = 3", "b"), ["attribute 'b': the class says int16, the database int16 = 3"]),
        (
            BASE.replace("= null", "= 'null'"),
            ["attribute 'c': the class says varchar(4) = \"null\", the database varchar(4) = null"],
        ),
        (BASE + "\nd : date", ["attribute 'd' (date) is not in the database"]),
        (
            BASE.replace("c : varchar(4) = null\n", ""),
            ["attribute 'c' (varchar(4)) is in the database and not in the class"],
        ),
        (
            BASE.replace("---\nb = 3 : int16", "b : int16\n---"),
            [
                "attribute 'b': the class says int16, the database int16 = 3",
                "primary key: the class says a, b, the database a",
            ],
        ),
        (
            BASE.replace("index (b)", "unique index (b)"),
            [
                "index unique (b) is not in the database",
                "index (b) is in the database and not in the class",
            ],
        ),
        (
            BASE.replace("-> Person", "-> [unique] Person"),
            [
                "foreign key (person) -> lab.person (person): the class says unique, the database neither nullable nor "
                "unique",
            ],
        ),
        (
            BASE.replace("-> Person", "person : int8"),
            ["foreign key (person) -> lab.person (person) is in the database and not in the class"],
        ),
    ],
)
def test_differences(text: str, expected: list[str]) -> None:
    """Each difference that matters to data is one line that says both sides."""
    assert list(differences(declare(text), declare(BASE))) == expected


def test_empty_key() -> None:
    """A key of no attributes is named."""
    lines = differences(declare("---\na : int8"), declare("a : int8"))
    assert lines == ("primary key: the class says (none), the database a",)


def test_one_and_true_differ() -> None:
    """A default of 1 is not a default of true, though Python takes them for equal."""
    ours, theirs = declare("a : int8\n---\nb = 1 : int8"), declare("a : int8\n---\nb = 1 : bool")
    assert differences(ours, theirs) == ("attribute 'b': the class says int8 = 1, the database bool = true",)


def test_comments_are_changes_and_no_differences() -> None:
    """Another comment, of the table or of an attribute, is a change, and the table is usable all the same."""
    ours, theirs = declare("# rigs\na : int8  # id\n---\nb : int8"), declare("a : int8  # number\n---\nb : int8")
    assert changes(ours, theirs) == (ChangeComment(None, "", "rigs"), ChangeComment("a", "number", "id"))
    assert [change.line() for change in changes(ours, theirs)] == [
        "comment of the table: the class says 'rigs', the database ''",
        "comment of attribute 'a': the class says 'id', the database 'number'",
    ]
    assert differences(ours, theirs) == ()


def test_an_index_that_only_the_table_has() -> None:
    """It is a difference, and the class can be used all the same; not so where it is unique or only in the class."""
    base = "a : int8\n---\nb : int8\n"
    plain, indexed, unique = (declare(base + line) for line in ("", "index (b)", "unique index (b)"))
    assert differences(plain, indexed) == ("index (b) is in the database and not in the class",)
    assert mismatches(plain, indexed) == mismatches(indexed, indexed) == ()
    assert mismatches(indexed, plain) == ("index (b) is not in the database",)
    assert mismatches(plain, unique) == ("index unique (b) is in the database and not in the class",)
    assert mismatches(indexed, unique) == ("index (b) is not in the database", *mismatches(plain, unique))
    assert mismatches(evolve(plain, comment="x"), plain, place="there") == ()


def test_changes_carry_what_they_concern() -> None:
    """A change holds the attribute or foreign key itself, as held and as the class says it."""
    ours, theirs = (
        declare("a : int8\n---\nnew : date\n-> [nullable] Person"),
        declare("a : int8\n---\nold : date\n-> Person"),
    )
    added, changed, dropped, reference = changes(ours, theirs)
    assert added == AddAttribute(ours.heading["new"])
    assert dropped == DropAttribute(theirs.heading["old"])
    assert reference == ChangeForeignKey(theirs.foreign_keys[0], ours.foreign_keys[0])
    assert changed.line() == "attribute 'person': the class says int8 = null, the database int8"


def test_foreign_keys_agree_in_any_order() -> None:
    """A foreign key whose pairs the database holds in another order is the same one."""
    pairs = (("a", "x"), ("b", "y"))
    ours, theirs = (
        evolve(declare("a : int8\nb : int8\n---"), foreign_keys=(ForeignKey(PERSON.name, ordered),))
        for ordered in (pairs, pairs[::-1])
    )
    assert changes(ours, theirs) == ()


def test_the_place_is_named() -> None:
    """A difference to a repository says so."""
    ours, theirs = declare("a : int8\n---\nb : int8"), declare("a : int8\n---")
    assert differences(ours, theirs, place="the repository") == ("attribute 'b' (int8) is not in the repository",)
