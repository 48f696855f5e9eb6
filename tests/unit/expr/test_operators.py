"""Operators build nodes: headings, keys and lineage of what comes out, and what is refused."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from djarrow.errors import IncompatibleOperands, InvalidCondition, InvalidTerm, UnknownAttribute
from djarrow.expr.conditions import All, Always, AnyOf, Holds, Negated
from djarrow.expr.nodes import Restricted, operands, tables
from djarrow.expr.operators import (
    aggregate,
    all_of,
    any_of,
    determines,
    join,
    matched,
    matching,
    negate,
    project,
    restrict,
    text_condition,
)
from djarrow.expr.order import order_terms, top
from djarrow.model.heading import Heading, Origin
from djarrow.model.names import TableName


def where(heading: Heading, text: str) -> Holds:
    """A condition as text."""
    found = text_condition(text, heading)
    assert isinstance(found, Holds)
    return found


# --- matching ----------------------------------------------------------------------------------------------------


def test_namesakes_of_one_origin_match(lab: SimpleNamespace) -> None:
    """Attributes that trace to one definition match under their common name."""
    assert matched(lab.Session, lab.Subject, operator="*") == ("subject_id",)
    assert matched(lab.Session, lab.Method.__class__(lab.Method.name, project(lab.Method).heading), operator="*") == (
        "method",
    )
    assert matched(lab.Subject, lab.Pair, operator="*") == ()


def test_namesakes_of_other_origin_are_refused(lab: SimpleNamespace) -> None:
    """The error names the attribute, both origins, and the projection that resolves it."""
    with pytest.raises(IncompatibleOperands) as caught:
        matched(lab.Subject, lab.Other, operator="&")
    assert str(caught.value) == (
        "lab.subject & lab.other: both have an attribute 'subject_id', but not the same one: here it is "
        "lab.subject.subject_id, there lab.other.subject_id. Rename it in one of them, as in "
        "`.proj(..., other_subject_id='subject_id')`."
    )


def test_secondary_namesakes_are_refused(lab: SimpleNamespace) -> None:
    """Attributes outside of keys and references match nothing, not even themselves; they can be left out."""
    with pytest.raises(
        IncompatibleOperands, match=r"'name'.*a secondary .* of lab.subject, .*`\.proj\(\.\.\., '-name'\)`"
    ):
        matched(lab.Subject, lab.Method, operator="*")
    with pytest.raises(IncompatibleOperands, match="'name'"):
        matched(lab.Subject, lab.Subject, operator="*")
    assert matched(lab.Subject, project(lab.Subject), operator="*") == ("subject_id",)


def test_what_the_error_says_resolves_it(lab: SimpleNamespace) -> None:
    """The projections that the errors name make the operands match."""
    assert matched(lab.Subject, project(lab.Other, ..., other_subject_id="subject_id"), operator="*") == ()
    assert matched(lab.Subject, project(lab.Method, ..., "-name"), operator="*") == ()


# --- restriction -------------------------------------------------------------------------------------------------


def test_restriction_keeps_the_heading(lab: SimpleNamespace) -> None:
    """A restricted query has the heading and key of its source."""
    node = restrict(lab.Session, where(lab.Session.heading, "x > 1"))
    assert node.heading == lab.Session.heading


def test_always_true_adds_nothing(lab: SimpleNamespace) -> None:
    """Restricting by what always holds gives the query itself."""
    assert restrict(lab.Session, Always(True)) is lab.Session


def test_restrictions_lie_flat(lab: SimpleNamespace) -> None:
    """Restrictions one after the other are one conjunction, so that a loop of them does not nest."""
    node = lab.Session
    for number in range(5):
        node = restrict(node, where(lab.Session.heading, f"x > {number}"))
    assert isinstance(node, Restricted)
    assert node.source is lab.Session
    assert isinstance(node.condition, All)
    assert len(node.condition.conditions) == 5


def test_negation(lab: SimpleNamespace) -> None:
    """Twice negated is the condition itself, and the complement of all rows is none."""
    condition = where(lab.Session.heading, "x > 1")
    assert negate(condition) == Negated(condition)
    assert negate(negate(condition)) == condition
    assert negate(Always(True)) == Always(False)


def test_conjunctions_and_disjunctions(lab: SimpleNamespace) -> None:
    """Of nothing, all hold and none does; one condition is itself; what always holds is left out or decides."""
    one, two = where(lab.Session.heading, "x > 1"), where(lab.Session.heading, "x < 0")
    assert all_of([]) == Always(True)
    assert any_of([]) == Always(False)
    assert all_of([one]) == any_of([one]) == one
    assert all_of([one, Always(True), two]) == All((one, two))
    assert any_of([one, two]) == AnyOf((one, two))
    assert any_of([one, Always(True)]) == Always(True)


def test_aggregates_are_no_conditions(lab: SimpleNamespace) -> None:
    """An aggregate cannot be a condition."""
    with pytest.raises(InvalidTerm, match="aggr"):
        text_condition("count(*) > 1", lab.Session.heading)


# --- projection --------------------------------------------------------------------------------------------------


def test_projection_keeps_the_key_and_lineage(lab: SimpleNamespace) -> None:
    """Renamed attributes and copies keep their lineage, computed ones have none."""
    heading = project(lab.Session, who="subject_id", again="(session)", y="x + 1").heading
    assert heading.names == ("who", "session", "again", "y")
    assert heading.primary_key == ("who", "session")
    assert heading["who"].lineage == Origin(TableName("lab", "subject"), "subject_id")
    assert heading["again"].lineage == heading["session"].lineage
    assert heading["y"].lineage is None
    assert heading["y"].nullable


def test_projection_to_all_is_nothing(lab: SimpleNamespace) -> None:
    """`proj(...)` is the query itself."""
    assert project(lab.Session, ...) is lab.Session


def test_spaces_around_a_name(lab: SimpleNamespace) -> None:
    """An attribute with spaces around it is renamed, as it is without."""
    assert project(lab.Subject, who=" subject_id ") == project(lab.Subject, who="subject_id")


def test_left_out_wins_over_all(lab: SimpleNamespace) -> None:
    """`'-a'` leaves an attribute out wherever it stands among the others."""
    assert project(lab.Session, "-x", ...).heading.names == project(lab.Session, ..., "- x").heading.names
    assert "x" not in project(lab.Session, ..., "-x").heading


# --- join --------------------------------------------------------------------------------------------------------


def test_key_of_a_join(lab: SimpleNamespace) -> None:
    """The key is that of the operand which determines the other, else both together."""
    keys = {
        "child": join(lab.Session, lab.Subject).heading.primary_key,
        "parent": join(lab.Subject, lab.Session).heading.primary_key,
        "reference": join(project(lab.Method), lab.Session).heading.primary_key,
        "product": join(lab.Method, lab.Pair).heading.primary_key,
        "siblings": join(project(lab.Session, a="session"), project(lab.Session, b="session")).heading.primary_key,
        "singleton": join(lab.Limits, lab.Session).heading.primary_key,
    }
    assert keys == {
        "child": ("subject_id", "session"),
        "parent": ("subject_id", "session"),
        "reference": ("subject_id", "session"),
        "product": ("method", "first", "second"),
        "siblings": ("subject_id", "a", "b"),
        "singleton": ("subject_id", "session"),
    }


def test_heading_of_a_join(lab: SimpleNamespace) -> None:
    """The key comes first, then the left's attributes, then the right's; what matched cannot be NULL."""
    heading = join(project(lab.Method), lab.Session).heading
    assert heading.names == ("subject_id", "session", "method", "x")
    assert lab.Session.heading["method"].nullable
    assert not heading["method"].nullable


def test_determines(lab: SimpleNamespace) -> None:
    """A query determines another when it has the whole of its key."""
    assert determines(lab.Session.heading, lab.Subject.heading)
    assert not determines(lab.Subject.heading, lab.Session.heading)
    assert determines(lab.Subject.heading, lab.Limits.heading)


# --- aggregation -------------------------------------------------------------------------------------------------


def test_heading_of_an_aggregation(lab: SimpleNamespace) -> None:
    """It has the key of its groups, the attributes asked for, and the aggregates."""
    heading = aggregate(lab.Session, lab.Trial, "method", s="session", n="count(*)", m="max(rt)").heading
    assert heading.names == ("subject_id", "s", "method", "n", "m")
    assert heading.primary_key == ("subject_id", "s")
    assert (heading["n"].nullable, heading["m"].nullable) == (False, True)


def test_groups_of_the_wrong_side(lab: SimpleNamespace) -> None:
    """The rows must have the key of the groups; the error says when the operands are the wrong way round."""
    with pytest.raises(
        IncompatibleOperands, match=r"lacks 'trial'.*Did you mean lab\.session\.aggr\(lab\.trial, \.\.\.\)"
    ):
        aggregate(lab.Trial, lab.Session, n="count(*)")
    with pytest.raises(IncompatibleOperands, match="lacks 'first', 'second'"):
        aggregate(lab.Pair, lab.Subject, n="count(*)")


def test_many_values_outside_of_aggregates(lab: SimpleNamespace) -> None:
    """Outside of aggregates a term reads attributes of the groups only."""
    with pytest.raises(InvalidTerm, match="'rt' has many values"):
        aggregate(lab.Session, lab.Trial, y="rt + max(rt)")
    assert aggregate(lab.Session, lab.Trial, y="x + max(rt)").heading["y"].type.row.name == "float64"


def test_unknown_in_aggregates(lab: SimpleNamespace) -> None:
    """A name of neither operand is refused with the nearest one."""
    with pytest.raises(UnknownAttribute, match=r"'rr'.*Known: .*rt"):
        aggregate(lab.Session, lab.Trial, y="max(rr)")


# --- order -------------------------------------------------------------------------------------------------------


def test_orders_end_with_the_key(lab: SimpleNamespace) -> None:
    """Every order is total: the key ends it, as far as it is not in it already."""
    heading = lab.Session.heading

    def read(order_by: str | list[str] | None) -> list[str]:
        orders = order_terms(order_by, heading)
        return [f"{order.term.name}{' desc' if order.descending else ''}" for order in orders]  # type: ignore[union-attr]

    assert read(None) == read("KEY") == read([]) == ["subject_id", "session"]
    assert read("KEY DESC") == ["subject_id desc", "session desc"]
    assert read("x desc") == ["x desc", "subject_id", "session"]
    assert read(["session DESC", "x  ASC "]) == ["session desc", "x", "subject_id"]


# --- nodes -------------------------------------------------------------------------------------------------------


def test_terms_of_an_order_in_one_text(lab: SimpleNamespace) -> None:
    """Commas divide a text into terms, but for those inside of parentheses and quotes."""
    one = order_terms("concat(name, ',', name) DESC, KEY desc", lab.Subject.heading)
    assert one == order_terms(["concat(name, ',', name) DESC", "KEY DESC"], lab.Subject.heading)


def test_what_may_follow_in_an_order(lab: SimpleNamespace) -> None:
    """A word after the attribute that is no direction is refused by saying which ones there are."""
    with pytest.raises(InvalidTerm, match=r"'sideways' cannot be read here.*ASC or DESC"):
        order_terms("name sideways", lab.Subject.heading)


@pytest.mark.parametrize("limit", [-1, True, 1.5])
def test_row_counts_are_named_as_written(lab: SimpleNamespace, limit: object) -> None:
    """A wrong limit is told by its own name, whether of a read or of Top."""
    with pytest.raises(InvalidCondition, match=r"^limit is a number of rows from 0 up"):
        top(lab.Subject, limit, None, 0)  # type: ignore[arg-type]


def test_tables_of_a_query(lab: SimpleNamespace) -> None:
    """All tables are found, those inside of conditions too."""
    matches = matching(
        lab.Session,
        restrict(
            lab.Trial,
            negate(matching(lab.Trial, lab.Subject.__class__(lab.Subject.name, project(lab.Subject).heading))),
        ),
    )
    some = top(restrict(lab.Session, any_of([matches, where(lab.Session.heading, "x > 1")])), 5, None, 0)
    node = aggregate(project(lab.Subject), some, n="count(*)")
    assert {name.table for name in tables(node)} == {"subject", "session", "trial"}
    assert operands(lab.Subject) == ()


def test_equal_queries_are_equal(lab: SimpleNamespace) -> None:
    """Two queries built alike are one to a set."""
    first, second = (aggregate(lab.Session, lab.Trial, n="count(*)") for _ in range(2))
    assert len({first, second}) == 1
    assert aggregate(lab.Session, lab.Trial, n="count(rt)") not in {first}
