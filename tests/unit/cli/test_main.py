"""The command line before any command runs: help, version, and how errors are told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import djarrow as dj
from djarrow.cli.failure import CommandGroup
from djarrow.cli.main import app
from djarrow.errors import UnknownAttribute


def test_help_lists_the_commands() -> None:
    """`djarrow --help` names demo and server, and so does `djarrow` alone."""
    for words in (["--help"], []):
        shown = CliRunner().invoke(app, words).output
        assert "demo" in shown
        assert "server" in shown


def test_server_is_mounted() -> None:
    """`djarrow server` has its commands."""
    shown = CliRunner().invoke(app, ["server", "--help"])
    assert shown.exit_code == 0
    for command in ("status", "start", "stop", "url", "psql"):
        assert command in shown.output


def test_version() -> None:
    """`djarrow --version` is one line with the package's version."""
    shown = CliRunner().invoke(app, ["--version"])
    assert (shown.exit_code, shown.output) == (0, f"djarrow {dj.__version__}\n")


def _failing(error: Exception) -> typer.Typer:
    """A command line with a group in it whose one command raises."""
    outer, inner = typer.Typer(cls=CommandGroup), typer.Typer()

    @inner.command()
    def fail() -> None:
        raise error

    inner.callback()(lambda: None)
    outer.add_typer(inner, name="inner")
    outer.callback()(lambda: None)
    return outer


def test_an_error_of_djarrow_is_a_red_message() -> None:
    """It goes to standard error in red and the exit code is 1, in commands of groups too."""
    failed = CliRunner().invoke(
        _failing(UnknownAttribute("age", ["aged"], where="Mouse")), ["inner", "fail"], color=True
    )
    assert (failed.exit_code, failed.stdout) == (1, "")
    assert failed.stderr.startswith("\x1b[31m")
    assert "'age'" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_other_errors_stay_visible() -> None:
    """An exception that is not djarrow's is a bug and is not passed over."""
    failed = CliRunner().invoke(_failing(ZeroDivisionError("bug")), ["inner", "fail"])
    assert isinstance(failed.exception, ZeroDivisionError)


@pytest.mark.parametrize("module", ["djarrow.cli.main", "djarrow.demo.pipeline"])
def test_importing_starts_nothing(module: str) -> None:
    """Neither the command line nor the pipeline opens a connection or imports a driver."""
    code = (
        f"import sys, {module}; from djarrow.engine.connect import current_default; "
        "print(current_default(), [m for m in ('adbc_driver_postgresql', 'duckdb') if m in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    root = Path(dj.__file__).parents[1]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    assert shown.stdout == "None []\n"


def test_help_needs_no_dataframes() -> None:
    """What only commands need is imported when one runs."""
    code = "import sys, djarrow.cli.main; print([m for m in ('polars', 'pyarrow', 'numpy') if m in sys.modules])"
    root = Path(dj.__file__).parents[1]
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert shown.stdout == "[]\n"
