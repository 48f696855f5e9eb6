"""`djarrow demo` as its user sees it: run once, on the real data, with a real server."""

from __future__ import annotations

import contextlib
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import numpy as np
import polars as pl
import psutil
import pytest
from attrs import frozen
from polars.testing import assert_frame_equal
from rich.console import Console

import djarrow as dj
from djarrow.demo import pipeline, questions
from djarrow.demo.data import data_folder, read
from djarrow.demo.pipeline import Airline, Airport, DelayModel, Flight, Hour, Month, Plane, Weather
from djarrow.demo.run import check_export, source_of
from djarrow.engine.connect import server_folder
from djarrow.engine.embedded import EmbeddedServer
from djarrow.errors import DemoError
from tests.processes import PLACES

ROOT = Path(dj.__file__).parents[1]


@frozen
class Demo:
    """A demo that was run. folder: what it was asked to use; lines: of standard output."""

    folder: Path
    result: subprocess.CompletedProcess[str]

    @property
    def lines(self) -> list[str]:
        return self.result.stdout.splitlines()

    @property
    def export(self) -> Path:
        return self.folder / "export"


def _call(words: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command line, with `djarrow` and `python` those under test."""
    programs = {"djarrow": [sys.executable, "-m", "djarrow.cli.main"], "python": [sys.executable]}
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYTHONPATH", PLACES)
        command = [*programs[words[0]], *words[1:]]
        return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False, timeout=100)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """The demo, run in a folder whose name a shell must quote."""
    folder = tmp_path_factory.mktemp("demo") / "my flights"
    return Demo(folder, _call(["djarrow", "demo", "--folder", str(folder)], folder.parent))


@pytest.fixture
def exported(demo: Demo) -> Iterator[None]:
    """Inside a test, the pipeline's classes read the demo's export."""
    with dj.open(demo.export).using(pipeline):
        yield


def test_it_succeeds_in_under_80_plain_lines(demo: Demo) -> None:
    """Exit code 0, standard output and error together below 80 lines, no terminal codes in a pipe."""
    assert demo.result.returncode == 0, demo.result.stderr
    assert 40 < len(demo.lines) + len(demo.result.stderr.splitlines()) < 80
    assert "\x1b" not in demo.result.stdout


def test_it_takes_under_45_seconds(demo: Demo) -> None:
    """The demo tells how long it took."""
    (seconds,) = re.findall(r"^Done in ([\d.]+) s", demo.result.stdout, re.MULTILINE)
    assert 0 < float(seconds) < 45


def test_it_counts_the_holes(demo: Demo) -> None:
    """The numbers are those that the data's own README gives."""
    for text in (
        "52,606 have no plane, 2,512 of them not even a tail number",
        "7,602 have a destination that is not among the airports",
        "1,556 fall in an hour without weather",
    ):
        assert text in demo.result.stdout


def test_it_compared_the_answers_without_a_server(demo: Demo) -> None:
    """All five were asked again, after the server had stopped, and were equal."""
    assert "5 of 5 answers from the export, with the server stopped, are equal" in demo.result.stdout


def test_it_draws_a_progress_bar(demo: Demo) -> None:
    """Populating shows on standard error that all 36 models were made."""
    assert "36/36" in demo.result.stderr


@pytest.mark.parametrize("question", [question for question, _ in questions.QUESTIONS])
def test_it_shows_the_source_that_ran(demo: Demo, question: questions.Question) -> None:
    """Each expression is shown as it stands in the file, without signature and docstring."""
    source = source_of(question)
    file = Path(questions.__file__).read_text(encoding="utf-8")
    assert "def " not in source
    assert '"""' not in source
    for line in source.splitlines():
        assert f"  {line}" in demo.lines
        assert line in file


def test_no_server_is_left(demo: Demo) -> None:
    """Neither postgres nor its supervisor outlives the demo."""
    root = server_folder(demo.folder)
    left = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):  # gone, or somebody else's
            if str(root) in " ".join(process.cmdline()) or process.cwd().startswith(str(root)):
                left.append(process)
    assert left == []
    assert not EmbeddedServer(root).status().running


def test_the_three_things_to_try_work(demo: Demo) -> None:
    """Each command that the demo ends with runs as printed and gives the rows that it promises."""
    start = next(i for i, line in enumerate(demo.lines) if line.startswith("Done in"))
    sql, opened, scanned = (_call(shlex.split(line), demo.folder.parent) for line in demo.lines[start + 1 : start + 4])
    assert [sql.returncode, opened.returncode, scanned.returncode] == [0, 0, 0], [sql, opened, scanned]
    assert (sql.stdout.count("(3 rows)"), sql.stderr) == (5, "")
    assert "r_squared" in opened.stdout
    assert all(number in scanned.stdout for number in ("120835", "111279", "104662"))


def test_the_export_is_partitioned_by_month(demo: Demo) -> None:
    """Flights and weather have one file a month, of that month's rows."""
    for table in ("flight", "weather"):
        files = (demo.export / "flights" / "tables" / table).glob("*.parquet")
        months = [pl.read_parquet(file)["month"].unique().to_list() for file in files]
        assert sorted(months) == [[month] for month in range(1, 13)]


def test_an_export_that_answers_otherwise_is_noticed(demo: Demo) -> None:
    """One value of one answer that differs ends the demo with an error which names the question."""
    server = EmbeddedServer(server_folder(demo.folder))
    with dj.open(demo.export).using(pipeline):
        answers = [question().to_polars(order_by=order_by) for question, order_by in questions.QUESTIONS]
    printed = Console(file=StringIO())
    check_export(printed, demo.export, answers, server)
    answers[1] = answers[1].with_columns(pl.col("hours") + (pl.col("origin") == "JFK"))
    with pytest.raises(DemoError, match=r"fall in how many hours without weather.*hours"):
        check_export(printed, demo.export, answers, server)


# --- what it says, computed another way ----------------------------------------------------------------------------


@pytest.mark.usefixtures("exported")
def test_every_row_is_there() -> None:
    """The tables hold as many rows as the published files; hours are those of flights and weather together."""
    counts = [len(table) for table in (Airline, Month, Airport, Plane, Hour, Weather, Flight)]
    assert counts == [16, 12, 1458, 3322, 8751, 26115, 336776]


@pytest.mark.usefixtures("exported")
def test_flights_hold_what_was_published() -> None:
    """Each value of the published flights that the table keeps is the same after database, export and reading."""
    names = {
        "time_hour": "time_hour",
        "origin": "origin",
        "carrier": "carrier",
        "flight_number": "flight",
        "month": "month",
        "recorded_tail_number": "tailnum",
        "recorded_destination": "dest",
        "scheduled_departure": "sched_dep_time",
        "scheduled_arrival": "sched_arr_time",
        "departure": "dep_time",
        "arrival": "arr_time",
        "departure_delay": "dep_delay",
        "arrival_delay": "arr_delay",
        "air_time": "air_time",
        "distance": "distance",
    }
    key = ["time_hour", "origin", "carrier", "flight_number"]
    published = read("flights").select(**names).sort(key)
    assert_frame_equal(Flight.to_polars(*names).sort(key), published, check_dtypes=False)


def test_the_airlines_are_those_published() -> None:
    """The lookup's contents are the file's."""
    assert sorted(Airline.contents) == sorted(read("airlines").rows())


@pytest.mark.usefixtures("exported")
def test_cancellations_agree_with_polars() -> None:
    """The first answer, computed from the file by Polars alone."""
    expected = (
        read("flights")
        .group_by("carrier")
        .agg(flights=pl.len().cast(pl.Int64), cancelled=pl.col("dep_time").is_null().sum().cast(pl.Int64))
        .with_columns(percent=(100 * pl.col("cancelled") / pl.col("flights")).round(2))
        .join(read("airlines").rename({"name": "airline"}), on="carrier")
        .select("carrier", "airline", "flights", "cancelled", "percent")
        .sort("percent", descending=True)
        .head(3)
    )
    assert_frame_equal(questions.cancelled().to_polars(order_by="percent DESC"), expected)


@pytest.mark.usefixtures("exported")
def test_flights_without_weather_are_those_of_the_readme() -> None:
    """Flights and hours by origin, as the data's own README gives them."""
    answer = questions.without_weather().to_polars(order_by="KEY")
    assert answer.rows() == [("EWR", 642, 39), ("JFK", 546, 40), ("LGA", 368, 29)]


@pytest.mark.usefixtures("exported")
def test_the_model_is_the_least_squares_fit() -> None:
    """Coefficients, errors and the share explained agree with NumPy's solver on the published files."""
    key = {"origin": "JFK", "month": 7}
    joined = read("flights").join(read("weather"), on=["origin", "time_hour"]).filter(origin="JFK", month=7)
    rows = joined.select("dep_delay", "hour", "wind_speed", "precip", "visib").drop_nulls().to_numpy().astype(float)
    delay, design = rows[:, 0], np.column_stack([np.ones(len(rows)), rows[:, 1:]])
    estimate, (squares,), *_ = np.linalg.lstsq(design, delay)
    variance = squares / (len(rows) - 5)
    error = np.sqrt(variance * np.diag(np.linalg.inv(design.T @ design)))

    model = (DelayModel & key).fetch1()
    assert model["flights"] == len(rows)
    assert model["residual_std"] == pytest.approx(np.sqrt(variance))
    assert model["r_squared"] == pytest.approx(1 - squares / ((delay - delay.mean()) ** 2).sum())
    found = (DelayModel.Coefficient & key).to_polars("term", "estimate", "standard_error")
    terms = ["intercept", "hour", "wind_speed", "precipitation", "visibility"]
    fitted = {term: (value, spread) for term, value, spread in found.iter_rows()}
    assert fitted == {term: pytest.approx((estimate[i], error[i])) for i, term in enumerate(terms)}


# --- bad input -----------------------------------------------------------------------------------------------------


def test_a_file_in_the_way(tmp_path: Path) -> None:
    """A file under the folder's name, or where its parent should be, is one line of error and stays as it is."""
    file = tmp_path / "file"
    file.write_text("mine", encoding="utf-8")
    for folder in (file, file / "demo"):
        failed = _call(["djarrow", "demo", "--folder", str(folder)], tmp_path)
        assert (failed.returncode, failed.stdout, failed.stderr.count("\n")) == (1, "", 1)
        assert f"{folder} " in failed.stderr
        assert "--folder" in failed.stderr
    assert [file.read_text(encoding="utf-8"), list(tmp_path.iterdir())] == ["mine", [file]]


def test_the_data_are_found_in_a_checkout() -> None:
    """The folder holds all five files, with the rows that their README tells."""
    readme = (data_folder() / "README.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `(\w+)\.parquet` \| ([\d,]+) \|", readme, re.MULTILINE)
    assert {name: int(count.replace(",", "")) for name, count in told} == {
        name: len(read(name)) for name in ("airlines", "airports", "planes", "flights", "weather")
    }
