"""Spec -> definition text -> the same spec."""

from __future__ import annotations

import pytest

from djarrow.model.describe import describe
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec, table_spec

PARENTS = {
    "Person": ("person", "person : varchar(16)\n---\nage : uint8"),
    "Subject": ("subject", "subject_id : uint16  # id\n---\nname : varchar(20)"),
    "Session": ("session", "-> Subject\nsession : uint8"),
    "Scan": ("scan", "-> Subject\nscan : uint8"),
    "Stat": ("__stat", "-> Session\n---\nn : int8"),
}


def specs() -> dict[str, TableSpec]:
    """The tables that others refer to, by class."""
    known: dict[str, TableSpec] = {}
    for class_name, (table, text) in PARENTS.items():
        known[class_name] = table_spec(text, TableName("lab", table), lambda reference, _: known[reference])
    return known


def declare(text: str, table: str) -> TableSpec:
    """The spec of a table of this text."""
    known = specs()
    known["master"] = known["Stat"]
    return table_spec(text, TableName("lab", table), lambda reference, _: known[reference])


def described(spec: TableSpec) -> str:
    """The definition that describe gives."""
    names = {spec.name: class_name for class_name, spec in specs().items()}
    return describe(spec, names.__getitem__)


@pytest.mark.parametrize(
    "text",
    [
        "a : int8",
        "# mice: all of them\na : int8  # id: number # 1\n---\nb : varchar(20)",
        "---\nvalue : float64",
        r"""a : int8
        ---
        b = 5 : uint64
        c = -1.5 : float32
        d = 1e300 : float64
        e = inf : float64
        f = 0.0000001 : decimal(9,7)
        g = 1.5 : decimal(5,2)
        h = true : bool
        i = 'it''s "so" \\ and # : =' : varchar(40)
        j = "" : varchar(3)
        k = "null" : varchar(4)
        l = "F" : enum('M','F')
        m = "it's" : enum('it''s', "C:\\", 'a,b(c)')
        n = "2020-05-31" : date
        o = "10:20:30.5" : time
        p = "2020-05-31 10:00" : timestamp
        q = "2020-05-31 10:00" : datetime
        r = NOW : date
        s = CURRENT_TIMESTAMP : timestamp
        t = NOW : datetime
        u : uuid = null
        v : json = null
        w : blob
        x : int8 = null  # größe: µ
        y = "NOW" : varchar(3)
        """,
        "-> Subject",
        "-> Session\n-> Person\nrun : int8\n---\nx : int8",
        "run : int8\n-> Session\n---\n-> Person\nx : int8",
        "run : int8\n---\n-> [nullable] Session",
        "run : int8\n---\n-> [unique] Person",
        "run : int8\n---\n-> [nullable, unique] Person.proj(owner='person')",
        "-> Session.proj(pre='session')\n-> Session.proj(post='session')\n---\nweight : float32",
        "-> Session.proj(mouse='subject_id', day='session')",
        "-> Session\n-> Scan",
        "-> Scan\n---\n-> [nullable] Session",
        "run : int8\n---\n-> Session\n-> [nullable] Scan",
        "run : int8\n---\n-> [nullable] Scan\n-> Session",
        "run : int8\n---\n-> [nullable] Scan\n-> [nullable] Session",
        "run : int8\n---\nperson = 'root' : varchar(16)\n-> Person",
        "run : int8\n---\nsession : uint8\nx : int8\n-> Session",
        "run : int8\n---\nsubject_id = null : uint16\n-> Session",
        "run : int8\n---\nsubject_id : uint16\n-> [nullable] Session",
        "run : int8\n---\nperson = null : varchar(16)\n-> Person",
        "run : int8\n---\nsession = null : uint8\n-> Session",
        "run : int8\n---\nsession = 3 : uint8\n-> Session\n-> [nullable] Scan",
        "subject_id : uint16\n---\n-> Subject",
        "a : int8\n---\nb : int8\nindex (b)\nunique index (b, a)",
        "index : int8\nunique : int8\n---\nnullable : int8\nindex (index, unique)",
    ],
)
def test_round_trip(text: str) -> None:
    """The description of a table declares the same table again."""
    spec = declare(text, "wrong")
    again = declare(described(spec), "wrong")
    assert again.heading == spec.heading
    assert set(again.foreign_keys) == set(spec.foreign_keys)
    assert (again.comment, again.indexes, again.name) == (spec.comment, spec.indexes, spec.name)
    assert described(again) == described(spec)


def test_part() -> None:
    """A part refers to its master by that word, and to other tables by their class."""
    spec = declare("-> master\n-> Person\nitem : int8\n---\nx : float32", "__stat__item")
    assert described(spec) == "-> master\n-> Person\nitem : int8\n---\nx : float32\n"


def test_part_with_a_renamed_master() -> None:
    """Renames of the master's key are written."""
    spec = declare("-> master.proj(run='session')".replace("master", "Stat"), "__stat__item")
    assert described(spec) == "-> Stat.proj(run='session')\n---\n"
    assert declare(described(spec), "__stat__item") == spec


def test_form() -> None:
    """References stand where their attributes would, comments and indexes are kept, types are canonical."""
    spec = declare(
        "# a note\nnote:int8 # no.\n-> Session\n---\n-> [nullable] Person\nsize=3:decimal(5, 2)# in cm\nindex(size)",
        "x",
    )
    assert described(spec) == (
        "# a note\nnote : int8  # no.\n-> Session\n---\n-> [nullable] Person\n"
        "size : decimal(5,2) = 3.00  # in cm\nindex (size)\n"
    )
