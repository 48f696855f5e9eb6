"""What the class of a lookup gives as its contents -> rows that insert takes: functions are called, files are read."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any, NoReturn

from djarrow.errors import InvalidValue

if TYPE_CHECKING:
    from djarrow.table.table import Table


def says_contents(cls: type[Table]) -> bool:
    """Whether a class says what its rows are. An empty tuple, which every lookup has, says nothing."""
    given = inspect.getattr_static(cls, "contents", ())
    return not (isinstance(given, tuple) and not given)


def given_rows(lookup: Table) -> Any:
    """The rows of a lookup's class, which insert checks. Raises InvalidValue for a file that is not there.

    An iterator is read once and its rows stay on the class, so that they are there when the class is used again.
    """
    given = _called(lookup)
    if (path := _path(given, lookup)) is not None:
        return path
    return _read_once(given, lookup) if isinstance(given, Iterator) else given


def _called(lookup: Table) -> Any:
    """The contents as the class has them, or what its function, method or property gives."""
    function = inspect.getattr_static(lookup, "contents")
    if isinstance(function, FunctionType) and not inspect.signature(function).parameters:
        return function()
    given = lookup.contents  # type: ignore[attr-defined]
    return given() if callable(given) and not isinstance(given, type) else given


def _read_once(given: Iterator[Any], lookup: Table) -> list[Any]:
    owners = [base for base in type(lookup).__mro__ if vars(base).get("contents") is given]
    left: Iterable[Any] = ()
    try:
        left = rows = list(given)
    except BaseException as error:
        left = _Spent(str(lookup.spec.name), error)
        raise
    finally:
        for owner in owners:
            owner.contents = left  # type: ignore[attr-defined]
    return rows


class _Spent(Iterable[Any]):
    """A generator that failed before its end: used again, it would seem to have no rows."""

    def __init__(self, table: str, error: BaseException) -> None:
        self._table = table
        self._error = error

    def __iter__(self) -> NoReturn:
        raise InvalidValue(
            f"the generator of the contents failed before its end ({type(self._error).__name__}: {self._error}). "
            "Declare the class again.",
            table=self._table,
        ) from self._error


def _path(given: Any, lookup: Table) -> Path | None:
    """The file that holds the rows: beside the module that defines the class, else in the working folder."""
    from djarrow.frame.files import SUFFIXES, as_path

    path, table = as_path(given), str(lookup.spec.name)
    if path is None:
        return None
    if path.suffix.lower() not in SUFFIXES:
        ends = " or ".join(SUFFIXES)
        raise InvalidValue(f"contents are read from files that end in {ends}, not from {str(given)!r}.", table=table)
    module = getattr(sys.modules.get(type(lookup).__module__), "__file__", None)
    folders = [*([Path(module).parent] if module else []), Path.cwd()]
    found = next((file for folder in folders if (file := folder / path).is_file()), None)
    if found is None:
        looked = " nor in ".join(dict.fromkeys(str(folder) for folder in folders))
        raise InvalidValue(f"the file of its contents, {str(given)!r}, is not in {looked}.", table=table)
    return found
