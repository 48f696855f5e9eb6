"""The data sets that the tests of the algebra share, loaded once."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from djarrow.engine.postgres import PostgresConnection
from tests.described import drop_schemas
from tests.property.algebra.loading import DataSet, load, schema_names

EXAMPLES = int(os.environ.get("DJARROW_FUZZ", "200"))
"""Expressions to try: a sample by default."""
DATA_SETS = max(6, EXAMPLES // 100)


@pytest.fixture(scope="package")
def data_sets(connection: PostgresConnection, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[DataSet]]:
    """Some data sets, the first of them nearly empty."""
    for seed in range(DATA_SETS):
        for name in schema_names(seed):
            connection.execute(f'DROP SCHEMA IF EXISTS "{name}" CASCADE')
    folder = tmp_path_factory.mktemp("algebra")
    loaded = [load(seed, connection, folder / str(seed)) for seed in range(DATA_SETS)]
    yield loaded
    for data_set in loaded:
        data_set.repository.close()
        drop_schemas(connection, *schema_names(data_set.seed))
