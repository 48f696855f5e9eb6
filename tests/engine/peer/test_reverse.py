"""A schema that djarrow declared and filled, opened by the peer: without classes and with them."""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection

from ...described import drop_schemas
from ...peer import Peer
from ...peer.values import same

pytestmark = pytest.mark.timeout(600)

SPECIES = """
# kinds: "of" animals
species : varchar(32)   # name: common
---
legs = 4 : int8   # how many
"""

SUBJECT = """
subject : int32
---
-> Species
-> [nullable] Species.proj(companion="species")
sex = 'U' : enum('U', 'M', 'F')
born = null : date
weight = 1.5 : float64
small = null : float32
flag = 0 : bool
tag = null : uuid
info = null : json
at = null : datetime
code = "x" : char(4)
price = null : decimal(8,2)
long = null : int64
short = null : int16
index (born, sex)
"""

SESSION = """
-> Subject
session : int16
---
trace = null : <blob>
"""

TRIAL = """
-> master
trial : int16
---
outcome : enum('hit', 'miss')
"""

RESULT = """
-> Session
---
score : float64
"""

SUBJECTS: list[dict[str, Any]] = [
    {
        "subject": 1,
        "species": "mouse",
        "companion": "rat",
        "sex": "F",
        "born": datetime.date(2024, 2, 29),
        "weight": 20.5,
        "small": 0.25,
        "flag": True,
        "tag": uuid.UUID(int=77),
        "info": {"a": [1, None, "é"]},
        "at": datetime.datetime(2024, 1, 2, 3, 4, 5, 678900),
        "code": "ab",
        "price": decimal.Decimal("-12.50"),
        "long": -(2**63),
        "short": 7,
    },
    {
        "subject": 2,
        "species": "rat",
        "companion": None,
        "sex": "U",
        "born": None,
        "weight": 1.5,
        "small": None,
        "flag": False,
        "tag": None,
        "info": None,
        "at": None,
        "code": "x",
        "price": None,
        "long": None,
        "short": None,
    },
]

TRACE = {"x": np.arange(6.0).reshape(2, 3), "y": [1, "two", None]}

CLASSES = """
schema = dj.Schema("ours")

@schema
class Species(dj.Lookup):
    definition = definitions["Species"]

@schema
class Subject(dj.Manual):
    definition = definitions["Subject"]

@schema
class Session(dj.Manual):
    definition = definitions["Session"]

    class Trial(dj.Part):
        definition = definitions["Trial"]

@schema
class Result(dj.Computed):
    definition = definitions["Result"]
"""

DEFINITIONS = {
    "Species": SPECIES,
    "Subject": SUBJECT,
    "Session": SESSION,
    "Trial": TRIAL,
    "Result": RESULT,
}


class Ours:
    """The classes of a schema that djarrow declared and filled."""

    def __init__(self, schema: dj.Schema) -> None:
        self.schema = schema

        @schema
        class Species(dj.Lookup):
            definition = SPECIES
            contents = (("mouse", 4), ("rat", 4))

        @schema
        class Subject(dj.Manual):
            definition = SUBJECT

        @schema
        class Session(dj.Manual):
            definition = SESSION

            class Trial(dj.Part):
                definition = TRIAL

        @schema
        class Result(dj.Computed):
            definition = RESULT

        self.Species, self.Subject, self.Session, self.Result = Species, Subject, Session, Result


@pytest.fixture(scope="module")
def made(connection: PostgresConnection) -> Iterator[Ours]:
    """A schema of djarrow's with rows in it."""
    own = Ours(dj.Schema("ours", connection=connection))
    own.Subject.insert(SUBJECTS)
    own.Session.insert([{"subject": 1, "session": 1, "trace": TRACE}, {"subject": 2, "session": 1}])
    own.Session.Trial.insert([{"subject": 1, "session": 1, "trial": 1, "outcome": "hit"}])
    own.Result.insert([{"subject": 1, "session": 1, "score": 0.5}], allow_direct_insert=True)
    yield own
    drop_schemas(connection, "ours")


def test_the_peer_opens_it_without_classes(made: Ours, peer: Peer) -> None:
    """A virtual module of the peer's has the tables with their tiers, parts, keys and attributes."""
    code = """
module = dj.VirtualModule("ours", "ours")
tables = [module.Species, module.Subject, module.Session, module.Session.Trial, module.Result]
bases = (dj.Lookup, dj.Manual, dj.Imported, dj.Computed, dj.Part)
result = [
    (
        table.__name__,
        next(base.__name__ for base in bases if issubclass(table, base)),
        list(table().heading.names),
        list(table().primary_key),
        table().heading.table_status["comment"],
    )
    for table in tables
]
"""
    assert peer.run(code) == [
        ("Species", "Lookup", ["species", "legs"], ["species"], 'kinds: "of" animals'),
        ("Subject", "Manual", list(SUBJECTS[0]), ["subject"], None),
        ("Session", "Manual", ["subject", "session", "trace"], ["subject", "session"], None),
        ("Trial", "Part", ["subject", "session", "trial", "outcome"], ["subject", "session", "trial"], None),
        ("Result", "Computed", ["subject", "session", "score"], ["subject", "session"], None),
    ]


def test_the_peer_reads_types_defaults_and_comments(made: Ours, peer: Peer) -> None:
    """The peer finds the core types that djarrow noted, and which attributes may be NULL."""
    code = """
heading = dj.VirtualModule("ours", "ours").Subject().heading
result = {
    name: (attribute.original_type or attribute.type, attribute.nullable)
    for name, attribute in heading.attributes.items()
}
"""
    found = peer.run(code)
    assert {name: kind for name, (kind, _) in found.items() if name not in ("sex", "species", "companion")} == {
        "subject": "int32",
        "born": "date",
        "weight": "float64",
        "small": "float32",
        "flag": "bool",
        "tag": "uuid",
        "info": "json",
        "at": "datetime",
        "code": "char(4)",
        "price": "decimal(8,2)",
        "long": "int64",
        "short": "int16",
    }
    assert "".join(found["sex"][0].split()) == "enum('U','M','F')"
    assert [name for name, (_, nullable) in found.items() if nullable] == [
        name for name, value in SUBJECTS[1].items() if value is None
    ]


def test_the_peer_knows_the_foreign_keys(made: Ours, peer: Peer) -> None:
    """Parents, children and the attributes of foreign keys, renamed ones too, are those declared."""
    code = """
module = dj.VirtualModule("ours", "ours")
result = (
    sorted(module.Subject().parents()),
    module.Subject().children(),
    module.Session().children(),
    module.Result().ancestors(),
)
"""
    parents, children, grandchildren, ancestors = peer.run(code)
    assert '"ours"."#species"' in parents
    assert children == ['"ours"."session"']
    assert sorted(grandchildren) == ['"ours"."__result"', '"ours"."session__trial"']
    assert '"ours"."subject"' in ancestors


def test_the_peer_reads_the_rows(made: Ours, peer: Peer) -> None:
    """Values of every type that the peer can read on PostgreSQL, which leaves out uuid, are what djarrow inserted."""
    code = """
module = dj.VirtualModule("ours", "ours")
subjects = module.Subject.proj(*[name for name in module.Subject().heading.names if name != "tag"])
result = (subjects.to_dicts(order_by="KEY"), module.Session.Trial.to_dicts(), module.Result.to_dicts())
"""
    subjects, trials, results = peer.run(code)
    wanted = [{name: value for name, value in row.items() if name != "tag"} for row in SUBJECTS]
    assert [{name: _plain(value) for name, value in row.items()} for row in subjects] == wanted
    assert trials == [{"subject": 1, "session": 1, "trial": 1, "outcome": "hit"}]
    assert results == [{"subject": 1, "session": 1, "score": 0.5}]


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def test_the_peers_classes_agree(made: Ours, peer: Peer) -> None:
    """Classes of the peer's with the same definitions use the tables, and declare nothing."""
    code = CLASSES + "result = (len(Subject()), len(Session.Trial()), Result.fetch1('score'), Session.fetch('session'))"
    count = "SELECT count(*) AS n FROM pg_tables WHERE schemaname = 'ours' AND tablename NOT LIKE '~%'"
    before = made.schema.connection.query(count)
    subjects, trials, score, _ = peer.run(code, definitions=DEFINITIONS)
    assert (subjects, trials, score) == (2, 1, 0.5)
    assert made.schema.connection.query(count) == before


def test_the_peer_joins_over_lineage(made: Ours, peer: Peer) -> None:
    """The peer's join, which looks for lineage in its own table, works on tables of djarrow's."""
    code = CLASSES + "result = (Subject.proj('sex') * Session * Result).to_dicts()"
    rows = peer.run(code, definitions=DEFINITIONS)
    assert [(row["subject"], row["sex"], row["score"]) for row in rows] == [(1, "F", 0.5)]


def test_the_peer_inserts_and_djarrow_reads(made: Ours, peer: Peer) -> None:
    """A row that the peer inserts is read by djarrow, with its defaults."""
    row = {name: value for name, value in SUBJECTS[0].items() if name != "tag"} | {"subject": 3}
    code = """
module = dj.VirtualModule("ours", "ours")
module.Subject.insert1(row)
module.Subject.insert1({"subject": 4, "species": "rat"})
module.Session.insert1({"subject": 3, "session": 1})
"""
    peer.run(code, row=row)
    assert (made.Subject & "subject = 3").fetch1() == SUBJECTS[0] | {"subject": 3, "tag": None}
    assert (made.Subject & "subject = 4").fetch1() == SUBJECTS[1] | {"subject": 4}
    assert len(made.Session & "subject = 3") == 1
    made.schema.connection.execute('DELETE FROM "ours".session WHERE subject > 2')
    made.schema.connection.execute('DELETE FROM "ours".subject WHERE subject > 2')


def test_what_djarrow_checks_holds_for_the_peer(made: Ours, peer: Peer) -> None:
    """The ranges and choices of djarrow's types are refused by the database when the peer inserts."""
    code = """
module = dj.VirtualModule("ours", "ours")
def refused(table, **row):
    try:
        table.insert1(row)
    except Exception as error:
        return str(error)
result = (
    refused(module.Species, species="snake", legs=200),
    refused(module.Subject, subject=9, species="rat", sex="X"),
    refused(module.Subject, subject=9, species="unicorn"),
)
"""
    legs, sex, species = peer.run(code)
    assert "check" in legs
    assert "check" in sex
    assert "foreign key" in species


def test_blobs_between_the_two(made: Ours, peer: Peer) -> None:
    """A value in a blob of djarrow's is read by the peer's class, and one that the peer puts there by djarrow."""
    code = CLASSES + (
        "result = (Session & {'subject': 1}).fetch1('trace')\n"
        "Session.insert1({'subject': 2, 'session': 2, 'trace': trace})"
    )
    assert same(peer.run(code, definitions=DEFINITIONS, trace=TRACE), TRACE)
    found = (made.Session & {"subject": 2, "session": 2}).fetch1("trace")
    made.schema.connection.execute('DELETE FROM "ours".session WHERE session = 2')
    assert same(found, TRACE)
