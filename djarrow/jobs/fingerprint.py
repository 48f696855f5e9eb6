"""The fingerprint of a make: it changes where what the code does may have changed, and not with how it is written.

Design section 10; docs/decisions/018-fingerprints.md says what counts and what does not.
"""

from __future__ import annotations

import hashlib
from typing import Any

from attrs import frozen

from djarrow.jobs.code.reached import Reached
from djarrow.jobs.code.walk import Walk

MAKES = ("make", "make_fetch", "make_compute", "make_insert", "make_batch", "make_query")
"""The methods that compute the rows of a table, where the class or its bases below djarrow define them."""

KEPT = "_fingerprint"


@frozen(eq=False)
class Kept:
    """A fingerprint and what was read for it."""

    value: str
    reached: Reached


def fingerprint(table_class: type) -> str:
    """The SHA-256, in hex, of the makes of a class and of the functions and constants of its package that they use.

    Comments, docstrings, formatting, annotations, names of locals and the order of methods change nothing; operators,
    constants, defaults, called functions and what those do change it. It is the same in Python 3.11 to 3.13 and in
    every process, where the source of the loaded code can be had; else the code itself counts, which differs between
    versions of Python. No code of users runs, and nothing is imported.
    """
    kept: Any = type.__dict__["__dict__"].__get__(table_class).get(KEPT)
    if isinstance(kept, Kept) and kept.reached.holds():
        return kept.value
    walk = Walk(table_class)
    text = walk.text(MAKES)
    value = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    type.__setattr__(table_class, KEPT, Kept(value, walk.reached))
    return value
