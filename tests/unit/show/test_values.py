"""One value as a preview shows it: as people write it, and never to be taken for another."""

from __future__ import annotations

import datetime
import decimal
import unicodedata
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from djarrow.model.types import AttributeType, Family, core
from djarrow.show.text import aligned, cells
from djarrow.show.values import _SHOWN, READ, cell

UTC = datetime.UTC
TEXT = core("varchar", 400)


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        (core("int64"), -(2**63), "-9223372036854775808"),
        (core("uint64"), 2**64 - 1, "18446744073709551615"),
        (core("float64"), 0.1 + 0.2, "0.3"),
        (core("float64"), 1234567.0, "1.23457e+06"),
        (core("float64"), float("nan"), "NaN"),
        (core("float64"), float("-inf"), "-inf"),
        (core("float64"), -0.0, "-0"),
        (core("decimal", 38, 20), decimal.Decimal("123456789.00000000000000000010"), "123456789.00000000000000000010"),
        (core("decimal", 38, 0), decimal.Decimal("1E+10"), "10000000000"),
        (core("bool"), True, "True"),
        (core("date"), datetime.date(1, 2, 3), "0001-02-03"),
        (core("time"), datetime.time(5, 6), "05:06:00"),
        (core("time"), datetime.time(5, 6, 7, 80_000), "05:06:07.080000"),
        (core("timestamp"), datetime.datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC), "2024-02-29 23:59:59 UTC"),
        (core("datetime"), datetime.datetime(1999, 12, 31, 6, 7, 8, 1), "1999-12-31 06:07:08.000001"),
        (core("uuid"), uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (core("enum", "low", "high"), "low", "low"),
        (core("json"), '{"a": [1, null]}', '{"a": [1, null]}'),
        (core("json"), "null", "null"),
        (core("json"), '"\x1b"', r'"\x1b"'),
        (core("blob"), 0, "blob 0 B"),
        (core("blob"), 999, "blob 999 B"),
        (core("blob"), 1_000, "blob 1.0 kB"),
        (core("blob"), 99_949, "blob 99.9 kB"),
        (core("blob"), 99_950, "blob 100 kB"),
        (core("blob"), 999_499, "blob 999 kB"),
        (core("blob"), 999_500, "blob 1.0 MB"),
        (core("blob"), 5_000_000_000_000, "blob 5000 GB"),
        (core("<dj_blob>"), 12, "blob 12 B"),
    ],
)
def test_values(kind: AttributeType, value: Any, shown: str) -> None:
    """Each family of types has its own way, in which exact values stay exact."""
    assert cell(value, kind, 60) == shown


def test_every_family_is_shown() -> None:
    """No family of types is forgotten."""
    assert set(_SHOWN) == set(Family)


@pytest.mark.parametrize("kind", [core("float64"), TEXT, core("blob"), core("json")], ids=str)
def test_null_is_no_text(kind: AttributeType) -> None:
    """NULL is left to the form of the preview, so that no value of any type can be taken for it."""
    assert cell(None, kind, 10) is None


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Ann", "Ann"),
        ("null", "null"),
        ("it's", "it's"),
        ("back\\slash", "back\\slash"),
        ("日本語", "日本語"),
        ("NULL", "'NULL'"),
        ("", "''"),
        (" x", "' x'"),
        ("x\xa0", "'x\xa0'"),
        ("'NULL'", r"'\'NULL\''"),
        ('"a"', "'\"a\"'"),
        ("a\nb", r"'a\nb'"),
        ("a\\nb\n", r"'a\\nb\n'"),
        ("\x1b[31m'", r"'\x1b[31m\''"),
    ],
)
def test_strings(value: str, shown: str) -> None:
    """A string is shown as it is, and in quotes where it would be taken for another one, for NULL or for nothing."""
    assert cell(value, TEXT, 60) == shown


def test_strings_are_told_apart() -> None:
    """Strings that differ are shown differently."""
    parts = ["", "NULL", "'", '"', "\\", "n", "\n", " ", "\x1b", "a"]
    strings = {a + b + c for a in parts for b in parts for c in parts}
    assert len({cell(text, TEXT, 80) for text in strings}) == len(strings)


def test_what_was_read_in_part_ends_in_an_ellipsis() -> None:
    """A string that goes on beyond what was read shows it, also where the column is wider."""
    assert cell("a" * READ, TEXT, 999) == "a" * READ
    assert cell("a" * READ + "b", TEXT, 999) == "a" * READ + "…"
    assert cell("a" * READ + "b", core("json"), 999) == "a" * READ + "…"
    assert cell("a" * 50, TEXT, 40) == "a" * 39 + "…"


@given(st.text(max_size=60), st.integers(1, 50), st.sampled_from([TEXT, core("json")]))
def test_any_text(text: str, width: int, kind: AttributeType) -> None:
    """Whatever is in a text, what is shown is seen, has its width, and fills a column exactly."""
    shown = cell(text, kind, width)
    assert shown is not None
    assert all(unicodedata.category(character)[0] != "C" for character in shown)
    assert cells(shown) <= width
    assert cells(aligned(shown, width, right=False)) == width
