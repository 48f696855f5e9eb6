"""`djarrow worker` and `djarrow progress` as processes: logs, exit codes, signals, deaths, lost connections."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection

from ...described import drop_schemas

MODULE = """
import os, sys, time
from pathlib import Path
import djarrow as dj
schema = dj.Schema({schema!r})
HERE = Path({folder!r})

@schema
class Scan(dj.Manual):
    definition = "scan_id : uint16\\n---"

@schema
class Stats(dj.Computed):
    definition = "-> Scan\\n---\\nprocess : int64"

    def make(self, key):
        (HERE / f"begun {{key['scan_id']}} {{os.getpid()}}").touch()
        match (HERE / "how").read_text():
            case "fail":
                raise ValueError(f"bad\\x1b[2J scan\\nsecond line")
            case "wait":
                while not (HERE / "go").exists():
                    time.sleep(0.01)
            case "sleep in the database":
                dj.conn().query("SELECT pg_sleep(1.5)")
        self.insert1({{**key, "process": os.getpid()}})

@schema
class Above(dj.Computed):
    definition = "-> Stats\\n---"

    def make(self, key):
        self.insert1(key)
"""


class Running:
    """A worker that runs: its process, and what it has written."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.pid = process.pid

    def end(self, within: float = 60) -> tuple[int, str, str]:
        """Wait for its end: exit code, output, errors."""
        out, errors = self.process.communicate(timeout=within)
        return self.process.returncode, out, errors


@frozen
class Lab:
    """A folder with a module `lab_module`, and the same pipeline here."""

    folder: Path
    schema: dj.Schema
    environment: dict[str, str]
    started: list[subprocess.Popen[str]]

    def start(self, *words: str, **settings: str) -> Running:
        """Begin a command in the folder."""
        command = [sys.executable, "-m", "djarrow.cli.main", *words]
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            command, cwd=self.folder, env=self.environment | settings, stdout=pipe, stderr=pipe, text=True
        )
        self.started.append(process)
        return Running(process)

    def run(self, *words: str, **settings: str) -> tuple[int, str, str]:
        """Run a command to its end."""
        return self.start(*words, **settings).end()

    def how(self, text: str) -> None:
        """What makes do from now on."""
        (self.folder / "how").write_text(text)

    def begun(self) -> list[tuple[int, int]]:
        """The scans whose makes have begun, and in which processes."""
        names = [path.name.split() for path in self.folder.glob("begun *")]
        return sorted((int(scan), int(process)) for _, scan, process in names)

    def add(self, *scans: int) -> None:
        """More scans."""
        self.schema["Scan"].insert([(scan,) for scan in scans])

    def made(self) -> list[int]:
        """The scans that have their row."""
        return sorted(self.schema["Stats"].fetch("scan_id"))

    def statuses(self) -> list[str]:
        """What the jobs are."""
        return sorted(self.schema.jobs.fetch("status"))


_schemas = iter(range(1_000_000))


@pytest.fixture
def lab(connection: PostgresConnection, tmp_path: Path) -> Iterator[Lab]:
    """Ten scans that are to be made; processes that are left at the end are killed."""
    name = f"worker{next(_schemas)}"
    (tmp_path / "lab_module.py").write_text(MODULE.format(schema=name, folder=str(tmp_path)))
    (tmp_path / "how").write_text("at once")
    root = str(Path(dj.__file__).parents[1])
    environment = os.environ | {"DJARROW_URL": connection.url, "PYTHONPATH": root, "COLUMNS": "200"}
    schema = dj.Schema(name, connection=connection)

    @schema
    class Scan(dj.Manual):
        definition = "scan_id : uint16\n---"

    @schema
    class Stats(dj.Computed):
        definition = "-> Scan\n---\nprocess : int64"

    @schema
    class Above(dj.Computed):
        definition = "-> Stats\n---"

    Scan.insert([(number,) for number in range(10)])
    made = Lab(tmp_path, schema, environment, [])
    yield made
    for process in made.started:
        process.kill()
        process.communicate()
    drop_schemas(connection, name)


def eventually(condition: Callable[[], Any], within: float = 40) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, f"not within {within} s"
        time.sleep(0.02)


# --- what it does ----------------------------------------------------------------------------------------------------


def test_until_nothing_is_left(lab: Lab) -> None:
    """All tables of a module, parents first; a line for each job; exit code 0, and an empty queue."""
    code, out, errors = lab.run("worker", "lab_module")
    assert (code, errors) == (0, "20 done, 0 failed\n")
    lines = out.splitlines()
    pattern = rf'\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ {lab.schema.name}\.__stats {{"scan_id": 0}} \d+\.\d{{3}} s made'
    assert re.fullmatch(pattern, lines[0]), lines[0]
    assert len(lines) == 20
    assert lab.made() == list(range(10))
    assert len(lab.schema["Above"]) == 10
    assert lab.statuses() == []
    workers = f'SELECT count(*)::int AS n FROM "{lab.schema.name}"."~workers"'
    assert lab.schema.connection.query(workers).to_pylist() == [{"n": 0}]
    assert lab.run("worker", "lab_module") == (0, "", "0 done, 0 failed\n")


@pytest.mark.parametrize(
    "words",
    [
        ("lab_module:Stats",),
        ("lab_module.Stats",),
        ("{schema}.stats", "--import", "lab_module"),
    ],
)
def test_one_table(lab: Lab, words: tuple[str, ...]) -> None:
    """A class of a module, or a table of a schema whose module is imported; no other table is made."""
    code, out, errors = lab.run("worker", *(word.format(schema=lab.schema.name) for word in words), "--limit", "3")
    assert (code, errors) == (0, "3 done, 0 failed\n")
    assert len(out.splitlines()) == len(lab.made()) == 3
    assert len(lab.schema["Above"]) == 0
    assert lab.statuses() == ["pending"] * 7


def test_failed_jobs_stay_in_the_queue(lab: Lab) -> None:
    """Exit code 1; what was raised is in the log in one line, and whole in the queue."""
    lab.how("fail")
    code, out, errors = lab.run("worker", "lab_module")
    assert (code, errors) == (1, "0 done, 10 failed\n")
    assert len(out.splitlines()) == 10
    assert out.splitlines()[0].endswith(r"error: ValueError: bad\x1b[2J scan")
    assert lab.statuses() == ["error"] * 10
    assert "second line" in lab.schema.jobs.fetch("error_message")[0]
    lab.how("at once")
    (lab.schema.jobs & "key.scan_id < 4").retry()
    (lab.schema.jobs & "key.scan_id = 0").schedule(priority=6)
    assert lab.run("worker", "lab_module", "--priority", "5")[::2] == (0, "6 done, 0 failed\n"), (
        "others are passed over"
    )


@pytest.mark.parametrize(("words", "says"), [(("nowhere",), "no module"), (("lab_module", "--poll", "0"), "poll")])
def test_usage(lab: Lab, words: tuple[str, ...], says: str) -> None:
    """What cannot be meant is told, with exit code 2, and nothing is made."""
    code, out, errors = lab.run("worker", *words)
    assert (code, out) == (2, "")
    assert says in " ".join(errors.replace("│", " ").split())
    assert lab.made() == []


def test_a_mistake_of_the_program_ends_it_at_the_start(lab: Lab) -> None:
    """A class without make is told, with exit code 1, also with --forever."""
    text = (
        (lab.folder / "lab_module.py")
        .read_text()
        .replace("def make(self, key):\n        self", "def mike(self, key):\n        self")
    )
    (lab.folder / "lab_module.py").write_text(text)
    code, out, errors = lab.run("worker", "lab_module", "--forever")
    assert (code, out) == (1, "")
    assert "make" in errors
    assert "Traceback" not in errors
    assert lab.made() == []


# --- signals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("forever", [(), ("--forever",)])
def test_a_signal_finishes_the_make_that_runs(lab: Lab, number: int, forever: tuple[str, ...]) -> None:
    """Its row is there, the other keys are pending again for all, and the exit code is 0."""
    lab.how("wait")
    worker = lab.start("worker", "lab_module", *forever)
    eventually(lab.begun)
    worker.process.send_signal(number)
    time.sleep(0.3)
    assert worker.process.poll() is None
    (lab.folder / "go").touch()
    code, out, errors = worker.end()
    assert (code, len(out.splitlines())) == (0, 1)
    assert "Stopping" in errors
    assert "1 done, 0 failed, stopped by a signal" in errors
    assert lab.made() == [0]
    assert lab.statuses() == ["pending"] * 9


def test_ctrl_c_does_not_cancel_a_statement_of_the_make(lab: Lab) -> None:
    """The statement that the make waits for in the database is finished, too."""
    lab.how("sleep in the database")
    worker = lab.start("worker", "lab_module:Stats")
    eventually(lab.begun)
    time.sleep(0.3)
    worker.process.send_signal(signal.SIGINT)
    code, out, _ = worker.end()
    assert (code, len(out.splitlines())) == (0, 1)
    assert lab.made() == [0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(lab: Lab, number: int) -> None:
    """The make is cut off, nothing of it is kept, and its key is pending with the others, before any lease is over."""
    lab.how("wait")
    worker = lab.start("worker", "lab_module:Stats")
    eventually(lab.begun)
    worker.process.send_signal(number)
    time.sleep(0.2)
    worker.process.send_signal(number)
    code, out, _ = worker.end(within=8)
    assert (code, out) == (128 + number, "")
    assert lab.made() == []
    assert lab.statuses() == ["pending"] * 10


# --- batches ---------------------------------------------------------------------------------------------------------

SETS = """
import os, time
from pathlib import Path
import djarrow as dj
schema = dj.Schema({schema!r})
HERE = Path({folder!r})

@schema
class Scan(dj.Manual):
    definition = "scan_id : uint16\\n---"

@schema
class Stats(dj.Computed):
    definition = "-> Scan\\n---\\nprocess : int64"

    def make_batch(self, keys):
        (HERE / f"begun {{keys['scan_id'][0]}} {{os.getpid()}}").touch()
        how = (HERE / "how").read_text()
        while how == "wait" and not (HERE / "go").exists():
            time.sleep(0.01)
        if how == "fail" and 5 in keys["scan_id"]:
            raise ValueError("five")
        return [{{**key, "process": os.getpid()}} for key in keys.to_dicts()]

@schema
class Above(dj.Computed):
    definition = "-> Stats\\n---"

    def make_query(self):
        return Stats.proj()
"""


@pytest.fixture
def sets(lab: Lab) -> Lab:
    """The same tables, which are filled by make_batch and make_query."""
    (lab.folder / "lab_module.py").write_text(SETS.format(schema=lab.schema.name, folder=str(lab.folder)))
    return lab


def test_batches_are_told_and_counted(sets: Lab) -> None:
    """A line for each batch and each key that fails; all are counted, and what failed is the exit code."""
    sets.how("fail")
    code, out, errors = sets.run("worker", "lab_module")
    assert (code, errors) == (1, "18 done, 1 failed\n")
    said = [re.sub(r"^\S+ |\d+\.\d{3} s ", "", line) for line in out.splitlines()]
    name = sets.schema.name
    assert f'{name}.__stats 5 keys, the first {{"scan_id": 0}} made' in said
    assert f'{name}.__stats {{"scan_id": 5}} error: ValueError: five' in said
    assert f'{name}.__above 9 keys, the first {{"scan_id": 0}} made' in said
    assert sets.statuses() == ["error"]


def test_a_limit_of_batches_counts_jobs(sets: Lab) -> None:
    """`--limit` is of jobs, and not of batches."""
    assert sets.run("worker", "lab_module:Stats", "--limit", "3")[2] == "3 done, 0 failed\n"
    assert len(sets.made()) == 3
    assert sets.run("worker", "lab_module", "--limit", "9")[2] == "9 done, 0 failed\n"
    assert (len(sets.made()), len(sets.schema["Above"])) == (10, 2)


def test_a_second_signal_gives_a_batch_back(sets: Lab) -> None:
    """Its keys are pending at once, before any lease is over."""
    sets.how("wait")
    worker = sets.start("worker", "lab_module:Stats")
    eventually(sets.begun)
    worker.process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    worker.process.send_signal(signal.SIGTERM)
    assert worker.end(within=8)[:2] == (128 + signal.SIGTERM, "")
    assert sets.made() == []
    assert sets.statuses() == ["pending"] * 10


# --- stale results ---------------------------------------------------------------------------------------------------


def test_stale_results_are_made_anew_where_that_is_asked(lab: Lab) -> None:
    """With `--refresh-stale`, those of all tables, in order; without it, they stay."""
    assert lab.run("worker", "lab_module")[0] == 0
    module = lab.folder / "lab_module.py"
    module.write_text(module.read_text().replace('"process": os.getpid()', '"process": 0'))
    assert lab.run("worker", "lab_module")[2] == "0 done, 0 failed\n"
    assert 0 not in lab.schema["Stats"].fetch("process")
    assert lab.run("worker", "lab_module", "--refresh-stale")[2] == "20 done, 0 failed\n"
    assert set(lab.schema["Stats"].fetch("process")) == {0}
    assert len(lab.schema["Above"]) == 10


# --- deaths ----------------------------------------------------------------------------------------------------------


def test_another_worker_takes_over_from_one_that_was_killed(lab: Lab) -> None:
    """The one that has nothing else to do waits for the lease of the dead one to be over, and makes its key."""
    lab.how("wait")
    first = lab.start("worker", "lab_module:Stats", DJ_JOBS_LEASE="3")
    eventually(lab.begun)
    lab.how("at once")
    first.process.kill()
    first.end()
    killed = time.monotonic()
    code, _, errors = lab.run("worker", "lab_module:Stats", DJ_JOBS_LEASE="3")
    assert (code, errors) == (0, "10 done, 0 failed\n")
    assert time.monotonic() - killed < 3 + 6
    assert lab.made() == list(range(10))
    assert lab.statuses() == []


def test_a_worker_does_not_wait_for_one_that_lives(lab: Lab) -> None:
    """After a sign of life it leaves the key to the other one."""
    lab.how("wait")
    first = lab.start("worker", "lab_module:Stats", DJ_JOBS_LEASE="3", DJ_JOBS_HEARTBEAT="0.5")
    eventually(lab.begun)
    lab.how("at once")
    code, _, errors = lab.run("worker", "lab_module:Stats", DJ_JOBS_LEASE="3", DJ_JOBS_HEARTBEAT="0.5")
    assert (code, errors) == (0, "9 done, 0 failed\n")
    (lab.folder / "go").touch()
    assert first.end()[0] == 0
    assert lab.made() == list(range(10))


def test_a_worker_that_was_away_goes_on(lab: Lab) -> None:
    """Stopped for longer than its lease, its key was made by another; it tells so and makes what comes next."""
    lab.how("wait")
    first = lab.start("worker", "lab_module:Stats", "--forever", "--poll", "0.1", DJ_JOBS_LEASE="1")
    eventually(lab.begun)
    lab.how("at once")
    first.process.send_signal(signal.SIGSTOP)
    code, _, errors = lab.run("worker", "lab_module:Stats", DJ_JOBS_LEASE="1")
    assert (code, errors) == (0, "10 done, 0 failed\n")
    (lab.folder / "go").touch()
    first.process.send_signal(signal.SIGCONT)
    time.sleep(0.5)
    lab.add(20)
    eventually(lambda: 20 in lab.made())
    first.process.send_signal(signal.SIGTERM)
    code, out, errors = first.end()
    assert code == 0
    assert [line.rpartition(" s ")[2] for line in out.splitlines()] == ["lease lost", "made"]
    assert "1 done, 0 failed" in errors
    assert lab.statuses() == []


# --- forever ---------------------------------------------------------------------------------------------------------


def test_forever_waits_for_more(lab: Lab) -> None:
    """What comes later is made, of all tables, and a lost connection is tried again."""
    worker = lab.start("worker", "lab_module", "--forever", "--poll", "0.2")
    eventually(lambda: len(lab.schema["Above"]) == 10)
    lab.add(20)
    eventually(lambda: len(lab.schema["Above"]) == 11)
    lab.schema.connection.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
        f"AND pid <> ALL(ARRAY[{', '.join(map(str, lab.schema.connection.backends))}])"
    )
    lab.add(21)
    eventually(lambda: len(lab.schema["Above"]) == 12)
    assert worker.process.poll() is None
    worker.process.send_signal(signal.SIGTERM)
    code, out, _ = worker.end()
    assert (code, len(out.splitlines())) == (0, 24)
    assert lab.statuses() == []


def test_a_connection_lost_in_a_make_is_no_fault_of_the_key(lab: Lab) -> None:
    """The key is pending again, and made."""
    lab.how("sleep in the database")
    worker = lab.start("worker", "lab_module:Stats", "--forever", "--poll", "0.2")
    eventually(lab.begun)
    time.sleep(0.3)
    lab.how("at once")
    found = lab.schema.connection.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(1.5)%'"
    )
    assert found.num_rows == 1
    eventually(lambda: lab.made() == list(range(10)))
    worker.process.send_signal(signal.SIGTERM)
    code, out, _ = worker.end()
    assert code == 0
    assert "error: ConnectionFailed" in out.splitlines()[0]
    assert lab.statuses() == []


def test_signs_of_life_that_fail_are_in_the_log(lab: Lab) -> None:
    """One line with the reason, and one when they are back; the make that runs meanwhile is kept."""
    lab.how("wait")
    worker = lab.start("worker", "lab_module:Stats", "--limit", "1", DJ_JOBS_HEARTBEAT="0.1")
    eventually(lab.begun)
    name, connection = lab.schema.name, lab.schema.connection
    connection.execute(f'ALTER TABLE "{name}"."~workers" RENAME TO "away"')
    time.sleep(1.5)
    connection.execute(f'ALTER TABLE "{name}"."away" RENAME TO "~workers"')
    expires = f'SELECT expires::text AS at FROM "{name}"."~workers"'
    before = connection.query(expires).to_pylist()
    eventually(lambda: connection.query(expires).to_pylist() != before)
    time.sleep(0.3)
    (lab.folder / "go").touch()
    code, out, errors = worker.end()
    assert (code, len(out.splitlines())) == (0, 1)
    failed, back, last = errors.splitlines()
    assert failed.startswith(f"the sign of life of this worker of '{name}' failed, and is tried again every 0.1 s.")
    assert "MissingTable" in failed
    assert back == f"the sign of life of this worker of '{name}' has arrived again."
    assert last == "1 done, 0 failed"


# --- progress --------------------------------------------------------------------------------------------------------


def _rows(out: str) -> list[list[str]]:
    """The cells of the rows of a table."""
    lines = [line for line in out.splitlines() if "│" in line]
    return [[cell.strip() for cell in re.split("[│┃]", line)[1:-1]] for line in lines]


def test_progress_once(lab: Lab) -> None:
    """Of a module, a class, a schema of the database; tables parents first, and the sum of them."""
    lab.how("fail")
    lab.run("worker", "lab_module:Stats", "--limit", "2")
    name = lab.schema.name
    both = [
        [f"{name}.__stats", "10", "0", "8", "0", "2", "0"],
        [f"{name}.__above", "0", "0", "0", "0", "0", "0"],
        ["all", "10", "0", "8", "0", "2", "0"],
    ]
    for words in (("lab_module",), (name,), (name, "--import", "lab_module")):
        code, out, errors = lab.run("progress", *words, "--once")
        assert (code, errors, _rows(out)) == (0, "", both)
    assert _rows(lab.run("progress", "lab_module:Stats")[1]) == both[:1], "once, where there is no terminal"
    assert lab.run("progress", "lab_module:Nothing", "--once")[0] == 2
    for word in ("nowhere", f"{name}.__stats", f"{name}x"):
        code, _, errors = lab.run("progress", word, "--once")
        said = " ".join(errors.replace("│", " ").split())
        assert code == 2
        assert f"{word!r} is no module" in said
        assert "Nor is it a schema of the database." in said
        assert "create_schema" not in said, "that is no option of this command"
    assert f"Did you mean {name!r}?" in said


def test_progress_live(lab: Lab) -> None:
    """In a terminal it is drawn again, until Ctrl-C, which is no error."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "djarrow.cli.main", "progress", "lab_module"]
    environment = lab.environment | {"TERM": "xterm"}
    process = subprocess.Popen(
        command, cwd=lab.folder, env=environment, stdout=theirs, stderr=subprocess.PIPE, text=True
    )
    lab.started.append(process)
    os.close(theirs)
    seen = bytearray()

    def read() -> None:
        try:
            while chunk := os.read(ours, 4096):
                seen.extend(chunk)
        except OSError:  # the other end was closed
            pass

    reader = threading.Thread(target=read)
    reader.start()
    eventually(lambda: b"__above" in seen)
    assert lab.run("worker", "lab_module:Stats", "--limit", "7")[0] == 0
    before = len(seen)
    eventually(lambda: len(seen) > before and b" 7 " in seen[before:])
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    reader.join()
    os.close(ours)
    assert (process.returncode, errors) == (0, "")
