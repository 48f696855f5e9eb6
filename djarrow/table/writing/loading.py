"""Rows of any source, piece by piece in one transaction: each piece is checked and sent before the next is made."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import chain
from typing import TYPE_CHECKING, Any

from djarrow.table.writing.inserted import Inserted
from djarrow.table.writing.savepoint import savepoint

if TYPE_CHECKING:
    from djarrow.frame.given import Given, Piece
    from djarrow.frame.rows import Checking
    from djarrow.table.writing.sending import Sending


class _Refused(Exception):
    """Ends the transaction of an insert whose rows have problems: the rest of them is looked at outside of it."""


class Loading:
    """The pieces of one insert. chunk_size: how many rows each has; None leaves it to djarrow, without progress bar."""

    def __init__(self, sending: Sending, chunk_size: int | None) -> None:
        self._sending = sending
        self._chunk_size = chunk_size

    def load(self, rows: Any) -> Inserted:
        """Insert rows of whatever `given` takes."""
        from djarrow.frame.given import given

        source = given(rows, str(self._sending.spec.name), self._size())
        return self._sending.anew(lambda: self._once(source), again=source.again)

    def _size(self) -> Any:
        """How large pieces are. A table that refers to itself takes all at once: a row may come before its parent."""
        from djarrow.frame.given import WHOLE, Size

        spec = self._sending.spec
        if any(key.parent == spec.name for key in spec.foreign_keys):
            return WHOLE
        return Size() if self._chunk_size is None else Size(rows=self._chunk_size, exact=True)

    def _once(self, source: Given) -> Inserted:
        checking = self._sending.checking()
        pieces = source.pieces()
        first = next(pieces, None)  # what it reads of the database is read before the transaction
        if first is None or not first.rows:
            self._check_rest(checking, chain(() if first is None else (first,), pieces))
            return Inserted()
        whole, pieces = first.rows == source.total, chain((first,), pieces)
        del first
        try:
            with self._transaction(whole=whole), self._progress(source.total) as advance:
                return self._write(checking, pieces, advance)
        except _Refused:
            pass  # it tells nothing that the problems do not
        self._check_rest(checking, pieces)
        raise AssertionError  # pragma: no cover - there is a problem to raise

    @staticmethod
    def _check_rest(checking: Checking, pieces: Iterator[Piece]) -> None:
        """Raise the first problem with the frame of all, also those of rows that were not looked at yet."""
        for piece in pieces:
            if checking.problems.full:
                break
            checking.check(piece)
        checking.settle()

    def _transaction(self, *, whole: bool) -> AbstractContextManager[object]:
        """A transaction of its own; in one of the user's, all of this insert or nothing of it.

        whole: there is one piece only, which is checked before anything of it is written.
        """
        if not self._sending.within:
            return self._sending.database.begin(isolation="READ COMMITTED")
        return contextlib.nullcontext() if whole else savepoint(self._sending.database, "djarrow_insert")

    def _progress(self, total: int | None) -> AbstractContextManager[Callable[[int], object]]:
        if self._chunk_size is None:
            return contextlib.nullcontext(_not_shown)
        from djarrow.show.progress import progress_bar

        return progress_bar(str(self._sending.spec.name), total, shown=True)

    def _write(self, checking: Checking, pieces: Iterator[Piece], advance: Any) -> Inserted:
        done = Inserted()
        for piece in pieces:
            rows = checking.check(piece)
            if checking.problems:
                raise _Refused
            done = done.and_then(self._sending.send(rows, piece))
            advance(piece.rows)
            del piece, rows  # before the next one is made
        return done


def _not_shown(_: int) -> None:
    """No progress bar."""
