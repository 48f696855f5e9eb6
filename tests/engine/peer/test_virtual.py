"""The peer's schemas without a class: `dj.virtual` makes the classes from the database."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import djarrow as dj
from djarrow.engine.embedded.supervisor import LOG_FILE
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import MissingParent

from ...peer import Peer
from ...peer.values import same
from .conftest import MODULES
from .pipelines import ANIMALS, BLOBS, MOMENT_UTC, SESSIONS

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def lab(pipeline: Peer, connection: PostgresConnection) -> Any:
    """The peer's schema of animals."""
    return dj.virtual("peer_lab", connection=connection)


@pytest.fixture
def ephys(pipeline: Peer, connection: PostgresConnection) -> Any:
    """The peer's schema of sessions."""
    return dj.virtual("peer_ephys", connection=connection)


def test_classes_tiers_and_parts(lab: Any, ephys: Any) -> None:
    """Every table has a class of its tier, parts stand in their masters, and hidden tables have none."""
    assert [base for base in (dj.Lookup, dj.Manual) if issubclass(lab.Species, base)] == [dj.Lookup]
    tiers = {"Session": dj.Manual, "Pairing": dj.Manual, "Scan": dj.Imported, "Mask": dj.Computed, "Trace": dj.Computed}
    assert all(issubclass(getattr(ephys, name), base) for name, base in tiers.items())
    assert issubclass(ephys.Session.Trial, dj.Part)
    assert ephys.Session.Trial().master is ephys.Session
    names = {"Session", "Trial", "Probe", "Pairing", "Scan", "Mask", "Trace", "Activity"}
    assert {cls.__name__ for cls in ephys} == names


def test_data(lab: Any, ephys: Any) -> None:
    """Rows and blobs come back equal through classes that nobody wrote."""
    assert lab.Animal().to_dicts(order_by="animal_id") == ANIMALS
    assert ephys.Session().to_dicts(order_by=("animal_id", "session")) == SESSIONS
    found = [row["value"] for row in lab.Blob().to_dicts(order_by="blob_id")]
    assert [number for number, pair in enumerate(zip(found, BLOBS, strict=True)) if not same(*pair)] == []


def test_native_types(pipeline: Peer, connection: PostgresConnection) -> None:
    """Native types whose names mean something else in djarrow are read as what they are."""
    native = dj.virtual("peer_native", connection=connection)
    assert native.Native().to_dicts(order_by="number") == [
        {"number": 1, "a_float": 0.1, "a_double": None, "a_moment": MOMENT_UTC},
        {"number": 2, "a_float": 1e300, "a_double": None, "a_moment": MOMENT_UTC},
    ]


def test_queries_across_schemas(lab: Any, ephys: Any) -> None:
    """Tables of two schemas join and restrict each other by lineage, over renamed foreign keys too."""
    joined = (ephys.Session * lab.Rig & "kind = '2p'").to_dicts("room", order_by=("animal_id", "session"))
    assert [row["room"] for row in joined] == ["north", ""]
    mothers = ephys.Pairing * lab.Animal.proj("sex", mother="animal_id")
    assert mothers.to_dicts() == [{"mother": 1, "father": 2, "sex": "F"}]
    assert len(lab.Animal - ephys.Session) == 1


def test_inserting(lab: Any, pipeline: Peer, connection: PostgresConnection) -> None:
    """A row inserted through a class that nobody wrote is read by the peer."""
    lab.Animal.insert1({"animal_id": 50, "species": "starling", "sex": "F"})
    code = "import lab\nresult = (lab.Animal & 'animal_id = 50').proj('species', 'sex', 'born').to_dicts()"
    found = pipeline.run(code, modules=MODULES)
    connection.execute("DELETE FROM peer_lab.animal WHERE animal_id = 50")
    assert found == [{"animal_id": 50, "species": "starling", "sex": "F", "born": None}]


def test_a_new_table_on_top(ephys: Any, schema: dj.Schema) -> None:
    """A class of djarrow's refers to tables of the peer's, in a schema of its own."""

    @schema
    class Review(dj.Manual):
        definition = """
        -> ephys.Session
        ---
        verdict : enum('good', 'bad')
        """

    Review.insert1({"animal_id": 1, "session": 1, "verdict": "good"})
    assert (Review * ephys.Session.proj("note")).fetch1("verdict", "note") == ("good", "x")


def test_a_new_table_that_refers_to_an_enum_and_a_char(lab: Any, schema: dj.Schema) -> None:
    """A foreign key to a table of the peer's may hold its enums and padded chars; what it refers to must be there."""

    @schema
    class Repair(dj.Manual):
        definition = """
        -> lab.Rig
        ---
        cost : decimal(8,2)
        """

    Repair.insert1({"kind": "2p", "code": "a1", "cost": "12.50"})
    assert (Repair * lab.Rig).fetch1("room", "code") == ("north", "a1")
    assert len(lab.Rig - Repair) == 2
    with pytest.raises(MissingParent):
        Repair.insert1({"kind": "2p", "code": "none", "cost": 1})


def test_described_definitions_declare(ephys: Any, lab: Any) -> None:
    """The description of a table of the peer's names its parents, options and defaults."""
    assert ephys.Session.describe() == (
        "-> peer_lab.Animal\n"
        "session : int16\n"
        "---\n"
        "-> peer_lab.Rig\n"
        "-> [nullable] peer_lab.Species.proj(companion='species')\n"
        "-> [nullable, unique] peer_lab.Person\n"
        'note : varchar(100) = ""\n'
    )
    assert "value : <dj_blob>" in lab.Blob.describe()


def test_opening_takes_few_statements(pipeline: Peer, connection: PostgresConnection, ask: Any) -> None:
    """Opening a schema and knowing all its headings takes at most six statements, as the server counts them."""
    log = Path(ask("SELECT current_setting('data_directory') AS folder")[0]["folder"]).parent / LOG_FILE
    connection.execute("SET log_statement = 'all'")
    before = log.stat().st_size
    attributes = sum(len(table().heading.names) for table in dj.virtual("peer_ephys", connection=connection))
    statements = re.findall(r"LOG:  (?:statement|execute [^:]*):", log.read_bytes()[before:].decode())
    connection.execute("RESET log_statement")
    assert attributes == 28
    assert 1 <= len(statements) <= 6
