"""Tables and their foreign keys as the text of a Mermaid flowchart, which notebooks, GitHub and wikis draw.

Names and comments are data: every character that could mean something to Mermaid or HTML is written by its number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from attrs import frozen

from djarrow.model.names import COMPUTED, IMPORTED, LOOKUP, MANUAL, TableName, Tier


@frozen
class Style:
    """How tables of a tier are drawn: the brackets that make the shape, and the colours (000 "Table Tiers")."""

    opening: str
    closing: str
    colours: str


STYLES: dict[Tier, Style] = {
    LOOKUP: Style("([", "])", "fill:#e6e6e6,stroke:#6b6b6b,color:#222222"),
    MANUAL: Style("[", "]", "fill:#d8f0d8,stroke:#2e7d32,color:#222222"),
    IMPORTED: Style("[/", "/]", "fill:#d6e4fb,stroke:#1f5fbf,color:#222222"),
    COMPUTED: Style("(", ")", "fill:#fbdada,stroke:#c62828,color:#222222"),
}
PART = ("[[", "]]")
"""The brackets of a part, which has its master's colours."""


@frozen
class Box:
    """A table, and the lines of its text: the first is its name."""

    table: TableName
    tier: Tier
    lines: Sequence[str]
    is_part: bool = False


@frozen
class Arrow:
    """A foreign key, from the parent to the child. primary: all of it is in the child's primary key."""

    parent: TableName
    child: TableName
    primary: bool


def flowchart(boxes: Sequence[Box], arrows: Iterable[Arrow]) -> str:
    """The text: parents above children, primary foreign keys solid, secondary ones dashed."""
    numbers = {box.table: f"t{number}" for number, box in enumerate(boxes)}
    lines = ["flowchart TB"]
    lines += [_box(numbers[box.table], box) for box in boxes]
    lines += [f"    {numbers[a.parent]} {'-->' if a.primary else '-.->'} {numbers[a.child]}" for a in arrows]
    tiers = dict.fromkeys(box.tier for box in boxes)
    lines += [f"    classDef {tier.name} {STYLES[tier].colours}" for tier in tiers]
    return "\n".join(lines) + "\n"


def _box(number: str, box: Box) -> str:
    style = STYLES[box.tier]
    opening, closing = PART if box.is_part else (style.opening, style.closing)
    text = "<br/>".join(map(escaped, box.lines))
    return f'    {number}{opening}"{text}"{closing}:::{box.tier.name}'


def escaped(text: str) -> str:
    """A text as Mermaid shows it as it is, on one line. Control characters are spaces."""
    plain = re.sub(r"[\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+", " ", text)
    return re.sub(r"[^\w .,:-]", lambda match: f"#{ord(match[0])};", plain)
