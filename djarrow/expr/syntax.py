"""Functions that are more than a name and values: intervals, units, formats, paths into JSON, ordered aggregates.

Each takes the reader of a text (parse.py) and the parser's tree, and gives the term, or refuses with a reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from djarrow.errors import InvalidTerm
from djarrow.expr.functions import DATETIME, INT64, VARCHAR
from djarrow.expr.functions.kinds import STRINGS
from djarrow.expr.functions.moments import FORMAT_CODES, UNITS
from djarrow.expr.paths import Step, checked_key, path_steps
from djarrow.expr.terms import Call, Term, Value
from djarrow.model.heading import Heading
from djarrow.model.types import Family, core
from djarrow.model.values import normalise


class Reader(Protocol):
    """What reads the trees inside."""

    heading: Heading

    def read(self, tree: Any) -> Term:
        """The term of a tree."""

    def refuse(self, reason: str) -> InvalidTerm:
        """The error that says why the text is refused."""

    def apply(self, function: str, *terms: Term, distinct: bool = False, options: tuple[Any, ...] = ()) -> Call:
        """A call of a function."""


Special = Callable[[Reader, str, Any], Term]
"""Reads a call: reader, the name as written, the parser's tree of the call."""


# --- dates and intervals -----------------------------------------------------------------------------------------


def _unit(reader: Reader, word: str) -> str:
    unit = word.lower()
    unit = unit.removesuffix("s") if unit not in UNITS else unit
    if unit not in UNITS:
        raise reader.refuse(f"{word} is no unit of time here; the units are {', '.join(UNITS)}.")
    return unit


def _moment(reader: Reader, tree: Any) -> Term:
    """A date or moment; a string that shows one is taken as such."""
    term = reader.read(tree)
    if not (isinstance(term, Value) and term.type == VARCHAR and term.value is not None):
        return term
    for kind in (core("date"), DATETIME):
        try:
            return Value(normalise(term.value, kind), kind)
        except ValueError:
            continue
    raise reader.refuse(f"{term.value!r} is no date and no moment.")


def _amount(reader: Reader, tree: Any) -> Term:
    """How many units: a whole number, also in quotes, or a term that is one."""
    if getattr(tree, "is_string", False):
        if not re.fullmatch(r"\s*[+-]?\d{1,18}\s*", tree.this):
            raise reader.refuse(f"INTERVAL takes a whole number of one unit, and not {tree.this!r}.")
        return Value(int(tree.this), INT64)
    term = reader.read(tree)
    if term.type.family is not Family.INTEGER:
        raise reader.refuse(f"INTERVAL takes a whole number of one unit, and not {term.type}.")
    return term


def is_interval(tree: Any) -> bool:
    """Whether a tree is `interval 1 day`."""
    return type(tree).__name__ == "Interval"


def shifted(reader: Reader, moment: Any, interval: Any, *, back: bool = False) -> Term:
    """`moment + interval 1 day`, or minus."""
    if not is_interval(interval) or interval.args.get("unit") is None:
        raise reader.refuse("an interval is wanted here, as in date_add(d, interval 1 day).")
    unit = _unit(reader, interval.args["unit"].sql())
    return _shifted_by(reader, _moment(reader, moment), _amount(reader, interval.this), unit, back=back)


def _shifted_by(reader: Reader, moment: Term, amount: Term, unit: str, *, back: bool) -> Term:
    if back:
        whole = isinstance(amount, Value) and isinstance(amount.value, int)
        amount = Value(-amount.value, INT64) if whole else reader.apply("neg", amount)  # type: ignore[union-attr]
    return reader.apply(f"add {unit}", moment, amount)


def _date_add(reader: Reader, written: str, tree: Any) -> Term:
    moment, interval = _exactly(reader, written, tree, 2)
    return shifted(reader, moment, interval, back=written in ("date_sub", "subdate"))


def _timestampadd(reader: Reader, written: str, tree: Any) -> Term:
    unit, amount, moment = _exactly(reader, written, tree, 3)
    return _shifted_by(reader, _moment(reader, moment), _amount(reader, amount), _unit(reader, unit.name), back=False)


def _timestampdiff(reader: Reader, written: str, tree: Any) -> Term:
    unit, first, second = _exactly(reader, written, tree, 3)
    return reader.apply(f"count {_unit(reader, unit.name)}", reader.read(first), reader.read(second))


def _date_trunc(reader: Reader, written: str, tree: Any) -> Term:
    unit, moment = _exactly(reader, written, tree, 2)
    name = _unit(reader, _text(reader, written, unit))
    if name == "microsecond":
        raise reader.refuse("a moment has no parts shorter than a microsecond.")
    return reader.apply(f"start {name}", _moment(reader, moment))


def _date_format(reader: Reader, written: str, tree: Any) -> Term:
    moment, wanted = _exactly(reader, written, tree, 2)
    shown = _text(reader, written, wanted)
    for code in re.findall(r"%(.?)", shown, re.DOTALL):
        if code not in FORMAT_CODES or not code:
            raise reader.refuse(f"date_format knows no %{code}; its codes are {', %'.join(('', *FORMAT_CODES))[2:]}.")
    return reader.apply("date_format", _moment(reader, moment), options=(shown,))


# --- paths into JSON ---------------------------------------------------------------------------------------------


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
        document, *path = _between(reader, written, tree, 1 if function == "json_length" else 2, 2)
        steps = _steps(reader, _text(reader, written, path[0])) if path else ()
        return _part(reader, function, reader.read(document), steps)

    return read


def _json_unquote(reader: Reader, written: str, tree: Any) -> Term:
    """Of json_extract or ->: the text of the same part. Of other text: the text, which has no quotes here."""
    (inner,) = (reader.read(argument) for argument in _exactly(reader, written, tree, 1))
    if inner.type.family is Family.JSON:
        return _part(reader, "json value", inner, ())
    if inner.type.family not in STRINGS:
        raise reader.refuse(f"json_unquote takes a part of a JSON attribute, and not {inner.type}.")
    return inner


# --- aggregates --------------------------------------------------------------------------------------------------


def _share(reader: Reader, tree: Any) -> float:
    term = reader.read(tree)
    share = float(term.value) if isinstance(term, Value) and not isinstance(term.value, str | None) else -1.0
    if not 0 <= share <= 1:
        raise reader.refuse("the share of a percentile is a number from 0 to 1 as it stands: percentile(x, 0.9).")
    return share


def _percentile(reader: Reader, written: str, tree: Any) -> Term:
    values, share = _exactly(reader, written, tree, 2)
    return reader.apply("percentile", reader.read(values), options=(_share(reader, share),))


def within_group(reader: Reader, tree: Any) -> Term:
    """`percentile_cont(0.9) within group (order by x)`."""
    aggregate, order = tree.this, tree.expression.expressions
    if aggregate.name.lower() != "percentile_cont" or len(aggregate.expressions) != 1 or len(order) != 1:
        raise reader.refuse("WITHIN GROUP is read of percentile_cont(share) only; group_concat takes ORDER BY inside.")
    share = _share(reader, aggregate.expressions[0])
    if order[0].args.get("desc"):
        share = 1 - share
    return reader.apply("percentile", reader.read(order[0].this), options=(share,))


def _group_concat(reader: Reader, written: str, tree: Any) -> Term:
    """Values in the order that is stated, and then of themselves, so that the same rows give the same text."""
    values, *rest = tree.expressions or [None]
    if values is None or len(rest) > (written == "string_agg"):
        raise reader.refuse(
            "group_concat takes one term, group_concat(x order by y separator ', '); string_agg a separator too."
        )
    separator = _text(reader, written, rest[0]) if rest else ","
    if tree.args.get("separator") is not None:
        separator = tree.args["separator"].this
    term = reader.read(values)
    ordered = tree.args["order"].expressions if tree.args.get("order") is not None else []
    order = [(reader.read(item.this), "desc" if item.args.get("desc") else "asc") for item in ordered]
    if tree.args.get("distinct") and any(by != term for by, _ in order):
        raise reader.refuse(f"{written}(distinct x) is ordered by x only.")
    order = [*order, *([] if any(by == term for by, _ in order) else [(term, "asc")])]
    directions = tuple(direction for _, direction in order)
    by = [by for by, _ in order]
    distinct = bool(tree.args.get("distinct"))
    return reader.apply("group_concat", term, *by, distinct=distinct, options=(separator, *directions))


# --- strings and numbers -----------------------------------------------------------------------------------------


def trimmed(reader: Reader, tree: Any) -> Term:
    """`trim(leading 'x' from y)`."""
    name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(tree.args.get("position") or "", "trim")
    arguments = [tree.this, *([tree.expression] if tree.args.get("expression") is not None else [])]
    return _trim(reader, name, arguments)


def _trim(reader: Reader, name: str, arguments: Sequence[Any]) -> Term:
    text, *characters = arguments
    terms = [reader.read(text)]
    if characters and len(_text(reader, name, characters[0])) != 1:
        raise reader.refuse(
            f"{name} takes off one character as it stands: MySQL takes more as a word and PostgreSQL as a set."
        )
    return reader.apply(name, *terms, *map(reader.read, characters))


def _trim_call(reader: Reader, written: str, tree: Any) -> Term:
    return _trim(reader, written, _between(reader, written, tree, 1, 2))


def position(reader: Reader, tree: Any) -> Term:
    """`position('a' in x)`."""
    if tree.args.get("position") is not None:
        raise reader.refuse("position takes what is sought and where: position('a' in x).")
    return reader.apply("instr", reader.read(tree.this), reader.read(tree.args["substr"]))


def _locate(reader: Reader, written: str, tree: Any) -> Term:
    sought, text = _exactly(reader, written, tree, 2)
    return reader.apply("instr", reader.read(text), reader.read(sought))


def _pad(reader: Reader, written: str, tree: Any) -> Term:
    text, length, *fill = _between(reader, written, tree, 2, 3)
    if fill and not _text(reader, written, fill[0]):
        raise reader.refuse(f"{written} needs a character to fill up with.")
    filled = reader.read(fill[0]) if fill else Value(" ", VARCHAR)
    return reader.apply(written, reader.read(text), reader.read(length), filled)


def _split_part(reader: Reader, written: str, tree: Any) -> Term:
    text, separator, which = _exactly(reader, written, tree, 3)
    count = reader.read(which)
    if not _text(reader, written, separator):
        raise reader.refuse("split_part needs a separator that is not empty.")
    if not (isinstance(count, Value) and isinstance(count.value, int) and 1 <= count.value < 2**31):
        raise reader.refuse("split_part takes the number of the part as it stands, from 1.")
    return reader.apply(written, reader.read(text), reader.read(separator), count)


def _regexp(reader: Reader, written: str, tree: Any) -> Term:
    """regexp_substr and regexp_replace: the engines write options and groups differently, so that those are refused."""
    arguments = _exactly(reader, written, tree, 2 if written == "regexp_substr" else 3)
    pattern = _text(reader, written, arguments[1])
    if pattern.startswith("(?") or not pattern:
        raise reader.refuse(f"{written} takes a pattern that is not empty and has no options, `(?...`, before it.")
    if len(arguments) > 2 and set(_text(reader, written, arguments[2])) & set("\\$"):
        raise reader.refuse("what regexp_replace puts in has no groups: neither backslash nor $.")
    return reader.apply(written, *map(reader.read, arguments))


def _sha2(reader: Reader, written: str, tree: Any) -> Term:
    text, bits = _exactly(reader, written, tree, 2)
    if bits.name != "256":
        raise reader.refuse("of the SHA-2 functions there is sha2(x, 256).")
    return reader.apply("sha256", reader.read(text))


def _no_digits(function: str) -> Special:
    """`now()` and `now(6)`: moments always have microseconds."""

    def read(reader: Reader, written: str, tree: Any) -> Term:
        if any(not re.fullmatch("[0-6]", argument.name) for argument in _between(reader, written, tree, 0, 1)):
            raise reader.refuse(f"{written} takes no argument.")
        return reader.apply(function)

    return read


# --- arguments ---------------------------------------------------------------------------------------------------


def _between(reader: Reader, written: str, tree: Any, least: int, most: int) -> list[Any]:
    arguments = list(tree.expressions)
    if not least <= len(arguments) <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        raise reader.refuse(f"{written} takes {wanted} arguments and has {len(arguments)}.")
    return arguments


def _exactly(reader: Reader, written: str, tree: Any, count: int) -> list[Any]:
    return _between(reader, written, tree, count, count)


def _text(reader: Reader, written: str, tree: Any) -> str:
    """A string as it stands."""
    term = reader.read(tree)
    if not (isinstance(term, Value) and isinstance(term.value, str)):
        raise reader.refuse(f"{written} wants a string as it stands here, in quotes.")
    return term.value


SPECIAL: dict[str, Special] = {
    **dict.fromkeys(("date_add", "adddate", "date_sub", "subdate"), _date_add),
    "timestampadd": _timestampadd,
    "timestampdiff": _timestampdiff,
    "date_trunc": _date_trunc,
    "date_format": _date_format,
    **dict.fromkeys(("now", "current_timestamp", "utc_timestamp"), _no_digits("now")),
    "json_value": _json_function("json value"),
    "json_extract": _json_function("json_extract"),
    "json_length": _json_function("json_length"),
    "json_unquote": _json_unquote,
    **dict.fromkeys(("percentile", "percentile_cont", "quantile", "quantile_cont"), _percentile),
    **dict.fromkeys(("group_concat", "string_agg"), _group_concat),
    **dict.fromkeys(("trim", "ltrim", "rtrim"), _trim_call),
    "locate": _locate,
    **dict.fromkeys(("lpad", "rpad"), _pad),
    "split_part": _split_part,
    **dict.fromkeys(("regexp_substr", "regexp_replace"), _regexp),
    "sha2": _sha2,
}
"""Name as written -> what reads it. Others are a name and terms."""

WITHOUT_PARENTHESES = {"current_timestamp": "now", "current_date": "current_date"}
"""Names that are functions where no attribute is called so."""
