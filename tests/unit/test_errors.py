"""Errors as objects: their fields survive the way to another process."""

from __future__ import annotations

import copy
import pickle

import pytest

from djarrow import errors
from djarrow.errors import DjarrowError


@pytest.mark.parametrize(
    "error",
    [
        errors.InvalidValue("no.", table="lab.a", attribute="x", row=3, value=-1),
        errors.MissingParent("no.", table="lab.a", parent="b", key={"b": "1"}),
        errors.DefinitionSyntaxError(table="a", line=1, column=2, text="x", expected=("`:`",)),
        errors.UnknownAttribute("x", ["y"], where="proj"),
        errors.MakeError("no.", table="lab.a", key={"a": 1}),
    ],
    ids=lambda error: type(error).__name__,
)
def test_fields_survive_a_process_boundary(error: DjarrowError) -> None:
    """An error that is pickled, as between processes, or copied, keeps its type, message and fields."""
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301 - what multiprocessing does
        assert type(other) is type(error)
        assert str(other) == str(error)
        assert vars(other) == vars(error)
