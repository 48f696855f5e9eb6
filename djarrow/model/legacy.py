"""The names that DataJoint's earlier versions gave to types, MySQL's. Each is read as a core type, with a warning.

Specification: 001 5.6; design section 4. What the core types are stands in types.py.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable

from attrs import frozen

from djarrow.errors import shown

Parameters = tuple[int | str, ...]

AUTO_INCREMENT = "auto_increment"
"""The word behind an integer type that makes the database count (001 5.8.5)."""

LONGEST_TEXT = 10_485_760
"""Characters: what PostgreSQL takes as the length of a varchar. The nearest to a text without a limit."""

PLAIN_DECIMAL = (38, 9)
"""Precision and scale of a decimal that states none: what decimals computed in queries have."""


@frozen
class LegacyName:
    """What a name is read as. parameters: those of the core type, from those written, or None where they do not fit.

    note: what values the core type holds that the old one did not. counts: the name implies auto_increment.
    """

    core: str
    parameters: Callable[[Parameters], Parameters | None]
    note: str = ""
    counts: bool = False

    def warn(self, written: str, kind: str, *, table: str | None, line: int | None) -> None:
        """Warn where the user's code declares the table, so that Python shows it to those who run that code.

        The text holds the line of the definition. As Python shows a text once a place, each attribute warns once,
        however often its table is declared.
        """
        kind += f" {AUTO_INCREMENT}" if self.counts else ""
        note = f", which {self.note}" if self.note else ""
        place = "" if table is None else f" (table {table!r}" + (f", line {line})" if line else ")")
        text = f"the type {shown(written)} is read as {kind!r}; write {kind!r}{note}{place}"
        warnings.warn(text, DeprecationWarning, stacklevel=_level_outside())


def _level_outside() -> int:
    """The stack level, for the function that asks, of the nearest frame that is not the library's own."""
    level, frame = 0, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    return level + 1


_PACKAGE = __name__.partition(".")[0] + "."


def _none(written: Parameters) -> Parameters | None:
    return None if written else ()


def _dropped(most: int) -> Callable[[Parameters], Parameters | None]:
    """Numbers that say how wide a number is shown, or how many of its digits or of a second's are kept."""

    def drop(written: Parameters) -> Parameters | None:
        return () if len(written) <= most and all(isinstance(p, int) for p in written) else None

    return drop


def _fraction(written: Parameters) -> Parameters | None:
    return () if len(written) == 1 and written[0] in range(7) else None


def _precision(written: Parameters) -> Parameters:
    """Precision and scale: `decimal(7)` has no digits after the point."""
    return PLAIN_DECIMAL if not written else (*written, 0) if len(written) == 1 else written


def _length(length: int) -> Callable[[Parameters], Parameters | None]:
    return lambda written: None if written else (length,)


_SIGNED = "also takes negative numbers"
_MICROSECONDS = "keeps microseconds"
_DOUBLE = LegacyName("float64", _dropped(2))
_REAL = LegacyName(
    "float64",
    _dropped(2),
    "holds all digits of MySQL's REAL; for a column that DataJoint-Python made in PostgreSQL, of half the size, write "
    "'float32'",
)

LEGACY: dict[str, LegacyName] = {
    "boolean": LegacyName("bool", _none),
    "tinyint(1)": LegacyName("bool", _dropped(1)),
    **{
        name + (" unsigned" if unsigned else ""): LegacyName(f"{unsigned}int{bits}", _dropped(1))
        for name, bits in (
            ("tinyint", 8),
            ("smallint", 16),
            ("mediumint", 32),
            ("int", 32),
            ("integer", 32),
            ("bigint", 64),
        )
        for unsigned in ("", "u")
    },
    "serial": LegacyName("int64", _none, counts=True),
    "year": LegacyName("int16", _dropped(1), "takes any number"),  # signed: years are subtracted
    "float": LegacyName("float32", _dropped(2)),
    "real": _REAL,  # as float32, a definition that comes from MySQL would lose half of its digits without an error
    **{f"float({digits})": _DOUBLE for digits in range(25, 54)},
    "double": _DOUBLE,
    "double precision": _DOUBLE,
    "float unsigned": LegacyName("float32", _dropped(2), _SIGNED),
    "real unsigned": LegacyName("float64", _dropped(2), _SIGNED),
    "double unsigned": LegacyName("float64", _dropped(2), _SIGNED),
    "double precision unsigned": LegacyName("float64", _dropped(2), _SIGNED),
    **{
        name + unsigned: LegacyName("decimal", _precision, _SIGNED if unsigned else "")
        for name in ("decimal", "numeric", "dec", "fixed")
        for unsigned in ("", " unsigned")
    },
    **{name: LegacyName(name, _fraction, _MICROSECONDS) for name in ("time", "timestamp", "datetime")},
    "tinytext": LegacyName("varchar", _length(255)),
    "text": LegacyName("varchar", _length(LONGEST_TEXT)),
    "mediumtext": LegacyName("varchar", _length(LONGEST_TEXT)),
    "longtext": LegacyName("varchar", _length(LONGEST_TEXT)),
    "jsonb": LegacyName("json", _none),
    "bytes": LegacyName("blob", _none),
    "tinyblob": LegacyName("blob", _none),
    "mediumblob": LegacyName("blob", _none),
    "longblob": LegacyName("blob", _none),
}
"""Name, with its parameters where these decide -> what it is read as."""

COUNTING_TYPES = frozenset(name for name, old in LEGACY.items() if old.counts)
"""The types that count without the word."""
