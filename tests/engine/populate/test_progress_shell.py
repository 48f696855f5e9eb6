"""`djarrow progress` as a process: once and live."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import threading

from .shell import Lab, eventually, lab

__all__ = ["lab"]


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
