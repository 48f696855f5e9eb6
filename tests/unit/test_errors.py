"""Errors as objects: their fields survive the way to another process."""

from __future__ import annotations

import copy
import datetime
import decimal
import pickle
from typing import Any

import pytest

from djarrow import errors
from djarrow.errors import DjarrowError, told


@pytest.mark.parametrize(
    "error",
    [
        errors.InvalidValue("no.", table="lab.a", attribute="x", row=3, value=-1),
        errors.MissingParent("no.", table="lab.a", parent="b", key={"b": "1"}),
        errors.DefinitionSyntaxError(table="a", line=1, column=2, text="x", expected=("`:`",)),
        errors.UnknownType("unit8", "no.", table="a", line=1, column=2),
        errors.UnknownAttribute("x", ["y"], where="proj"),
        errors.UnknownReference("X", ["Y"], table="a", line=2, why="is late", advice=" Move it."),
        errors.MissingSchema("lab"),
        errors.MissingTable("gone.", table="lab.a", sqlstate="42P01"),
        errors.UnknownSetting("safe_mode", ["safemode"]),
        errors.NoSuchRow("no.", table="lab.a", key={"a": 1}),
        errors.MakeError("no.", table="lab.a", key={"a": 1}),
    ],
    ids=lambda error: type(error).__name__,
)
def test_fields_survive_a_process_boundary(error: DjarrowError) -> None:
    """An error that is pickled, as between processes, or copied, keeps its type, message and fields."""
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301 - what multiprocessing does
        assert type(other) is type(error)
        assert str(other) == str(error)
        assert vars(other) == vars(error)


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ({}, "no."),
        ({"table": "a"}, "Table 'a': no."),
        ({"table": "a", "line": 3}, "Table 'a', line 3: no."),
        ({"table": "a", "line": 3, "column": 5}, "Table 'a', line 3, column 5: no."),
        ({"line": 3, "column": 5}, "no."),
    ],
)
def test_a_definition_error_tells_its_place(place: dict[str, Any], text: str) -> None:
    """The table, line and column of a definition's error stand before its message, as far as they are known."""
    error = errors.DefinitionError("no.", **place)
    assert str(error) == text
    assert {"table": error.table, "line": error.line, "column": error.column} == {
        "table": None,
        "line": None,
        "column": None,
    } | place


def test_long_texts_are_shown_in_part() -> None:
    """A message shows a long text without its middle, and a short one whole, in quotes."""
    assert errors.shown("it's") == '"it\'s"'
    assert errors.shown("a" * 200) == repr("a" * 200)
    assert errors.shown("a" * 500 + "b" * 500) == f"'{'a' * 90}'...'{'b' * 90}'"


class Loud:
    """An object whose repr must not be asked for."""

    def __repr__(self) -> str:
        raise AssertionError


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("a'b", '"a\'b"'),
        (5, "5"),
        (None, "None"),
        (b"x", "b'x'"),
        (datetime.date(2024, 1, 2), "datetime.date(2024, 1, 2)"),
        (decimal.Decimal("1.5"), "Decimal('1.5')"),
        (Loud(), "an object of type Loud"),
        ([1], "an object of type list"),
    ],
)
def test_what_was_given_is_told_without_looking_into_it(given: object, text: str) -> None:
    """Plain values are shown, other objects by their type: the repr of a query would read the database."""
    assert told(given) == text


def test_case_alone_is_nearest() -> None:
    """A name that differs in case only is the nearest one, however short it is."""
    assert errors.hint_nearest("ID", ["id", "day"]) == " Did you mean 'id'?"
