"""User text -> one checked term. Read in a MySQL-flavoured dialect, because the specification's examples are written in it.

Only what this module converts is allowed: everything else that the parser accepts (statements, subqueries, windows,
functions outside the table) is refused by name. Design section 6; specification 000 "Queries", 001 8.6.4, 8.8.3.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from djarrow.errors import InvalidTerm, hint_nearest
from djarrow.expr.functions import FUNCTIONS, OTHER_NAMES
from djarrow.expr.terms import NULL, Call, Cast, Column, Term, Value, call, column, number
from djarrow.model.heading import Heading
from djarrow.model.types import AttributeType, core

MAX_TEXT = 20_000
"""Characters. Longer conditions come from programs, and those pass lists or tables."""


def parse_term(text: str, heading: Heading, *, where: str = "condition") -> Term:
    """Parse one scalar expression over the attributes of a heading.

    Raises UnknownAttribute for a name that the heading lacks, with the nearest one, and InvalidTerm for what is not
    one allowed expression. where says in errors what the text was for.
    """
    return _Reader(text, heading, where).read(_parse(text))


def _parse(text: str) -> Any:
    import sqlglot
    from sqlglot.errors import SqlglotError

    if len(text) > MAX_TEXT:
        raise InvalidTerm(f"the text has {len(text)} characters; {MAX_TEXT} is the limit.", text=text[:60] + "...")
    try:
        dialect = _dialect()
        if any(token.comments for token in dialect.tokenize(text)):
            raise InvalidTerm("comments are not allowed.", text=text)
        trees = sqlglot.parse(text, dialect=dialect)
    except SqlglotError as error:
        raise InvalidTerm("this is not one expression: " + _first_line(error), text=text) from None
    except RecursionError:
        raise InvalidTerm("the expression is nested too deeply.", text=text[:60] + "...") from None
    if len(trees) != 1 or trees[0] is None:
        raise InvalidTerm("one expression is wanted here, without `;`.", text=text)
    return trees[0]


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].split(" Line ")[0].strip()


@cache
def _dialect() -> Any:
    """MySQL's syntax with every function left as a plain name, so that the table of functions alone decides."""
    from sqlglot.dialects.mysql import MySQL

    syntax = {"CAST", "EXTRACT"}

    class TermParser(MySQL.Parser):
        FUNCTIONS: Any = {}
        NO_PAREN_FUNCTIONS: Any = {}
        FUNCTION_PARSERS: Any = {k: v for k, v in MySQL.Parser.FUNCTION_PARSERS.items() if k in syntax}

    class Terms(MySQL):
        Parser = TermParser

    return Terms()


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
        try:
            return convert(self, tree)
        except RecursionError:
            raise self.refuse("the expression is nested too deeply.") from None

    def refuse(self, reason: str) -> InvalidTerm:
        return InvalidTerm(reason, text=self.text)

    def call(self, function: str, *trees: Any) -> Call:
        return call(function, *map(self.read, trees), text=self.text)

    def name(self, tree: Any) -> Term:
        if tree.args.get("table") is not None:
            raise self.refuse(f"{tree.sql()!r}: attributes are named without a table.")
        return column(self.heading.attribute(tree.name, where=f"{self.where} {self.text!r}"))

    def function(self, tree: Any) -> Term:
        from sqlglot import exp

        name = str(tree.this).lower()
        name = OTHER_NAMES.get(name, name)
        if name not in FUNCTIONS or not name.isidentifier() and name != "%":
            hint = hint_nearest(name, [n for n in (*FUNCTIONS, *OTHER_NAMES) if n.isidentifier()])
            raise self.refuse(f"the function {name!r} is not on the list of functions.{hint}")
        arguments, distinct = list(tree.expressions), False
        if len(arguments) == 1 and isinstance(arguments[0], exp.Distinct):
            arguments, distinct = arguments[0].expressions, True
            if not FUNCTIONS[name].aggregate:
                raise self.refuse(f"{name} is no aggregate and takes no DISTINCT.")
        if name == "count" and len(arguments) == 1 and isinstance(arguments[0], exp.Star):
            arguments = []
        elif name == "count" and not arguments:
            raise self.refuse("count needs an argument: count(*) or count(attribute).")
        terms = tuple(map(self.read, arguments))
        self.check_nesting(name, terms)
        return call(name, *terms, distinct=distinct, text=self.text)

    def check_nesting(self, name: str, terms: tuple[Term, ...]) -> None:
        from djarrow.expr.terms import aggregates

        if FUNCTIONS[name].aggregate and any(aggregates(term) for term in terms):
            raise self.refuse(f"an aggregate stands inside {name}; aggregate in two steps.")

    def constant(self, tree: Any) -> Term:
        return Value(tree.this, core("varchar")) if tree.is_string else number(tree.this)

    def negative(self, tree: Any) -> Term:
        inner = self.read(tree.this)
        if isinstance(inner, Value) and not isinstance(inner.value, str | bool | None):
            return Value(-inner.value, inner.type)
        return call("neg", inner, text=self.text)

    def identity(self, tree: Any) -> Term:
        """`x IS NULL`, `x IS TRUE`; NOT comes around it."""
        from sqlglot import exp

        match tree.expression:
            case exp.Null():
                return self.call("is null", tree.this)
            case exp.Boolean():
                return self.call("is true" if tree.expression.this else "is false", tree.this)
            case _:
                raise self.refuse("IS takes NULL, TRUE or FALSE.")

    def membership(self, tree: Any) -> Term:
        if tree.args.get("query") is not None or not tree.expressions:
            raise self.refuse("IN takes a list of values; for a query, restrict by it: `A & B`.")
        return self.call("in", tree.this, *tree.expressions)

    def between(self, tree: Any) -> Term:
        return self.call("between", tree.this, tree.args["low"], tree.args["high"])

    def pattern(self, tree: Any) -> Term:
        found = self.call("like", tree.this, tree.expression)
        return call("not", found) if tree.args.get("negate") else found

    def cases(self, tree: Any) -> Term:
        """CASE, as nested choices from the last branch to the first."""
        subject = tree.args.get("this")
        default = tree.args.get("default")
        result: Term = NULL if default is None else self.read(default)
        for branch in reversed(tree.args["ifs"]):
            test = self.read(branch.this)
            test = test if subject is None else call("=", self.read(subject), test, text=self.text)
            result = call("if", test, self.read(branch.args["true"]), result, text=self.text)
        return result

    def choice(self, tree: Any) -> Term:
        default = tree.args.get("false")
        otherwise = NULL if default is None else self.read(default)
        return call("if", self.read(tree.this), self.read(tree.args["true"]), otherwise, text=self.text)

    def cast(self, tree: Any) -> Term:
        target = _CAST_TYPES.get(tree.args["to"].this.name)
        if target is None:
            raise self.refuse(f"CAST to {tree.args['to'].sql()} is not allowed; use one of {', '.join(_CAST_WORDS)}.")
        inner = self.read(tree.this)
        if isinstance(inner, Value):
            from djarrow.model.values import normalise

            try:
                return Value(normalise(inner.value, target), target)
            except ValueError:
                pass  # not a value of the type as it stands: let the database cast it
        return Cast(inner, target)

    def extract(self, tree: Any) -> Term:
        part = tree.this.name.lower()
        if part not in _PARTS:
            raise self.refuse(f"EXTRACT takes {', '.join(_PARTS)}, and not {part}.")
        return self.call(part, tree.expression)


_PARTS = ("year", "quarter", "month", "day", "hour", "minute", "second")
_CAST_WORDS = ("signed", "double", "float", "char", "date", "datetime", "timestamp")
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

_REFUSED = {
    "Select": "subqueries and statements are not allowed; combine query expressions instead.",
    "Subquery": "subqueries are not allowed; combine query expressions instead.",
    "Exists": "subqueries are not allowed; restrict by the query: `A & B`.",
    "Window": "window functions are not allowed.",
    "Alias": "one expression is wanted here, without an alias or a second word.",
    "Star": "`*` stands only in count(*).",
    "Parameter": "variables are not allowed.",
    "Placeholder": "placeholders are not allowed; put the value into a mapping.",
}


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
    "Is": _Reader.identity,
    "In": _Reader.membership,
    "Between": _Reader.between,
    "Like": _Reader.pattern,
    "RegexpLike": _operator("regexp"),
    "Case": _Reader.cases,
    "If": _Reader.choice,
    "Cast": _Reader.cast,
    "Extract": _Reader.extract,
    **{
        kind: _operator(name)
        for kind, name in {
            "EQ": "=",
            "NEQ": "<>",
            "LT": "<",
            "LTE": "<=",
            "GT": ">",
            "GTE": ">=",
            "NullSafeEQ": "<=>",
            "And": "and",
            "Or": "or",
            "Xor": "xor",
            "Add": "+",
            "Sub": "-",
            "Mul": "*",
            "Div": "/",
            "IntDiv": "div",
            "Mod": "%",
        }.items()
    },
}
