"""`djarrow worker` as a process: what it does, its log and exit codes, batches, stale results."""

from __future__ import annotations

import re
import signal
import time

import pytest

from .shell import HEAD, Lab, eventually, lab

__all__ = ["lab"]


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
    before = "failed before, and are not tried again until `schema.jobs.errors.retry()` says so.\n"
    assert lab.run("worker", "lab_module") == (0, "", f"0 done, 0 failed\n10 {before}")
    lab.how("at once")
    (lab.schema.jobs & "key.scan_id < 4").retry()
    (lab.schema.jobs & "key.scan_id = 0").schedule(priority=6)
    code, _, errors = lab.run("worker", "lab_module", "--priority", "5")
    assert (code, errors) == (0, f"6 done, 0 failed\n6 {before}")  # others are passed over


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


# --- batches ---------------------------------------------------------------------------------------------------------


SETS = (
    HEAD
    + """
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
)


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
