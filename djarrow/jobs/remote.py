"""What another process does of a populate: it finds the class by its name, connects by itself, and makes some keys.

Who hands them out is the question of executors.py. Everything that goes there and comes back is plain: names, keys,
numbers, and errors. docs/executors.md.
"""

from __future__ import annotations

import importlib
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from djarrow.errors import LeaseLost, MakeError
from djarrow.jobs.forms import form_of
from djarrow.jobs.making import Maker
from djarrow.jobs.options import Failure, Options
from djarrow.jobs.queue import Job, Reserved
from djarrow.jobs.refreshing import Refreshing
from djarrow.jobs.run import Run
from djarrow.settings import config
from djarrow.sql import jobs

if TYPE_CHECKING:
    from djarrow.engine.base import Database
    from djarrow.jobs.autopopulate import AutoPopulated
    from djarrow.model.spec import TableSpec


@frozen
class Place:
    """Where a table is found: the module and name of its class, its schema and name, and which database that is in.

    linked: the schemas that its own refers to, parents first: the module and name of a class of each, and its name.
    """

    module: str
    name: str
    schema: str
    table: str
    database: str
    linked: tuple[tuple[str, str, str], ...] = ()


@frozen
class Task:
    """Keys to make, one after the other. keys: each with its job, where it is reserved.

    settings: of who hands them out. ends: whether the first error ends it. refresh_stale: stale results are replaced.
    """

    place: Place
    keys: tuple[tuple[dict[str, Any], Job | None], ...]
    make_kwargs: Mapping[str, Any]
    settings: Mapping[str, Any]
    ends: bool
    refresh_stale: bool = False


@frozen
class Report:
    """What came of a task. begun: how many of its keys were come to; failures: the number of a key and its error."""

    begun: int
    done: int
    skipped: int
    failures: tuple[tuple[int, Exception], ...] = field(default=())
    seconds: float = 0.0


# --- finding the table -----------------------------------------------------------------------------------------------


def place_of(table: AutoPopulated, database: Database) -> Place:
    """Where others find a table. Raises MakeError of a class that nobody finds by its name."""
    cls, name = type(table), table.spec.name
    if _named(sys.modules.get(cls.__module__), cls.__qualname__) is not cls:
        where = "inside of a function" if "<locals>" in cls.__qualname__ else "not there"
        text = (
            f"other processes find its class by the name {cls.__qualname__} in the module {cls.__module__}, and it is "
            f"{where}. Define it at the top of a module that they can import."
        )
        raise MakeError(text, table=str(name))
    here = _here(database, table.spec)
    return Place(cls.__module__, cls.__qualname__, name.schema, name.table, here, _linked(cls._schema))


def _linked(own: Any) -> tuple[tuple[str, str, str], ...]:
    """The schemas that one refers to, as others find them. Those that are found by none of their classes are left out.

    A schema reaches fewer others than those that refer to it, so that parents come first.
    """
    found = []
    for schema in sorted(own.linked_schemas(), key=lambda each: len(each.linked_schemas())):
        if schema is own or schema.name is None:
            continue
        for cls in schema.tables:
            if _named(sys.modules.get(cls.__module__), cls.__qualname__) is cls:
                found.append((cls.__module__, cls.__qualname__, schema.name))
                break
    return tuple(found)


def _named(module: Any, name: str) -> Any:
    """What a module has under a name, which may have dots; None where it has nothing."""
    found = module
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def _here(database: Database, spec: TableSpec) -> str:
    return str(database.read(jobs.place_of(spec), few=True).column("place")[0].as_py())


def found(place: Place) -> AutoPopulated:
    """The table, here. Raises MakeError where it is not to be found, or where this process sees another database."""
    return _table_of(_class_of(place), place)


@cache
def _table_of(cls: Any, place: Place) -> AutoPopulated:
    """The same, of a class: there is another one where its module was read again."""
    for module, name, schema in place.linked:
        _activate(_named(importlib.import_module(module), name), schema)
    _activate(cls, place.schema)
    table: AutoPopulated = cls()
    if (table.spec.name.schema, table.spec.name.table) != (place.schema, place.table):
        raise _misplaced(place, f"{place.name} is the class of {table.spec.name} there.")
    if _here(table.schema.writable(table.spec.name), table.spec) != place.database:
        raise _misplaced(
            place,
            "it is connected to another database, or to another server. Processes that djarrow does not start connect "
            "as they are set: by DJARROW_URL, or datajoint.toml.",
        )
    return table


def _class_of(place: Place) -> Any:
    from djarrow.jobs.autopopulate import AutoPopulated

    try:
        module = sys.modules.get(place.module) or importlib.import_module(place.module)
    except ModuleNotFoundError as error:
        text = f"it cannot import {place.module}: {error}. Install it there, or put it where PYTHONPATH leads to."
        raise _misplaced(place, text) from error
    cls = _named(module, place.name)
    if not isinstance(cls, type) or not issubclass(cls, AutoPopulated):
        raise _misplaced(place, f"its module {place.module} has no table class {place.name}.")
    return cls


def _activate(cls: Any, name: str) -> None:
    """Give the schema of a class its name where only a script, which does not run here, does."""
    schema: Any = getattr(cls, "_schema", None)
    if schema is not None and schema.name is None:
        schema.activate(name, create_schema=False, create_tables=False)


def _misplaced(place: Place, text: str) -> MakeError:
    return MakeError(
        f"the process {os.getpid()} on {socket.gethostname()} cannot make its keys: {text}",
        table=f"{place.schema}.{place.table}",
    )


# --- tasks -----------------------------------------------------------------------------------------------------------


def ready(place: Place, settings: Mapping[str, Any]) -> None:
    """Whether this process can do tasks: raises what keeps it from that."""
    with config.override(settings):
        form_of(found(place))


def do(task: Task) -> Report:
    """Make the keys of a task."""
    with config.override(task.settings):
        return _do(task)


def _do(task: Task) -> Report:
    started, begun = time.monotonic(), 0
    table = found(task.place)
    maker = Maker(table, form_of(table), task.make_kwargs, Refreshing(table) if task.refresh_stale else None)
    run, reserved = Run(table, maker, Options(suppress_errors=True)), Reserved(table)
    failures: list[tuple[int, Exception]] = []
    held = reserved.held([job for _, job in task.keys if job is not None])
    for number, (key, job) in enumerate(task.keys):
        if task.ends and run.failures:
            break
        begun += 1
        if job is None or job.hash in held:
            run.make([(key, job)], reserved)
        else:
            run.failures.append(Failure(key, maker.lost(key)))
        if len(run.failures) > len(failures) and _is_done(maker, run.failures[-1]):
            run.failures.pop()
            run.skipped += 1
        failures += [(number, carried(failure.error, task.place, key)) for failure in run.failures[len(failures) :]]
    return Report(begun, run.done, run.skipped, tuple(failures), time.monotonic() - started)


def _is_done(maker: Maker, failure: Failure) -> bool:
    """Whether a key is another's by now, and made: where a task is given again, as Dask does when a worker dies, or is
    only taken for dead and does it meanwhile.
    """
    return isinstance(failure.error, LeaseLost) and maker.is_done(failure.key)


def carried(error: Exception, place: Place, key: Mapping[str, Any] | None) -> Exception:
    """An error as it can go to another process, with its stack, which does not go there by itself."""
    stack = "".join(traceback.format_exception(error)).rstrip()
    by = f"Raised in the process {os.getpid()} on {socket.gethostname()}:\n{stack}"
    text = f"its make raised {type(error).__name__}: {error}"
    if not _goes(error):
        text += "\nThis error cannot go from one process to another: this is what it said."
        error = MakeError(text, table=f"{place.schema}.{place.table}", key=key)
    error.add_note(by)
    return error


def _goes(error: Exception) -> bool:
    """Whether an error arrives as it is. What cannot be read there would end an executor."""
    try:
        return type(ForkingPickler.loads(ForkingPickler.dumps(error))) is type(error)
    except Exception:  # noqa: BLE001 - errors of users do what they want
        return False


# --- processes that djarrow starts -----------------------------------------------------------------------------------


def begin(url: str | None, parent: Connection) -> None:
    """What a process does first that populate started: it uses the parent's server, and ends with the parent.

    url: None where it finds the server as the parent did. parent: reaches its end when the parent has ended, or wants
    this process to; Ctrl-C, which all processes of a terminal get, is for the parent to heed.
    """
    from djarrow.engine.connect import conn

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), name="djarrow parent", daemon=True).start()
    if url is not None:
        conn(url)


def _end_with(parent: Connection) -> None:
    with suppress(EOFError, OSError):
        parent.recv_bytes()
    os._exit(1)
