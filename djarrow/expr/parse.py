"""User text -> one checked term. Read in a MySQL-flavoured dialect, because the specification's examples use it.

Only what this module converts is allowed: everything else that the parser accepts (subqueries, windows, functions
outside the table) is refused by name. Design section 6; specification 000 "Queries", 001 8.6.4, 8.8.3.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from djarrow.errors import InvalidTerm, hint_nearest
from djarrow.expr import syntax
from djarrow.expr.functions import FUNCTIONS, INSTEAD, OTHER_NAMES
from djarrow.expr.functions.moments import READ_FROM_THE_CLOCK, TEXT_OF_ONE
from djarrow.expr.terms import (
    MAX_DEPTH,
    NULL,
    Call,
    Cast,
    Term,
    Value,
    aggregates,
    as_boolean,
    call,
    column,
    depth,
    is_part_of_json,
    names,
    number,
    part_of_json,
    walk,
)
from djarrow.expr.tree import NO_SUBQUERY, beginning, tree_of
from djarrow.model.heading import Heading
from djarrow.model.names import UNKEPT
from djarrow.model.types import NUMERIC_FAMILIES, AttributeType, Family, core

MAX_TEXT = 20_000
"""Characters. Longer conditions come from programs, and those pass lists or tables."""


def parse_term(text: str, heading: Heading, *, where: str = "condition") -> Term:
    """Parse one scalar expression over the attributes of a heading.

    Raises UnknownAttribute for a name that the heading lacks, with the nearest one, and InvalidTerm for what is not
    one allowed expression. where says in errors what the text was for.
    """
    if len(text) > MAX_TEXT:
        raise InvalidTerm(f"the text has {len(text)} characters; {MAX_TEXT} is the limit.", text=beginning(text))
    try:
        term = _Reader(text, heading, where).read(tree_of(text, heading))
    except RecursionError:
        term = None
    if term is None or depth(term) > MAX_DEPTH:
        raise InvalidTerm(
            "the expression is nested too deeply; compute a part of it with proj first.", text=beginning(text)
        )
    return term


def parse_index_term(text: str, heading: Heading) -> Term:
    """Parse what an index of a table is on, when it is more than an attribute. Raises as parse_term does."""
    term = parse_term(text, heading, where="index")
    if aggregates(term):
        raise InvalidTerm("an index is on each row by itself; there is nothing to aggregate.", text=beginning(text))
    if any(isinstance(part, Call) and part.function in READ_FROM_THE_CLOCK for part in walk(term)):
        raise InvalidTerm("the time of now is another at each run, so that no index can hold it.", text=beginning(text))
    if not names(term):
        raise InvalidTerm(
            "no attribute is named here. Strings stand in quotes of either kind; backticks quote a name.",
            text=beginning(text),
        )
    return term


# --- the parser's tree -> a term ---------------------------------------------------------------------------------


class _Reader:
    """Converts a tree of the parser, for one text and heading."""

    def __init__(self, text: str, heading: Heading, where: str) -> None:
        self.text = text
        self.heading = heading
        self.where = where

    def read(self, tree: Any) -> Term:
        kind = type(tree).__name__
        convert = _CONVERSIONS.get(kind)
        if convert is None:
            raise self.refuse(_REFUSED.get(kind, f"{kind.upper()} is not allowed here."))
        return convert(self, tree)

    def refuse(self, reason: str) -> InvalidTerm:
        return InvalidTerm(reason, text=beginning(self.text))

    def apply(self, function: str, *terms: Term, distinct: bool = False, options: tuple[Any, ...] = ()) -> Call:
        if FUNCTIONS[function].aggregate and any(aggregates(term) for term in terms):
            raise self.refuse(f"an aggregate stands inside {function}; aggregate in two steps.")
        return call(function, *terms, distinct=distinct, text=beginning(self.text), options=options)

    def call(self, function: str, *trees: Any) -> Call:
        return self.apply(function, *map(self.read, trees))

    def name(self, tree: Any) -> Term:
        if tree.args.get("table") is not None:
            return syntax.document_part(self, tree)
        clock = syntax.WITHOUT_PARENTHESES.get(tree.name.lower())
        if clock is not None and tree.name not in self.heading and not tree.this.quoted:
            return self.apply(clock)
        return column(self.heading.attribute(tree.name, where=f"{self.where} {beginning(self.text)!r}"))

    def function(self, tree: Any) -> Term:
        written = tree.name.lower()
        name = OTHER_NAMES.get(written, written)
        if written in syntax.SPECIAL:
            return syntax.SPECIAL[written](self, written, tree)
        if name not in FUNCTIONS or not (name == "%" or written in OTHER_NAMES or written.isidentifier()):
            known = [n for n in (*FUNCTIONS, *OTHER_NAMES, *syntax.SPECIAL) if n.isidentifier()]
            hint = f" {INSTEAD[written]}" if written in INSTEAD else hint_nearest(written, known)
            raise self.refuse(f"the function {written!r} is not on the list of functions.{hint}")
        arguments, distinct = self.arguments(tree, written)
        terms = tuple(map(self.read, arguments))
        if name in TEXT_OF_ONE:
            terms = tuple(syntax.shown_moment(self, term, TEXT_OF_ONE[name]) for term in terms)
        if name == "is null":
            terms = tuple(part_of_json(term, "json_extract") for term in terms)
        return self.apply(name, *terms, distinct=distinct)

    def arguments(self, tree: Any, written: str) -> tuple[list[Any], bool]:
        """The trees of the arguments, and whether DISTINCT stands before them."""
        from sqlglot import exp

        arguments, distinct = list(tree.expressions), False
        if len(arguments) == 1 and isinstance(arguments[0], exp.Distinct):
            arguments, distinct = arguments[0].expressions, True
        if written == "count" and not arguments:
            raise self.refuse("count needs an argument: count(*) or count(attribute).")
        if written == "count" and not distinct and len(arguments) == 1 and isinstance(arguments[0], exp.Star):
            arguments = []
        return arguments, distinct

    def constant(self, tree: Any) -> Term:
        if not tree.is_string:
            try:
                return number(tree.this)
            except ValueError:
                raise self.refuse(f"{beginning(tree.this)} is no number that can be kept.") from None
        if UNKEPT.search(tree.this):
            raise self.refuse("a string holds NUL or half a surrogate pair, which no text of PostgreSQL can.")
        return Value(tree.this, core("varchar"))

    def negative(self, tree: Any) -> Term:
        inner = self.read(tree.this)
        if isinstance(inner, Value) and inner.type.family in NUMERIC_FAMILIES:
            if isinstance(inner.value, int):
                return number(str(-inner.value))
            return Value(-inner.value, inner.type)
        return call("neg", inner, text=beginning(self.text))

    def connective(self, tree: Any) -> Term:
        """AND and OR: a long chain is one call of many arguments."""
        operands = []
        node = tree
        while type(node) is type(tree):
            operands.append(node.expression)
            node = node.this
        return self.call(type(tree).__name__.lower(), node, *reversed(operands))

    def comparison(self, tree: Any) -> Term:
        self.check_chain(tree.this, tree.expression)
        self.check_quotes(tree.this, tree.expression)
        return self.call(_COMPARISONS[type(tree).__name__], tree.this, tree.expression)

    def check_quotes(self, *sides: Any) -> None:
        """`"id" > 0`, as other databases quote a name, would be a comparison of constants, the same for every row."""
        from sqlglot import exp

        if not all(isinstance(side, exp.Literal | exp.Neg | exp.Boolean) for side in sides):
            return
        for side in sides:
            if side.is_string and side.this in self.heading:
                raise self.refuse(
                    f"strings stand in quotes of either kind; for the attribute write {side.this} or `{side.this}`."
                )

    def check_chain(self, *sides: Any) -> None:
        """A chain of comparisons, `0 < x < 5`, means something else here than in Python, so that it is refused."""
        if any(type(side).__name__ in _COMPARISONS for side in sides):
            raise self.refuse("comparisons do not chain; join them by AND, or put one into parentheses.")

    def identity(self, tree: Any) -> Term:
        """`x IS NULL`, `x IS TRUE`; NOT comes around it."""
        from sqlglot import exp

        match tree.expression:
            case exp.Null():
                return self.apply("is null", part_of_json(self.read(tree.this), "json_extract"))
            case exp.Boolean():
                return self.call("is true" if tree.expression.this else "is false", tree.this)
            case _:
                raise self.refuse("IS takes NULL, TRUE or FALSE.")

    def added(self, tree: Any) -> Term:
        """`+`, of numbers, or of a moment and an interval on either side."""
        if syntax.is_interval(tree.expression):
            return syntax.shifted(self, tree.this, tree.expression)
        if syntax.is_interval(tree.this):
            return syntax.shifted(self, tree.expression, tree.this)
        return self.call("+", tree.this, tree.expression)

    def subtracted(self, tree: Any) -> Term:
        if syntax.is_interval(tree.expression):
            return syntax.shifted(self, tree.this, tree.expression, back=True)
        return self.call("-", tree.this, tree.expression)

    def membership(self, tree: Any) -> Term:
        if tree.args.get("query") is not None or tree.args.get("field") is not None or not tree.expressions:
            raise self.refuse("IN takes a list of values; for a query, restrict by it: `A & B`.")
        self.check_chain(tree.this, *tree.expressions)
        self.check_quotes(tree.this, *tree.expressions)
        return self.call("in", tree.this, *tree.expressions)

    def between(self, tree: Any) -> Term:
        parts = (tree.this, tree.args["low"], tree.args["high"])
        self.check_chain(*parts)
        self.check_quotes(*parts)
        return self.call("between", *parts)

    def pattern(self, tree: Any) -> Term:
        """LIKE, ILIKE and REGEXP. A pattern that ends in an escape would fail on the server, and only for some rows.

        Escapes of what needs none are left out, because Spark takes them for mistakes.
        """
        self.check_chain(tree.this, tree.expression)
        function = _COMPARISONS[type(tree).__name__]
        wanted = self.read(tree.expression)
        if isinstance(wanted, Value) and isinstance(wanted.value, str):
            if (len(wanted.value) - len(wanted.value.rstrip("\\"))) % 2:
                raise self.refuse("the pattern ends in a backslash, which escapes what comes after it.")
            if function != "regexp":
                wanted = Value(re.sub(r"\\([^%_\\])", r"\1", wanted.value), wanted.type)
        found = self.apply(function, self.read(tree.this), wanted)
        return call("not", found) if tree.args.get("negate") else found

    def cases(self, tree: Any) -> Term:
        """CASE, as nested choices from the last branch to the first."""
        subject = tree.args.get("this")
        default = tree.args.get("default")
        result: Term = NULL if default is None else self.read(default)
        for branch in reversed(tree.args["ifs"]):
            test = self.read(branch.this)
            test = test if subject is None else call("=", self.read(subject), test, text=beginning(self.text))
            result = call("if", test, self.read(branch.args["true"]), result, text=beginning(self.text))
        return result

    def cast(self, tree: Any) -> Term:
        from djarrow.model.values import normalise

        target = self.cast_type(tree.args["to"])
        inner = self.read(tree.this)
        if isinstance(inner, Value):
            try:
                return Value(normalise(inner.value, target), target)
            except ValueError:
                pass  # not a value of the type as it stands: cast it as any other
        if is_part_of_json(inner) and target.family in _JSON_CASTS:
            inner = part_of_json(inner, _JSON_CASTS[target.family])
            return inner if inner.type == target else Cast(inner, target)
        if inner.type.family not in _CASTS[target.family]:
            raise self.refuse(f"{inner.type} cannot be cast to {target}.")
        return as_boolean(inner) if target.family is Family.BOOLEAN else Cast(inner, target)

    def cast_type(self, tree: Any) -> AttributeType:
        word = tree.this.name
        parameters = [part.name for part in tree.expressions]
        if word == "DECIMAL" and len(parameters) == 2 and all(p.isdecimal() for p in parameters):
            precision, scale = map(int, parameters)
            if 1 <= precision <= 38 and scale <= precision:
                return core("decimal", precision, scale)
        if word not in _CAST_TYPES or parameters:
            raise self.refuse(f"CAST to {tree.sql()} is not allowed; use one of {', '.join(_CAST_WORDS)}.")
        return _CAST_TYPES[word]

    def extract(self, tree: Any) -> Term:
        part = tree.this.name.lower()
        if part not in _PARTS:
            raise self.refuse(f"EXTRACT takes {', '.join(_PARTS)}, and not {part}.")
        return self.apply(part, syntax.shown_moment(self, self.read(tree.expression), TEXT_OF_ONE[part]))


_PARTS = ("year", "quarter", "month", "week", "day", "hour", "minute", "second", "microsecond")
_JSON_CASTS = {
    Family.INTEGER: "json whole",
    Family.FLOAT: "json number",
    Family.DECIMAL: "json number",
    Family.BOOLEAN: "json truth",
}
"""What a part of a JSON attribute is read as, to be cast: text that is none gives NULL, and no error in the midst."""

_CAST_WORDS = ("signed", "double", "float", "decimal(p,s)", "char", "date", "datetime", "timestamp", "bool")
_CAST_TYPES: dict[str, AttributeType] = {
    "BIGINT": core("int64"),
    "INT": core("int64"),
    "DOUBLE": core("float64"),
    "FLOAT": core("float64"),
    "CHAR": core("varchar"),
    "VARCHAR": core("varchar"),
    "TEXT": core("varchar"),
    "DATE": core("date"),
    "DATETIME": core("datetime"),
    "TIMESTAMP": core("datetime"),
    "TIMESTAMPTZ": core("timestamp"),
    "BOOLEAN": core("bool"),
}
_COUNTED = NUMERIC_FAMILIES | {Family.BOOLEAN, Family.STRING, Family.ENUM}
_MOMENTS = {Family.DATE, Family.DATETIME, Family.TIMESTAMP, Family.STRING}
_CASTS: dict[Family, frozenset[Family]] = {
    Family.INTEGER: frozenset(_COUNTED),
    Family.FLOAT: frozenset(_COUNTED),
    Family.DECIMAL: frozenset(_COUNTED),
    Family.BOOLEAN: frozenset({Family.BOOLEAN, Family.INTEGER}),
    # The engines write floats, JSON and bytes each in its own way, so that text of them would differ.
    Family.STRING: frozenset(Family) - {Family.FLOAT, Family.JSON, Family.BLOB},
    Family.DATE: frozenset(_MOMENTS),
    Family.DATETIME: frozenset(_MOMENTS),
    Family.TIMESTAMP: frozenset(_MOMENTS),
}
"""Target -> what can be cast to it."""

_REFUSED = {
    "Select": NO_SUBQUERY,
    "Subquery": NO_SUBQUERY,
    "Exists": NO_SUBQUERY,
    "All": NO_SUBQUERY,
    "Window": "window functions are not allowed.",
    "Star": "`*` stands only in count(*).",
    "Parameter": "variables are not allowed.",
    "Placeholder": "placeholders are not allowed; put the value into a mapping.",
    "Interval": "an interval is added to or taken from a date or moment: d + interval 1 day.",
    "Escape": "ESCAPE is not allowed; a backslash escapes % and _ in patterns.",
    "BitwiseLeftShift": "<< is not allowed; multiply by a power of 2.",
    "BitwiseRightShift": ">> is not allowed; divide by a power of 2, `x div 2`.",
    "SessionParameter": "variables are not allowed.",
    "Tuple": "one value is wanted here, not a tuple; restrict by a list of mappings.",
}

_COMPARISONS = {
    "EQ": "=",
    "NEQ": "<>",
    "LT": "<",
    "LTE": "<=",
    "GT": ">",
    "GTE": ">=",
    "NullSafeEQ": "<=>",
    "Is": "is",
    "In": "in",
    "Between": "between",
    "Like": "like",
    "ILike": "ilike",
    "RegexpLike": "regexp",
}
"""The parser's comparisons -> ours."""


def _operator(name: str) -> Callable[[_Reader, Any], Term]:
    return lambda reader, tree: reader.call(name, tree.this, tree.expression)


_CONVERSIONS: dict[str, Callable[[_Reader, Any], Term]] = {
    "Column": _Reader.name,
    "Anonymous": _Reader.function,
    "Literal": _Reader.constant,
    "Boolean": lambda _, tree: Value(bool(tree.this), core("bool")),
    "Null": lambda _, __: NULL,
    "Neg": _Reader.negative,
    "Paren": lambda reader, tree: reader.read(tree.this),
    "Not": lambda reader, tree: reader.call("not", tree.this),
    "And": _Reader.connective,
    "Or": _Reader.connective,
    "Xor": _operator("xor"),
    **dict.fromkeys(("EQ", "NEQ", "LT", "LTE", "GT", "GTE", "NullSafeEQ"), _Reader.comparison),
    "Is": _Reader.identity,
    "In": _Reader.membership,
    "Between": _Reader.between,
    **dict.fromkeys(("Like", "ILike", "RegexpLike"), _Reader.pattern),
    "Case": _Reader.cases,
    "Cast": _Reader.cast,
    "Extract": _Reader.extract,
    "Dot": syntax.document_part,
    "Bracket": syntax.document_part,
    "JSONExtract": syntax.arrow,
    "JSONExtractScalar": syntax.arrow,
    "WithinGroup": syntax.within_group,
    "Trim": syntax.trimmed,
    "StrPosition": syntax.position,
    "NullSafeNEQ": lambda reader, tree: call("not", reader.call("<=>", tree.this, tree.expression)),
    "Add": _Reader.added,
    "Sub": _Reader.subtracted,
    "Mul": _operator("*"),
    "Div": _operator("/"),
    "IntDiv": _operator("div"),
    "Mod": _operator("%"),
    "BitwiseAnd": _operator("&"),
    "BitwiseOr": _operator("|"),
    "BitwiseXor": _operator("^"),
    "BitwiseNot": lambda reader, tree: reader.call("~", tree.this),
}
