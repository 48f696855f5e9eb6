"""Parts of JSON attributes: `doc.a.b`, `doc.list[0]`, `doc->>'$.a'`, `json_value(doc, '$.a')`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from djarrow.expr.functions.kinds import STRINGS
from djarrow.expr.paths import Step, checked_key, path_steps
from djarrow.expr.syntax.reader import Reader, Special, between, exactly, text_of
from djarrow.expr.terms import Call, Term
from djarrow.model.types import Family

_NAMES = ("Identifier", "Literal")
"""What the parser makes of a name, with quotes or without."""


def document_part(reader: Reader, tree: Any) -> Term:
    """`doc.a.b`, `doc.list[0]`: a name with dots or brackets, whose first part is a JSON attribute."""
    first, steps = _dotted(reader, tree)
    return _part(reader, "json value", _document(reader, first, tree), steps)


def _dotted(reader: Reader, tree: Any) -> tuple[str, tuple[Step, ...]]:
    """The first name and the steps after it."""
    match type(tree).__name__:
        case "Column":
            if any(type(part).__name__ not in _NAMES for part in tree.parts):
                raise reader.refuse("`*` stands only in count(*).")
            names = [part.name for part in tree.parts]
            return names[0], tuple(names[1:])
        case "Dot":
            if type(tree.expression).__name__ not in _NAMES:
                raise reader.refuse("functions are named without a schema.")
            first, steps = _dotted(reader, tree.this)
            return first, (*steps, tree.expression.name)
        case "Bracket":
            first, steps = _dotted(reader, tree.this)
            return first, (*steps, _position(reader, tree))
    raise reader.refuse("a part is taken only of a JSON attribute, as in doc.list[0].")


def _position(reader: Reader, tree: Any) -> Step:
    inside = tree.expressions
    if len(inside) != 1 or type(inside[0]).__name__ != "Literal":
        raise reader.refuse("brackets take one position, from 0, or one key: doc.list[0], doc['key'].")
    if inside[0].is_string:
        return str(inside[0].this)
    if not re.fullmatch(r"\d{1,9}", inside[0].this):
        raise reader.refuse(f"{inside[0].this} is no position in a list; they count from 0.")
    return int(inside[0].this)


def _document(reader: Reader, name: str, tree: Any) -> Term:
    if name not in reader.heading or reader.heading[name].type.family is not Family.JSON:
        documents = [a.name for a in reader.heading if a.type.family is Family.JSON]
        known = f" JSON attributes here: {', '.join(documents)}." if documents else ""
        raise reader.refuse(
            f"{tree.sql()}: attributes are named without a table, and only a JSON attribute has parts.{known}"
        )
    from sqlglot import exp

    return reader.read(exp.column(name, quoted=True))


def _part(reader: Reader, function: str, document: Term, steps: Sequence[Step]) -> Term:
    checked: tuple[Any, ...]
    try:
        checked = tuple(step if isinstance(step, int) else checked_key(step) for step in steps)
    except ValueError as error:
        raise reader.refuse(str(error)) from None
    if isinstance(document, Call) and document.function == "json_extract":
        checked = (*document.options, *checked)
        document = document.arguments[0]
    return reader.apply(function, document, options=checked)


def arrow(reader: Reader, tree: Any) -> Term:
    """`doc->'$.a'` is JSON, `doc->>'$.a'` text. A string that does not begin with $ is a key, a number a position."""
    function = "json value" if type(tree).__name__ == "JSONExtractScalar" else "json_extract"
    wanted = tree.expression
    if type(wanted).__name__ != "Literal":
        raise reader.refuse("-> and ->> take a path as a string, '$.a.b'.")
    if not wanted.is_string and re.fullmatch(r"\d{1,9}", wanted.this):
        steps: tuple[Step, ...] = (int(wanted.this),)
    else:
        steps = _steps(reader, wanted.this) if wanted.this.startswith("$") else (wanted.this,)
    return _part(reader, function, reader.read(tree.this), steps)


def _steps(reader: Reader, path: str) -> tuple[Step, ...]:
    try:
        return path_steps(path)
    except ValueError as error:
        raise reader.refuse(str(error)) from None


def _json_function(function: str) -> Special:
    """A function of a document and a path, which may be left out where the whole is meant."""

    def read(reader: Reader, written: str, tree: Any) -> Term:
        document, *path = between(reader, written, tree, 1 if function == "json_length" else 2, 2)
        steps = _steps(reader, text_of(reader, written, path[0])) if path else ()
        return _part(reader, function, reader.read(document), steps)

    return read


def _json_unquote(reader: Reader, written: str, tree: Any) -> Term:
    """Of json_extract or ->: the text of the same part. Of other text: the text, which has no quotes here."""
    (inner,) = (reader.read(argument) for argument in exactly(reader, written, tree, 1))
    if inner.type.family is Family.JSON:
        return _part(reader, "json value", inner, ())
    if inner.type.family not in STRINGS:
        raise reader.refuse(f"json_unquote takes a part of a JSON attribute, and not {inner.type}.")
    return inner


DOCUMENTS: dict[str, Special] = {
    "json_value": _json_function("json value"),
    "json_extract": _json_function("json_extract"),
    "json_length": _json_function("json_length"),
    "json_unquote": _json_unquote,
}
