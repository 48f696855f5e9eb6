"""dj.config: the settings, what each may be, and where its value comes from. The database is project.py's question.

Strongest first: `with dj.config.override(...)` for the code inside of the block, `dj.config["name"] = value` for the
process, an environment variable, the nearest datajoint.toml, the default. See docs/settings.md.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from attrs import frozen

from djarrow.errors import ConfigError, UnknownSetting
from djarrow.project import PROJECT_FILE, project_settings


@frozen
class Kind:
    """What values a setting has. says: in words; holds: whether a value is one; read: the text of a variable as one."""

    says: str
    holds: Callable[[Any], bool]
    read: Callable[[str], Any]


_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}

BOOLEAN = Kind("true or false", lambda value: type(value) is bool, lambda text: _WORDS.get(text.strip().lower(), text))
COUNT = Kind(
    "a whole number from 1",
    lambda value: type(value) is int and value >= 1,
    lambda text: int(text) if text.strip().isascii() and text.strip().isdigit() else text,
)


def _is_time(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value < 1e9


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


_SIZE = re.compile(r"(\d{1,6}(\.\d{1,3})?) ?(KB|MB|GB|TB)")
_SHARE = re.compile(r"[1-9]\d?%")

SIZE = Kind(
    "a size such as '20GB'", lambda value: isinstance(value, str) and bool(_SIZE.fullmatch(value)), lambda text: text
)
MEMORY = Kind(
    "a size such as '4GB', or a share of the machine's memory such as '50%'",
    lambda value: isinstance(value, str) and bool(_SIZE.fullmatch(value) or _SHARE.fullmatch(value)),
    lambda text: text,
)
COUNT_OR_NONE = Kind(
    "a whole number from 1, or 0 for the usual", lambda value: type(value) is int and value >= 0, COUNT.read
)
SECONDS = Kind("a number of seconds above 0", _is_time, _number)
SECONDS_OR_NONE = Kind(
    "a number of seconds above 0, or 0 for the usual", lambda value: value == 0 or _is_time(value), _number
)


def _one_of(*words: str) -> Kind:
    """One of these words, which a variable may have in any case."""
    says = f"{', '.join(map(repr, words[:-1]))} or {words[-1]!r}"
    return Kind(says, lambda value: value in words, lambda text: text.strip().lower())


@frozen
class Setting:
    """One setting. name: with its section of datajoint.toml before a dot."""

    name: str
    default: Any
    kind: Kind
    meaning: str

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"DJ_{self.name.upper().replace('.', '_')}"

    def checked(self, value: Any, where: str) -> Any:
        """The value. Raises ConfigError for one that it cannot have; where: what gave it."""
        if not self.kind.holds(value):
            raise ConfigError(f"{where}: the setting {self.name!r} is {self.kind.says}, not {value!r}.")
        return value


SETTINGS = {
    setting.name: setting
    for setting in (
        Setting("safemode", True, BOOLEAN, "whether what would be lost is shown and asked for first"),
        Setting(
            "strict_reads", "warn", _one_of("error", "warn", "off"), "what a make may not read: raise, warn, or allow"
        ),
        Setting("display.limit", 12, COUNT, "the rows of a preview"),
        Setting("display.width", 40, COUNT, "the widest that a preview shows a value, in cells of a terminal"),
        Setting("jobs.lease", 60, SECONDS, "seconds for which a worker's keys are its own after it was last heard of"),
        Setting("jobs.heartbeat", 0, SECONDS_OR_NONE, "seconds between two signs of life; 0 is a third of the lease"),
        Setting(
            "jobs.together", 0.1, SECONDS_OR_NONE, "seconds that makes share a transaction for; 0: each has its own"
        ),
        Setting("jobs.keep_completed", False, BOOLEAN, "whether jobs that are done stay in the queue, as `success`"),
        Setting("repository.memory", "50%", MEMORY, "what queries of an open repository, and each result, may take"),
        Setting("repository.spill", "20GB", SIZE, "what they may write to the system's temporary folder"),
        Setting("repository.threads", 0, COUNT_OR_NONE, "the processors that they use; 0: all"),
    )
}
"""Every setting by name."""

SECTIONS = {name.partition(".")[0] for name in SETTINGS if "." in name}

_overridden: ContextVar[Mapping[str, Any]] = ContextVar("djarrow_settings")
"""The overrides of the blocks around this code. Another thread has none of them."""


class Section:
    """The settings of a section as attributes: `dj.config.display.limit`."""

    def __init__(self, config: Config, name: str) -> None:
        vars(self).update(_config=config, _name=name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # a copy asks before it has them
            raise AttributeError(name)
        return self._config[f"{self._name}.{name}"]

    def __setattr__(self, name: str, value: Any) -> None:
        self._config[f"{self._name}.{name}"] = value

    def __dir__(self) -> list[str]:
        return [name.partition(".")[2] for name in SETTINGS if name.startswith(f"{self._name}.")]

    def __repr__(self) -> str:
        return _listing(self._config, [name for name in SETTINGS if name.startswith(f"{self._name}.")])


class Config(Mapping[str, Any]):
    """The settings by name, as items and as attributes: `dj.config["display.limit"]`, `dj.config.display.limit`.

    Setting one holds for the process; `del dj.config["safemode"]` takes that back. Where the database is, and its
    password, are no settings here: `DJARROW_URL`, `DJ_HOST` and the like, `[database]` of datajoint.toml, or
    `dj.conn(url)` say it, and nothing here tells it.

    Raises UnknownSetting, with the nearest name, and ConfigError for a value that the setting cannot have.
    """

    def __init__(self) -> None:
        vars(self).update(_set={})

    def __getitem__(self, name: str) -> Any:
        setting = _known(name)
        overridden = _overridden.get({})
        if name in overridden:
            return overridden[name]
        if name in self._set:
            return self._set[name]
        if text := os.environ.get(setting.variable):
            return setting.checked(setting.kind.read(text), setting.variable)
        return _of_project(setting)

    def __setitem__(self, name: str, value: Any) -> None:
        self._set[name] = _known(name).checked(value, "dj.config")

    def __delitem__(self, name: str) -> None:
        _known(name)
        self._set.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(SETTINGS)

    def __len__(self) -> int:
        return len(SETTINGS)

    def __contains__(self, name: object) -> bool:
        return name in SETTINGS

    def __getattr__(self, name: str) -> Any:
        return Section(self, name) if name in SECTIONS else self[name]

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        del self[name]

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *SECTIONS, *(name for name in SETTINGS if "." not in name)]

    def __repr__(self) -> str:
        return _listing(self, SETTINGS)

    @contextlib.contextmanager
    def override(self, settings: Mapping[str, Any] | None = None, /, **named: Any) -> Iterator[Config]:
        """Other values inside of the block, for the code that runs in it and not for other threads.

        `override(safemode=False, display__limit=3)`, with two underscores for a dot, or
        `override({"display.limit": 3})`. Raises UnknownSetting or ConfigError, and then nothing is overridden.
        """
        given = {**(settings or {}), **{name.replace("__", "."): value for name, value in named.items()}}
        checked = {name: _known(name).checked(value, "dj.config.override") for name, value in given.items()}
        token = _overridden.set({**_overridden.get({}), **checked})
        try:
            yield self
        finally:
            _overridden.reset(token)


def _known(name: object) -> Setting:
    if isinstance(name, str) and name in SETTINGS:
        return SETTINGS[name]
    raise UnknownSetting(name, SETTINGS)


def _of_project(setting: Setting) -> Any:
    """The value in the project's datajoint.toml, or the default."""
    place: Any = project_settings()
    section, _, name = setting.name.rpartition(".")
    if section:
        known = {each.rpartition(".")[2] for each in SETTINGS if each.startswith(f"{section}.")}
        place = place.get(section, {})
        if not isinstance(place, dict) or set(place) - known:
            raise ConfigError(f"[{section}] of {PROJECT_FILE} holds {' and '.join(sorted(known))}, not {place!r}.")
    return setting.checked(place[name], PROJECT_FILE) if name in place else setting.default


def _listing(config: Config, names: Any) -> str:
    """The settings line by line; of one that cannot be read, why: a repr does not raise."""
    lines = []
    for name in names:
        try:
            value = repr(config[name])
        except ConfigError as error:
            value = f"({error})"
        lines.append(f"{name} = {value}  # {SETTINGS[name].meaning}")
    return "\n".join(lines)


config = Config()
"""The settings, `dj.config`: what is set in it holds for the process."""
