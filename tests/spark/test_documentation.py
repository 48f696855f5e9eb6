"""What docs/repositories.md says of Spark."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import djarrow as dj

PAGE = Path(__file__).parents[2] / "docs" / "repositories.md"
LINES = r"""spark\.conf\.set\("(.*)", "(.*)"\)
spark\.read\.parquet\("(.*)"\)\.createOrReplaceTempView\("(.*)"\)
spark\.sql\("(.*)"\)\.show\(\)
"""


def test_reading_a_repository(session: Any, schema: dj.Schema, tmp_path: Path) -> None:
    """The lines for Spark, which are of this form, read the repository of the page."""
    (text,) = re.findall(r"```text\n(spark\..*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    found = re.fullmatch(LINES, text)
    assert found is not None
    setting, value, folder, view, query = found.groups()

    @schema
    class Reading(dj.Manual):
        definition = "station : int32\nday : date\n---\nspeed : float64"

    Reading.insert([(1, "2024-01-01", 9.0), (1, "2024-01-02", 3.0), (2, "2024-01-01", 9.5)])
    dj.export(schema, tmp_path / "weather-2024", partition_by=["station"])
    session.conf.set(setting, value)
    session.read.parquet(str(tmp_path / folder.replace("weather/", f"{schema.name}/"))).createOrReplaceTempView(view)
    assert [tuple(row) for row in session.sql(query).collect()] == [(1, 9.0), (2, 9.5)]
