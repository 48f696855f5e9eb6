"""Reads over several connections: any query gives what a single read gives. The connections: engine/postgres."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import InvalidCondition, TransactionError
from djarrow.expr.nodes import Node
from djarrow.table.partitions import parts_of
from djarrow.table.selection import Selection
from tests.crossed import crossed

if TYPE_CHECKING:
    import pyarrow as pa


@pytest.fixture
def lab(schema: dj.Schema) -> SimpleNamespace:
    """Two tables, one below the other, with values that are missing and values that repeat."""

    @schema
    class Subject(dj.Manual):
        definition = "subject : varchar(8)\n---\nsex = null : enum('F', 'M')"

    @schema
    class Trial(dj.Manual):
        definition = "-> Subject\ntrial : int32\n---\nscore = null : float64\nnote : varchar(9)"

    @schema
    class Rig(dj.Manual):
        definition = "---\nname : varchar(9)"

    Subject.insert([(f"s{number}", (None, "F", "M")[number % 3]) for number in range(7)])
    Trial.insert(
        [
            (f"s{number % 5}", number, (None, float("nan"), -0.0, number / 3)[number % 4], f"n{number % 11}")
            for number in range(400)
        ]
    )
    return SimpleNamespace(Subject=Subject, Trial=Trial, Rig=Rig)


QUERIES = {
    "a table": lambda lab: lab.Trial,
    "restricted": lambda lab: lab.Trial & "score > 5" & {"note": "n3"},
    "complement": lambda lab: lab.Trial - "score > 5",
    "projected": lambda lab: lab.Trial.proj("score", number="trial", twice="2 * score"),
    "joined": lambda lab: lab.Subject * lab.Trial,
    "pairs": lambda lab: lab.Subject * lab.Trial.proj("note", other="subject"),
    "matching": lambda lab: lab.Trial & (lab.Subject & "sex = 'F'"),
    "joined on the left": lambda lab: lab.Trial.join(lab.Subject & "sex = 'F'", left=True),
    "united": lambda lab: (lab.Trial & "trial < 200").proj() + (lab.Trial & "trial > 100").proj(),
    "distinct values": lambda lab: dj.U("note") & lab.Trial,
    "without attributes": lambda lab: dj.U() & lab.Trial,
    "aggregated": lambda lab: lab.Subject.aggr(lab.Trial, n="count(*)", best="max(score)"),
    "below an aggregate": lambda lab: lab.Trial * lab.Subject.aggr(lab.Trial, n="count(*)"),
    "first rows": lambda lab: lab.Trial & dj.Top(30, order_by="score DESC"),
    "of first rows": lambda lab: (lab.Trial & dj.Top(30, order_by="score DESC")) & "trial > 100",
    "fewer rows than parts": lambda lab: lab.Subject & "subject < 's2'",
    "no rows": lambda lab: lab.Trial & "trial < 0",
    "of an empty table": lambda lab: lab.Rig,
}
AS_A_WHOLE = [
    "united",
    "distinct values",
    "without attributes",
    "aggregated",
    "below an aggregate",
    "first rows",
    "of first rows",
    "of an empty table",
]
ORDERS: list[tuple[Any, ...]] = crossed(["KEY", "KEY DESC", [], None], [7, 2])
"""In which order, and over how many connections."""


def rows_of(table: pa.Table) -> list[str]:
    """The rows as text, in which NaN equals itself and -0.0 is not 0.0."""
    return [repr(row) for row in table.to_pylist()]


def nodes(query: Any, parts: int, order_by: str | None = None) -> list[Node]:
    """Into what a query is cut."""
    expression = query() if isinstance(query, type) else query
    order = Selection(order_by=order_by).rows(expression.node).order
    return parts_of(expression.node, order, parts, expression._active_reader())


@pytest.mark.parametrize("name", QUERIES)
def test_any_query(lab: SimpleNamespace, name: str) -> None:
    """Whatever the query, its parts are the rows of a single read, each once, and in order where there is one."""
    query = QUERIES[name](lab)
    for order_by, partitions in ORDERS:
        single = query.to_arrow(order_by=order_by)
        found = query.to_arrow(order_by=order_by, partitions=partitions)
        assert found.schema == single.schema
        if order_by is None:
            assert sorted(rows_of(found)) == sorted(rows_of(single))
        else:
            assert rows_of(found) == rows_of(single)


@pytest.mark.parametrize(
    "order_by", ["score", "score DESC", "note DESC", ["note", "score DESC"], "trial % 7", "-trial"]
)
def test_any_order(lab: SimpleNamespace, order_by: Any) -> None:
    """Rows without a value, NaN and values that repeat stand where a single read has them."""
    for query in (lab.Trial, lab.Trial * lab.Subject):
        assert rows_of(query.to_arrow(order_by=order_by, partitions=4)) == rows_of(query.to_arrow(order_by=order_by))


def test_limit_and_attributes(lab: SimpleNamespace) -> None:
    """Attributes that leave out what the rows are cut by, and a number of rows, give what a single read gives."""
    for options in ({"limit": 5}, {"offset": 390}, {"limit": 5, "offset": 3, "order_by": "note"}, {"order_by": "KEY"}):
        found = lab.Trial.to_polars("score", "note", partitions=3, **{"order_by": "KEY", **options})
        assert found.equals(lab.Trial.to_polars("score", "note", **{"order_by": "KEY", **options}), null_equal=True)


def test_rows_are_shared_out(lab: SimpleNamespace) -> None:
    """A query is cut into the parts that are asked for, of which none has more than twice its share."""
    sizes = [lab.Trial()._derive(node).to_arrow().num_rows for node in nodes(lab.Trial, 4)]
    assert (len(sizes), sum(sizes)) == (4, 400)
    assert max(sizes) <= 2 * 100
    assert len(nodes(lab.Subject * lab.Trial, 4)) == 4
    assert len(nodes(lab.Trial, 4, "score DESC")) == 4


@pytest.mark.parametrize("name", AS_A_WHOLE)
def test_what_is_computed_as_a_whole(lab: SimpleNamespace, name: str) -> None:
    """Groups and first rows would be computed again for each part: they are read by one connection."""
    assert len(nodes(QUERIES[name](lab), 4)) == 1


def test_rows_of_a_transaction(lab: SimpleNamespace, connection: PostgresConnection) -> None:
    """Inside a transaction, whose changes other connections do not see, partitions are refused with the reason."""
    with connection.transaction:
        lab.Subject.insert1(("s9", "M"))
        with pytest.raises(TransactionError, match="do not see what this transaction has changed"):
            lab.Subject.to_polars(partitions=2)
        assert lab.Subject.to_polars(partitions=1).height == 8
    assert lab.Subject.to_polars(partitions=2).height == 8


@pytest.mark.parametrize("given", [0, -1, True, 2.5, 33, 10**9, "2", None])
def test_what_is_no_number_of_connections(lab: SimpleNamespace, given: Any) -> None:
    """Partitions are a bounded whole number, and another value is refused and shown."""
    for read in (lab.Trial.to_arrow, lab.Trial.to_polars):
        with pytest.raises(InvalidCondition, match="partitions is a number of connections from 1 to 32"):
            read(partitions=given)


def test_a_repository_takes_them_too(lab: SimpleNamespace, schema: dj.Schema, tmp_path: Any) -> None:
    """Where DuckDB reads, which is parallel by itself, partitions are taken and change nothing."""
    dj.export(schema, tmp_path / "lab")
    trial = dj.open(tmp_path / "lab")[schema.name].Trial
    assert rows_of(trial.to_arrow(order_by="KEY", partitions=3)) == rows_of(lab.Trial.to_arrow(order_by="KEY"))
    with pytest.raises(InvalidCondition):
        trial.to_arrow(partitions=0)
