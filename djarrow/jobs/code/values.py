"""Constants as text that is the same in every process. Only exact types of Python are read, so that no code of users runs.

>>> text_of((1, 0.5, {"b", "a"}))
"tuple(int:1,float:0.5,set(str:'a',str:'b'))"
"""

from __future__ import annotations

import ast
import enum
from typing import Any

from djarrow.jobs.code.names import is_a, qualified_name

PLAIN = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis))
CONTAINERS = (tuple, list, set, frozenset, dict)


def text_of(value: object) -> str | None:
    """The text of a value of plain types, or of containers of them; None for any other value."""
    return _text(value, ())


def _text(value: object, within: tuple[int, ...]) -> str | None:
    kind = type(value)
    if any(kind is one for one in PLAIN):
        return f"{kind.__name__}:{value!r}"
    if is_a(value, enum.Enum):
        inner = _text(object.__getattribute__(value, "_value_"), within)
        return f"{qualified_name(kind)}.{object.__getattribute__(value, '_name_')}={inner}"
    if not any(kind is one for one in CONTAINERS):
        return None
    if id(value) in within:
        return "circle"
    within = (*within, id(value))
    content: Any = value
    items = (one for pair in content.items() for one in pair) if kind is dict else content
    parts = [_text(one, within) for one in items]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    return f"{kind.__name__}({','.join(sorted(known) if kind in (set, frozenset) else known)})"


def literal_text(node: ast.AST) -> str | None:
    """The text of the value that a literal writes; None where the tree is more than a literal."""
    try:
        return text_of(ast.literal_eval(node))  # type: ignore[arg-type] # anything but an expression is refused
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
