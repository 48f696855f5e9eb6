"""What a statement has to do with those of other sessions, by its text and its transaction: never less than it has.

So it may be said of two neighbours in an order that nobody can tell which was first.
"""

from __future__ import annotations

import enum
import re

from attrs import define


class Effect(enum.IntEnum):
    """What a statement has to do with those of other sessions."""

    NONE = 0
    """BEGIN, PREPARE, a read of the snapshot that its transaction has already or of no table, a change of what only its
    session sees, the end of a transaction that has only read."""
    READ = 1
    """It sees what others have committed until then."""
    WRITE = 2
    """It writes or locks rows in a transaction: nobody sees that yet, and others may wait for it. It sees what others
    have committed."""
    END = 3
    """Others see what was written, and get the locks that they wait for: the end of a transaction that wrote, a write
    outside of one, whatever fails."""

    def matters_before_or_after(self, other: Effect) -> bool:
        """Whether anybody may be able to tell which of two statements of different sessions was first."""
        less, more = sorted((self, other))
        return less is not Effect.NONE and (more is Effect.END or less is more is Effect.WRITE)


_NO_CODE = re.compile(r"--[^\n]*|'(?:[^']|'')*'")
_OWN = re.compile(r'PREPARE |CREATE TEMPORARY TABLE |DROP TABLE "djarrow_update"$|COPY$')
"""What makes no difference to others: statements that are kept ready, and update1's table of the values that are given,
which takes its columns from the table that is to be changed, and no rows."""
_DEFINES = re.compile(r"\b(CREATE|ALTER|DROP|TRUNCATE)\b", re.IGNORECASE)
_OF_TABLE = re.compile(r'"\."')
_READS = re.compile(r"\s*(SELECT|WITH)\b")
_CHANGES = re.compile(
    r"\b(INSERT|UPDATE|DELETE|MERGE|FOR (KEY )?SHARE|LOCK|nextval|setval|pg_(try_)?advisory\w*)\b",
    re.IGNORECASE,
)


@define
class Transaction:
    """What the statements of a session have said of its transaction.

    repeatable: whether it has one snapshot; sees: whether that is taken; wrote: whether it has written or locked.
    """

    is_open: bool = False
    repeatable: bool = False
    sees: bool = False
    wrote: bool = False

    def effect(self, text: str) -> Effect:
        """The effect of the next statement, if it does not fail.

        Raises AssertionError of one that changes tables: catalogs, which are taken here for what nobody changes, would
        be read by others.
        """
        code = _NO_CODE.sub("", text)
        if _OWN.match(code):
            return Effect.NONE
        assert not _DEFINES.search(code), f"others can see this in ways that are not known here: {text}"
        if code.startswith("BEGIN"):
            assert not _CHANGES.search(code), text
            self.is_open, self.repeatable, self.sees, self.wrote = True, "READ COMMITTED" not in code, False, False
            return Effect.NONE
        if code in ("COMMIT", "ROLLBACK"):
            self.is_open = False
            return Effect.END if self.wrote else Effect.NONE
        seen, self.sees = self.sees, True
        if not _READS.match(code) or _CHANGES.search(code):
            self.wrote = True
            return Effect.WRITE if self.is_open else Effect.END
        has_snapshot = self.is_open and self.repeatable
        sees_nothing = seen if has_snapshot else not _OF_TABLE.search(code)
        return Effect.NONE if sees_nothing else Effect.READ
