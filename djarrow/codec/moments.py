"""Dates, times and time zones in a blob, as Python has them: to the microsecond, with fold, offset or zone."""

from __future__ import annotations

import datetime
import re
import struct
import zoneinfo
from typing import TYPE_CHECKING

from djarrow.codec.layout import Tag, Zone
from djarrow.errors import InvalidBlob, UnstorableValue

if TYPE_CHECKING:
    from djarrow.codec.reading import Reader
    from djarrow.codec.writing import Writer

_DATE = struct.Struct("<HBB")
_TIME = struct.Struct("<BBBIB")
_MICROSECOND = datetime.timedelta(microseconds=1)
_ZONE_NAME = re.compile(r"[A-Za-z0-9_+-]{1,40}(?:/[A-Za-z0-9_+-]{1,40}){0,3}")


def write_date(writer: Writer, value: datetime.date, _: int) -> None:
    """Year, month, day."""
    writer.structure.append(Tag.DATE)
    writer.structure += _DATE.pack(value.year, value.month, value.day)


def write_time(writer: Writer, value: datetime.time, _: int) -> None:
    """A time of day, with fold and zone."""
    writer.structure.append(Tag.TIME)
    _write_clock(writer, value)


def write_datetime(writer: Writer, value: datetime.datetime, _: int) -> None:
    """A date and a time of day."""
    writer.structure.append(Tag.DATETIME)
    writer.structure += _DATE.pack(value.year, value.month, value.day)
    _write_clock(writer, value.timetz())


def write_timedelta(writer: Writer, value: datetime.timedelta, _: int) -> None:
    """A number of microseconds."""
    writer.structure.append(Tag.TIMEDELTA)
    writer.integer(value // _MICROSECOND)


def _write_clock(writer: Writer, value: datetime.time) -> None:
    writer.structure += _TIME.pack(value.hour, value.minute, value.second, value.microsecond, value.fold)
    zone = value.tzinfo
    if zone is None:
        writer.structure.append(Zone.NAIVE)
    elif type(zone) is datetime.timezone:
        offset, name = zone.utcoffset(None), zone.tzname(None)
        named = name != datetime.timezone(offset).tzname(None)
        writer.structure.append(Zone.NAMED_OFFSET if named else Zone.OFFSET)
        writer.integer(offset // _MICROSECOND)
        if named:
            writer.text(name)
    elif type(zone) is zoneinfo.ZoneInfo and _ZONE_NAME.fullmatch(zone.key or ""):  # one read from a file has no key
        writer.structure.append(Zone.ZONE)
        writer.text(zone.key)
    else:
        kind = f"{type(zone).__module__}.{type(zone).__qualname__}"
        raise UnstorableValue(f"its time zone is a {kind}; give zoneinfo.ZoneInfo(name) or datetime.timezone(offset)")


def read_date(reader: Reader, _: int) -> datetime.date:
    """The next date."""
    return datetime.date(*reader.structure.unpack(_DATE))


def read_time(reader: Reader, _: int) -> datetime.time:
    """The next time of day."""
    hour, minute, second, microsecond, fold = reader.structure.unpack(_TIME)
    return datetime.time(hour, minute, second, microsecond, _read_zone(reader), fold=fold)


def read_datetime(reader: Reader, depth: int) -> datetime.datetime:
    """The next date and time of day."""
    day = read_date(reader, depth)
    clock = read_time(reader, depth)
    return datetime.datetime.combine(day, clock)


def read_timedelta(reader: Reader, _: int) -> datetime.timedelta:
    """The next difference of times."""
    return datetime.timedelta(microseconds=reader.integer())


def _read_zone(reader: Reader) -> datetime.tzinfo | None:
    match reader.structure.byte():
        case Zone.NAIVE:
            return None
        case Zone.OFFSET:
            return datetime.timezone(datetime.timedelta(microseconds=reader.integer()))
        case Zone.NAMED_OFFSET:
            return datetime.timezone(datetime.timedelta(microseconds=reader.integer()), reader.structure.text())
        case Zone.ZONE:
            return _zone(reader.structure.text())
        case kind:
            raise InvalidBlob(f"a time zone is of an unknown kind ({kind})")


def _zone(name: str) -> zoneinfo.ZoneInfo:
    if not _ZONE_NAME.fullmatch(name):
        raise InvalidBlob(f"{name[:40]!r} is no name of a time zone")
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidBlob(f"this machine does not know the time zone {name!r}; the package tzdata has all") from error
