"""Ten million rows in batches: the peak memory of a whole process that reads them, with all that it imports."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import djarrow as dj
from benchmarks.paired import Count
from djarrow.engine.connect import connect
from djarrow.engine.embedded import EmbeddedServer
from tests.memory import PEAK

ROWS = 10_000_000

READ = (
    PEAK
    + """
import sys
import djarrow as dj
lab = dj.VirtualModule("lab", "streaming", connection=dj.conn(sys.argv[1]))
batches = lab.Sample.to_batches(rows=50_000, order_by=sys.argv[2] or None)
read = sum(batch.num_rows for batch in batches)
assert read == int(sys.argv[3]), read
print(round(peak()))
"""
)
"""What a process of its own runs."""


def run() -> Iterator[Count]:
    """As the server gives them, and in key order."""
    with _server() as url:
        for order, name in (("", "as they come"), ("KEY", "in key order")):
            done = subprocess.run(
                [sys.executable, "-c", READ, url, order, str(ROWS)], capture_output=True, text=True, check=True
            )
            yield Count(f"peak memory in MB of reading {ROWS:,} rows {name}", int(done.stdout), 400)


@contextmanager
def _server() -> Iterator[str]:
    """A server of its own with the rows, which it makes itself."""
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedServer(Path(folder) / "server")
        connection = connect(server.join())
        schema = dj.Schema("streaming", connection=connection)
        definition = "probe : int32\nsample : int32\n---\nvalue : float64\nat : timestamp\nlabel : varchar(20)"
        schema(type("Sample", (dj.Manual,), {"definition": definition}))
        schema.activate()
        connection.execute(
            "INSERT INTO streaming.sample SELECT n / 100000, n % 100000, n / 7.0, "
            f"'2024-01-01'::timestamptz + n * interval '1 ms', 'label' || n % 977 FROM generate_series(1, {ROWS}) AS n"
        )
        connection.execute("VACUUM ANALYZE streaming.sample")
        try:
            yield connection.url
        finally:
            connection.close()
            server.stop()
