"""Everything that checks djarrow: `nox -l` lists the sessions, `nox` runs lint, types and tests."""

from __future__ import annotations

import nox

nox.options.sessions = ["lint", "types", "tests"]
nox.options.default_venv_backend = "venv"


@nox.session
def lint(session: nox.Session) -> None:
    """Style and layout of the code."""
    session.install("ruff")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Types, strictly."""
    session.install(".[dev]")
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """The tests; they start their own servers."""
    session.install(".[test]")
    session.run("pytest", "-n", "logical", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Random query expressions against a naive evaluator, for longer than the tests do."""
    session.install(".[test]")
    spread = ("-n", "logical", "--dist=load")
    session.run("pytest", "tests/property", "--timeout=3600", *spread, *session.posargs, env={"DJARROW_FUZZ": "10000"})


@nox.session
def soak(session: nox.Session) -> None:
    """What must hold every time, tried many times: killed processes, cut connections, contended deletes and makes."""
    session.install(".[test]")
    tried = [
        "tests/acceptance/test_bad_input.py",
        "tests/engine/postgres/test_unknown_outcomes.py",
        "tests/engine/populate/test_cut_commits.py",
        "tests/engine/populate/test_executors.py",
        "tests/engine/populate/test_interleaved.py",
        "tests/engine/populate/test_refresh_sets.py",
        "tests/engine/populate/test_together.py",
        "tests/engine/jobs/test_trace_random.py",
        "tests/engine/tables/test_forms.py",
        "tests/engine/tables/test_partitions.py",
        "tests/engine/tables/test_update_together.py",
        "tests/engine/repo",
    ]
    session.run("pytest", "tests/soak", *tried, "--timeout=3600", *session.posargs, env={"DJARROW_SOAK": "50"})


@nox.session
def spark(session: nox.Session) -> None:
    """The functions of text on a real Spark, which needs Java 17, over an exported repository."""
    session.install(".[test]", "pyspark>=4.1")
    session.run("pytest", "tests/spark", "--timeout=900", *session.posargs)


@nox.session
def dask(session: nox.Session) -> None:
    """Keys made on a Dask cluster of this machine."""
    session.install(".[test]", "distributed")
    session.run("pytest", "tests/engine/populate/test_dask.py", *session.posargs)


@nox.session
def slurm(session: nox.Session) -> None:
    """Keys made on a Slurm of one node, whose jobs are Dask workers. DJARROW_SLURM_UP says how it is started."""
    session.install(".[test]", "distributed", "dask-jobqueue")
    session.run("pytest", "tests/slurm", "--timeout=900", *session.posargs)


@nox.session
def s3(session: nox.Session) -> None:
    """Repositories in a real object store, at length. DJARROW_S3_UP says how it is started; without, moto's is."""
    session.install(".[test]")
    tried = ["tests/engine/repo/test_again.py", "tests/engine/repo/test_store.py"]
    chosen = ("-k", "s3", "--timeout=3600")
    session.run("pytest", *tried, *chosen, *session.posargs, env={"DJARROW_SOAK": "50"})


@nox.session
def bench(session: nox.Session) -> None:
    """The benchmarks: ratios against a named peer in the same run."""
    session.install(".[test]", "connectorx>=0.4.6")
    session.run("python", "-m", "benchmarks", *session.posargs)
