"""Random expressions over random tables: PostgreSQL and DuckDB give what the naive evaluator gives.

DJARROW_FUZZ=<examples> runs that many, over more tables; the default is a sample. What fails is printed with its
tables, rows and steps, and hypothesis tries it first in the next run.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.property.algebra.comparing import check_heading, check_rows
from tests.property.algebra.expressions import Pair, draw_pair
from tests.property.algebra.loading import ENGINES, DataSet
from tests.property.conftest import EXAMPLES


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)
@given(data=st.data())
@pytest.mark.timeout(0 if EXAMPLES >= 1000 else 120)
def test_results_are_those_of_the_naive_evaluator(data: st.DataObject, data_sets: list[DataSet]) -> None:
    """Whatever the expression, both engines give the heading and rows that design section 6 says, or it is refused."""
    data_set = data.draw(st.sampled_from([*data_sets[1:], *data_sets]))  # the first is nearly empty
    note(data_set.text)
    pair = draw_pair(data.draw, data_set, data.draw(st.sampled_from([1, 2, 3, 4, 5, 5])))
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
