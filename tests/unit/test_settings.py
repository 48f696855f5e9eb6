"""dj.config: which source of a setting wins, what is refused, and that it is one object by items and attributes."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import djarrow as dj
from djarrow.errors import ConfigError, UnknownSetting
from djarrow.settings import SETTINGS, config
from djarrow.table.changing.confirm import confirm


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty project folder, which is the current one, no variables set, and nothing set for the process after it."""
    for setting in SETTINGS.values():
        monkeypatch.delenv(setting.variable, raising=False)
    (tmp_path / ".djarrow").mkdir()
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in config:
        del config[name]


def write(project: Path, text: str) -> None:
    """Write the project's settings file."""
    (project / "datajoint.toml").write_text(text, "utf-8")


def test_defaults() -> None:
    """Without any source each setting has its default, which it could be set to."""
    assert dict(dj.config) == {
        "safemode": True,
        "strict_reads": "warn",
        "jobs.lease": 60,
        "jobs.heartbeat": 0,
        "jobs.together": 0.1,
        "jobs.keep_completed": False,
        "display.limit": 12,
        "display.width": 40,
        "repository.memory": "50%",
        "repository.spill": "20GB",
        "repository.threads": 0,
    }
    assert all(setting.kind.holds(setting.default) for setting in SETTINGS.values())


def test_order_of_sources(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file wins over the default, a variable over the file, the process over that, and a block over all."""
    write(project, "safemode = false\n[display]\nlimit = 3\n")
    assert (config["safemode"], config["display.limit"], config["display.width"]) == (False, 3, 40)
    monkeypatch.setenv("DJ_SAFEMODE", "true")
    monkeypatch.setenv("DJ_DISPLAY_LIMIT", "4")
    assert (config["safemode"], config["display.limit"]) == (True, 4)
    config["safemode"] = False
    config.display.limit = 5
    assert (config.safemode, config.display.limit) == (False, 5)
    with config.override({"safemode": True}, display__limit=6) as inside:
        assert inside is config
        assert (config["safemode"], config["display.limit"]) == (True, 6)
        with config.override(display__limit=7):
            assert (config["safemode"], config["display.limit"]) == (True, 7)
        assert config["display.limit"] == 6
    assert (config["safemode"], config["display.limit"]) == (False, 5)
    del config["safemode"], config.safemode
    assert config["safemode"] is True


def test_an_override_ends_with_an_exception() -> None:
    """A block that raises leaves no override behind."""
    with pytest.raises(ZeroDivisionError), config.override(safemode=False):
        raise ZeroDivisionError
    assert config["safemode"] is True


def test_an_override_is_of_its_context() -> None:
    """Another thread does not see an override, and sees what was set for the process."""
    config["display.width"] = 9
    seen: list[Any] = []
    with config.override(safemode=False, display__width=8):
        thread = threading.Thread(target=lambda: seen.extend((config["safemode"], config["display.width"])))
        thread.start()
        thread.join()
    assert seen == [True, 9]


@pytest.mark.parametrize(
    ("text", "value"), [("false", False), ("0", False), ("No", False), ("off ", False), ("TRUE", True), ("1", True)]
)
def test_words_of_variables(monkeypatch: pytest.MonkeyPatch, text: str, value: bool) -> None:
    """A variable says true and false in the usual words; an empty one says nothing."""
    monkeypatch.setenv("DJ_SAFEMODE", text)
    assert config["safemode"] is value
    monkeypatch.setenv("DJ_SAFEMODE", "")
    assert config["safemode"] is True


@pytest.mark.parametrize("name", ["safe_mode", "display", "display.rows", "", "_set", 3])
def test_unknown_names(name: Any) -> None:
    """An unknown name is refused whichever way it is used, by an error that every form of access expects."""
    for use in (
        lambda: config[name],
        lambda: config.__setitem__(name, 1),
        lambda: config.__delitem__(name),
        lambda: config.override({name: 1}).__enter__(),
    ):
        with pytest.raises(UnknownSetting) as caught:
            use()
        assert isinstance(caught.value, ConfigError | KeyError | AttributeError)
    assert name not in config
    assert config.get(name, "none") == "none"


def test_hints() -> None:
    """A name that is nearly one is told the right one, and where the database is, is told to whoever looks here."""
    with pytest.raises(UnknownSetting, match=r"no setting 'safe_mode'\. Did you mean 'safemode'"):
        config["safe_mode"]
    with pytest.raises(AttributeError, match=r"no setting 'display.limits'. Did you mean 'display.limit'"):
        config.display.limits  # noqa: B018 - the access is what is tested
    with pytest.raises(KeyError, match=r"dj\.conn"):
        config["database.host"] = "localhost"
    assert not hasattr(config, "fetch")
    assert not hasattr(config.display, "_repr_html_")


@pytest.mark.parametrize(
    ("name", "value"),
    [("safemode", 0), ("safemode", "false"), ("safemode", None), ("display.limit", 0), ("display.limit", True),
     ("display.limit", 2.0), ("display.width", "8"), ("display.width", -1)],
)  # fmt: skip
def test_values_that_cannot_be(name: str, value: Any) -> None:
    """A value of another kind is refused where it is given, and the setting stays as it was."""
    before = config[name]
    with pytest.raises(ConfigError, match=f"the setting '{name}' is .*, not"):
        config[name] = value
    with pytest.raises(ConfigError, match=r"dj\.config\.override"), config.override({"safemode": False, name: value}):
        pass
    assert (config[name], config["safemode"]) == (before, True)


@pytest.mark.parametrize(
    ("variable", "text"), [("DJ_SAFEMODE", "maybe"), ("DJ_DISPLAY_LIMIT", "-3"), ("DJ_DISPLAY_LIMIT", "2.5")]
)
def test_variables_that_cannot_be(monkeypatch: pytest.MonkeyPatch, variable: str, text: str) -> None:
    """A variable that says no value of its setting is named with what could be."""
    monkeypatch.setenv(variable, text)
    name = "safemode" if variable == "DJ_SAFEMODE" else "display.limit"
    with pytest.raises(ConfigError, match=f"{variable}: the setting '{name}' is .*, not '{text}'"):
        config[name]
    assert text in repr(config)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("display = 3", r"\[display\] of datajoint\.toml holds limit and width, not 3"),
        ("[display]\nrows = 3", r"holds limit and width, not \{'rows': 3\}"),
        ("[display]\nlimit = 0", "the setting 'display.limit' is a whole number from 1, not 0"),
        ("[display]\nlimit = true", "the setting 'display.limit' is a whole number from 1, not True"),
    ],
)
def test_files_that_cannot_be(project: Path, text: str, reason: str) -> None:
    """Another setting of a section, or a value that a setting cannot have, is refused with what can be set."""
    write(project, text)
    with pytest.raises(ConfigError, match=reason):
        config["display.limit"]


def test_no_form_tells_a_password(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the repr nor the items tell how the database is reached."""
    write(project, '[database]\nhost = "h"\nuser = "u"\npassword = "s3cret"\n')
    monkeypatch.setenv("DJ_PASS", "s3cret")
    assert "s3cret" not in repr(dj.config) + str(dict(dj.config)) + repr(vars(dj.config)) + repr(dj.config.display)


def test_shown() -> None:
    """The repr has a line for each setting: name, value, and what it means."""
    config["display.limit"] = 5
    assert repr(config).splitlines()[2] == "display.limit = 5  # the rows of a preview"
    assert repr(config.display) == "\n".join(repr(config).splitlines()[2:4])
    assert {"safemode", "display", "override"} <= set(dir(config))
    assert dir(config.display) == ["limit", "width"]


def test_copies() -> None:
    """A copy has the same values, and setting one leaves the other alone."""
    config["display.limit"] = 5
    other = copy.deepcopy(config)
    other["display.limit"] = 6
    assert (config["display.limit"], other["display.limit"], copy.copy(config.display).limit) == (5, 6, 5)


def test_without_safemode_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where safemode is off, what would be lost is asked for only where the call says so."""
    asked: list[str] = []

    def answer(question: str) -> str:
        asked.append(question)
        return "no"

    monkeypatch.setattr("builtins.input", answer)
    with config.override(safemode=False):
        assert confirm("Drop?", prompt=None)
        assert asked == []
        assert not confirm("Drop?", prompt=True)
    assert not confirm("Drop?", prompt=None)
    assert asked == ["Drop? [y/N] "] * 2


def test_every_setting_is_documented() -> None:
    """docs/settings.md has a row for each setting: its variable and its default."""
    text = (Path(__file__).parents[2] / "docs" / "settings.md").read_text("utf-8")
    for setting in SETTINGS.values():
        default = setting.default if isinstance(setting.default, str) else str(setting.default).lower()
        assert f"| `{setting.name}` | `{setting.variable}` | `{default}` | {setting.meaning} |" in text
