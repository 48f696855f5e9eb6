"""A Spark session, and tables of repositories in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from djarrow.table.expression import QueryExpression


@pytest.fixture(scope="session")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A Spark of this machine."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[1]")
    settings = {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.timeType.enabled": "true",
        "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("spark") / "warehouse"),
        "spark.sql.shuffle.partitions": "1",
        "spark.ui.enabled": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
    }
    for name, value in settings.items():
        builder = builder.config(name, value)
    made = builder.getOrCreate()
    yield made
    made.stop()


def with_tables(session: Any, repository: Path, schemas: Iterable[str]) -> None:
    """Give the session the tables of a repository under their names: one that Spark refuses has none."""
    for schema in schemas:
        if (repository / schema).is_dir():
            session.sql(f"CREATE DATABASE `{schema}`")
            for path in sorted((repository / schema / "tables").iterdir()):
                if path.name.isidentifier():
                    session.sql(f"CREATE TABLE `{schema}`.{path.name} USING PARQUET LOCATION '{path}'")


def rows_of(session: Any, query: QueryExpression) -> list[dict[str, Any]]:
    """What a query gives on Spark, as Python values of the types that its heading states."""
    found = session.sql(query.to_sql("spark", pretty=False)).toArrow()
    if not query.heading:
        return [{} for _ in range(found.num_rows)]
    columns = [_as_stated(found.column(a.name), a.type.arrow) for a in query.heading]
    rows: list[dict[str, Any]] = pa.table(columns, names=list(query.heading.names)).to_pylist()
    return rows


def _as_stated(column: Any, kind: Any) -> Any:
    plain = pa.types.is_dictionary(kind) or isinstance(kind, pa.BaseExtensionType)
    return column if plain else column.cast(kind)
