"""The project and its database: which setting wins, what is refused, and that no error tells a password."""

from __future__ import annotations

from pathlib import Path

import pytest

from djarrow import project as settled
from djarrow.errors import ConfigError

VARIABLES = ("DJARROW_URL", "DJ_HOST", "DJ_PORT", "DJ_USER", "DJ_PASS", "DJ_DATABASE")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project folder, which is the current one, and no variables set."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".djarrow").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def settings(project: Path, text: str) -> None:
    """Write the project's settings file."""
    (project / "datajoint.toml").write_text(text, "utf-8")


# --- which one wins ------------------------------------------------------------------------------------------------


def test_nothing() -> None:
    """Without settings there is no URL, so that the embedded server is used."""
    assert settled.database_url() is None
    assert settled.project_settings() == {}


def test_order(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DJARROW_URL wins over DJ_HOST, and DJ_HOST over the project's file."""
    settings(project, '[database]\nhost = "file"')
    assert settled.database_url() == "postgresql://file:5432/postgres"
    monkeypatch.setenv("DJ_HOST", "variable")
    assert settled.database_url() == "postgresql://variable:5432/postgres"
    monkeypatch.setenv("DJARROW_URL", "postgresql://url/db")
    assert settled.database_url() == "postgresql://url/db"


def test_empty_variables_are_unset(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is set to nothing is as one that is not set."""
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
    assert settled.database_url() is None
    monkeypatch.setenv("DJ_HOST", "h")
    assert settled.database_url() == "postgresql://h:5432/postgres"


def test_a_folder_that_was_removed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process whose working folder is gone goes on as in one without settings."""
    gone = project / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert settled.project_settings() == {}


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_addresses_of_ipv6(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They stand in brackets in an URL, however they were given."""
    monkeypatch.setenv("DJ_HOST", host)
    assert settled.database_url() == "postgresql://[::1]:5432/postgres"


def test_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Host, port, user, password and database make a URL, with what is special in them encoded."""
    for name, value in zip(VARIABLES[1:], ("db.lab.org", "5433", "me@lab", "p:a/s@s w%", "my db"), strict=True):
        monkeypatch.setenv(name, value)
    assert settled.database_url() == "postgresql://me%40lab:p%3Aa%2Fs%40s%20w%25@db.lab.org:5433/my%20db"


def test_file(project: Path) -> None:
    """The file says the same in a table, or gives the URL."""
    settings(project, '[database]\nhost = "h"\nport = 5433\nuser = "u"\npassword = "p@"\ndatabase = "d"')
    assert settled.database_url() == "postgresql://u:p%40@h:5433/d"
    settings(project, '[database]\nurl = "postgresql://x/y"')
    assert settled.database_url() == "postgresql://x/y"


@pytest.mark.parametrize(
    ("host", "place"), [("[::1]", "[::1]"), ("127.0.0.1", "127.0.0.1"), ("/run/my socket", "%2Frun%2Fmy%20socket")]
)
def test_hosts(monkeypatch: pytest.MonkeyPatch, host: str, place: str) -> None:
    """A host may be a name, an address of either kind, or the folder of a socket."""
    monkeypatch.setenv("DJ_HOST", host)
    assert settled.database_url() == f"postgresql://{place}:5432/postgres"


# --- which project -------------------------------------------------------------------------------------------------


def test_nearest_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The project is the nearest folder upwards with a settings file or a data folder, else where one is."""
    inner = project / "a" / "b"
    inner.mkdir(parents=True)
    assert settled.project_folder(inner) == project.resolve()
    (project / "a" / "datajoint.toml").write_text('[database]\nhost = "inner"')
    assert settled.project_folder(inner) == (project / "a").resolve()
    monkeypatch.chdir(inner)
    assert settled.database_url() == "postgresql://inner:5432/postgres"


# --- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('database = "x"', r"\[database\] of datajoint\.toml is a table of settings"),
        ("[database]", "needs `url` or `host`"),
        ('[database]\nuser = "u"', "needs `url` or `host`"),
        ('[database]\nhots = "h"\nzone = 1', "holds database, host, password, port, url, user, not hots, zone"),
        ('[database]\nhost = "h"\nport = "x1"', "the port of the database is a number, not 'x1'"),
        ('[database]\nhost = "h"\nport = -1', "the port of the database is a number, not '-1'"),
        ("[database\n", "datajoint.toml cannot be read"),
    ],
)
def test_refused(project: Path, text: str, reason: str) -> None:
    """A setting that cannot be used is refused with what could be."""
    settings(project, text)
    with pytest.raises(ConfigError, match=reason):
        settled.database_url()


def test_port_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that is no number is refused."""
    monkeypatch.setenv("DJ_HOST", "h")
    monkeypatch.setenv("DJ_PORT", "http")
    with pytest.raises(ConfigError, match="the port of the database is a number, not 'http'"):
        settled.database_url()


def test_undecodable_file(project: Path) -> None:
    """A file that is not UTF-8 is refused with its path."""
    (project / "datajoint.toml").write_bytes(b"\xff\xfe[database]")
    with pytest.raises(ConfigError, match=r"datajoint\.toml cannot be read"):
        settled.project_settings()


@pytest.mark.parametrize(
    "text",
    [
        '[database]\nhost = "h"\nport = "x"\npassword = "s3cret"',
        '[database]\nuser = "u"\npassword = "s3cret"',
        '[database]\nhots = "h"\npassword = "s3cret"',
        '[database]\npassword = "s3cret',
        "[database]\npassword = s3cret",
        '[database]\npassword = "s3cret"\npassword = "s3cret"',
    ],
)
def test_no_error_tells_the_password(project: Path, text: str) -> None:
    """Whatever is wrong with the settings, the password is in no error and in none of its causes."""
    settings(project, text)
    with pytest.raises(ConfigError) as caught:
        settled.database_url()
    error: BaseException | None = caught.value
    while error is not None:
        assert "s3cret" not in str(error)
        assert "s3cret" not in repr(error)
        error = error.__cause__ or error.__context__
