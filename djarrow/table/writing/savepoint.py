"""Part of a user's transaction that is kept whole or undone, so that the rest of it can go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from djarrow.errors import EngineError, IntegrityError

if TYPE_CHECKING:
    from djarrow.engine.base import Database


@contextmanager
def savepoint(database: Database, name: str) -> Iterator[None]:
    """Undo what the block wrote where it raises, but for errors of the database, which end the whole transaction."""
    database.execute(f"SAVEPOINT {name}")
    try:
        yield
    except (EngineError, IntegrityError):
        raise
    except BaseException:
        database.execute(f"ROLLBACK TO SAVEPOINT {name}")
        database.execute(f"RELEASE SAVEPOINT {name}")  # else all that comes later would be inside of it
        raise
    database.execute(f"RELEASE SAVEPOINT {name}")
