"""Functions of strings of which an argument must stand as it is, or which have a syntax of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from djarrow.expr.functions import VARCHAR
from djarrow.expr.syntax.reader import Reader, Special, between, exactly, text_of
from djarrow.expr.terms import Term, Value


def trimmed(reader: Reader, tree: Any) -> Term:
    """`trim(leading 'x' from y)`."""
    name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(tree.args.get("position") or "", "trim")
    arguments = [tree.this, *([tree.expression] if tree.args.get("expression") is not None else [])]
    return _trim(reader, name, arguments)


def _trim(reader: Reader, name: str, arguments: Sequence[Any]) -> Term:
    text, *characters = arguments
    terms = [reader.read(text)]
    if characters and len(text_of(reader, name, characters[0])) != 1:
        raise reader.refuse(
            f"{name} takes off one character as it stands: MySQL takes more as a word and PostgreSQL as a set."
        )
    return reader.apply(name, *terms, *map(reader.read, characters))


def _trim_call(reader: Reader, written: str, tree: Any) -> Term:
    return _trim(reader, written, between(reader, written, tree, 1, 2))


def position(reader: Reader, tree: Any) -> Term:
    """`position('a' in x)`."""
    if tree.args.get("position") is not None:
        raise reader.refuse("position takes what is sought and where: position('a' in x).")
    return reader.apply("instr", reader.read(tree.this), reader.read(tree.args["substr"]))


def _locate(reader: Reader, written: str, tree: Any) -> Term:
    sought, text = exactly(reader, written, tree, 2)
    return reader.apply("instr", reader.read(text), reader.read(sought))


def _pad(reader: Reader, written: str, tree: Any) -> Term:
    text, length, *fill = between(reader, written, tree, 2, 3)
    if fill and not text_of(reader, written, fill[0]):
        raise reader.refuse(f"{written} needs a character to fill up with.")
    filled = reader.read(fill[0]) if fill else Value(" ", VARCHAR)
    return reader.apply(written, reader.read(text), reader.read(length), filled)


def _split_part(reader: Reader, written: str, tree: Any) -> Term:
    text, separator, which = exactly(reader, written, tree, 3)
    count = reader.read(which)
    if not text_of(reader, written, separator):
        raise reader.refuse("split_part needs a separator that is not empty.")
    if not (isinstance(count, Value) and isinstance(count.value, int) and 1 <= count.value < 2**31):
        raise reader.refuse("split_part takes the number of the part as it stands, from 1.")
    return reader.apply(written, reader.read(text), reader.read(separator), count)


def _regexp(reader: Reader, written: str, tree: Any) -> Term:
    """regexp_substr and regexp_replace: the engines write options and groups differently, so that those are refused."""
    arguments = exactly(reader, written, tree, 2 if written == "regexp_substr" else 3)
    pattern = text_of(reader, written, arguments[1])
    if pattern.startswith("(?") or not pattern:
        raise reader.refuse(f"{written} takes a pattern that is not empty and has no options, `(?...`, before it.")
    if len(arguments) > 2 and set(text_of(reader, written, arguments[2])) & set("\\$"):
        raise reader.refuse("what regexp_replace puts in has no groups: neither backslash nor $.")
    return reader.apply(written, *map(reader.read, arguments))


def _sha2(reader: Reader, written: str, tree: Any) -> Term:
    text, bits = exactly(reader, written, tree, 2)
    if bits.name != "256":
        raise reader.refuse("of the SHA-2 functions there is sha2(x, 256).")
    return reader.apply("sha256", reader.read(text))


STRINGS: dict[str, Special] = {
    **dict.fromkeys(("trim", "ltrim", "rtrim"), _trim_call),
    "locate": _locate,
    **dict.fromkeys(("lpad", "rpad"), _pad),
    "split_part": _split_part,
    **dict.fromkeys(("regexp_substr", "regexp_replace"), _regexp),
    "sha2": _sha2,
}
