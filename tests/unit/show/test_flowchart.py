"""Mermaid flowcharts: what is drawn of tables, and that names and comments cannot be anything but text."""

from __future__ import annotations

import html
import re

import pytest

from djarrow.model.names import COMPUTED, LOOKUP, TIERS, TableName
from djarrow.show.flowchart import STYLES, Arrow, Box, escaped, flowchart

A, B = TableName("s", "#a"), TableName("s", "__b")


def test_a_flowchart() -> None:
    """Boxes in their order, arrows by their numbers, and a colour for each tier that there is."""
    boxes = [Box(A, LOOKUP, ["s.a", "2 rows"]), Box(B, COMPUTED, ["s.b", "1 row"])]
    assert flowchart(boxes, [Arrow(A, B, primary=True), Arrow(A, B, primary=False)]) == (
        "flowchart TB\n"
        '    t0(["s.a<br/>2 rows"]):::lookup\n'
        '    t1("s.b<br/>1 row"):::computed\n'
        "    t0 --> t1\n"
        "    t0 -.-> t1\n"
        f"    classDef lookup {STYLES[LOOKUP].colours}\n"
        f"    classDef computed {STYLES[COMPUTED].colours}\n"
    )
    assert flowchart([], []) == "flowchart TB\n"
    assert set(STYLES) == set(TIERS)


HOSTILE = (
    'a"] --> b["c',
    "end",
    "<script>alert(1)</script>",
    "<br/>",
    "&lt;b&gt; #35; #quot;",
    "line\nclick t0 href 'javascript:alert(1)'",
    "%%{init: {}}%%",
    "`**markdown**`",
    "$$x$$",
    "\0\x1b[31m\u2028\ud800",
    "ünïcode 数",
    "100 % (approx.) {x} [y]",
    "---\ntitle: x\n---",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_text(text: str) -> None:
    """Whatever a comment holds stays on its line and in its quotes, and is read back as it was."""
    drawn = flowchart([Box(A, LOOKUP, [text])], [])
    assert len(drawn.splitlines()) == 3
    inside = re.fullmatch(r'    t0\(\["(.*)"\]\):::lookup', drawn.splitlines()[1])
    assert inside is not None
    assert not set(inside[1]) & set("\"'<>&%`$[](){}\n\\/")
    back = html.unescape(re.sub(r"#(\d+);", r"&#\1;", escaped(text)))
    assert back == re.sub(r"[\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+", " ", text)
