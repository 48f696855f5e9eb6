"""A preview as HTML: escaped, well-formed, in the colours around it, and readable where styles are taken out."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from djarrow.show import html
from djarrow.show.preview import Column, Count, Preview, Unread

HOSTILE = "<script>alert('1')</script>\"&amp;<img src=x onerror=alert(1)>"
VOID = {"br"}
KNOWN = {"div", "p", "b", "i", "u", "br", "small", "code", "table", "thead", "tbody", "tr", "th", "td"}


class Page(HTMLParser):
    """What a browser would see: the elements, their attributes, and the text. Refuses what is not closed in order."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.titles: list[str | None] = []
        self.text = ""
        self.cells: list[str] = []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.titles += [value for name, value in attrs if name == "title"]
        if tag in ("th", "td"):
            self.cells.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if {"th", "td"} & set(self.open):
            self.cells[-1] += data


KEY = Column("id", "int32", key=True, right=True)


def preview(name: str = "a", comment: str = "", values: tuple[str | None, ...] = ("1", "x")) -> Preview:
    """A preview of a key and another attribute."""
    columns = (KEY, Column(name, "varchar(9)", key=False, right=False))
    return Preview("lab.t", comment, columns, (values,), Count(5))


def test_the_whole() -> None:
    """Title, comment, names over types, values, and the number of rows."""
    page = Page(html.page(preview(comment="Who.", values=("1", None))))
    assert page.cells == ["idint32", "avarchar(9)", "1", "NULL"]
    assert page.text.split("\n")[1] == "lab.t: Who."
    assert "1 of 5 rows" in page.text


@pytest.mark.parametrize(
    "shown",
    [
        preview(name=HOSTILE),
        preview(comment=HOSTILE),
        preview(values=("1", HOSTILE)),
        Preview(HOSTILE, "", (KEY,), (), Count(0), (HOSTILE,)),
        Unread(HOSTILE, "reason"),
        Unread("outline", f"one\n{HOSTILE}"),
    ],
)
def test_nothing_is_taken_for_markup(shown: Preview | Unread) -> None:
    """Names, types, comments, values, notes and messages are text, whatever is in them."""
    page = Page(html.page(shown))
    assert set(page.tags) <= KNOWN
    assert page.attributes <= {"style", "class"}
    assert HOSTILE in page.text


def test_controls_are_written_out() -> None:
    """What cannot be shown in a terminal is not in a page either."""
    page = Page(html.page(preview(comment="a\u202eb\x1b", name="n\u2066")))
    assert r"a\u202eb\x1b" in page.text
    assert r"n\u2066" in page.text
    assert page.text.isascii()


def test_keys_and_null_are_told_apart_without_styles() -> None:
    """With styles and classes taken out, keys are underlined, NULL is in italics and a string NULL is not."""
    plain = re.sub(r' (style|class)="[^"]*"', "", html.page(preview(values=("'NULL'", None))))
    assert "<th><u>id</u><br><small>int32</small></th><th>a<br>" in plain
    assert "<td>&#x27;NULL&#x27;</td><td><i>NULL</i></td>" in plain
    assert 'class="djarrow-key"' in html.page(preview())


def test_colours_are_those_around() -> None:
    """No colour is set, so that a dark page stays dark; there is no style sheet, and nothing is loaded."""
    source = html.page(preview())
    assert set(re.findall(r"(?<![-\w])color:([^;\"]*)", source)) == {"inherit"}
    assert not re.search(r"background|#[0-9a-f]{3}|rgb|<style|url\(|https?:", source)


def test_types_are_escaped() -> None:
    """The values of an enum are text, too."""
    page = Page(html.page(Preview("a", "", (Column("a", "enum('<b>')", key=True, right=False),), (), Count(0))))
    assert page.cells == ["aenum('<b>')"]


def test_comments_of_attributes() -> None:
    """The comment of an attribute stands over its name, as text, where the pointer rests on it."""
    columns = (KEY, Column("a", "int8", key=False, right=True, comment=f"{HOSTILE}\x1b"))
    page = Page(html.page(Preview("a", "", columns, (("1", "2"),), Count(1))))
    assert page.titles == [f"{HOSTILE}\\x1b"]
    assert set(page.tags) <= KNOWN
    assert page.attributes <= {"style", "class", "title"}


def test_very_wide_tables() -> None:
    """Beyond so many columns the middle is left out, and named."""
    columns = tuple(Column(f"c{i}", "int8", key=i == 0, right=True) for i in range(500))
    page = Page(html.page(Preview("a", "", columns, (("1",) * 500,), Count(1))))
    assert len(page.cells) == 2 * (html.MAX_COLUMNS + 1)
    assert page.cells[0] == "c0int8"
    assert page.cells[html.MAX_COLUMNS] == "c499int8"
    assert "and 420 more" in page.text


def test_no_columns() -> None:
    """A query without attributes has rows all the same."""
    assert Page(html.page(Preview("a", "", (), ((),), Count(1)))).cells == []
