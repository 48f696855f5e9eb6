"""The project: its folder, its datajoint.toml, and the database that it names. What else can be set: settings.py."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import quote

from djarrow.errors import ConfigError

PROJECT_FILE = "datajoint.toml"
DATA_FOLDER = ".djarrow"


def project_folder(start: Path | None = None) -> Path:
    """The project: the nearest folder from start upwards with a datajoint.toml or a .djarrow; else start itself."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / PROJECT_FILE).is_file() or (folder / DATA_FOLDER).is_dir():
            return folder
    return here


def project_settings() -> dict[str, Any]:
    """The content of the project's datajoint.toml; empty where there is none. Raises ConfigError."""
    try:
        path = project_folder() / PROJECT_FILE
    except FileNotFoundError:  # the working folder was removed: a process goes on without
        return {}
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error


def database_url() -> str | None:
    """The URL of the database that the settings name, or None."""
    if url := os.environ.get("DJARROW_URL"):
        return url
    if host := os.environ.get("DJ_HOST"):
        return _url(
            host=host,
            port=os.environ.get("DJ_PORT") or "5432",
            user=os.environ.get("DJ_USER") or None,
            password=os.environ.get("DJ_PASS") or None,
            database=os.environ.get("DJ_DATABASE"),
        )
    section = project_settings().get("database")
    return None if section is None else _url_of_section(section)


def _url_of_section(section: Any) -> str:
    known = {"url", "host", "port", "user", "password", "database"}
    if not isinstance(section, dict):
        raise ConfigError(f"[database] of {PROJECT_FILE} is a table of settings.")
    if unknown := set(section) - known:
        raise ConfigError(
            f"[database] of {PROJECT_FILE} holds {', '.join(sorted(known))}, not {', '.join(sorted(unknown))}."
        )
    if "url" in section:
        return str(section["url"])
    if "host" not in section:
        raise ConfigError(f"[database] of {PROJECT_FILE} needs `url` or `host`.")
    text = {name: str(value) for name, value in section.items()}
    return _url(text["host"], text.get("port", "5432"), text.get("user"), text.get("password"), text.get("database"))


def _url(host: str, port: str, user: str | None, password: str | None, database: str | None) -> str:
    if not port.isdigit():
        raise ConfigError(f"the port of the database is a number, not {port!r}.")
    login = "" if user is None else quote(user, safe="")
    login += "" if password is None else ":" + quote(password, safe="")
    if host.count(":") > 1 and not host.startswith(("/", "[")):  # an address of IPv6
        host = f"[{host}]"
    place = quote(host, safe=":[]") if not host.startswith("/") else quote(host, safe="")
    return f"postgresql://{login}{'@' if login else ''}{place}:{port}/{quote(database or 'postgres', safe='')}"
