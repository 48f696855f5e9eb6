"""What tests of `djarrow worker` and `djarrow progress` share: a pipeline in a folder, and commands that run there."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection

from ...described import drop_schemas
from ...processes import PLACES

HEAD = """
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
"""
"""What the modules begin with."""

MODULE = (
    HEAD
    + """
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
)


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
    environment = os.environ | {"DJARROW_URL": connection.url, "PYTHONPATH": PLACES, "COLUMNS": "200"}
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
