"""The pipeline's own classes, with djarrow in the place of the peer, over the tables that the peer made and filled."""

from __future__ import annotations

import datetime
import warnings
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import DefinitionMismatch

from ...peer import Peer
from ...peer.values import same
from .conftest import MODULES
from .pipelines import ANIMALS, BLOBS, EMPTY, FULL, MOMENT, MOMENT_UTC, SESSIONS, TRIALS

pytestmark = pytest.mark.timeout(600)

ARROW: dict[str, pa.DataType] = {
    "value_id": pa.int32(),
    "a_int8": pa.int8(),
    "a_int16": pa.int16(),
    "a_int32": pa.int32(),
    "a_int64": pa.int64(),
    "a_float32": pa.float32(),
    "a_float64": pa.float64(),
    "a_bool": pa.bool_(),
    "a_uuid": pa.uuid(),
    "a_json": pa.json_(),
    "a_date": pa.date32(),
    "a_datetime": pa.timestamp("us"),
    "a_datetime3": pa.timestamp("us"),
    "a_char": pa.string(),
    "a_varchar": pa.string(),
    "an_enum": pa.dictionary(pa.int16(), pa.string(), ordered=True),
    "a_decimal": pa.decimal128(12, 4),
    "n_smallint": pa.int16(),
    "n_integer": pa.int32(),
    "n_bigint": pa.int64(),
    "n_real": pa.float32(),
    "n_numeric": pa.decimal128(8, 3),
    "n_text": pa.string(),
    "n_time": pa.time64("us"),
}


def test_classes_agree_with_the_tables(ours: Any, ask: Any) -> None:
    """Definitions written for the peer declare in djarrow over the peer's tables: nothing differs, nothing is made."""
    count = "SELECT count(*) AS n FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
    count += "WHERE n.nspname IN ('peer_lab', 'peer_ephys')"
    before = ask(count)
    ours.ephys.schema.activate()
    ours.lab.schema.activate()
    assert ask(count) == before


def test_a_real_of_the_peer_is_half_as_wide(pipeline: Peer, connection: PostgresConnection) -> None:
    """A class that says `real` asks for a float64: it warns of the peer's column, and the difference is refused."""
    schema = dj.Schema("peer_lab", connection=connection)
    with pytest.warns(DeprecationWarning, match="made in PostgreSQL, of half the size, write 'float32'"):

        @schema
        class Defaults(dj.Manual):
            definition = "default_id : int32\n---\nn_real = 0.5 : real"

    with pytest.raises(DefinitionMismatch, match=r"'n_real': the class says float64 = 0.5, the database float32 = 0.5"):
        len(Defaults())


def test_a_class_that_differs_is_refused(ours: Any, connection: PostgresConnection) -> None:
    """A class whose definition is not that of the peer's table is refused with the attribute that differs."""
    schema = dj.Schema("peer_lab", connection=connection)

    @schema
    class Setting(dj.Manual):
        definition = """
        # one row
        ---
        version : int64
        """

    with pytest.raises(DefinitionMismatch, match="version"):
        len(Setting())


def test_data(ours: Any) -> None:
    """Rows come back equal, value for value."""
    assert ours.lab.Animal().to_dicts(order_by="animal_id") == ANIMALS
    assert ours.ephys.Session().to_dicts(order_by=("animal_id", "session")) == SESSIONS
    assert ours.ephys.Session.Trial().to_dicts(order_by=("animal_id", "session", "trial")) == TRIALS
    assert ours.ephys.Session.Probe().to_dicts() == [{"animal_id": 1, "session": 1, "owner": "bo"}]
    assert ours.ephys.Pairing().to_dicts() == [{"mother": 1, "father": 2}]
    assert ours.lab.Setting().to_dicts() == [{"version": 7}]
    assert ours.lab.Rig().to_dicts() == [
        {"kind": "2p", "code": "a1", "room": "north"},
        {"kind": "2p", "code": "b", "room": ""},
        {"kind": "patch", "code": "a1", "room": "south"},
    ]


def test_native_types_by_the_names_of_the_peer(pipeline: Peer, connection: PostgresConnection) -> None:
    """A class that keeps the names float and serial is refused, and the types that fit are named."""
    schema = dj.Schema("peer_native", connection=connection)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)

        @schema
        class Native(dj.Manual):
            definition = """
            number : serial
            ---
            a_float : float
            a_double = null : float
            a_moment = CURRENT_TIMESTAMP : timestamp
            """

    with pytest.raises(DefinitionMismatch, match=r"(?s)int32.*float64") as caught:
        len(Native())
    assert "a_moment" not in str(caught.value)  # a native timestamp without zone is a timestamp in UTC


def test_native_types_by_the_names_of_djarrow(pipeline: Peer, connection: PostgresConnection) -> None:
    """A class that names the types that the columns are agrees, and reads and adds rows."""
    schema = dj.Schema("peer_native", connection=connection)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)

        @schema
        class Native(dj.Manual):
            definition = """
            number : int32 auto_increment
            ---
            a_float : float64
            a_double = null : float64
            a_moment = CURRENT_TIMESTAMP : timestamp
            """

    rows = [
        {"number": 1, "a_float": 0.1, "a_double": None, "a_moment": MOMENT},
        {"number": 2, "a_float": 1e300, "a_double": None, "a_moment": MOMENT},
    ]
    assert Native().to_dicts(order_by="number") == [{**row, "a_moment": MOMENT_UTC} for row in rows]
    assert len(Native & "a_moment = '2021-06-01 01:02:03'") == 2
    Native.insert1({"a_float": 3, "a_moment": MOMENT_UTC})
    found = pipeline.run("import native\nresult = native.Native.to_dicts(order_by='number')", modules=MODULES)
    connection.execute("DELETE FROM peer_native.native WHERE number > 2")
    assert found == [*rows, {"number": 3, "a_float": 3.0, "a_double": None, "a_moment": MOMENT}]


@pytest.mark.parametrize("name", FULL)
def test_a_value_of_each_type(ours: Any, name: str) -> None:
    """A value of each type, and NULL, come back as they were put in."""
    rows = ours.lab.Everything().to_dicts(order_by="value_id")
    assert same([row[name] for row in rows], [FULL[name], EMPTY[name]])


def test_types_of_results(ours: Any) -> None:
    """Results have the declared types in Arrow, and the same ones where there are no rows."""
    everything = ours.lab.Everything()
    blobs = ("a_bytes", "a_blob")
    full, empty = everything.to_arrow().schema, (everything & "value_id > 99").to_arrow().schema
    assert {field.name: field.type for field in full if field.name not in blobs} == ARROW
    assert full == empty
    assert (everything & "value_id > 99").to_polars().schema == everything.to_polars().schema
    assert everything.to_polars().schema["an_enum"] == pl.Enum(["one", "two", "it is: three"])


def test_defaults_that_the_peer_left_to_the_server(ours: Any) -> None:
    """A row of defaults comes back with the value of each default."""
    row = ours.lab.Defaults.fetch1()
    assert (row["a_int64"], row["a_bool"], row["a_char"]) == (9007199254740993, True, "ab")
    assert (row["an_enum"], row["a_varchar"], row["n_time"]) == ("b", "it's: #1", datetime.time(12, 30))


@pytest.mark.parametrize("number", range(len(BLOBS)))
def test_blobs(ours: Any, number: int) -> None:
    """A value that the peer serialised is decoded: arrays with their dtype and shape, nested values, None."""
    assert same((ours.lab.Blob & {"blob_id": number}).fetch1("value"), BLOBS[number])


def test_populate_continues(ours: Any, pipeline: Peer) -> None:
    """Populate sees which keys the peer has computed and computes those that are missing; the peer reads them."""
    table = ours.ephys.Activity
    assert (table & "animal_id = 3").to_dicts() == []
    table.populate()
    rows = pipeline.run("import ephys\nresult = ephys.Activity.to_dicts(order_by='KEY')", modules=MODULES)
    assert rows == [
        {"animal_id": 1, "session": 1, "total": 8.25},
        {"animal_id": 1, "session": 2, "total": 9.0},
        {"animal_id": 3, "session": 1, "total": 23.25},
    ]


def test_describe_declares_the_same_table(ours: Any) -> None:
    """The description of the peer's tables names types and references as djarrow's own tables do."""
    text = ours.ephys.Session.describe()
    assert "-> peer_lab.Rig\n" in text
    assert "-> [nullable] peer_lab.Species.proj(companion='species')\n" in text
    assert 'note : varchar(100) = ""' in text
    assert "index" not in text
