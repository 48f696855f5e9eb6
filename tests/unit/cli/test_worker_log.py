"""The line that a worker writes of a job."""

from __future__ import annotations

import re
import uuid

from djarrow.cli.worker import line
from djarrow.errors import LeaseLost
from djarrow.jobs.options import Outcome
from djarrow.model.names import TableName

TABLE = TableName("lab", "__stats")


def result(outcome: Outcome) -> str:
    """The line without its time."""
    text = line(outcome)
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", text)
    return text[21:]


def test_what_came_of_a_job() -> None:
    """Made, skipped, lost, or the first line of the error."""
    key = {"scan_id": 3}
    assert result(Outcome(TABLE, key, 0.0124, made=True)) == 'lab.__stats {"scan_id": 3} 0.012 s made'
    assert result(Outcome(TABLE, key, 0)) == 'lab.__stats {"scan_id": 3} 0.000 s skipped'
    lost = LeaseLost("gone", table="lab.__stats", key=key)
    assert result(Outcome(TABLE, key, 61, error=lost)).endswith(" 61.000 s lease lost")
    assert result(Outcome(TABLE, key, 1, error=ValueError("a\nb"))).endswith(" s error: ValueError: a")
    assert result(Outcome(TABLE, key, 1, error=ValueError())).endswith(" s error: ValueError: ")


def test_a_job_is_one_line_whatever_it_holds() -> None:
    """Nothing of a key or an error moves the cursor of a terminal or begins another line."""
    key = {"name": 'é "x"\n\x1b[2J\u2028\u202e', "mark": uuid.UUID(int=1)}
    text = line(Outcome(TABLE, key, 1, error=ValueError("\x1b]0;title\x07")))
    assert text.isprintable()
    assert 'é \\"x\\"' in text
    assert str(uuid.UUID(int=1)) in text
    assert len(line(Outcome(TABLE, {}, 1, error=ValueError("x" * 10_000)))) < 600
