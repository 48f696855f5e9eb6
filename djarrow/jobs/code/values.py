"""Constants as text that is the same in every process. Only exact types of Python are read: no code of users runs.

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
    try:
        return _text(value, ())
    except RecursionError:
        return None


def _text(value: object, within: tuple[int, ...]) -> str | None:
    kind = type(value)
    if kind is int:
        return f"int:{value:x}"  # decimals have a limit of digits
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
    items = list(content.items() if kind is dict else content)  # at once, as another thread may change it
    parts = [_text(one, within) for one in (_flat(items) if kind is dict else items)]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    return f"{kind.__name__}({','.join(sorted(known) if kind in (set, frozenset) else known)})"


def _flat(pairs: list[tuple[object, object]]) -> list[object]:
    return [one for pair in pairs for one in pair]


def literal_text(node: ast.AST) -> str | None:
    """The text of the value that a literal writes; None where the tree is more than a literal."""
    try:
        return text_of(ast.literal_eval(node))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
