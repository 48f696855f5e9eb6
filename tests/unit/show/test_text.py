"""Text of any origin as it is shown: nothing in it does anything to the terminal, and its width is known."""

from __future__ import annotations

import unicodedata

import pytest

from djarrow.show.text import aligned, cells, cut, seen, seen_lines


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("plain text, ü, 日本語, \U0001f600", "plain text, ü, 日本語, \U0001f600"),
        ("", ""),
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("a\nb\r\tc\0", r"a\nb\r\tc\x00"),
        ("admin\u202egnp.exe", r"admin\u202egnp.exe"),
        ("\u2066a\u2069\u200f", r"\u2066a\u2069\u200f"),
        ("a\u200bb\ufeff\xad", r"a\u200bb\ufeff\xad"),
        ("line\u2028para\u2029", r"line\u2028para\u2029"),
        ("half \ud800", r"half \ud800"),
        ("\ue000\U0010ffff", r"\ue000\U0010ffff"),
        ("e\u0301te\u0301", "e\u0301te\u0301"),
        ("\u0301e", r"\u0301e"),
        ("a" + "\u0316" * 5, "a" + "\u0316" * 3 + r"\u0316\u0316"),
    ],
)
def test_what_cannot_be_shown_is_written_out(given: str, shown: str) -> None:
    """Controls, formats, surrogates, separators and piled-up marks are escapes; letters are themselves."""
    assert seen(given) == shown


def test_no_character_gets_through() -> None:
    """Of all of Unicode, no control, format or line separator is left as it is."""
    for number in range(0x110000):
        character = chr(number)
        if unicodedata.category(character)[0] == "C" or character in "\u2028\u2029":
            assert seen(character).isascii(), hex(number)
            assert seen(character).isprintable(), hex(number)


def test_lines_of_a_message() -> None:
    """A message keeps its lines and loses its tabs; what else is in it is written out."""
    assert seen_lines("one\n\ttwo\x1b[0m\r\nthree") == ("one", r"    two\x1b[0m", "three")
    assert seen_lines("") == ()


@pytest.mark.parametrize(
    ("given", "width", "shown"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdef", 5, "abcd…"),
        ("abcdef", 1, "…"),
        ("日本語", 6, "日本語"),
        ("日本語", 5, "日本…"),
        ("日本語", 4, "日…"),
        ("e\u0301e\u0301e\u0301", 2, "e\u0301…"),
        ("ab    cd", 5, "ab…"),
    ],
)
def test_cut(given: str, width: int, shown: str) -> None:
    """A text that is too wide ends in an ellipsis, and takes no more cells than it may."""
    assert cut(given, width) == shown
    assert cells(shown) <= width


@pytest.mark.parametrize("text", ["ab", "日本", "e\u0301", ""])
def test_aligned(text: str) -> None:
    """A text is filled up with spaces to its cells, not to its characters."""
    assert cells(aligned(text, 6, right=False)) == cells(aligned(text, 6, right=True)) == 6
    assert aligned(text, 6, right=False).startswith(text)
    assert aligned(text, 6, right=True).endswith(text)
