"""The forms of make: what runs before the transaction that inserts, and what runs inside it.

Specification: 000 "The make Method", "Handling Long-Running Computations"; docs/decisions/017-makes-and-jobs.md.
"""

from __future__ import annotations

import enum
import inspect
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from djarrow.errors import InputsChanged, MakeError, TransactionError
from djarrow.jobs.holding import hold_inputs
from djarrow.jobs.inputs import Incomparable, digest
from djarrow.table.writing.permission import Making, during

if TYPE_CHECKING:
    from djarrow.engine.base import Database
    from djarrow.jobs.autopopulate import AutoPopulated

Inserting = Callable[[], None]
"""What is left of a make for its transaction."""

PARTS = ("make_fetch", "make_compute", "make_insert")

CALLED = {"make_compute": ("key", "fetched"), "make_insert": ("key", "fetched", "computed")}
"""What the steps get that begin with what another has returned: one value of each."""


class Form(enum.Enum):
    """How a class says what to compute."""

    PLAIN = "make"
    GENERATOR = "make, as a generator"
    PARTS = "make_fetch, make_compute and make_insert"
    BATCH = "make_batch"
    QUERY = "make_query"


def form_of(table: AutoPopulated) -> Form:
    """The form of a class. Raises MakeError of none, of half of one, of two, and of steps that take other arguments."""
    name, make = str(table.spec.name), _method(table, "make")
    parts = [part for part in PARTS if _method(table, part)]
    if parts and len(parts) < len(PARTS):
        missing = ", ".join(part for part in PARTS if part not in parts)
        raise MakeError(f"the class defines {', '.join(parts)}, and lacks {missing}.", table=name)
    is_generator = make is not None and inspect.isgeneratorfunction(inspect.unwrap(make))
    found = [Form.GENERATOR if is_generator else Form.PLAIN] if make is not None else []
    found += [Form.PARTS] if parts else []
    found += [Form.BATCH] if _method(table, "make_batch") else []
    found += [Form.QUERY] if _method(table, "make_query") else []
    if len(found) > 1:
        forms = " and ".join(form.value for form in found)
        raise MakeError(f"the class defines {forms}. Keep one: each alone says what to compute.", table=name)
    if not found:
        text = "the class defines no `make(self, key)`, and none of its other forms."
        if getattr(table, "definition", None) is None:
            text += " It was made from the database, which keeps none: populate with the class that declares the table."
        raise MakeError(text, table=name)
    if parts:
        _check_steps(table)
    return found[0]


def _check_steps(table: AutoPopulated) -> None:
    """Refuse the steps of DataJoint-Python, which get what the step before returned as several arguments."""
    for name, given in CALLED.items():
        try:
            signature = inspect.signature(getattr(table, name))
        except ValueError:  # code without Python source tells none
            continue
        if not _takes(signature, given):
            raise MakeError(
                f"its `{name}{signature}` is called as `{name}({', '.join(given)})`: what the step before returned "
                "comes as one value. Take it apart inside.",
                table=str(table.spec.name),
            )


def _takes(signature: inspect.Signature, given: tuple[str, ...]) -> bool:
    """Whether a step gets each argument as itself: by a name, or as all `*arguments` of a wrapper."""
    try:
        bound = signature.bind(*given)
    except TypeError:
        return False
    rest = [bound.arguments[one.name] for one in signature.parameters.values() if one.kind is one.VAR_POSITIONAL]
    return rest in ([], [()], [given])


def _method(table: AutoPopulated, name: str) -> Callable[..., Any] | None:
    return getattr(type(table), name, None)


def prepared(
    form: Form, table: AutoPopulated, key: dict[str, Any], options: Mapping[str, Any], database: Database
) -> Inserting:
    """Do of the make of a key what comes before its transaction. The rest may run several times, but of a generator.

    options: further arguments of make and make_fetch. Raises what the user's code raises.
    """
    match form:
        case Form.PARTS:
            return _in_parts(table, key, options, database)
        case Form.GENERATOR:
            return _as_generator(table, key, options, database)
        case _:
            return lambda: _plain(table, key, options)


def _plain(table: AutoPopulated, key: dict[str, Any], options: Mapping[str, Any]) -> None:
    user: Any = table
    with during(Making(table.spec.name, key, maker=table)):
        user.make(dict(key), **options)


def _in_parts(table: AutoPopulated, key: dict[str, Any], options: Mapping[str, Any], database: Database) -> Inserting:
    user: Any = table
    with _fetching(table, key, database):
        fetched = user.make_fetch(dict(key), **options)
    before = _digest(fetched, table, key)
    with during(Making(table.spec.name, key, inserting=False, maker=table)):
        computed = user.make_compute(dict(key), fetched)

    def insert() -> None:
        hold_inputs(table, key, database)
        with during(Making(table.spec.name, key, inserting=False, maker=table)):
            again = user.make_fetch(dict(key), **options)
        _compare(before, again, table, key)
        with during(Making(table.spec.name, key, maker=table)):
            user.make_insert(dict(key), fetched, computed)

    return insert


def _as_generator(
    table: AutoPopulated, key: dict[str, Any], options: Mapping[str, Any], database: Database
) -> Inserting:
    """It yields what it fetched, and again when it has computed; what follows inserts."""
    user: Any = table
    make = user.make
    running = make(dict(key), **options)
    with _fetching(table, key, database):
        before = _digest(_step(running, table, key), table, key)
    with during(Making(table.spec.name, key, inserting=False, maker=table)):
        _step(running, table, key)

    def insert() -> None:
        hold_inputs(table, key, database)
        second = make(dict(key), **options)
        with during(Making(table.spec.name, key, inserting=False, maker=table)):
            again = _step(second, table, key)
            second.close()
        _compare(before, again, table, key)
        with during(Making(table.spec.name, key, maker=table)):
            for _ in running:  # DataJoint-Python's have a third yield, at their end
                pass

    return insert


def _step(running: Generator[Any, None, None], table: AutoPopulated, key: Mapping[str, Any]) -> Any:
    try:
        return next(running)
    except StopIteration:
        text = "make yields twice: `yield` what it has fetched, and again when it has computed; then it inserts."
        raise MakeError(text, table=str(table.spec.name), key=key) from None


@contextmanager
def _fetching(table: AutoPopulated, key: Mapping[str, Any], database: Database) -> Generator[None, None, None]:
    """All reads see one snapshot, and nothing can be written."""
    try:
        with database.begin(read_only=True), during(Making(table.spec.name, key, inserting=False, maker=table)):
            yield
    except TransactionError as error:
        error.add_note("make_fetch, and a make that yields until its first `yield`, only read, in one snapshot.")
        raise


def _digest(fetched: Any, table: AutoPopulated, key: Mapping[str, Any]) -> bytes:
    try:
        return digest(fetched)
    except Incomparable as error:
        raise MakeError(f"of what was fetched, {error}", table=str(table.spec.name), key=key) from None


def _compare(before: bytes, again: Any, table: AutoPopulated, key: Mapping[str, Any]) -> None:
    if _digest(again, table, key) != before:
        raise InputsChanged(
            "what it fetched has changed while it computed. Nothing was inserted: populate again.",
            table=str(table.spec.name),
            key=key,
        )
