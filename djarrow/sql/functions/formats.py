"""The codes of date_format, as each engine writes them. Names of days and months are English everywhere."""

from __future__ import annotations

from collections.abc import Callable

from djarrow.sql.dialects import Dialect

_CODES = """
Y YYYY       %Y   yyyy
y YY         %y   yy
m MM         %m   MM
c FMMM       %-m  M
d DD         %d   dd
e FMDD       %-d  d
H HH24       %H   HH
k FMHH24     %-H  H
h HH12       %I   hh
I HH12       %I   hh
i MI         %M   mm
S SS         %S   ss
s SS         %S   ss
f US         %f   SSSSSS
j DDD        %j   DDD
a Dy         %a   EEE
W FMDay      %A   EEEE
b Mon        %b   MMM
M FMMonth    %B   MMMM
p AM         %p   a
T HH24:MI:SS %H:%M:%S HH:mm:ss
% "%"        %%   %
"""
_ROWS = [line.split() for line in _CODES.split("\n") if line]


def _quoted_for_postgres(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _quoted_for_spark(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


FORMATS: dict[Dialect, tuple[dict[str, str], Callable[[str], str]]] = {
    Dialect.POSTGRES: ({row[0]: row[1] for row in _ROWS}, _quoted_for_postgres),
    Dialect.DUCKDB: ({row[0]: row[2] for row in _ROWS}, lambda text: text),
    Dialect.SPARK: ({row[0]: row[3] for row in _ROWS}, _quoted_for_spark),
}
"""Code -> the engine's, and how the text between codes is written."""
