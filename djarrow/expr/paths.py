"""Paths into JSON as text, `$.a.b[0]."x y"` -> their steps: keys and positions."""

from __future__ import annotations

import json
import re

from djarrow.model.names import UNKEPT

Step = str | int

_STEP = re.compile(
    r"""
    \s*\.\s*(?P<key>[^\W\d][\w$]*)                 # .key
    | \s*\.\s*(?P<quoted>"(?:[^"\\]|\\.)*")        # ."any key"
    | \s*\[\s*(?P<position>\d{1,9})\s*\]           # [0]
    | \s*\[\s*(?P<bracketed>"(?:[^"\\]|\\.)*")\s*\]  # ["any key"]
    """,
    re.VERBOSE,
)


def path_steps(text: str) -> tuple[Step, ...]:
    """The steps of a path from the whole document, `$`, which has none. Raises ValueError, saying what is wrong."""
    if not text.startswith("$"):
        raise ValueError(f"the path {text!r} does not begin with $, which is the whole document.")
    steps: list[Step] = []
    place = 1
    while place < len(text.rstrip()):
        found = _STEP.match(text, place)
        if found is None:
            raise ValueError(
                f"the path {text!r} cannot be read at {text[place:]!r}; paths are of keys and [positions]."
            )
        steps.append(_step(found, text))
        place = found.end()
    return tuple(steps)


def _step(found: re.Match[str], text: str) -> Step:
    if found["key"] is not None:
        return found["key"]
    if found["position"] is not None:
        return int(found["position"])
    quoted = found["quoted"] or found["bracketed"]
    try:
        return checked_key(str(json.loads(quoted)))
    except json.JSONDecodeError:
        raise ValueError(f"the path {text!r} has a key {quoted} that is no string of JSON.") from None


def checked_key(key: str) -> str:
    """The key, if one of a JSON attribute can be so. Raises ValueError."""
    if UNKEPT.search(key):
        raise ValueError(f"no key of JSON can be {key!r}: it holds NUL or half a surrogate pair.")
    return key
