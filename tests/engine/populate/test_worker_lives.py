"""`djarrow worker` as a process: signals, deaths, lost connections, waiting for more."""

from __future__ import annotations

import signal
import time

import pytest

from .shell import Lab, eventually, lab

__all__ = ["lab"]


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
