"""What is known of a part of a predicate: its term, the type that Polars gives it, and where SQL would not follow."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from djarrow.errors import InvalidCondition
from djarrow.expr.functions import BOOL, WIDE
from djarrow.expr.terms import NULL, Term, Value
from djarrow.model.types import AttributeType, Family, core


@frozen
class Known:
    """A part of a predicate in the words of SQL.

    kind: Polars's type, which may be narrower than the term's: Int8 and Int8 are Int8, and wrap. doubts: conditions
    under which SQL's value would be another one, or an error; where one of them holds, Polars has to decide.
    """

    term: Term
    kind: AttributeType
    doubts: tuple[Term, ...] = ()

    @property
    def family(self) -> Family:
        """What the kind is to someone who computes with it."""
        return self.kind.family

    @property
    def is_null(self) -> bool:
        """Whether it is NULL as it stands, of a type that Polars does not tell."""
        return self.term == NULL

    @property
    def constant(self) -> Any:
        """The value of a constant; None of anything else."""
        return self.term.value if isinstance(self.term, Value) else None


def doubts(*parts: Known) -> tuple[Term, ...]:
    """The doubts of all parts, each once."""
    return tuple(dict.fromkeys(doubt for part in parts for doubt in part.doubts))


def refused(part: str, why: str) -> InvalidCondition:
    """The error for a part that SQL does not say, or not with Polars's result."""
    return InvalidCondition(f"{part} of the Polars expression is not computed by the database: {why}.")


def truth(term: Term, *parts: Known) -> Known:
    """A truth value over these parts."""
    return Known(term, BOOL, doubts(*parts))


def check_alike(part: str, *given: Known) -> AttributeType:
    """The one kind of all that are not a bare NULL. Raises InvalidCondition where there are several."""
    kinds = {known.kind for known in given if not known.is_null}
    if len(kinds) != 1:
        raise refused(part, "its operands are of different types: " + ", ".join(sorted(map(str, kinds))))
    return kinds.pop()


def check_truths(part: str, *given: Known) -> None:
    """Refuse what is not true or false: of integers, Polars computes bit by bit."""
    if any(known.family is not Family.BOOLEAN and not known.is_null for known in given):
        raise refused(part, "its operands are not true or false")


_KINDS: dict[str, AttributeType] = {
    **{f"{u}Int{bits}": core(f"{u.lower()}int{bits}") for u in ("", "U") for bits in (8, 16, 32, 64)},
    "Int128": WIDE,  # what Polars compares UInt64 with Int64 in
    "Float32": core("float32"),
    "Float64": core("float64"),
    "Boolean": core("bool"),
    "String": core("varchar"),
    "Date": core("date"),
    "Time": core("time"),
    "Binary": core("blob"),
}


def kind_of(dtype: Any, part: str) -> AttributeType:
    """The type that a Polars dtype of the tree is. Raises InvalidCondition for one that no attribute has."""
    match dtype:
        case str() if dtype in _KINDS:
            return _KINDS[dtype]
        case {"Literal": inner}:
            return kind_of(inner, part)
        case {"Datetime": ["Microseconds", None]}:
            return core("datetime")
        case {"Datetime": ["Microseconds", {"inner": "UTC"}]}:
            return core("timestamp")
        case {"Decimal": [int(precision), int(scale)]}:
            return core("decimal", precision, scale)
        case {"Unknown": _}:
            raise refused(part, "Polars leaves the type of its constants open; cast them, as in pl.lit(1, pl.Int64)")
    raise refused(part, f"no attribute has the type {dtype!r}")
