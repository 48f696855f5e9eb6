"""The tree of a Polars predicate -> conditions, conjunct by conjunct; what is refused is named.

Polars has resolved the tree against the types of the attributes: casts are explicit, constants have their type. A
part is translated where its result is the one that Polars would give, for every value that the attributes can have.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from attrs import frozen

from djarrow.errors import InvalidCondition
from djarrow.expr.conditions import Condition, Holds, Matches
from djarrow.expr.functions import FLOAT64
from djarrow.expr.nodes import Rows
from djarrow.expr.predicates.arithmetic import ARITHMETIC, arithmetic
from djarrow.expr.predicates.comparisons import compare
from djarrow.expr.predicates.constants import constant
from djarrow.expr.predicates.known import Known, check_truths, kind_of, refused, truth
from djarrow.expr.predicates.rules import GROUPS, Functions, ternary
from djarrow.expr.terms import MAX_DEPTH, Call, Cast, Column, Term, Value, call, column, depth, walk
from djarrow.model.heading import Heading
from djarrow.model.types import AttributeType, Family, core, decimal_digits

if TYPE_CHECKING:
    import pyarrow as pa

LISTED = 100
"""Longer lists to look up go as a table of constants."""


@frozen
class Predicate:
    """What of a predicate the database computes. left: why it does not compute the rest, one sentence a conjunct.

    Where anything is left, rows that the conditions keep have to be filtered by the whole predicate once more.
    """

    conditions: tuple[Condition, ...]
    left: tuple[str, ...]


def predicate(tree: Any, heading: Heading) -> Predicate:
    """Translate the conjuncts of a predicate, as far as they can be."""
    conditions: list[Condition] = []
    left: list[str] = []
    for conjunct in _conjuncts(tree):
        try:
            known = _translated(conjunct, heading)
            conditions.append(_condition(known, heading))
        except InvalidCondition as refusal:
            left.append(str(refusal))
            continue
        if known.doubts:
            left.append("Arithmetic that leaves the range of its type is left to Polars, in the rows where it may.")
    return Predicate(tuple(conditions), tuple(dict.fromkeys(left)))


def _conjuncts(tree: Any) -> Iterator[Any]:
    pending = [tree]
    while pending:
        match pending.pop():
            case {"BinaryExpr": {"op": "And", "left": left, "right": right}}:
                pending += [right, left]
            case other:
                yield other


def _translated(conjunct: Any, heading: Heading) -> Known:
    known = part(conjunct, heading)
    check_truths("a condition", known)
    return known


def _condition(known: Known, heading: Heading) -> Condition:
    """The condition of a conjunct; where it is in doubt, the row is kept."""
    term = _guarded(known)
    if depth(term) > MAX_DEPTH:
        raise refused("the whole", "it has too many steps inside each other")
    match term:
        case Call("in", (Column(name, kind), *values)) if len(values) > LISTED and kind.family in _TABULATED:
            constants = [value.value for value in values if isinstance(value, Value)]
            return Matches(Rows(Heading((heading[name],), (name,)), _tabulated(name, constants, kind)), (name,))
    return Holds(term)


def _guarded(known: Known) -> Term:
    """True where there is a doubt, else the term.

    A doubt that computes is looked at only where there is none about its operands: one test inside the other, because
    engines may take the operands of OR in any order.
    """
    simple = [doubt for doubt in known.doubts if not _computes(doubt)]
    steps = [simple[0] if len(simple) == 1 else call("or", *simple)] if simple else []
    steps += [doubt for doubt in known.doubts if _computes(doubt)]
    term = known.term
    for doubt in reversed(steps):
        term = call("if", doubt, Value(True, core("bool")), term)
    return term


def _computes(doubt: Term) -> bool:
    return any(isinstance(inner, Call) and inner.function in ARITHMETIC for inner in walk(doubt))


_TABULATED = frozenset({Family.INTEGER, Family.STRING, Family.ENUM, Family.DATE, Family.UUID})
"""Families of whose values a long list goes as a table: equal ones are written alike."""


def _tabulated(name: str, constants: list[Any], kind: AttributeType) -> pa.Table:
    """The constants as a table of one column, in the form in which `Rows` has them."""
    import pyarrow as pa

    match kind.family:
        case Family.UUID:
            column = pa.array([constant.bytes for constant in constants], pa.binary(16))
        case Family.INTEGER | Family.DATE:
            column = pa.array(constants, kind.arrow)
        case _:
            column = pa.array(constants, pa.string())
    return pa.table({name: column})


# --- parts -------------------------------------------------------------------------------------------------------


def part(tree: Any, heading: Heading) -> Known:
    """One part of the tree. Raises InvalidCondition, and UnknownAttribute for a name that the heading lacks."""
    match tree:
        case {"Column": str(name)}:
            attribute = heading.attribute(name, where="a Polars expression")
            return Known(column(attribute), _plain_kind(attribute.type))
        case {"Literal": literal}:
            return constant(literal)
        case {"Alias": [inner, _]}:
            return part(inner, heading)
        case {"BinaryExpr": {"left": left, "op": str(operator), "right": right}}:
            return _binary(operator, part(left, heading), part(right, heading))
        case {"Ternary": {"predicate": test, "truthy": yes, "falsy": no}}:
            return ternary(part(test, heading), part(yes, heading), part(no, heading))
        case {"Cast": {"expr": inner, "dtype": dtype}}:
            return _cast(part(inner, heading), kind_of(dtype, "cast"))
        case {"Function": {"input": inputs, "function": function}}:
            return _function(function, inputs, heading)
    raise refused(_name(tree), "it has no counterpart in SQL")


def _plain_kind(kind: AttributeType) -> AttributeType:
    """The kind of an attribute: Polars knows no length of strings, and one type of bytes."""
    match kind.family:
        case Family.STRING:
            return core("varchar")
        case Family.BLOB:
            return core("blob")
        case _:
            return kind


def _name(tree: Any) -> str:
    """What the tree calls its topmost part."""
    return next(iter(tree)) if isinstance(tree, dict) and tree else str(tree)


_COMPARED = {"Eq": "=", "NotEq": "<>", "Lt": "<", "LtEq": "<=", "Gt": ">", "GtEq": ">=", "EqValidity": "<=>"}
_JOINED = {"And": "and", "LogicalAnd": "and", "Or": "or", "LogicalOr": "or", "Xor": "xor"}
_COMPUTED = {"Plus": "+", "Minus": "-", "Multiply": "*", "TrueDivide": "/", "FloorDivide": "//", "Modulus": "%"}


def _binary(operator: str, left: Known, right: Known) -> Known:
    if operator in _COMPARED:
        return compare(_COMPARED[operator], left, right)
    if operator == "NotEqValidity":
        same = compare("<=>", left, right)
        return truth(call("not", same.term), same)
    if operator in _JOINED:
        check_truths(operator, left, right)
        return truth(call(_JOINED[operator], left.term, right.term), left, right)
    if operator in _COMPUTED:
        return arithmetic(_COMPUTED[operator], left, right)
    raise refused(operator, "it has no counterpart in SQL")


def _function(function: Any, inputs: list[Any], heading: Heading) -> Known:
    """A call. Functions are named `"Abs"`, `{"Boolean": "IsNull"}`, or `{"Boolean": {"IsIn": {...options...}}}`."""
    match function:
        case str(name):
            return _plain(GROUPS[""], name, inputs, heading)
        case dict() if len(function) == 1:
            ((group, inner),) = function.items()
            functions = GROUPS.get(group, Functions({}, {}))
            if isinstance(inner, str):
                return _plain(functions, inner, inputs, heading)
            if isinstance(inner, dict) and len(inner) == 1:
                return _with_options(functions, inner, inputs, heading)
    raise refused(_name(function), "it has no counterpart in SQL")


def _plain(functions: Functions, name: str, inputs: list[Any], heading: Heading) -> Known:
    if name not in functions.plain:
        raise refused(name, "it has no counterpart in SQL with the same result")
    return functions.plain[name](*(part(given, heading) for given in inputs))


def _with_options(functions: Functions, named: dict[str, Any], inputs: list[Any], heading: Heading) -> Known:
    ((name, options),) = named.items()
    if name not in functions.with_options:
        raise refused(name, "it has no counterpart in SQL with the same result")
    first, *rest = inputs
    others = rest if name == "IsIn" else [part(given, heading) for given in rest]  # a list is no part by itself
    return functions.with_options[name](options, part(first, heading), *others)


# --- casts -------------------------------------------------------------------------------------------------------


def _cast(known: Known, kind: AttributeType) -> Known:
    """A cast that is exact for every value, so that no way of casting differs from another."""
    if known.kind == kind or known.is_null:
        return known
    term = _cast_term(known, kind)
    if term is None:
        raise refused(f"the cast of {known.kind} to {kind}", "it is not exact for all values, or not the same in SQL")
    return Known(term, kind, known.doubts)


def _cast_term(known: Known, kind: AttributeType) -> Term | None:
    """The term of an exact cast. Whole numbers need none: SQL compares and computes with those of any width."""
    match known.family, kind.family:
        case Family.INTEGER, Family.INTEGER | Family.DECIMAL:
            return known.term if _within(known.kind, kind) else None
        case Family.INTEGER, Family.FLOAT if kind == FLOAT64 or known.kind.row.name.endswith(("int8", "int16")):
            return Cast(known.term, kind)
        case Family.FLOAT, Family.FLOAT if kind == FLOAT64:
            return Cast(known.term, kind)
        case Family.DECIMAL, Family.FLOAT if kind == FLOAT64 and decimal_digits(known.kind)[0] <= 15:
            return Cast(known.term, kind)
        case Family.BOOLEAN, Family.INTEGER:
            return Cast(known.term, kind)
        case (Family.DATE, Family.DATETIME) | (Family.DATETIME | Family.TIMESTAMP, Family.DATE):
            return Cast(known.term, kind)
        case Family.ENUM, Family.STRING:
            return known.term
    return None


def _within(inner: AttributeType, outer: AttributeType) -> bool:
    """Whether each value of an integer type is one of another type, which may be a decimal without a fraction."""
    low, high = inner.row.minimum, inner.row.maximum
    if low is None or high is None:
        return False
    if outer.family is Family.DECIMAL:
        precision, scale = decimal_digits(outer)
        return scale == 0 and max(-low, high) < 10**precision
    least, most = outer.row.minimum, outer.row.maximum
    return least is not None and most is not None and least <= low and high <= most
