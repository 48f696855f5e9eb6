"""What is kept of every make: who made a row, where, when, and by which code. docs/provenance.md."""

from __future__ import annotations

import getpass
import os
import socket
from typing import TYPE_CHECKING

from djarrow._version import __version__
from djarrow.errors import MakeError
from djarrow.sql import accepted, locks, makes
from djarrow.sql.makes import Author
from djarrow.table.declaring.classes import parts_of

if TYPE_CHECKING:
    from djarrow.engine.base import Database
    from djarrow.jobs.autopopulate import AutoPopulated


def author_of(table: AutoPopulated) -> Author:
    """This process, as the author of the makes of a table."""
    from djarrow.jobs.fingerprint import fingerprint
    from djarrow.jobs.revision import revision_of

    revision = revision_of(type(table))
    return Author(
        host=socket.gethostname(),
        user=user_name(),
        process=os.getpid(),
        version=__version__,
        fingerprint=fingerprint(type(table)),
        commit=None if revision is None else revision.commit,
        dirty=None if revision is None else revision.dirty,
    )


def user_name() -> str:
    """Who runs this process. A container's user may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def last_batch(database: Database, table: AutoPopulated) -> tuple[int, float] | None:
    """How many keys the largest of the last makes of a table was for, by the same code, and the seconds it took."""
    from djarrow.jobs.fingerprint import fingerprint

    found = database.read(makes.largest_of_the_last(table.spec.name, fingerprint(type(table))), few=True).to_pylist()
    return (found[0]["keys"], found[0]["duration"]) if found else None


def ensure_makes(database: Database, table: AutoPopulated) -> None:
    """Make what the makes of a table are kept in, where it is missing, in a transaction of its own.

    A table of other software has no column for it. Raises MakeError where it may not be made.
    """
    name, master = str(table.spec.name), table.spec.name
    tables = [master, *(part().spec.name for part in parts_of(type(table)).values())]
    missing = {each: database.read(makes.ready_table(each), few=True).to_pylist()[0] for each in tables}
    if all(found["makes"] and found["made"] for found in missing.values()):
        return
    if not table.schema.makes_tables:
        raise MakeError(
            f"what makes its rows is kept in {makes.MAKES!r} of the schema and in a hidden column, which are not there "
            "yet, and with create_tables=False none is made. Let a user who may make tables populate first.",
            table=name,
        )
    with database.begin(isolation="READ COMMITTED"):
        database.read(locks.lock_declarations())
        database.execute(makes.create_makes(master.schema))
        database.execute(accepted.create_accepted(master.schema))
        for each, found in missing.items():
            if not found["made"]:
                database.execute(makes.add_made_column(each))
