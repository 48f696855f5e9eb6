"""Tables that the peer made take changes of djarrow's classes, and the peer reads what comes of it."""

from __future__ import annotations

from typing import Any

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection

from ...described import drop_schemas
from ...peer import Peer

pytestmark = pytest.mark.timeout(600)

MADE = '''
schema = dj.Schema("peer_alter")

@schema
class Animal(dj.Manual):
    definition = """
    kind : enum('mouse', 'rat')
    tag : char(4)
    number : int16
    ---
    weight = 1 : int16
    sex = 'U' : enum('U', 'M', 'F')
    note = null : varchar(8)
    index (weight)
    """

@schema
class Visit(dj.Manual):
    definition = """
    visit : int32
    ---
    -> [unique] Animal
    """

Animal.insert([("rat", "a", 1, 7, "M", "one"), ("mouse", "bb", 2, 8, "U", None)])
Visit.insert([(1, "rat", "a", 1)])
'''

READ = """
schema = dj.Schema("peer_alter")
module = dj.VirtualModule("altered", "peer_alter")
result = {"animals": module.Animal.to_dicts(order_by="number"), "visits": module.Visit.to_dicts(order_by="visit")}
"""


def test_tables_of_the_peer_are_altered(peer: Peer, connection: PostgresConnection) -> None:
    """Keys of enum, char and integer types grow in both tables, attributes come, and the peer reads all rows."""
    peer.run(MADE)
    try:
        schema = dj.Schema("peer_alter", connection=connection)

        @schema
        class Animal(dj.Manual):
            definition = """
            kind : enum('mouse', 'rat', 'vole')
            tag : varchar(6)
            number : int32
            ---
            weight = 2 : int64
            sex = 'M' : enum('F', 'M', 'U', 'X')
            note = null : varchar(8)
            cage = 5 : int16
            unique index (weight)
            """

        @schema
        class Visit(dj.Manual):
            definition = """
            visit : int32
            ---
            -> Animal
            """

        assert len(Animal.alter()) == 8
        assert len(Visit.alter()) == 1
        assert (Animal.alter(), Visit.alter()) == ((), ())
        Animal.insert1({"kind": "vole", "tag": "cccccc", "number": 70000})
        Visit.insert([(2, "vole", "cccccc", 70000), (3, "vole", "cccccc", 70000)])
        found: dict[str, Any] = peer.run(READ)
    finally:
        drop_schemas(connection, "peer_alter")
    animals = [(a["kind"], a["tag"], a["number"], a["weight"], a["sex"], a["cage"]) for a in found["animals"]]
    assert animals == [("rat", "a", 1, 7, "M", 5), ("mouse", "bb", 2, 8, "U", 5), ("vole", "cccccc", 70000, 2, "M", 5)]
    assert [(v["visit"], v["kind"]) for v in found["visits"]] == [(1, "rat"), (2, "vole"), (3, "vole")]
