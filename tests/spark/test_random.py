"""Random expressions over exported tables: Spark gives the rows that the naive evaluator gives, as DuckDB does."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from djarrow.engine.postgres import PostgresConnection
from tests.described import drop_schemas
from tests.property.algebra.comparing import check_rows
from tests.property.algebra.drawing import from_seed
from tests.property.algebra.expressions import draw_pair
from tests.property.algebra.loading import DataSet, load, schema_names
from tests.property.naive import Row

from .conftest import rows_of, with_tables

EXAMPLES = int(os.environ.get("DJARROW_FUZZ", "60"))

DEPTHS = (1, 2, 3, 4)


@pytest.fixture(scope="module")
def data_sets(
    connection: PostgresConnection, session: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[DataSet]]:
    """Some data sets, and the Spark session that has their tables."""
    folder = tmp_path_factory.mktemp("algebra")
    for seed in range(4):
        drop_schemas(connection, *schema_names(seed))
    loaded = [load(seed, connection, folder / str(seed)) for seed in range(4)]
    for data_set in loaded:
        with_tables(session, folder / str(data_set.seed), schema_names(data_set.seed))
    yield loaded
    for data_set in loaded:
        data_set.repository.close()
        drop_schemas(connection, *schema_names(data_set.seed))


@pytest.mark.timeout(1800)
def test_results_are_those_of_the_naive_evaluator(data_sets: list[DataSet], session: Any) -> None:
    """Whatever the expression, its text for Spark gives the rows that design section 6 says."""
    for seed in range(EXAMPLES):
        notes = [f"seed {seed}"]
        draw = from_seed(seed, notes)
        pair = draw_pair(draw, draw.one(data_sets[1:]), draw.one(DEPTHS))
        query = pair.query & True
        try:
            check_rows(pair, [as_python(row, query) for row in rows_of(session, query)], "spark")
        except BaseException as failure:
            failure.add_note("\n".join([*notes, query.to_sql("spark")]))
            raise


def as_python(row: Row, query: Any) -> Row:
    """The row with what Spark has as text: UUIDs and JSON."""
    families = {attribute.name: attribute.type.family.value for attribute in query.heading}
    return {name: _decoded(value, families[name]) for name, value in row.items()}


def _decoded(value: Any, family: str) -> Any:
    if value is None or not isinstance(value, str):
        return value
    return uuid.UUID(value) if family == "uuid" else json.loads(value) if family == "json" else value
