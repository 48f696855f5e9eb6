"""Which rows of a table a query tells apart, and what the key is called in it."""

from __future__ import annotations

from types import SimpleNamespace

from djarrow.expr.identity import identified
from djarrow.expr.nodes import Distinct, Node, United
from djarrow.expr.operators import aggregate, extend, join, matching, project, restrict
from djarrow.expr.order import top


def key(node: Node) -> tuple[str, tuple[str, ...] | None] | None:
    """The name of the table, and of its key in the query."""
    found = identified(node)
    return None if found is None else (found.table.name.table, found.key)


def test_what_keeps_the_rows(lab: SimpleNamespace) -> None:
    """Restriction, the first rows and a left join leave the table and its key as they are."""
    session = ("session", ("subject_id", "session"))
    assert key(lab.Session) == session
    assert key(restrict(lab.Session, matching(lab.Session, lab.Trial))) == session
    assert key(top(lab.Session, 3, "KEY", 0)) == session
    assert key(extend(lab.Session, lab.Subject)) == session
    assert key(lab.Limits) == ("limits", ())


def test_the_first_operand_counts(lab: SimpleNamespace) -> None:
    """A join means rows of its left side, whichever of the two has the key of the result."""
    assert key(join(lab.Trial, lab.Session)) == ("trial", ("subject_id", "session", "trial"))
    assert key(join(lab.Session, lab.Trial)) == ("session", ("subject_id", "session"))
    groups = aggregate(lab.Session, lab.Trial, n="count(*)")
    assert key(groups) == ("session", ("subject_id", "session"))


def test_renamed(lab: SimpleNamespace) -> None:
    """Renamed keys are followed, also where another attribute takes their name, or has a copy."""
    assert key(project(lab.Session, who="subject_id", n="session")) == ("session", ("who", "n"))
    swapped = project(lab.Pair, first="second", second="first")
    assert key(swapped) == ("pair", ("second", "first"))
    twice = project(project(lab.Session, who="subject_id"), again="(who)")
    assert key(twice) == ("session", ("who", "session"))


def test_rows_of_their_own(lab: SimpleNamespace) -> None:
    """Unions and universal sets are of no table, also inside other operators."""
    union = United(project(lab.Subject), project(lab.Subject))
    assert key(union) is None
    assert key(project(restrict(union, matching(union, lab.Subject)))) is None
    assert key(Distinct(lab.Subject, ("subject_id",))) is None
    assert key(join(lab.Subject, union)) == ("subject", ("subject_id",))
