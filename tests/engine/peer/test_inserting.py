"""djarrow inserts into tables that the peer made, and the peer reads what was inserted."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import numpy as np
import polars as pl
import pytest

from djarrow.errors import DuplicateKey, InvalidValue, MissingParent

from ...peer import Peer
from ...peer.values import same
from .conftest import MODULES
from .pipelines import BLOBS, EMPTY, FULL

pytestmark = pytest.mark.timeout(600)


def read(peer: Peer, table: str, restriction: dict[str, Any]) -> Any:
    """The rows of a table of the pipeline as the peer reads them."""
    code = f"import lab, ephys\nresult = ({table} & restriction).to_dicts()"
    return peer.run(code, modules=MODULES, restriction=restriction)


def test_a_row_of_every_type(ours: Any, pipeline: Peer) -> None:
    """A row with a value of each type, and one with none, are read by the peer as they were inserted."""
    full = FULL | {"value_id": 11, "a_uuid": None}  # which the peer cannot read on PostgreSQL
    ours.lab.Everything.insert([full, EMPTY | {"value_id": 12}])
    ours.lab.Everything.insert1({"value_id": 13, "a_int8": 1})
    try:
        found, empty, short = (read(pipeline, "lab.Everything", {"value_id": number})[0] for number in (11, 12, 13))
        differing = {name: found[name] for name, value in full.items() if not same(_plain(found[name]), value)}
        assert differing == {"a_char": "ab  "}  # the peer shows the padding that PostgreSQL adds
        assert all(value is None for name, value in empty.items() if name != "value_id")
        assert (short["a_int8"], short["a_int16"]) == (1, None)
    finally:
        ours.lab.schema.connection.execute("DELETE FROM peer_lab.everything WHERE value_id > 10")


def test_a_uuid(ours: Any, pipeline: Peer) -> None:
    """A uuid that djarrow inserts is there in the peer's database; the peer itself cannot read one on PostgreSQL."""
    ours.lab.Everything.insert1({"value_id": 14, "a_uuid": FULL["a_uuid"]})
    text = "SELECT a_uuid::text FROM peer_lab.everything WHERE value_id = 14"
    found = pipeline.run(f"result = dj.conn().query({text!r}).fetchone()")
    ours.lab.schema.connection.execute("DELETE FROM peer_lab.everything WHERE value_id = 14")
    assert found == (str(FULL["a_uuid"]),)


def _plain(value: Any) -> Any:
    """A NumPy scalar of the peer's as Python's."""
    return value.item() if isinstance(value, np.generic) else value


def test_blobs(ours: Any, pipeline: Peer) -> None:
    """Values that djarrow serialises into the peer's blobs are decoded by the peer."""
    ours.lab.Blob.insert({"blob_id": 100 + number, "value": value} for number, value in enumerate(BLOBS))
    try:
        rows = pipeline.run(
            "import lab\nresult = (lab.Blob & 'blob_id >= 100').to_dicts(order_by='blob_id')", modules=MODULES
        )
        assert len(rows) == len(BLOBS)
        assert [row["value"] for row, value in zip(rows, BLOBS, strict=True) if not same(row["value"], value)] == []
    finally:
        ours.lab.schema.connection.execute("DELETE FROM peer_lab.blob WHERE blob_id >= 100")


def test_defaults_left_out(ours: Any, pipeline: Peer) -> None:
    """Attributes left out have the peer's defaults, those of the server's clock included."""
    ours.lab.Defaults.insert1({"default_id": 2, "an_enum": "a"})
    row = read(pipeline, "lab.Defaults", {"default_id": 2})[0]
    assert (row["an_enum"], row["a_int8"], row["a_decimal"]) == ("a", -3, decimal.Decimal("1.50"))
    assert isinstance(row["a_now"], datetime.datetime)
    assert row["n_time"] == datetime.time(12, 30)


def test_frames_into_enum_and_char(ours: Any, pipeline: Peer) -> None:
    """A Polars frame goes into the peer's enum and char columns, foreign keys among them."""
    frame = pl.DataFrame(
        {"animal_id": [2, 2], "session": [1, 2], "kind": ["2p", "patch"], "code": ["b", "a1"]},
        schema_overrides={"kind": pl.Enum(["patch", "2p"])},
    )
    ours.ephys.Session.insert(frame)
    rows = read(pipeline, "ephys.Session", {"animal_id": 2})
    ours.lab.schema.connection.execute("DELETE FROM peer_ephys.session WHERE animal_id = 2")
    assert [(row["session"], row["kind"], row["code"].strip(), row["note"]) for row in rows] == [
        (1, "2p", "b", ""),
        (2, "patch", "a1", ""),
    ]


def test_what_the_peers_tables_refuse(ours: Any) -> None:
    """Keys, foreign keys and enums of the peer's tables are held, with djarrow's errors."""
    with pytest.raises(DuplicateKey):
        ours.lab.Person.insert1({"name": "ann"})
    with pytest.raises(MissingParent):
        ours.ephys.Session.insert1({"animal_id": 1, "session": 9, "kind": "2p", "code": "none"})
    with pytest.raises(InvalidValue, match="sex"):
        ours.lab.Animal.insert1({"animal_id": 9, "species": "rat", "sex": "X"})
    with pytest.raises(DuplicateKey):
        ours.lab.Setting.insert1({"version": 8})


def test_skipping_duplicates(ours: Any) -> None:
    """Rows whose keys the peer has inserted are passed over, over enum and char keys too."""
    rows = [{"kind": "2p", "code": "a1", "room": "other"}, {"kind": "patch", "code": "new", "room": "new"}]
    assert ours.lab.Rig.insert(rows, skip_duplicates=True) == 1
    ours.lab.schema.connection.execute("DELETE FROM peer_lab.\"#rig\" WHERE code = 'new'")
    assert (ours.lab.Rig & rows[0]).to_dicts() == []
