"""A preview in a terminal: aligned, within its width, and complete about what it leaves out."""

from __future__ import annotations

import pytest

from djarrow.show import terminal
from djarrow.show.preview import Column, Count, Preview, Unread, chosen
from djarrow.show.text import cells

KEY = Column("id", "int32", key=True, right=True)
NAME = Column("name", "varchar(9)", key=False, right=False)


def wide(number: int) -> Preview:
    """A preview of a key and so many columns."""
    columns = (KEY, *(Column(f"column_{i}", "float64", key=False, right=True) for i in range(number)))
    return Preview("lab.wide", "", columns, (tuple("1" for _ in columns),), Count(1))


def test_the_whole() -> None:
    """Name and comment, names with the key's marked, types, a rule, the rows, and how many there are."""
    shown = Preview("lab.a", "Who.", (KEY, NAME), (("1", "Ann"), ("20", None), ("3", "日本")), Count(1234))
    assert terminal.text(shown, 80).splitlines() == [
        "lab.a: Who.",
        "  *id │ name",
        "int32 │ varchar(9)",
        "──────┼───────────",
        "    1 │ Ann",
        "   20 │ NULL",
        "    3 │ 日本",
        "3 of 1,234 rows",
    ]


def test_wide_characters_keep_the_columns_in_line() -> None:
    """What follows an East Asian character, a combined one or an emoji stands below what follows a plain one."""
    texts = ("ab", "日本", "e\u0301", "\U0001f600")
    shown = Preview("a", "", (KEY, NAME, NAME), tuple(("1", text, "7") for text in texts), Count(4))
    rows = terminal.text(shown, 80).splitlines()[4:-1]
    assert len(rows) == 4
    assert len({cells(row.rstrip(" ")) for row in rows}) == 1
    assert all(row.endswith("7") for row in rows)


def test_a_key_alone_and_no_key() -> None:
    """Where there is a key only, or none, nothing is set apart."""
    for column, name in ((KEY, "  *id"), (NAME, "name")):
        lines = terminal.text(Preview("a", "", (column,), (("1",),), Count(1)), 80).splitlines()
        assert lines[1] == name
        assert set(lines[3]) == {"─"}
    assert terminal.text(Preview("a", "", (), ((),), Count(1)), 80) == "a\n1 row"


def test_no_line_is_wider_than_the_terminal() -> None:
    """Columns of the middle are left out, an ellipsis stands for them, and the footer names them all."""
    for room in (20, 30, 50, 79, 80, 100, 200):
        lines = terminal.text(wide(12), room).splitlines()
        assert max(map(cells, lines)) <= room, room
        shown = [name for name in lines[1].replace("│", " ").split() if name != "…"]
        missing = [f"column_{i}" for i in range(12) if f"column_{i}" not in shown]
        assert ("…" in lines[1]) == bool(missing)
        assert ("Columns left out" in " ".join(lines)) == bool(missing)
        assert all(name in " ".join(lines[6:]) for name in missing)
        assert shown[0] == "*id"
    assert "column_11" in terminal.text(wide(12), 50).splitlines()[1]


def test_what_just_fits_is_shown() -> None:
    """A table as wide as the terminal is whole."""
    room = max(map(cells, terminal.text(wide(4), 500).splitlines()))
    assert "…" not in terminal.text(wide(4), room)
    assert "…" in terminal.text(wide(4), room - 1)


def test_of_many_columns_some_are_named() -> None:
    """A footer does not name a thousand columns."""
    text = " ".join(terminal.text(wide(1000), 80).split())
    assert text.endswith("and 974 more.")


def test_one_column_is_always_there() -> None:
    """A value wider than the terminal is cut."""
    shown = Preview("a", "", (NAME, NAME), (("x" * 90, "y" * 90),), Count(1))
    lines = terminal.text(shown, 30).splitlines()
    assert max(map(cells, lines)) <= 30
    assert lines[4].startswith("xxx")


@pytest.mark.parametrize(
    ("rows", "count", "said"),
    [
        (0, Count(0), "no rows"),
        (1, Count(1), "1 row"),
        (2, Count(2), "2 rows"),
        (1, Count(2), "1 of 2 rows"),
        (2, Count(12_345), "2 of 12,345 rows"),
        (2, Count(10_000, exact=False), "2 of more than 10,000 rows"),
    ],
)
def test_how_many(rows: int, count: Count, said: str) -> None:
    """The number of rows, exact or not, with the notes below it."""
    shown = Preview("a", "", (KEY,), (("1",),) * rows, count, ("In no order.",))
    assert terminal.text(shown, 80).splitlines()[-2:] == [said, "In no order."]


def test_hostile_names_and_comments() -> None:
    """A title, comment or message cannot move the cursor or begin a line."""
    text = terminal.text(Preview("a\x1b[2J", "c\nd\u202e", (KEY,), (), Count(0)), 80)
    assert text.splitlines()[0] == r"a\x1b[2J: c\nd\u202e"
    assert terminal.text(Unread("<a\x1b>", "E: one\x07\n\ttwo"), 80) == "<a\\x1b>\n  E: one\\x07\n      two"


@pytest.mark.parametrize(
    ("costs", "keys", "room", "kept"),
    [
        ([1, 1, 1, 1, 1], 1, 5, [0, 1, 2, 3, 4]),
        ([1, 1, 1, 1, 1], 1, 3, [0, 1, 4]),
        ([1, 1, 1, 1, 1], 1, 4, [0, 1, 2, 4]),
        ([1, 1, 1, 1, 1], 3, 2, [0, 1]),
        ([9, 1, 1], 1, 5, [0]),
        ([1, 1, 1, 9], 1, 5, [0, 1, 2]),
        ([1, 9, 1, 1], 1, 5, [0, 2, 3]),
        ([1, 1], 0, 1, [0]),
        ([], 0, 10, []),
    ],
)
def test_chosen(costs: list[int], keys: int, room: int, kept: list[int]) -> None:
    """Keys first, then the two ends in turn, as long as one of them has room: at most one gap, in the middle."""
    assert chosen(costs, keys, room) == kept
