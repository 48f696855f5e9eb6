"""The documentation says what the code does."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import polars as pl

import djarrow as dj
from djarrow.engine.transactions import Transactions, Written
from djarrow.errors import ConnectionFailed
from djarrow.model.types import ROWS

from .specification import Runner

if TYPE_CHECKING:
    import pytest

    from djarrow.engine.postgres import PostgresConnection
    from djarrow.engine.session import Session

DOCUMENTS = Path(__file__).parents[2] / "docs"


def test_the_example_of_a_lookup(schema: dj.Schema, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of docs/lookups.md runs, and its rows are there with their defaults."""
    (text,) = re.findall(r"```python\n(.*?)```", (DOCUMENTS / "lookups.md").read_text("utf-8"), re.DOTALL)
    Species = Runner(tmp_path, monkeypatch)(text, schema=schema).Species
    assert Species.to_dicts() == [{"species": "human", "legs": 2}, {"species": "mouse", "legs": 4}]


def test_the_example_of_a_preview(schema: dj.Schema) -> None:
    """The example of docs/queries.md is what such a query shows."""

    @schema
    class Subject(dj.Manual):
        definition = "subject_id : uint8\n---\nname : varchar(20)"

    @schema
    class Session(dj.Manual):
        definition = "-> Subject\nsession : int16\n---\nday : date\nrecording = null : blob"

    Subject.insert1((1, "Ann"))
    Session.insert([(1, 1, "2024-01-31", bytes(1_200_000)), (1, 2, "2024-02-01", None)])
    text = (DOCUMENTS / "queries.md").read_text("utf-8")
    (example,) = re.findall(r"    >>> Session \* Subject\n((?:    .*\n)+)", text)
    shown = repr(Session * Subject).replace(schema.name, "lab")
    assert [line[4:] for line in example.splitlines()] == shown.splitlines()


def test_the_example_of_reading(schema: dj.Schema, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of reading in docs/queries.md runs, and gives what its comments say."""
    section = (DOCUMENTS / "queries.md").read_text("utf-8").partition("## Reading")[2]
    (text,) = re.findall(r"```python\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)
    found = Runner(tmp_path, monkeypatch)(text, schema=schema)
    assert found.frame["weight"].to_list() == [24.0, 20.5, None]
    assert found.heavy == {"mouse": 3, "sex": "M", "weight": 24.0}
    assert (found.mice.tolist(), found.weights.tolist()) == ([1, 2, 3], [20.5, None, 24.0])
    assert found.keys == [{"mouse": 2}, {"mouse": 3}]
    assert (found.known, found.sizes) == (True, [2, 1])


def test_the_example_of_insert(schema: dj.Schema, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of docs/writing.md runs, and inserts and refuses what its comments say."""
    section = (DOCUMENTS / "writing.md").read_text("utf-8").partition("## Insert")[2].partition("\n## ")[0]
    text = "import polars as pl\n" + "".join(re.findall(r"```python\n(.*?)```", section, re.DOTALL))
    found = Runner(tmp_path, monkeypatch)(text, schema=schema)
    assert (found.again, found.again.skipped, found.corrected, found.corrected.replaced) == (1, 1, 0, 1)
    assert len(found.Scan()) == 1006
    assert found.problems.select("row", "attribute").rows() == [(0, "depth"), (1, "depth"), (2, "scan")]


def test_the_example_of_delete(schema: dj.Schema, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of docs/writing.md runs, and deletes what its comments say."""
    section = (DOCUMENTS / "writing.md").read_text("utf-8").partition("## Delete")[2].partition("\n## ")[0]
    (text,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    found = Runner(tmp_path, monkeypatch)(text, schema=schema)
    assert (found.planned, found.deleted, found.everywhere) == (1, 1, 5)
    assert found.planned.counts == found.deleted.counts
    assert found.Mouse.fetch("mouse").tolist() == [2]


def test_the_example_of_lazy_frames(schema: dj.Schema, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of docs/queries.md runs, and its plan is as the page shows it."""

    @schema
    class Session(dj.Manual):
        definition = """
        subject_id : int32
        session : int16
        ---
        day : date
        x : float64
        """

    Session.insert([(1, 1, "2024-01-31", 1.0), (1, 2, "2024-02-01", 2.0), (2, 1, "2023-12-31", 3.0)])
    section = (DOCUMENTS / "queries.md").read_text("utf-8").partition("## Lazy frames")[2]
    text = section.partition("```python\n")[2].partition("```")[0]
    module = Runner(tmp_path, monkeypatch)(text, Session=Session)
    assert module.per_subject.rows() == [(1, 2)]
    assert module.strong_sessions["session"].to_list() == [1, 2, 1]
    query, shown = re.findall(r"    >>> print\(lazy(.*)\.explain\(\)\)\n((?:    .*\n)+)", section)[0]
    plan = module.lazy.filter(pl.col("x").sqrt() < 2).select("session").explain()
    assert query == '.filter(pl.col("x").sqrt() < 2).select("session")'
    assert [line[4:] for line in shown.splitlines()] == plan.replace(schema.name, "lab").splitlines()


def test_the_example_of_updates(schema: dj.Schema, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of docs/updates.md runs, and its log is as the page shows it."""
    text, shown = re.findall(r"```python\n(.*?)```", (DOCUMENTS / "updates.md").read_text("utf-8"), re.DOTALL)
    found = Runner(tmp_path, monkeypatch)(text, schema=schema)
    assert found.changes == ast.literal_eval(shown)
    assert found.heavier.tolist() == ["205"]
    assert (found.Mouse & {"mouse": 1}).fetch1("mass", "sex") == (20.5, "U")
    heading = schema.updates.heading.names
    page = (DOCUMENTS / "updates.md").read_text("utf-8")
    rows = [row for row in page.splitlines() if row.startswith("| `")]
    assert [name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])] == list(heading)


def test_the_examples_of_computing(schema: dj.Schema, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples of docs/computing.md run, and make what its comments say."""
    page = (DOCUMENTS / "computing.md").read_text("utf-8")
    text = "import polars as pl\n" + "".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL))
    found = Runner(tmp_path, monkeypatch)(text, schema=schema)
    assert (found.first.done, found.missing, found.total) == (2, 1, 3)
    assert found.Length.to_dicts() == [{"recording": 2, "seconds": 2.5}, {"recording": 3, "seconds": 4.0}]
    assert (found.by_batch.done, found.by_query.done) == (3, 3)
    assert found.Speed.fetch("fast").tolist() == [False, True, True]
    assert found.Speed.Step.fetch("at").tolist() == [0.0, 0.01, 0.0, 0.005, 0.0, 0.005]
    assert found.Samples.fetch("kilo").tolist() == [0.5, 0.5, 0.8]
    assert (found.by_parts.done, found.by_yields.done) == (3, 3)
    assert found.Middle.fetch("middle").tolist() == [2.5, 1.25, 2.0]
    assert found.Quarter.fetch("quarter").tolist() == [1.25, 0.625, 1.0]


def test_every_option_of_populate_is_told() -> None:
    """The table of docs/computing.md names each, with its default, in no less than the signature has."""
    page = (DOCUMENTS / "computing.md").read_text("utf-8").partition("**The options**")[2].partition("\n## ")[0]
    told = re.findall(r"^\| `(\w+)` \| `(.*?)` \|", page, re.MULTILINE)
    options = [
        one for one in inspect.signature(dj.Computed().populate).parameters.values() if one.kind is one.KEYWORD_ONLY
    ]
    assert sorted(told) == sorted((one.name, repr(one.default).replace("'", '"')) for one in options)


def test_the_example_of_a_trace(schema: dj.Schema, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of docs/provenance.md runs, and gives what its comments say; its make reads what is upstream only."""
    (text,) = re.findall(r"```python\n(.*?)```", (DOCUMENTS / "provenance.md").read_text("utf-8"), re.DOTALL)
    with dj.config.override(strict_reads="error"):
        found = Runner(tmp_path, monkeypatch)(text, schema=schema)
    assert found.mothers == [{"subject": 1, "mother": None}, {"subject": 2, "mother": 1}]
    assert found.trials == 1
    assert found.text.startswith("flowchart TB\n")
    assert found.Speed.to_dicts("speed") == [{"speed": 2.0}, {"speed": 2.0}]


def test_the_example_of_jobs(schema: dj.Schema, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of docs/jobs.md runs, and says what its comments say; the page names every attribute and status."""
    page = (DOCUMENTS / "jobs.md").read_text("utf-8")
    (text,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    found = Runner(tmp_path, monkeypatch)(text, schema=schema)
    assert (found.first.done, found.first.failed, found.second.done) == (2, 1, 1)
    assert found.message == "ZeroDivisionError: float division by zero"
    assert found.scans == [{"scan_id": 2, "depth": 0.0}]
    named = {name for row in page.splitlines() if row.startswith("| `") for name in re.findall(r"`(\w+)`", row)}
    assert named >= {*schema.jobs.heading.names, *schema.jobs.heading["status"].type.choices}


def test_the_example_of_validity(schema: dj.Schema, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of docs/validity.md runs: two results become stale, one is accepted, and one made anew."""
    page = (DOCUMENTS / "validity.md").read_text("utf-8")
    (text,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    found = Runner(tmp_path, monkeypatch)(text, schema=schema)
    assert found.makers.columns == ["scan", "started", "host", "git_commit", "dirty"]
    assert found.slow == []
    assert found.stale == [{"scan": 1}, {"scan": 3}]
    assert found.accepted == 1
    assert [row["flux"] for row in found.fluxes] == [40.0, 40.0, 60.0]
    assert len(found.Flux.stale()) == 0
    rows = [row for row in page.splitlines() if row.startswith("| `")]
    told = found.Flux.provenance().heading.secondary
    assert [name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])] == list(told)


def test_the_example_of_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of docs/settings.md runs."""
    (text,) = re.findall(r"```python\n(.*?)```", (DOCUMENTS / "settings.md").read_text("utf-8"), re.DOTALL)
    monkeypatch.setitem(vars(dj.config), "_set", {})
    Runner(tmp_path, monkeypatch)(text)
    assert (dj.config["display.limit"], dj.config.display.width) == (20, 60)


def test_the_examples_of_transactions(schema: dj.Schema, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples of docs/transactions.md run: what was rolled back is not there, and an outcome is looked up."""
    run = Runner(tmp_path, monkeypatch)
    first, second = re.findall(r"```python\n(.*?)```", (DOCUMENTS / "transactions.md").read_text("utf-8"), re.DOTALL)
    module = run(first, schema=schema)
    Account = module.Account
    assert module.accounts == [{"account": 1}, {"account": 2}]
    run(second, connection=module.connection, Account=Account)
    assert len(Account()) == 3
    Account.insert1({"account": 5, "balance": 50})
    _lose_one_commit(schema.connection, monkeypatch)
    assert run(second.replace(": 4", ": 6"), connection=module.connection, Account=Account).status == "aborted"
    assert Account.to_arrays("account").tolist() == [1, 2, 4, 5, 6]


def _lose_one_commit(connection: PostgresConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the next COMMIT not reach the server, and nobody be told at first what became of it."""
    real, ask = connection._transactions.run, Transactions._outcome
    left = ["COMMIT"]

    def run(session: Session, text: str) -> Any:
        if text in left:
            left.clear()
            raise ConnectionFailed("lost")
        return real(session, text)

    def outcome(self: Transactions, written: Written) -> None:
        ask(self, written)

    monkeypatch.setattr(connection, "_transactions", attrs.evolve(connection._transactions, run=run))
    monkeypatch.setattr(Transactions, "_outcome", outcome)


def test_every_type_is_documented() -> None:
    """docs/definitions.md has a row for each type."""
    text = (DOCUMENTS / "definitions.md").read_text("utf-8")
    rows = " ".join(line.split("|")[1] for line in text.splitlines() if line.startswith("| `"))
    documented = {code.partition("(")[0] for code in re.findall(r"`([^`]+)`", rows)}
    assert documented == set(ROWS)


def test_links_lead_somewhere() -> None:
    """Every relative link of the documentation is to a file that is there."""
    pages = [*DOCUMENTS.rglob("*.md"), *DOCUMENTS.parent.glob("*.md")]
    links = [
        (page, link) for page in pages for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    ]
    assert links
    assert [(page.name, link) for page, link in links if not (page.parent / link).exists()] == []


def test_the_example_of_repositories(schema: dj.Schema, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples of docs/repositories.md run one after the other, and its files are those of the page."""
    whole = (DOCUMENTS / "repositories.md").read_text("utf-8")
    text = "\n".join(re.findall(r"```python\n(.*?)```", whole, re.DOTALL))
    for name in ("weather/", '"weather"', "weather.reading"):  # of the schema, not of the folder
        text = text.replace(name, name.replace("weather", schema.name))
    page, _, comparing = whole.partition("## What differs")
    monkeypatch.chdir(tmp_path)
    found = Runner(tmp_path, monkeypatch)(text, schema=schema)
    assert [row["speed"] for row in found.strong] == [9.0, 9.5, 8.5]
    assert found.changed.to_dicts() == [{"station": 1, "height.before": 10.0, "height.after": 12.5}]
    assert (found.added["speed"].to_list(), found.removed["speed"].to_list()) == ([4.0], [9.5])
    (shown,) = re.findall(r"```console\n\$ djarrow diff .*\n(?:.*\n)((?:.*\n)+?)```", comparing)
    assert str(found.found).replace(schema.name, "weather").splitlines()[1:] == shown.splitlines()
    root = found.written.path
    names = [
        name.replace("weather/", f"{schema.name}/") for name in re.findall(r"^\| `([^|]*)` \|", page, re.MULTILINE)
    ]
    listed = {part for name in names for part in name.split("`, `")}
    there = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    assert listed <= there
    assert {name for name in there - listed if not name.endswith(".parquet")} == set()
