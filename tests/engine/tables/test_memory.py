"""Reading row by row and batch by batch takes memory that does not grow with the result."""

from __future__ import annotations

import subprocess
import sys

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from tests.memory import PEAK

MEASURE = (
    PEAK
    + """
import sys
import djarrow as dj
from djarrow.engine.connect import connect
url, name, form = sys.argv[1:]
lab = dj.VirtualModule("lab", name, connection=connect(url))
forms = {
    "rows": lambda query: sum(1 for _ in query),
    "batches": lambda query: sum(batch.num_rows for batch in query.to_batches()),
    "batches of 1000": lambda query: sum(batch.num_rows for batch in query.to_batches(rows=1000, order_by="KEY")),
}
small = forms[form](lab.Sample & "n < 200000")
before = peak()
assert (small, forms[form](lab.Sample)) == (200_000, 1_000_000)
print(peak() - before)
"""
)


@pytest.fixture
def million(schema: dj.Schema, connection: PostgresConnection) -> dj.Schema:
    """A schema with a table of a million rows, some 220 MB of Arrow."""

    @schema
    class Sample(dj.Manual):
        definition = "n : int32\n---\nvalue : float64\nlabel : varchar(200)"

    schema.activate()
    connection.execute(
        f"INSERT INTO \"{schema.name}\".sample SELECT n, n / 7.0, repeat('x', 200) FROM generate_series(0, 999999) AS n"
    )
    return schema


@pytest.mark.parametrize("form", ["rows", "batches", "batches of 1000"])
def test_memory_does_not_grow_with_the_result(million: dj.Schema, connection: PostgresConnection, form: str) -> None:
    """Five times as many rows take a few batches besides at most, and not what they are long."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, connection.url, million.name, form],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 60  # MB; all rows are 220 MB, a batch of the driver's is 16
