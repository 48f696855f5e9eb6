"""Which database `conn()` opens: an URL given, DJARROW_URL, DJ_HOST and its kin, datajoint.toml, in this order.

Each case is a process of its own, because the default connection is the process's. The embedded server, which comes
last, is tested in tests/engine/embedded.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from djarrow.engine.postgres import PostgresConnection
from tests.processes import PLACES

WHERE = """
import sys
import djarrow as dj
try:
    connection = dj.conn(*sys.argv[1:])
except dj.DjarrowError as error:
    print(type(error).__name__, error)
else:
    print(connection.read("SELECT current_database()::text AS name").column("name")[0].as_py())
    assert dj.conn() is connection
    assert dj.conn(*sys.argv[1:]) is connection  # tables of two connections could not be combined
"""
NAMES = ("given", "url", "host", "toml", "toml host")


@pytest.fixture(scope="module")
def databases(connection: PostgresConnection) -> Iterator[dict[str, str]]:
    """URLs of databases named for what leads to them."""
    for name in NAMES:
        connection.execute(f'CREATE DATABASE "{name}"')
    parts = urlsplit(connection.url)
    yield {name: parts._replace(path="/" + quote(name)).geturl() for name in NAMES}
    for name in NAMES:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def host_settings(url: str) -> dict[str, str]:
    """The environment variables that lead to an URL's place, without the database."""
    parts = urlsplit(url)
    return {
        "DJ_HOST": str(parts.hostname),
        "DJ_PORT": str(parts.port),
        "DJ_USER": str(parts.username),
        "DJ_PASS": str(parts.password),
    }


def opened(folder: Path, *arguments: str, **environment: str) -> str:
    """What WHERE prints in this folder, with only these of djarrow's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DJ_", "DJARROW_"))}
    kept["PYTHONPATH"] = PLACES
    done = subprocess.run(
        [sys.executable, "-c", WHERE, *arguments],
        cwd=folder,
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def project(tmp_path: Path, databases: dict[str, str]) -> Path:
    """A folder below one whose datajoint.toml names an URL."""
    (tmp_path / "datajoint.toml").write_text(f"[database]\nurl = '{databases['toml']}'\n", encoding="utf-8")
    (tmp_path / "inner").mkdir()
    return tmp_path / "inner"


def test_the_order_of_settings(project: Path, databases: dict[str, str]) -> None:
    """An URL given wins over DJARROW_URL, that over DJ_HOST, and that over the nearest datajoint.toml."""
    host = host_settings(databases["host"]) | {"DJ_DATABASE": "host"}
    url = {"DJARROW_URL": databases["url"]}
    assert opened(project, databases["given"], **url, **host) == "given"
    assert opened(project, **url, **host) == "url"
    assert opened(project, **host) == "host"
    assert opened(project) == "toml"


def test_host_settings_without_a_database_mean_postgres(tmp_path: Path, databases: dict[str, str]) -> None:
    """DJ_HOST without DJ_DATABASE opens the database that every server has."""
    assert opened(tmp_path, **host_settings(databases["host"])) == "postgres"


def test_a_section_can_name_the_parts(tmp_path: Path, databases: dict[str, str]) -> None:
    """[database] with host, port, user, password and database is as good as an URL."""
    parts = urlsplit(databases["toml host"])
    lines = (f"host = '{parts.hostname}'", f"port = {parts.port}", f"user = '{parts.username}'")
    text = "\n".join(("[database]", *lines, f"password = '{parts.password}'", "database = 'toml host'"))
    (tmp_path / "datajoint.toml").write_text(text, encoding="utf-8")
    assert opened(tmp_path) == "toml host"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[database]\nhots = 'x'", "not hots"),
        ("[database]\nuser = 'x'", "needs `url` or `host`"),
        ("database = 'x'", "is a table of settings"),
        ("[database", "cannot be read"),
        ("[database]\nhost = 'x'\nport = 'five'", "the port of the database is a number, not 'five'"),
    ],
)
def test_settings_that_make_no_sense(tmp_path: Path, text: str, said: str) -> None:
    """A wrong datajoint.toml is an error that names the file or the setting, never the embedded server instead."""
    (tmp_path / "datajoint.toml").write_text(text, encoding="utf-8")
    printed = opened(tmp_path)
    assert printed.startswith("ConfigError ")
    assert said in printed
    assert not (tmp_path / ".djarrow").exists()


def test_a_port_that_is_no_number(tmp_path: Path) -> None:
    """DJ_PORT must be a number."""
    assert "not 'five'" in opened(tmp_path, DJ_HOST="x", DJ_PORT="five")
