"""populate in other processes: each key is made once, errors arrive, and dead processes take nothing with them."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import psutil
import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import InvalidCondition, MakeError
from djarrow.jobs import remote
from djarrow.jobs.queue import Lease, Queue, ensure_queue, refresh

from ...described import drop_schemas
from ...processes import PLACES
from .elsewhere import imported

KEYS = 300 if "DJARROW_SOAK" in os.environ else 150
"""Of a populate by several processes."""

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("without_pandas")]
"""Most tests start processes, which takes a second each, and much longer on a busy machine."""


@pytest.fixture
def pipeline(schema: dj.Schema, connection: PostgresConnection, tmp_path: Path) -> Iterator[ModuleType]:
    """Scan, Result and Ledger in a module that other processes can import, activated here only."""
    with imported(tmp_path) as module:
        module.schema.activate(schema.name, connection=connection)
        yield module


@pytest.fixture(params=[False, True], ids=["listed", "reserved"])
def reserve_jobs(request: pytest.FixtureRequest) -> bool:
    """Whether keys come out of the queue."""
    return bool(request.param)


SOAK = "DJARROW_SOAK" in os.environ
LISTED = pytest.mark.parametrize("reserve_jobs", [False, True] if SOAK else [False], indirect=True)
RESERVED = pytest.mark.parametrize("reserve_jobs", [True, False] if SOAK else [True], indirect=True)
"""For what takes many processes: in every run one of the two ways."""


def jobs(pipeline: ModuleType) -> list[tuple[int, str]]:
    """The jobs of the queue, with their status."""
    name, connection = pipeline.schema.name, pipeline.schema.connection
    text = f'SELECT (key ->> \'scan_id\')::int8 AS n, status::text AS status FROM "{name}"."~jobs" ORDER BY 1'
    return [(row["n"], row["status"]) for row in connection.query(text).to_pylist()]


def workers(pipeline: ModuleType) -> int:
    """How many have a lease."""
    text = f'SELECT count(*)::int8 AS n FROM "{pipeline.schema.name}"."~workers"'
    return int(pipeline.schema.connection.query(text).column("n")[0].as_py())


def ledger(pipeline: ModuleType) -> list[int]:
    """The keys whose makes were committed, once for each commit."""
    return sorted(row["scan_id"] for row in pipeline.Ledger.to_dicts())


def made(pipeline: ModuleType) -> list[int]:
    """The keys that have a row."""
    return sorted(row["scan_id"] for row in pipeline.Result.to_dicts())


def children() -> list[psutil.Process]:
    """The processes that this one has started, but for the one of multiprocessing that watches semaphores."""
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if "multiprocessing" in " ".join(child.cmdline()) and "resource_tracker" not in " ".join(child.cmdline())
    ]


def test_every_key_is_made_once(pipeline: ModuleType, reserve_jobs: bool) -> None:
    """By two processes that are not this one, with make_kwargs; afterwards they are gone, and nothing is reserved."""
    pipeline.Scan.insert([{"scan_id": n} for n in range(KEYS)])
    found = pipeline.Result.populate(processes=2, reserve_jobs=reserve_jobs, make_kwargs={"added": 5})
    assert (found.done, found.skipped, found.failures) == (KEYS, 0, ())
    assert ledger(pipeline) == made(pipeline) == list(range(KEYS))
    rows = pipeline.Result.to_dicts()
    assert {row["added"] for row in rows} == {5}
    assert 1 <= len({row["process"] for row in rows} - {os.getpid()}) <= 2
    assert os.getpid() not in {row["process"] for row in rows}
    assert children() == []
    if reserve_jobs:
        assert jobs(pipeline) == []
        assert workers(pipeline) == 0


IN_THREE = (
    "class Scan(dj.Manual):\n    definition = 'scan_id : uint8'\n",
    "class Mask(dj.Manual):\n    definition = '-> {0}.Scan'\n",
    "class Result(dj.Computed):\n    definition = '-> {1}.Mask\\n-> {0}.Scan'\n\n"
    "    def make(self, key):\n        self.insert1(({1}.Mask & key).fetch1())\n",
)
"""Modules of which each refers to those before it, by their names."""


def test_schemas_that_refer_to_each_other(schema: dj.Schema, connection: PostgresConnection, tmp_path: Path) -> None:
    """The names of all that the table's refers to go along, and are given to parents first."""
    with ExitStack() as stack:
        modules = list[Any]()
        for text in IN_THREE:
            names = [module.__name__ for module in modules]
            head = "".join(f"import {name}\n" for name in ("djarrow as dj", *names))
            module = f"{head}schema = dj.schema()\n\n@schema\n{text.format(*names)}"
            modules.append(stack.enter_context(imported(tmp_path, module)))
        try:
            for each in modules:
                each.schema.activate(f"{schema.name}{each.__name__}", connection=connection)
            first, second, third = modules
            first.Scan.insert([(n,) for n in range(5)])
            second.Mask.insert(first.Scan)
            assert third.Result.populate(processes=2).done == 5
        finally:
            drop_schemas(connection, *(each.schema.name for each in reversed(modules)))


def test_the_same_code_has_the_same_fingerprint_there(pipeline: ModuleType) -> None:
    """What is kept of a make in another process tells that process, and the fingerprint that it has here."""
    pipeline.Scan.insert([{"scan_id": n} for n in range(2)])
    pipeline.Result.populate(max_calls=1)
    pipeline.Result.populate(processes=2)
    text = f'SELECT process, fingerprint, version FROM "{pipeline.schema.name}"."~makes"'
    kept = pipeline.schema.connection.query(text).to_pylist()
    assert len(kept) == 2
    assert len({row["process"] for row in kept}) == 2
    assert len({(row["fingerprint"], row["version"]) for row in kept}) == 1


@RESERVED
def test_errors_are_collected(pipeline: ModuleType, reserve_jobs: bool) -> None:
    """As they were where they can go from process to process, else as their text; both with key and stack."""
    pipeline.Scan.insert([{"scan_id": n, "task": {3: "plain", 5: "odd"}.get(n, "")} for n in range(8)])
    found = pipeline.Result.populate(processes=2, reserve_jobs=reserve_jobs, suppress_errors=True)
    assert (found.done, found.failed) == (6, 2)
    plain, odd = sorted(found.failures, key=lambda failure: failure.key["scan_id"])
    assert (plain.key, odd.key) == ({"scan_id": 3}, {"scan_id": 5})
    assert type(plain.error) is pipeline.Plain
    assert plain.error.args == ("no", 7)
    assert type(odd.error) is MakeError
    assert odd.error.key == {"scan_id": 5}
    assert "raised Odd: a" in odd.error.message
    for failure in found.failures:
        assert "in make" in "".join(failure.error.__notes__)
    assert made(pipeline) == ledger(pipeline) == [0, 1, 2, 4, 6, 7]
    if reserve_jobs:
        assert jobs(pipeline) == [(3, "error"), (5, "error")]


def test_the_first_error_is_raised(pipeline: ModuleType, reserve_jobs: bool) -> None:
    """What runs is done, and the other keys are to be made still."""
    pipeline.Scan.insert([{"scan_id": n, "task": "plain" if n == 4 else "", "seconds": 0.05} for n in range(60)])
    with pytest.raises(pipeline.Plain) as raised:
        pipeline.Result.populate(processes=2, reserve_jobs=reserve_jobs)
    assert "{'scan_id': 4}" in "".join(raised.value.__notes__)
    assert 4 <= len(made(pipeline)) < 59
    assert ledger(pipeline) == made(pipeline)
    assert children() == []
    if reserve_jobs:
        left = [n for n in range(60) if n not in made(pipeline)]
        assert jobs(pipeline) == [(n, "error" if n == 4 else "pending") for n in left]


@LISTED
def test_limit_and_max_calls(pipeline: ModuleType, reserve_jobs: bool) -> None:
    """No more makes are called than there may be."""
    pipeline.Scan.insert([{"scan_id": n} for n in range(40)])
    assert pipeline.Result.populate(processes=2, reserve_jobs=reserve_jobs, max_calls=7).done == 7
    assert pipeline.Result.populate(processes=2, reserve_jobs=reserve_jobs, limit=9).done == 9
    assert len(pipeline.Result) == 16
    if reserve_jobs:
        assert {status for _, status in jobs(pipeline)} == {"pending"}


@RESERVED
def test_a_key_that_ends_its_process_is_blamed_alone(pipeline: ModuleType, reserve_jobs: bool) -> None:
    """The processes are replaced, all other keys are made, and it is told."""
    pipeline.Scan.insert([{"scan_id": n, "task": "die" if n == 20 else "", "seconds": 0.01} for n in range(60)])
    found = pipeline.Result.populate(processes=2, reserve_jobs=reserve_jobs, suppress_errors=True)
    assert [failure.key for failure in found.failures] == [{"scan_id": 20}]
    assert type(found.failures[0].error) is MakeError
    assert "ended before it could tell" in str(found.failures[0].error)
    assert found.done + found.skipped == 59
    assert made(pipeline) == ledger(pipeline) == [n for n in range(60) if n != 20]
    assert children() == []
    if reserve_jobs:
        assert jobs(pipeline) == [(20, "error")]


@LISTED
def test_a_process_that_is_killed_takes_nothing_with_it(pipeline: ModuleType, reserve_jobs: bool) -> None:
    """Its keys are made by others, though errors are not suppressed: nothing is wrong with them."""
    pipeline.Scan.insert([{"scan_id": n, "task": "die once" if n == 20 else "", "seconds": 0.01} for n in range(60)])
    found = pipeline.Result.populate(processes=2, reserve_jobs=reserve_jobs)
    assert (found.done + found.skipped, found.failed) == (60, 0)
    assert made(pipeline) == ledger(pipeline) == list(range(60))
    if reserve_jobs:
        assert jobs(pipeline) == []


@RESERVED
def test_a_make_that_exits_ends_populate(pipeline: ModuleType, reserve_jobs: bool) -> None:
    """As it does where it runs in this process; its key and the others are pending."""
    pipeline.Scan.insert([{"scan_id": n, "task": "exit" if n == 3 else ""} for n in range(20)])
    with pytest.raises(SystemExit):
        pipeline.Result.populate(processes=2, reserve_jobs=reserve_jobs, suppress_errors=True)
    assert 3 not in made(pipeline)
    assert children() == []
    if reserve_jobs:
        assert {status for _, status in jobs(pipeline)} == {"pending"}
        assert (3, "pending") in jobs(pipeline)


SCRIPT = """
import sys

import djarrow as dj
from djarrow.engine.connect import connect

import {module} as pipeline

if __name__ == "__main__":
    pipeline.schema.activate("{schema}", connection=connect(sys.argv[1]))
    print(pipeline.Result.populate(processes=2, reserve_jobs=True).done, flush=True)
"""


def _running(pipeline: ModuleType, folder: Path) -> subprocess.Popen[str]:
    script = folder / "script.py"
    script.write_text(SCRIPT.format(module=pipeline.__name__, schema=pipeline.schema.name), "utf-8")
    command = [sys.executable, str(script), pipeline.schema.connection.url]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([PLACES, str(folder)])}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )


def _await(condition: Any, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


@pytest.mark.parametrize("everyone", [False, True], ids=["this one", "all"])
def test_ctrl_c_ends_the_processes_and_gives_back(pipeline: ModuleType, tmp_path: Path, everyone: bool) -> None:
    """In the midst of makes that take minutes, whether the terminal tells the coordinator or all processes."""
    pipeline.Scan.insert([{"scan_id": n, "seconds": 300} for n in range(6)])
    pipeline.Result.populate(max_calls=0)
    running = _running(pipeline, tmp_path)
    files = [tmp_path / f"{pipeline.__name__}.{n}" for n in (0, 1)]
    _await(lambda: all(file.exists() for file in files))
    processes = psutil.Process(running.pid).children(recursive=True)
    (os.killpg if everyone else os.kill)(running.pid, 2)
    _, text = running.communicate(timeout=30)
    assert running.returncode != 0
    assert "KeyboardInterrupt" in text
    assert psutil.wait_procs(processes, timeout=10)[1] == []
    assert jobs(pipeline) == [(n, "pending") for n in range(6)]
    assert workers(pipeline) == 0
    assert made(pipeline) == ledger(pipeline) == []


def test_processes_end_with_their_coordinator(pipeline: ModuleType, tmp_path: Path) -> None:
    """Where it is killed with -9, they do not go on: what they did is rolled back, and jobs wait for the lease."""
    pipeline.Scan.insert([{"scan_id": n, "seconds": 300} for n in range(6)])
    pipeline.Result.populate(max_calls=0)
    running = _running(pipeline, tmp_path)
    files = [tmp_path / f"{pipeline.__name__}.{n}" for n in (0, 1)]
    _await(lambda: all(file.exists() for file in files))
    processes = psutil.Process(running.pid).children(recursive=True)
    running.kill()
    running.communicate(timeout=30)
    assert psutil.wait_procs(processes, timeout=10)[1] == []
    assert made(pipeline) == []
    assert workers(pipeline) == 1
    assert [status for _, status in jobs(pipeline)].count("reserved") >= 2


MAIN = """
import sys

import djarrow as dj

schema = dj.Schema("{schema}")


@schema
class Here(dj.Manual):
    definition = "n : int32\\n---"


@schema
class There(dj.Computed):
    definition = "-> Here\\n---\\nprocess : int64"

    def make(self, key):
        import os

        if key["n"] == 3:
            raise Mine(key["n"])
        self.insert1({{**key, "process": os.getpid()}})


class Mine(Exception):
    pass


def main():
    dj.conn(sys.argv[1])
    Here.insert([(n,) for n in range(5)])
    found = There.populate(processes=2, suppress_errors=True)
    print(found.done, [type(failure.error) is Mine for failure in found.failures])


{guard}main()
"""


def test_classes_of_a_script_are_found(schema: dj.Schema, connection: PostgresConnection, tmp_path: Path) -> None:
    """Under its guard, with the connection that only the guarded part opens, and errors of classes of the script."""
    script = tmp_path / "script.py"
    script.write_text(MAIN.format(schema=schema.name, guard='if __name__ == "__main__":\n    '), "utf-8")
    command = [sys.executable, str(script), connection.url]
    environment = {**os.environ, "PYTHONPATH": PLACES}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("4 [True]\n", "")


def test_processes_join_the_embedded_server(tmp_path: Path) -> None:
    """Where nothing says which database, that of the project's folder serves all of them."""
    script = tmp_path / "script.py"
    text = MAIN.format(schema="lab", guard='if __name__ == "__main__":\n    ').replace(
        "dj.conn(sys.argv[1])", "dj.conn()"
    )
    script.write_text(text, "utf-8")
    (tmp_path / "datajoint.toml").write_text("", "utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DJ_", "DJARROW_URL"))}
    environment["PYTHONPATH"] = PLACES
    command = [sys.executable, str(script)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=90, check=False, cwd=tmp_path
        )
        assert (done.stdout, done.stderr) == ("4 [True]\n", "")
    finally:
        stop = [sys.executable, "-m", "djarrow.cli.main", "server", "stop"]
        subprocess.run(stop, capture_output=True, env=environment, timeout=60, check=False, cwd=tmp_path)


def test_a_script_without_a_guard_is_told(schema: dj.Schema, connection: PostgresConnection, tmp_path: Path) -> None:
    """New processes would begin it anew: it ends with what to do, and does not hang."""
    script = tmp_path / "script.py"
    script.write_text(MAIN.format(schema=schema.name, guard=""), "utf-8")
    command = [sys.executable, str(script), connection.url]
    environment = {**os.environ, "PYTHONPATH": PLACES}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert done.returncode == 1
    assert 'is called under `if __name__ == "__main__":`' in done.stderr


def test_a_class_of_a_prompt_is_refused(schema: dj.Schema, connection: PostgresConnection) -> None:
    """Other processes cannot import it."""
    text = MAIN.format(schema=schema.name, guard="")
    command = [sys.executable, "-c", text, connection.url]
    environment = {**os.environ, "PYTHONPATH": PLACES}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert done.returncode == 1
    assert "Move it to a module" in done.stderr


def test_local_classes_are_refused(schema: dj.Schema) -> None:
    """Before anything is made."""

    @schema
    class Scan(dj.Manual):
        definition = "scan_id : uint16\n---"

    @schema
    class Local(dj.Computed):
        definition = "-> Scan\n---"

        def make(self, key: dict[str, Any]) -> None:
            self.insert1(key)

    Scan.insert1((1,))
    for options in ({"processes": 2}, {"executor": ThreadPoolExecutor(1)}):
        with pytest.raises(MakeError, match="inside of a function"):
            Local.populate(**options)
    assert len(Local) == 0


def test_what_cannot_be_is_refused(pipeline: ModuleType) -> None:
    """Numbers that are none, two of both, what is no executor, and arguments that go nowhere."""
    pipeline.Scan.insert1({"scan_id": 1})
    for options in (
        {"processes": 0},
        {"processes": 2.0},
        {"processes": True},
        {"processes": 2, "executor": ThreadPoolExecutor(1)},
        {"executor": "tcp://127.0.0.1:8786"},
    ):
        with pytest.raises(InvalidCondition):
            pipeline.Result.populate(**options)
    with pytest.raises(MakeError, match="make_kwargs cannot go"):
        pipeline.Result.populate(processes=2, make_kwargs={"added": threading.Lock()})
    assert made(pipeline) == []


# --- executors of the user's -----------------------------------------------------------------------------------------


def test_threads_are_an_executor(pipeline: ModuleType, reserve_jobs: bool) -> None:
    """They find the class that is here, and are left open."""
    pipeline.Scan.insert([{"scan_id": n, "task": "odd" if n == 9 else ""} for n in range(50)])
    with ThreadPoolExecutor(3) as pool:
        found = pipeline.Result.populate(executor=pool, reserve_jobs=reserve_jobs, suppress_errors=True)
        assert pool.submit(lambda: 7).result() == 7
    assert (found.done, found.failed) == (49, 1)
    assert ledger(pipeline) == made(pipeline) == [n for n in range(50) if n != 9]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked_processes_are_an_executor(pipeline: ModuleType, reserve_jobs: bool) -> None:
    """They open sessions of their own, and leave those of this process alone."""
    pipeline.Scan.insert([{"scan_id": n} for n in range(50)])
    with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
        assert pipeline.Result.populate(executor=pool, reserve_jobs=reserve_jobs).done == 50
    assert ledger(pipeline) == made(pipeline) == list(range(50))


def test_processes_of_another_database_are_refused(pipeline: ModuleType, tmp_path: Path) -> None:
    """An executor's processes connect as they are set; where that is elsewhere, nothing is made there."""
    pipeline.Scan.insert1({"scan_id": 1})
    other = f"{pipeline.schema.name}other"
    connection = pipeline.schema.connection
    connection.execute(f"CREATE DATABASE {other} TEMPLATE template0")
    url = connection.url.rpartition("/")[0] + "/" + other
    spawn = multiprocessing.get_context("spawn")
    try:
        with (
            ProcessPoolExecutor(1, spawn, initializer=_connect, initargs=(url,)) as pool,
            pytest.raises(dj.DjarrowError),
        ):
            pipeline.Result.populate(executor=pool)
        with ProcessPoolExecutor(1, spawn, initializer=_connect, initargs=(connection.url,)) as pool:
            assert pipeline.Result.populate(executor=pool).done == 1
    finally:
        connection.execute(f"DROP DATABASE {other} WITH (FORCE)")


_connect = dj.conn


def test_the_very_table_is_compared(pipeline: ModuleType) -> None:
    """A process that sees a table of the same name in another place refuses to work on it."""
    pipeline.Scan.insert1({"scan_id": 1})
    place = remote.place_of(pipeline.Result(), pipeline.schema.connection)
    remote.ready(place, {})
    with pytest.raises(MakeError, match="another database"):
        remote.ready(attrs.evolve(place, database=place.database + "1"), {})
    with pytest.raises(MakeError, match="cannot import nowhere"):
        remote.ready(attrs.evolve(place, module="nowhere"), {})
    with pytest.raises(MakeError, match="no table class Rezult"):
        remote.ready(attrs.evolve(place, name="Rezult"), {})


@LISTED
def test_an_executor_that_breaks_is_told(pipeline: ModuleType, reserve_jobs: bool) -> None:
    """It cannot be replaced: what was not made is pending. Used again, it tells so, too."""
    pipeline.Scan.insert([{"scan_id": n, "task": "die" if n == 20 else "", "seconds": 0.01} for n in range(60)])
    spawn = multiprocessing.get_context("spawn")
    url = pipeline.schema.connection.url
    with ProcessPoolExecutor(2, spawn, initializer=_connect, initargs=(url,)) as pool:
        for said in ("ended abruptly, and it takes no more work", "has ended before takes no more work"):
            with pytest.raises(MakeError, match=said):
                pipeline.Result.populate(executor=pool, reserve_jobs=reserve_jobs, suppress_errors=True)
    assert ledger(pipeline) == made(pipeline)
    assert 20 not in made(pipeline)
    if reserve_jobs:
        assert jobs(pipeline) == [(n, "pending") for n in range(60) if n not in made(pipeline)]


@pytest.mark.parametrize("lag", [0, 0.15])
def test_a_task_that_is_done_by_two_at_once(
    pipeline: ModuleType, connection: PostgresConnection, reserve_jobs: bool, lag: float
) -> None:
    """As where Dask takes a worker for dead that lives: each key is made once, and neither tells of an error."""
    pipeline.Scan.insert([{"scan_id": n, "seconds": 0.1} for n in range(4)])
    table = pipeline.Result()
    table.populate(max_calls=0)
    ensure_queue(connection, table.schema)
    refresh(table)
    with Lease(connection, pipeline.schema.name) as lease, ThreadPoolExecutor(2) as pool:
        reserved = Queue(table, pipeline.Scan.proj().heading, lease).reserve(50)
        keys = tuple((job.key, job if reserve_jobs else None) for job in reserved)
        task = remote.Task(remote.place_of(table, connection), keys, {}, {}, ends=True)

        def do(late: float) -> remote.Report:
            time.sleep(late)
            return remote.do(task)

        reports = list(pool.map(do, (0, lag)))
    assert [(one.begun, one.done + one.skipped, one.failures) for one in reports] == [(4, 4, ())] * 2
    assert sum(one.done for one in reports) == 4
    assert made(pipeline) == ledger(pipeline) == list(range(4))


def test_an_executor_that_is_shut_is_told(pipeline: ModuleType) -> None:
    """Its error is raised, and nothing hangs."""
    pipeline.Scan.insert1({"scan_id": 1})
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(RuntimeError, match="shutdown"):
        pipeline.Result.populate(executor=pool, reserve_jobs=True)
    assert made(pipeline) == []
