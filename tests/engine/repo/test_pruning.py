"""What a query need not read of a repository, is not read, and `explain` says so: files, then row groups."""

from __future__ import annotations

import datetime
import json
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import RepositoryError
from djarrow.repo.opening.repository import Repository
from djarrow.table.expression import QueryExpression
from tests.described import drop_schemas

SCHEMA = "pruned"
DAYS = [datetime.date(2024, 1, 1) + datetime.timedelta(days=30 * n) for n in range(4)]
IDS = [uuid.UUID(int=n) for n in range(3)]
WORDS = ["a", "B", "é~ü/", "x" * 300]


@pytest.fixture(scope="module")
def root(connection: PostgresConnection, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A repository whose tables are split by attributes of each type, one of them by two."""
    schema = dj.Schema(SCHEMA, connection=connection)

    @schema
    class Subject(dj.Manual):
        definition = "subject : int16\n---\nsex : enum('F', 'M')"

    @schema
    class Session(dj.Manual):
        definition = "-> Subject\nsession : int32\n---\nx : float64"

    @schema
    class Visit(dj.Manual):
        definition = "day : date\nword : varchar(400)\n---\nn : int64"

    @schema
    class Device(dj.Manual):
        definition = "device : uuid\n---\nkind : enum('b', 'a')"

    Subject.insert((n, "FM"[n % 2]) for n in range(12))
    Session.insert({"subject": s, "session": n, "x": n / 3} for s in range(12) for n in range(5))
    Visit.insert({"day": day, "word": word, "n": n} for n, day in enumerate(DAYS) for word in WORDS)
    Device.insert((each, "ab"[n % 2]) for n, each in enumerate(IDS))
    split: dict[type[dj.Table], list[str]] = {Session: ["subject"], Visit: ["day", "word"], Device: ["device"]}
    yield dj.export(schema, tmp_path_factory.mktemp("pruned") / "pruned", partition_by=split).path
    drop_schemas(connection, SCHEMA)


@pytest.fixture
def repository(root: Path) -> Iterator[Repository]:
    """It, opened."""
    opened = dj.open(root)
    yield opened
    opened.close()


def files_read(query: QueryExpression) -> dict[str, tuple[int, int]]:
    """Table -> how many files of how many the query reads, as its plan says in the first lines."""
    lines = [line.split() for line in query.explain().splitlines() if line.startswith("reading ")]
    return {name.removeprefix(f"{SCHEMA}."): (int(read), int(every)) for _, read, _, every, _, _, name in lines}


Queries = Callable[[Any], QueryExpression]

SESSIONS: dict[str, tuple[Queries, int]] = {
    "all": (lambda t: t.Session & True, 12),
    "a value": (lambda t: t.Session & {"subject": 3}, 1),
    "text": (lambda t: t.Session & "subject = 3", 1),
    "turned around": (lambda t: t.Session & "3 = subject", 1),
    "a range": (lambda t: t.Session & "subject >= 3 and subject < 5", 3),
    "between": (lambda t: t.Session & "subject between 3 and 5", 3),
    "in": (lambda t: t.Session & "subject in (3, 5, 99)", 2),
    "or": (lambda t: t.Session & "subject = 3 or subject = 5", 2),
    "or of other attributes": (lambda t: t.Session & "subject = 3 or session = 5", 12),
    "a list": (lambda t: t.Session & [{"subject": 3}, {"subject": 5}], 2),
    "a list with other attributes": (lambda t: t.Session & [{"subject": 3}, {"session": 1}], 12),
    "a frame": (lambda t: t.Session & t.Subject.fetch().head(2), 2),
    "none": (lambda t: t.Session & {"subject": 99}, 1),
    "not": (lambda t: t.Session - {"subject": 3}, 12),
    "a computed value": (lambda t: t.Session & "subject + 1 = 4", 12),
    "a fraction": (lambda t: t.Session & "subject = 3.0", 12),
    "another attribute": (lambda t: t.Session & "session = 3", 12),
    "a parent's restriction": (lambda t: t.Session & (t.Subject & {"subject": 3}), 1),
    "a join": (lambda t: t.Session * (t.Subject & "subject < 2"), 3),
    "a join restricted later": (lambda t: (t.Session * t.Subject) & {"subject": 3}, 1),
    "renamed": (lambda t: t.Session.proj("x", animal="subject") & {"animal": 3}, 1),
    "renamed twice": (lambda t: (t.Session.proj(a="subject").proj(b="a")) & {"b": 3}, 1),
    "a name that was another's": (lambda t: t.Session.proj(subject="session", a="subject") & {"subject": 3}, 12),
    "the first rows": (lambda t: (t.Session & dj.Top(3, order_by="x")) & {"subject": 3}, 12),
    "the first of some rows": (lambda t: t.Session & {"subject": 3} & dj.Top(2, order_by="x"), 1),
    "aggregated": (lambda t: (t.Subject & {"subject": 3}).aggr(t.Session, n="count(*)"), 1),
    "aggregated, restricted later": (lambda t: t.Subject.aggr(t.Session, n="count(*)") & {"subject": 3}, 1),
    "distinct": (lambda t: (dj.U("subject") & t.Session) & {"subject": 3}, 1),
    "without matches": (lambda t: (t.Subject & {"subject": 3}) - t.Session, 1),
    "united": (lambda t: (t.Session.proj() + t.Session.proj("x")) & {"subject": 3}, 1),
    "twice, of others": (lambda t: (t.Session & {"subject": 3}).proj() + (t.Session & {"subject": 5}).proj("x"), 2),
    "twice, of all": (lambda t: (t.Session & {"subject": 3}).proj() + t.Session.proj("x"), 12),
    "extended": (lambda t: (t.Session & {"subject": 3}).extend(t.Subject), 1),
}


@pytest.mark.parametrize("case", SESSIONS.values(), ids=SESSIONS.keys())
def test_files_of_integers(repository: Repository, case: tuple[Queries, int]) -> None:
    """Files whose values say that no row in them matters are left out, and the rows are those of a full reading."""
    make, files = case
    query = make(repository[SCHEMA])
    assert files_read(query)["session"] == (files, 12)
    every = repository.reader.read(query.to_sql("duckdb"))  # no one said what matters: all files
    assert len(query) == every.num_rows


OTHERS: dict[str, tuple[str, Queries, int]] = {
    "a date": ("visit", lambda t: t.Visit & {"day": DAYS[1]}, 4),
    "a date as text": ("visit", lambda t: t.Visit & "day = '2024-01-31'", 4),
    "later dates": ("visit", lambda t: t.Visit & "day > '2024-03-01'", 8),
    "both": ("visit", lambda t: t.Visit & {"day": DAYS[1], "word": "a"}, 1),
    "a word with marks": ("visit", lambda t: t.Visit & {"word": "é~ü/"}, 4),
    "a long word": ("visit", lambda t: t.Visit & {"word": "x" * 300}, 4),
    "words in order": ("visit", lambda t: t.Visit & "word < 'a'", 8),
    "a uuid": ("device", lambda t: t.Device & {"device": IDS[1]}, 1),
    "uuids": ("device", lambda t: t.Device & [{"device": each} for each in IDS[1:]], 2),
}


@pytest.mark.parametrize("case", OTHERS.values(), ids=OTHERS.keys())
def test_files_of_other_types(repository: Repository, case: tuple[str, Queries, int]) -> None:
    """Dates, words and UUIDs leave out files, too, also a word that is too long for a name."""
    table, make, files = case
    query = make(repository[SCHEMA])
    assert files_read(query)[table][0] == files
    assert len(query) == repository.reader.read(query.to_sql("duckdb")).num_rows > 0


def test_files_that_are_left_out_are_not_opened(root: Path) -> None:
    """With the other files gone since the repository was opened, the query that does not need them still answers."""
    opened = dj.open(root)
    session = opened[SCHEMA].Session
    assert len(session & {"subject": 3}) == 5
    gone = [path for path in (root / SCHEMA / "tables" / "session").iterdir() if path.name != "subject-3.parquet"]
    for path in gone:
        path.rename(path.with_suffix(".gone"))
    try:
        for _ in range(2):
            assert len((session & {"subject": 3}).fetch()) == 5
            assert sum(batch.num_rows for batch in (session & {"subject": 3}).to_batches()) == 5
            assert (session & {"subject": 3}).to_lazy().collect().height == 5
            assert "5 rows" in repr(session & {"subject": 3}) or "subject" in repr(session & {"subject": 3})
        with pytest.raises(RepositoryError, match=r"missing"):
            (session & {"subject": 4}).fetch()
    finally:
        for path in gone:
            path.with_suffix(".gone").rename(path)
        opened.close()


def test_classes_of_a_server(root: Path, connection: PostgresConnection) -> None:
    """Classes that are pointed at the repository read as few files as its own."""
    schema = dj.Schema(SCHEMA, connection=connection)
    session = schema["Session"]
    repository = dj.open(root)
    with repository.using(schema):
        assert files_read(session & {"subject": 3}) == {"session": (1, 12)}
    repository.close()


def test_row_groups(connection: PostgresConnection, tmp_path: Path) -> None:
    """Within a file, row groups whose statistics say that no row matters are skipped; with analyze, that is told."""
    schema = dj.Schema("pruned_groups", connection=connection)

    @schema
    class Sample(dj.Manual):
        definition = "sample : int64\n---\nv : int32"

    drop_schemas(connection, "pruned_groups")
    try:
        Sample.insert(_frame(400_000))
        repository = dj.open(dj.export(schema, tmp_path / "groups").path)
        sample = repository["pruned_groups"].Sample
        text = (sample & "sample = 399999").explain(analyze=True)
        assert text.splitlines()[:2] == [
            "reading 1 of 1 file of pruned_groups.sample",
            "reading 1 of 4 row groups of these files",
        ]
        assert "row groups" not in (sample & "sample = 399999").explain()
        repository.close()
    finally:
        drop_schemas(connection, "pruned_groups")


def _frame(rows: int) -> Any:
    import polars as pl

    return pl.DataFrame({"sample": range(rows), "v": range(rows)}, schema={"sample": pl.Int64, "v": pl.Int32})


def test_names_that_only_look_so(root: Path, tmp_path: Path) -> None:
    """Names that say another value than the rows have, as a pattern of a project can make them, mean nothing."""
    copy = Path(shutil.copytree(root, tmp_path / "copy"))
    folder = copy / SCHEMA / "tables" / "session"
    for path in list(folder.iterdir()):
        path.rename(folder / path.name.replace("subject-", "subject-2"))
    manifest = copy / "manifest.json"
    manifest.write_text(manifest.read_text().replace("session/subject-", "session/subject-2"))
    repository = dj.open(copy)
    query = repository[SCHEMA].Session & {"subject": 3}
    assert files_read(query) == {"session": (1, 12)}
    assert len(query) == 5
    repository.close()


@pytest.mark.parametrize("values", [[], [None], ["x"], ["3", "4", "5"], ["9" * 5_000]])
def test_values_that_say_nothing(root: Path, tmp_path: Path, values: list[Any]) -> None:
    """A file of which the manifest tells no value, or what is none, is read."""
    copy = Path(shutil.copytree(root, tmp_path / "copy"))
    document = json.loads((copy / "manifest.json").read_text())
    (files,) = (table["files"] for table in document["tables"] if table["table"] == "session")
    for file in files:
        if values[:1] != file["values"]:
            file["values"] = values if len(values) < 2 else [*file["values"], *values]
    (copy / "manifest.json").write_text(json.dumps(document))
    repository = dj.open(copy)
    query = repository[SCHEMA].Session & {"subject": 3}
    assert files_read(query)["session"] == ((1, 12) if len(values) > 1 else (12, 12))
    assert len(query) == 5
    repository.close()


def test_files_by_a_pattern(connection: PostgresConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that a project's pattern names leave out what does not matter, too, and values that are kept stay told."""
    schema = dj.Schema("pruned_pattern", connection=connection)

    @schema
    class Trial(dj.Manual):
        definition = "lab : varchar(9)\nsubject : int16\ntrial : int16"

    try:
        Trial.insert((lab, s, t) for lab in ("subject-1", "b") for s in range(3) for t in range(2))
        text = '[object_storage]\npartition_pattern = "x{lab}/{subject}"\n'
        (tmp_path / "datajoint.toml").write_text(text)
        monkeypatch.chdir(tmp_path)
        for _ in range(2):  # the second keeps all files
            done = dj.export(schema, tmp_path / "p")
        assert (done.files, done.written) == (6, 0)
        repository = dj.open(tmp_path / "p")
        trial = repository["pruned_pattern"].Trial
        for restriction, files, rows in (({"lab": "b", "subject": 1}, 1, 2), ("subject > 1", 4, 4)):
            assert (trial & restriction).explain().startswith(f"reading {files} of 6 files")
            assert len(trial & restriction) == rows
        repository.close()
    finally:
        drop_schemas(connection, "pruned_pattern")
