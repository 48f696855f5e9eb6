"""djarrow corrects rows of tables that the peer made, in its column types; the peer reads them, and not the log."""

from __future__ import annotations

import decimal
from typing import Any

import pytest

import djarrow as dj

from ...peer import Peer
from .conftest import MODULES
from .pipelines import EMPTY, FULL

pytestmark = pytest.mark.timeout(600)


def test_a_row_of_every_type(ours: Any, pipeline: Peer) -> None:
    """Each attribute of the peer's becomes a value and NULL again; the log has a line for each, and none twice."""
    schema: dj.Schema = ours.lab.schema
    Everything = ours.lab.Everything
    full = {name: value for name, value in FULL.items() if value is not None} | {"value_id": 21}
    Everything.insert1(EMPTY | {"value_id": 21})
    try:
        Everything.update1(full)
        first = len(schema.updates)
        assert first == len(full) - 1
        Everything.update1(full)
        assert len(schema.updates) == first
        code = "import lab\nresult = (lab.Everything & 'value_id = 21').proj('a_int64', 'an_enum', 'a_json').fetch1()"
        found = pipeline.run(code, modules=MODULES)
        assert found == {name: full[name] for name in ("value_id", "a_int64", "an_enum", "a_json")}
        Everything.update1(dict.fromkeys(full) | {"value_id": 21})
        assert (Everything & {"value_id": 21}).fetch1() == dict.fromkeys(Everything.heading.names) | {"value_id": 21}
        assert len(schema.updates) == 2 * first
    finally:
        schema.connection.execute("DELETE FROM peer_lab.everything WHERE value_id = 21")


def test_resetting_to_the_peers_defaults(ours: Any, pipeline: Peer) -> None:
    """None resets to the default that the peer's column has, that of an enum type and of the clock included."""
    Defaults = ours.lab.Defaults
    changed = {"a_int8": 1, "a_decimal": "2.25", "an_enum": "a", "a_now": "2001-01-01", "a_char": "z"}
    Defaults.insert1({"default_id": 31, **changed})
    try:
        Defaults.update1({"default_id": 31, **dict.fromkeys(changed)})
        row = (Defaults & {"default_id": 31}).fetch1()
        assert (row["a_int8"], row["a_decimal"], row["an_enum"]) == (-3, decimal.Decimal("1.50"), "b")
        assert row["a_char"].rstrip() == "ab"
        assert row["a_now"].year > 2001
    finally:
        ours.lab.schema.connection.execute("DELETE FROM peer_lab.defaults WHERE default_id = 31")


def test_a_key_of_enum_and_char(ours: Any, pipeline: Peer) -> None:
    """A row whose key is of the peer's enum and padded char types is found by it."""
    ours.lab.Rig.update1({"kind": "2p", "code": "a1", "room": "attic"})
    assert (ours.lab.Rig & {"kind": "2p", "code": "a1"}).fetch1("room") == "attic"
    ours.lab.Rig.update1({"kind": "2p", "code": "a1", "room": "north"})
    lines = (ours.lab.schema.updates & {"table_name": "#rig"}).to_dicts("old_value", "new_value")
    assert lines == [{"old_value": "north", "new_value": "attic"}, {"old_value": "attic", "new_value": "north"}]


def test_the_peer_takes_the_log_for_a_note(ours: Any, pipeline: Peer) -> None:
    """With a log in the schema, the peer lists the tables as before, and its virtual module opens."""
    ours.lab.Rig.update1({"kind": "2p", "code": "b", "room": "x"})
    ours.lab.Rig.update1({"kind": "2p", "code": "b", "room": ""})
    code = """
module = dj.VirtualModule("lab", "peer_lab")
result = (dj.Schema("peer_lab").list_tables(), [name for name in dir(module) if "pdates" in name], len(module.Rig()))
"""
    tables, named, count = pipeline.run(code)
    assert "#rig" in tables
    assert [name for name in tables if name.startswith("~up")] == []
    assert (named, count) == ([], 3)
