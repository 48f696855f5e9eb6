"""Names of files: values percent-encoded, patterns of the project's settings, and what these may not say."""

from __future__ import annotations

import datetime
import decimal
import itertools
import uuid
from typing import Any

import pytest

from djarrow.errors import RepositoryError
from djarrow.repo.exporting.patterns import ALL, MAX_NAME_BYTES, by_attributes, leading, pattern

NAMES: list[tuple[Any, str]] = [
    (1, "v-1"),
    (-1, "v--1"),
    (True, "v-true"),
    ("", "v-"),
    ("a b", "v-a%20b"),
    ("a/b", "v-a%2Fb"),
    ("..", "v-.."),
    ("100%", "v-100%25"),
    ("é🐁", "v-%C3%A9%F0%9F%90%81"),
    ("*?[x]", "v-%2A%3F%5Bx%5D"),
    ("~", "v-%7E"),
    ("a\\b:c", "v-a%5Cb%3Ac"),
    ("line\nend", "v-line%0Aend"),
    (decimal.Decimal("0E-9"), "v-0.000000000"),
    (decimal.Decimal("1.50"), "v-1.50"),
    (datetime.date(2024, 2, 29), "v-2024-02-29"),
    (datetime.time(12, 30), "v-12%3A30%3A00"),
    (datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC), "v-2024-01-01T00%3A00%3A00%2B00%3A00"),
    (uuid.UUID(int=1), "v-00000000-0000-0000-0000-000000000001"),
]


@pytest.mark.parametrize(("value", "name"), NAMES)
def test_file_names(value: object, name: str) -> None:
    """A value becomes one part of a path, whatever it holds."""
    assert by_attributes(["v"]).name((value,)) == name


def test_long_values() -> None:
    """A name longer than a file system takes is cut and ends in a hash, so that two of them still differ."""
    names = {by_attributes(["v" * 63]).name(["é" * 300 + end]) for end in "ab"}
    assert len(names) == 2
    assert all(len(name.encode()) <= MAX_NAME_BYTES + len(".parquet") <= 255 for name in names)
    assert all("~" in name for name in names)


def test_a_value_cannot_pose_as_a_shortened_one() -> None:
    """The name of a long value, given as a value, is another name."""
    split = by_attributes(["v"])
    short = split.name(["x" * 300]).removeprefix("v-")
    assert split.name([short]) != split.name(["x" * 300])


def test_several_attributes() -> None:
    """Each but the last is a folder; none gives one file; a digest tells names apart that are one on some systems."""
    assert by_attributes(["year", "month"]).name([2013, 1]) == "year-2013/month-1"
    assert by_attributes([]).name([]) == ALL.name([]) == "all"
    split = by_attributes(["a", "b"])
    names = {split.name(values, digest=True) for values in itertools.product(["x", "X"], ["y", "Y"])}
    assert len({name.casefold() for name in names}) == 4


PATTERNS = [
    ("subject{subject_id}/session{session}", "subject5/sessiona%2Fb"),
    ("{subject_id}", "5"),
    ("{session}", "a%2Fb"),
    ("data/{session}-of-{subject_id}_x", "data/a%2Fb-of-5_x"),
    ("{subject_id}{session}/é {subject_id}", "5a%2Fb/é 5"),
]


@pytest.mark.parametrize(("text", "name"), PATTERNS)
def test_patterns(text: str, name: str) -> None:
    """Values stand where the pattern has their attributes, in braces."""
    found = pattern(text)
    values = {"subject_id": 5, "session": "a/b"}
    assert found.name([values[each] for each in found.attributes]) == name


@pytest.mark.parametrize(
    ("value", "name"), [("", "~"), (".", "%2E"), ("..", "%2E."), (".git", "%2Egit"), ("~", "%7E"), ("/x", "%2Fx")]
)
def test_a_value_alone(value: str, name: str) -> None:
    """A part that is a value alone is a name, and not the folder itself, the one above, or a hidden one."""
    assert pattern("{v}/x{v}").name([value]).split("/")[0] == name


def test_long_patterns() -> None:
    """What is too long is cut, by a hash of all values of the part."""
    found = pattern("{a}-{b}/{a}")
    names = {found.name([a * 150, b]) for a in "xy" for b in ("z" * 100, "w" * 100)}
    assert len(names) == 4
    assert all(len(part) <= MAX_NAME_BYTES for name in names for part in name.split("/"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no folder is to be called"),
        ("subject", "names no attribute"),
        ("/subject{a}", "no folder is to be called ''"),
        ("subject{a}/", "no folder is to be called ''"),
        ("a{a}//b{b}", "no folder is to be called ''"),
        ("../{a}", "no folder is to be called '..'"),
        ("./{a}", "no folder is to be called '.'"),
        (".{a}", "no folder is to be called '.{a}'"),
        ("{a}.", "no folder is to be called"),
        ("{a}/ ", "no folder is to be called"),
        ("a\\{a}", "no folder is to be called by"),
        ("C:{a}", "no folder is to be called by ':'"),
        ("{a}\0", "no folder is to be called by"),
        ("{a}%2F", "no folder is to be called by '%'"),
        ("~{a}", "no folder is to be called by '~'"),
        ("{a}*", "no folder is to be called by"),
        ("{{{a}}}", "no folder is to be called by '{'"),
        ("{}", "the name of an attribute and nothing else"),
        ("{0}", "the name of an attribute and nothing else"),
        ("{a.b}", "the name of an attribute and nothing else"),
        ("{a[0]}", "the name of an attribute and nothing else"),
        ("{a!r}", "the name of an attribute and nothing else"),
        ("{a:>{b}}", "the name of an attribute and nothing else"),
        ("{a:03}", "the name of an attribute and nothing else"),
        ("{a", "cannot be read"),
        ("a}", "cannot be read"),
    ],
)
def test_refused(text: str, why: str) -> None:
    """What leads elsewhere, what is no name of a folder, and what is more than names of attributes."""
    with pytest.raises(RepositoryError, match="partition_pattern = ") as caught:
        pattern(text)
    assert why in str(caught.value)


def test_leading_parts() -> None:
    """A table is split by as many parts as its key has the attributes of, and not by all of that."""
    whole = pattern("lab/subject{subject}/session{session}/x{subject}")
    names = {
        (): "all",
        ("subject",): "all",
        ("session",): "all",
        ("session", "other"): "all",
        ("subject", "session"): "lab/subject1",
        ("other", "subject"): "lab/subject1",
        ("subject", "session", "trial"): "lab/subject1/session2/x1",
    }
    for key, name in names.items():
        found = leading(whole, key)
        assert found.name([{"subject": 1, "session": 2}[each] for each in found.attributes]) == name, key
