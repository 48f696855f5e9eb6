"""Exporting to where an export is: what stays, what is replaced, what others see meanwhile. In folders and in S3."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import InvalidCondition, RepositoryError
from djarrow.repo import manifest
from djarrow.repo.exporting import publication
from djarrow.repo.exporting.export import Exported
from djarrow.repo.places import lease
from djarrow.repo.places.find import place_of
from tests.processes import PLACES
from tests.stores import Spot

from .conftest import declared

SOAK = "DJARROW_SOAK" in os.environ


@pytest.fixture
def days(schema: dj.Schema) -> type[dj.Table]:
    """Five days of ten rows."""
    table = declared(schema, "Reading", "day : date\nn : int32\n---\nx : float64")
    table.insert([(f"2024-01-0{day}", n, day + n / 8) for day in range(1, 6) for n in range(10)])
    return table


def export(table: type[dj.Table], spot: Spot, **options: Any) -> Exported:
    """The table, a file a day."""
    return dj.export(table, spot.url, partition_by=["day"], **spot.given, **options)


def rows(spot: Spot, schema: dj.Schema, name: str = "Reading") -> list[dict[str, Any]]:
    """What a repository holds of a table."""
    repository = dj.open(spot.url, **spot.given)
    try:
        return list(getattr(repository[schema.name], name).to_dicts(order_by="KEY"))
    finally:
        repository.close()


def test_nothing_changed(days: type[dj.Table], schema: dj.Schema, spot: Spot) -> None:
    """No Parquet file is written, and each keeps its name; the manifest is a new one."""
    first = export(days, spot)
    assert (first.files, first.written, first.written_bytes) == (5, 5, first.bytes)
    before = spot.files()
    again = export(days, spot)
    assert (again.files, again.written, again.written_bytes, again.bytes) == (5, 0, 0, first.bytes)
    after = spot.files()
    assert after.keys() == before.keys()
    changed = {path for path in after if after[path] != before[path]}
    assert {path for path in changed if path.endswith(".parquet")} == set()
    assert dj.verify(spot.url, **spot.given)
    assert rows(spot, schema) == days().to_dicts(order_by="KEY")


def test_only_what_changed(days: type[dj.Table], schema: dj.Schema, spot: Spot) -> None:
    """A day that was corrected, one that is new, one that is gone: the other files stay, of the old ones nothing."""
    export(days, spot)
    before = spot.files()
    days.update1({"day": "2024-01-02", "n": 3, "x": -0.0})
    (days & "day = '2024-01-04'").delete(prompt=False)
    days.insert1(("2024-01-07", 0, 0.5))
    again = export(days, spot)
    assert (again.files, again.written) == (6, 3)  # the log of the correction, too
    after = spot.files()
    assert dj.verify(spot.url, **spot.given)
    assert rows(spot, schema) == days().to_dicts(order_by="KEY")
    kept = {path for path in after if path.endswith(".parquet") and before.get(path) == after[path]}
    assert {path.rpartition("/")[2] for path in kept} == {f"day-2024-01-0{day}.parquet" for day in (1, 3, 5)}
    corrected = {path.rpartition("/")[2] for path in after if "day-2024-01-02" in path}
    assert [len(name) for name in corrected] == [len("day-2024-01-02~0123456789abcdef.parquet")]


def test_back_and_forth(days: type[dj.Table], schema: dj.Schema, spot: Spot) -> None:
    """What changes every time is written every time, under a name that is free."""
    names = set()
    for value in (1.0, 2.0, 1.0):
        days.update1({"day": "2024-01-02", "n": 3, "x": value})
        export(days, spot)
        assert rows(spot, schema) == days().to_dicts(order_by="KEY")
        assert dj.verify(spot.url, **spot.given)
        names.add(next(path for path in spot.parquet() if "day-2024-01-02" in path))
    assert len(names) > 1


def test_a_damaged_file_is_written_again(days: type[dj.Table], schema: dj.Schema, spot: Spot) -> None:
    """A file that is not as long as it was, or in a folder has another byte, is no file to keep; nor a missing one."""
    export(days, spot)
    first, second, third, *_ = sorted(spot.parquet())
    content = spot.files()
    spot.write(first, content[first] + b"x")
    spot.remove(second)
    if not spot.options:
        spot.write(third, content[third][:200] + bytes([content[third][200] ^ 1]) + content[third][201:])
    assert export(days, spot).written == (2 if spot.options else 3)
    assert dj.verify(spot.url, **spot.given)
    assert rows(spot, schema) == days().to_dicts(order_by="KEY")


def test_another_definition(days: type[dj.Table], schema: dj.Schema, spot: Spot) -> None:
    """Files say in their metadata what their columns are: with another comment all are written again."""
    export(days, spot)
    later = dj.Schema(schema.name, connection=schema.connection)
    newer = declared(later, "Reading", "day : date\nn : int32\n---\nx : float64  # metres")
    newer.alter(prompt=False)
    assert export(newer, spot).written == 5
    assert dj.verify(spot.url, **spot.given)


def test_split_otherwise(days: type[dj.Table], schema: dj.Schema, spot: Spot) -> None:
    """Other partitions are other files, and the old ones are gone."""
    export(days, spot)
    dj.export(days, spot.url, max_rows_per_file=20, **spot.given)
    assert {path.rpartition("/")[2] for path in spot.parquet()} == {"all.parquet", "all~2.parquet", "all~3.parquet"}
    assert rows(spot, schema) == days().to_dicts(order_by="KEY")
    assert dj.verify(spot.url, **spot.given)


def test_tables_that_would_be_gone(days: type[dj.Table], schema: dj.Schema, spot: Spot) -> None:
    """Another repository is not overwritten by mistake; where that is meant, its files go too, and others' stay."""
    other = declared(schema, "Other", "n : int32")
    other.insert1((1,))
    dj.export(schema, spot.url, **spot.given)
    spot.write("notes.txt", b"mine")
    before = spot.files()
    with pytest.raises(RepositoryError, match=rf"tables that this export does not: {schema.name}\.other"):
        export(days, spot)
    assert spot.files() == before
    export(days, spot, replace=True)
    assert dj.verify(spot.url, **spot.given).problems[0].path == "notes.txt"
    assert {path.split("/")[-2] for path in spot.parquet()} == {"reading"}
    assert rows(spot, schema) == days().to_dicts(order_by="KEY")


def test_two_at_once(days: type[dj.Table], schema: dj.Schema, spot: Spot) -> None:
    """While one export runs, another one to the same place says so; then it may."""
    with publication.publication(place_of(spot.url, spot.options)), pytest.raises(RepositoryError, match="is running"):
        export(days, spot)
    assert not spot.parquet()
    export(days, spot)
    assert not [path for path in spot.files() if path.startswith(".export")]


def test_many_at_once(days: type[dj.Table], schema: dj.Schema, spot: Spot) -> None:
    """Of exports that begin at the same time one is published whole, and each other says that it was not."""
    schema.activate()
    outcomes: list[str] = []
    begin = threading.Barrier(4)

    def work() -> None:
        begin.wait()
        try:
            export(days, spot)
            outcomes.append("done")
        except RepositoryError as error:
            outcomes.append(error.message)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("done") >= 1
    assert all(said == "done" or "another export" in said for said in outcomes)
    assert dj.verify(spot.url, **spot.given)


def test_published_meanwhile(days: type[dj.Table], schema: dj.Schema, spot: Spot) -> None:
    """Whoever lost the claim without noticing cannot publish over what was published since, nor take files from it."""
    export(days, spot)
    place = place_of(spot.url, spot.options)
    with publication.publication(place) as slow:
        document = slow.earlier
        assert document is not None
        found = place.look("manifest.json")
        assert found is not None
        place.swap("manifest.json", found[0] + b"\n", found[1])
        with pytest.raises(RepositoryError, match="published meanwhile"):
            slow.publish(document, dj.open(spot.url, **spot.given).specs)
    assert len(spot.parquet()) == 5
    assert rows(spot, schema) == days().to_dicts(order_by="KEY")


def test_an_opened_repository_that_was_replaced(days: type[dj.Table], schema: dj.Schema, spot: Spot) -> None:
    """Who has it open reads the files that stay, and is told that others are gone and why; opening again helps."""
    export(days, spot)
    opened = dj.open(spot.url, **spot.given)
    days.update1({"day": "2024-01-02", "n": 3, "x": 5.0})
    export(days, spot)
    with pytest.raises(RepositoryError, match="exported again after it was opened"):
        opened[schema.name].Reading.to_dicts()
    opened.close()


def test_more_files_than_open(days: type[dj.Table], spot: Spot, monkeypatch: pytest.MonkeyPatch) -> None:
    """A manifest that would be refused when it is opened is not published, and what is there stays."""
    export(days, spot)
    before = spot.files()["manifest.json"]
    monkeypatch.setattr(manifest, "MAX_BYTES", 3000)
    with pytest.raises(RepositoryError, match="more than 3,000 bytes"):
        dj.export(days, spot.url, max_rows_per_file=2, **spot.given)
    monkeypatch.undo()
    assert spot.files()["manifest.json"] == before
    dj.open(spot.url, **spot.given).close()


# --- interrupted ---------------------------------------------------------------------------------------------------


def test_resumed(days: type[dj.Table], schema: dj.Schema, spot: Spot, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an export had finished when it failed is not written again, where the rows are the same."""
    monkeypatch.setattr(publication, "NOTED", 0.0)
    add, added = publication.Publication.add, list[Any]()

    def failing(self: Any, *arguments: Any) -> Any:
        if len(added) == 3:
            raise OSError(28, "No space left on device")
        added.append(arguments)
        return add(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(publication.Publication, "add", failing)
        with pytest.raises(RepositoryError, match="No space left"):
            export(days, spot)
    with pytest.raises(RepositoryError, match="no repository"):
        dj.open(spot.url, **spot.given)
    assert len(spot.parquet()) == 3
    days.update1({"day": "2024-01-02", "n": 3, "x": 5.0})
    done = export(days, spot)
    assert (done.files, done.written) == (6, 4)  # the log of the correction, too
    assert dj.verify(spot.url, **spot.given)
    assert rows(spot, schema) == days().to_dicts(order_by="KEY")


def test_a_list_that_cannot_be_read(days: type[dj.Table], schema: dj.Schema, spot: Spot) -> None:
    """A list of finished files that is broken, or lies, costs nothing but writing again."""
    spot.write(publication.UNFINISHED, b'{"djarrow_repository": 1')
    assert export(days, spot).written == 5
    document = json.loads(spot.files()["manifest.json"])
    for file in document["tables"][0]["files"]:
        file["path"] = "../../etc/passwd"
    spot.write(publication.UNFINISHED, json.dumps(document).encode())
    assert export(days, spot).written == 0
    assert dj.verify(spot.url, **spot.given)


EXPORTING = """
import json, sys
import djarrow as dj
from djarrow.engine.connect import connect
from djarrow.repo import manifest
from djarrow.repo.exporting import publication
from djarrow.repo.places import lease

publication.NOTED = 0.0
lease.LEASE, lease.RENEW = 1.0, 0.3
schema = dj.Schema(sys.argv[2], connection=connect(sys.argv[1]))

@schema
class Row(dj.Manual):
    definition = "part : int32\\nn : int32\\n---\\ntext : varchar(400)"

Row.declare()
print("begins", flush=True)
dj.export(schema, sys.argv[3], partition_by=["part"], storage_options=json.loads(sys.argv[4]) or None)
print("done", flush=True)
"""

KILLS, PARTS = (50, 20) if SOAK else (1, 6)


@pytest.mark.timeout(1800 if SOAK else 120)
@pytest.mark.parametrize("earlier", [False, True], ids=["the first", "over another"])
def test_killed(
    schema: dj.Schema,
    connection: PostgresConnection,
    spot: Spot,
    monkeypatch: pytest.MonkeyPatch,
    *,
    earlier: bool,
) -> None:
    """An export that is killed does not open, or what was published before does; run again, it is as never killed."""
    monkeypatch.setattr(lease, "LEASE", 1.0)
    monkeypatch.setattr(lease, "RENEW", 0.2)
    table = declared(schema, "Row", "part : int32\nn : int32\n---\ntext : varchar(400)")
    table.insert([(n % PARTS, n, f"{n:05}" * 40) for n in range(5_000)])
    if earlier:
        dj.export(schema, spot.url, partition_by=["part"], **spot.given)
    published = rows(spot, schema, "Row") if earlier else None
    moment = random.Random()  # noqa: S311 - any moment
    words = [connection.url, schema.name, spot.url, json.dumps(spot.options)]
    for turn in range(KILLS):
        connection.execute(f"UPDATE \"{schema.name}\".row SET text = text || '{turn}' WHERE part < {PARTS // 2}")
        command = [sys.executable, "-c", EXPORTING, *words]
        environment = os.environ | {"PYTHONPATH": PLACES}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begins\n"
            time.sleep(moment.uniform(0, 0.8))
            process.send_signal(signal.SIGKILL)
            done = "done" in process.stdout.read()
        now = table().to_dicts(order_by="KEY")
        if "manifest.json" in spot.files():
            found = rows(spot, schema, "Row")
            assert found in ([now] if done else [published, now])
            published = found
        else:
            assert not done
            assert published is None
            with pytest.raises(RepositoryError, match="no repository"):
                dj.open(spot.url, **spot.given)
    if spot.options:
        time.sleep(1.1)  # until the claim of a process that was killed is forgotten
    dj.export(schema, spot.url, partition_by=["part"], **spot.given)
    assert dj.verify(spot.url, **spot.given)
    assert rows(spot, schema, "Row") == table().to_dicts(order_by="KEY")
    assert len(spot.parquet()) == PARTS


# --- several connections -------------------------------------------------------------------------------------------


def test_several_connections(lab: dj.Schema, spot: Spot) -> None:
    """Tables that are read at once are those that are read one after the other, to the byte."""
    dj.export(lab, spot.url, **spot.given)
    one = {path: content for path, content in spot.files().items() if path.endswith(".parquet")}
    done = dj.export(lab, f"{spot.url} at once", connections=3, **spot.given)
    assert done.written == len(one)
    at_once = Spot(f"{spot.url} at once", spot.options)
    assert {path: content for path, content in at_once.files().items() if path.endswith(".parquet")} == one
    assert dj.export(lab, spot.url, connections=4, **spot.given).written == 0


def test_a_failure_among_several(lab: dj.Schema, spot: Spot, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails over one connection ends the export over the others, and is what is raised."""
    add = publication.Publication.add

    def failing(self: Any, entry: Any, *arguments: Any) -> Any:
        if entry.table == "session":
            raise OSError(28, "No space left on device")
        return add(self, entry, *arguments)

    monkeypatch.setattr(publication.Publication, "add", failing)
    with pytest.raises(RepositoryError, match="No space left"):
        dj.export(lab, spot.url, connections=3, **spot.given)
    monkeypatch.undo()
    dj.export(lab, spot.url, connections=3, **spot.given)
    assert dj.verify(spot.url, **spot.given)
    for wrong in (0, 33, True, "2"):
        with pytest.raises(InvalidCondition, match="connections is a number"):
            dj.export(lab, spot.url, connections=wrong, **spot.given)  # type: ignore[arg-type]
