"""Random expressions over random tables: PostgreSQL and DuckDB give what the naive evaluator gives.

DJARROW_FUZZ=<examples> runs that many, over more tables; the default is a sample. What fails is printed with its seed,
tables, rows and steps.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.property.algebra.comparing import check_heading, check_rows
from tests.property.algebra.drawing import Draw, from_hypothesis, from_seed
from tests.property.algebra.expressions import draw_pair
from tests.property.algebra.loading import ENGINES, DataSet
from tests.property.algebra.pairs import Pair
from tests.property.conftest import EXAMPLES

DEPTHS = (1, 2, 3, 4, 5, 5)
pytestmark = pytest.mark.timeout(0 if EXAMPLES >= 1000 else 120)


def test_results_are_those_of_the_naive_evaluator(data_sets: list[DataSet]) -> None:
    """Whatever the expression, both engines give the heading and rows that design section 6 says, or it is refused."""
    for seed in range(EXAMPLES):
        notes = [f"seed {seed}"]
        try:
            check(from_seed(seed, notes), data_sets)
        except BaseException as failure:
            failure.add_note("\n".join(notes))
            raise


@settings(max_examples=max(EXAMPLES // 5, 20), deadline=None, print_blob=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_the_smallest_expression_that_fails(data: st.DataObject, data_sets: list[DataSet]) -> None:
    """The same for cases of hypothesis, which shows the smallest one that fails."""
    check(from_hypothesis(data), data_sets)


def check(draw: Draw, data_sets: list[DataSet]) -> None:
    """Draw an expression, and see that it is what it should be."""
    data_set = draw.one([*data_sets[1:], *data_sets])  # the first is nearly empty
    draw.note(data_set.text)
    pair = draw_pair(draw, data_set, draw.one(DEPTHS))
    check_heading(pair)
    for engine in ENGINES:
        with data_set.using(engine):
            check_rows(pair, (pair.query & True).to_dicts(order_by=[]), engine)


def test_tables_are_what_was_drawn(data_sets: list[DataSet]) -> None:
    """A definition gives the attributes, key, lineage and nullability that are known without reading it."""
    for data_set in data_sets:
        for name, table in data_set.tables.items():
            heading = data_set.classes[name].heading
            check_heading(Pair(data_set.classes[name], data_set.relations[name], name))
            assert {attribute.name for attribute in heading if attribute.nullable} == table.nullable
            for own, kind in table.types.items():
                assert str(heading[own].type) == kind


def test_the_tables_are_of_all_sorts(data_sets: list[DataSet]) -> None:
    """They have what queries are most often wrong about: a generator that lost it would find nothing."""
    sorts: set[str] = set()
    for data_set in data_sets:
        for name, table in data_set.tables.items():
            sorts.add(f"{len(table.key)} in the key")
            sorts |= {"NULL" for row in data_set.rows[name] if None in row.values()}
            used: set[str] = set()
            for each in table.references:
                parent = data_set.tables[each.parent]
                ours = {mine for mine, _ in each.pairs}
                options = {
                    "nullable": each.nullable,
                    "unique": each.unique,
                    "renamed": any(mine != theirs for mine, theirs in each.pairs),
                    "across schemas": parent.schema != table.schema,
                    "hierarchy": parent is table,
                    "diamond": bool(used & ours),
                }
                sorts |= {sort for sort, there in options.items() if there}
                used |= ours
    assert sorts == {
        *(f"{number} in the key" for number in range(4)),
        *("NULL", "nullable", "unique", "renamed", "across schemas", "hierarchy", "diamond"),
    }
