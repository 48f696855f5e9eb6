"""Files of a few hundred bytes that are gigabytes when they are read: an error soon, or an answer in bounded memory."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from attrs import evolve

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.repo import manifest
from djarrow.repo.manifest import DataFile, Manifest, TableEntry
from tests.described import drop_schemas

from .bombs import Codec, Column, Encoding, Page, counted, dictionary, file_of, prefixed, run, varint

ROWS = 2**20
DEFINITION = "n : int32\n---\ns : varchar(20)"


def _with(*pages: Page, rows: int = ROWS, **options: Any) -> bytes:
    """A file of distinct numbers and a text."""
    return file_of([Column("n", False, (counted(rows),)), Column("s", True, pages, Codec.ZSTD, **options)], rows)


def _many_columns() -> bytes:
    texts = [Column(f"s{n:02}", True, (dictionary(b"x" * 10**6), run(ROWS)), Codec.ZSTD) for n in range(20)]
    return file_of([Column("n", False, (counted(ROWS),)), *texts], ROWS)


LONG = dictionary(b"x" * 10**6)
BOMBS: dict[str, Callable[[], bytes]] = {
    "a terabyte by one run": lambda: _with(LONG, run(ROWS)),
    "a terabyte as the manifest says": lambda: _with(LONG, run(ROWS)),
    "in a page of the second version": lambda: _with(LONG, evolve(run(ROWS), second=True)),
    "by a run of no bits": lambda: _with(LONG, Page(b"\0" + varint(ROWS << 1), ROWS, Encoding.RLE_DICTIONARY)),
    "a terabyte that the footer denies": lambda: _with(LONG, run(ROWS), claimed=(10, 10)),
    "by prefixes": lambda: _with(prefixed(b"y" * 10**6, ROWS)),
    "in twenty columns": _many_columns,
    "a page that is 2 GB": lambda: _with(Page(b"\0" * 40, 10, Encoding.PLAIN, size=2**31 - 1), rows=10),
    "half a gigabyte of zeros": lambda: _with(Page(b"\0" * 2**29, 1, Encoding.PLAIN), rows=1),
    "a dictionary of 2 GB": lambda: _with(evolve(LONG, size=2**31 - 1), run(10), rows=10),
    "a dictionary of two billion": lambda: _with(evolve(LONG, count=2**31 - 1), run(ROWS)),
    "a run beyond the page": lambda: _with(LONG, run(ROWS, 2**31 - 1)),
    "a page beyond the rows": lambda: _with(LONG, evolve(run(ROWS), count=2**31 - 1)),
    "values beyond the rows": lambda: _with(LONG, run(ROWS), count=2**62),
    "indices of 200 bits": lambda: _with(LONG, run(ROWS, width=200)),
    "indices beyond the dictionary": lambda: _with(
        LONG, Page(b"\x08" + varint(ROWS << 1) + b"\x77", ROWS, Encoding.RLE_DICTIONARY)
    ),
}


SOAK = "DJARROW_SOAK" in os.environ

READ_IN_EVERY_RUN = [
    *("a terabyte by one run", "a terabyte as the manifest says", "in twenty columns", "a page that is 2 GB"),
    "half a gigabyte of zeros",
]
"""The others are refused by the engine, as the third is, or read as the first one is."""


def _said(name: str) -> int:
    """How long the rows of a bomb are by the manifest."""
    return 10**6 if "the manifest says" in name else 8


def repository_of(
    root: Path, content: bytes, *, rows: int = ROWS, longest: int = 8, columns: int = 1, hashed: str = "0" * 32
) -> Path:
    """A repository of one table in one file with this content. hashed: what is said to be the hash of its rows."""
    definition = (
        DEFINITION if columns == 1 else "n : int32\n---\n" + "\n".join(f"s{n:02} : varchar(20)" for n in range(columns))
    )
    path = root / "lab" / "tables" / "day" / "all.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    file = DataFile("lab/tables/day/all.parquet", rows, len(content), digest, hashed, longest, ())
    entry = TableEntry("lab", "day", definition, hashed, files=(file,))
    (root / "manifest.json").write_text(manifest.text_of(Manifest("p", "2024-01-01", "s", {}, (entry,))))
    return root


BEGIN = """
import json, sys, time
import djarrow as dj
from djarrow.errors import DjarrowError

def most():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) // 1024

def tried(how, do):
    started, before = time.monotonic(), most()
    try:
        found = do()
    except DjarrowError as error:
        found = f"{type(error).__name__}: {error}"
    print(json.dumps([how, found, time.monotonic() - started, most() - before]), flush=True)
"""

READ = """

def read(table, how):
    if how == "fetch":
        table.fetch()
    elif how == "count":
        return len(table)
    elif how == "dicts":
        table.to_dicts()
    elif how == "batches":
        for batch in table.to_batches():
            pass
    return "read"

import duckdb, polars, pyarrow.parquet
for root in sys.argv[1:]:
    for how in ("count", "fetch", "batches", "dicts"):
        repository = dj.open(root)
        tried(how, lambda: read(repository["lab"].Day, how))
        repository.close()
"""

TAKE = """
import duckdb, polars, pyarrow.parquet
url, other, *roots = sys.argv[1:]
connection = dj.conn(url)
for number, root in enumerate(roots):
    rename = {"lab": f"bombed{number}"}
    for how, options in (("restore", {}), ("merge", {"into": "merge"}), ("by table", {"resumable": True})):
        tried(how, lambda: dj.restore(root, connection, rename=rename, **options) and "restored")
    tried("diff", lambda: dj.diff(root, other) and "differs")
    taken = dj.Schema("taken", connection=connection)
    tried("export", lambda: dj.export(taken, root, replace=True) and "written")
"""


def ran(script: str, arguments: list[str], folder: Path) -> list[list[Any]]:
    """What a process of its own tells: what it tried, what came of it, in how many seconds and more megabytes."""
    path = os.pathsep.join(filter(None, map(os.path.abspath, sys.path)))
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + script, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path, "DJ_REPOSITORY_MEMORY": "300MB"},
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.skipif(sys.platform != "linux", reason="where the kernel tells how much memory was used")
@pytest.mark.timeout(110)
def test_bombs(tmp_path: Path) -> None:
    """Each is refused, or counted, within 10 s, in no more memory than the setting and what a page has."""
    roots = {}
    for number, name in enumerate(BOMBS if SOAK else READ_IN_EVERY_RUN):
        content, rows = BOMBS[name](), ROWS
        if name in ("a page that is 2 GB", "a dictionary of 2 GB", "half a gigabyte of zeros"):
            rows = 1 if "zeros" in name else 10
        columns = 20 if "twenty" in name else 1
        roots[name] = repository_of(tmp_path / str(number), content, rows=rows, longest=_said(name), columns=columns)
        assert len(content) < (50_000 if "zeros" in name or columns > 1 else 463), name
    lines = ran(READ, list(map(str, roots.values())), tmp_path)
    assert len(lines) == 4 * len(roots)
    for number, name in enumerate(roots):
        for how, found, seconds, megabytes in lines[4 * number : 4 * number + 4]:
            assert seconds < 10, (name, how, found)
            assert megabytes < 400, (name, how, found)
            assert found != "read", (name, how, found)


TAKEN = [
    "a terabyte as the manifest says",
    *(["a terabyte by one run", "in twenty columns", "half a gigabyte of zeros"] if SOAK else []),
]


@pytest.mark.skipif(sys.platform != "linux", reason="where the kernel tells how much memory was used")
@pytest.mark.timeout(110)
def test_bombs_are_not_taken(tmp_path: Path, connection: PostgresConnection) -> None:
    """Restored in any way, or compared with another repository, each is refused, and leaves no table. An export writes
    over it, and does not read it.
    """
    schema = dj.Schema("taken", connection=connection)
    day: type[dj.Table] = schema(type("Day", (dj.Manual,), {"definition": DEFINITION}))
    day.insert1((1, "one"))
    honest = _with(dictionary(b"x"), run(10), rows=10)
    other = repository_of(tmp_path / "other", honest, rows=10, hashed="1" * 32)
    roots = []
    for number, name in enumerate(TAKEN):
        rows = 1 if "zeros" in name else ROWS
        columns, longest = 20 if "twenty" in name else 1, _said(name)
        roots.append(repository_of(tmp_path / str(number), BOMBS[name](), rows=rows, longest=longest, columns=columns))
    lines = ran(TAKE, [connection.url, str(other), *map(str, roots)], tmp_path)
    for place, (how, found, seconds, megabytes) in enumerate(lines):
        name = TAKEN[place // 5]
        assert seconds < 10, (name, how, found)
        assert megabytes < 400, (name, how, found)
        assert (found == "written") if how == "export" else ("Error" in found), (name, how, found)
    assert len(lines) == 5 * len(TAKEN)
    assert all(dj.verify(root) for root in roots)
    left = "SELECT tablename FROM pg_tables WHERE schemaname LIKE 'bombed%' AND tablename NOT LIKE '~%'"
    assert connection.query(left).num_rows == 0
    drop_schemas(connection, "taken", *(f"bombed{number}" for number in range(len(TAKEN))))


def test_one_long_value_among_many(tmp_path: Path) -> None:
    """It is read with all others, however small the file is, in the order that was asked for."""
    texts = ["x" * 10**6, *(["y"] * 3_000)]
    kept = pa.schema([pa.field("n", pa.int32(), nullable=False), pa.field("s", pa.string(), nullable=False)])
    sink = io.BytesIO()
    pq.write_table(pa.table([pa.array(range(len(texts)), pa.int32()), texts], kept), sink, compression="zstd")
    root = repository_of(tmp_path / "r", sink.getvalue(), rows=len(texts), longest=10**6)
    repository = dj.open(root)
    day = repository["lab"].Day
    assert day.fetch()["s"].to_list() == texts
    assert [row["n"] for row in day.to_dicts(order_by="n DESC")] == list(reversed(range(len(texts))))
    assert sum(batch.num_rows for batch in day.to_batches()) == len(texts)
    repository.close()


def test_long_values_that_are_none(tmp_path: Path) -> None:
    """Rows that are as long as said are read, those of many put together too, and of a table's texts a few."""
    rows = 1_000
    root = repository_of(
        tmp_path / "r", _with(dictionary(b"x" * 100_000), run(rows), rows=rows), rows=rows, longest=10**5
    )
    repository = dj.open(root)
    day = repository["lab"].Day
    assert sum(batch.num_rows for batch in day.to_batches()) == rows
    assert len(dj.U().aggr(day, t="group_concat(s)").fetch1("t")) == rows * 100_001 - 1
    assert len((day & "n = 3").proj(t="concat(s, s, s)").fetch1("t")) == 300_000
    repository.close()
