"""What djarrow reads of tables that the peer made: from the catalog, without a class."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import pytest

from djarrow.engine.postgres import PostgresConnection
from djarrow.model import names
from djarrow.model.heading import Special
from djarrow.model.names import Tier
from djarrow.model.spec import Index, TableSpec
from djarrow.model.types import Family
from djarrow.table.declaring.declare import stored

from ...peer import Peer
from .conftest import SCHEMAS

pytestmark = pytest.mark.timeout(600)

Specs = dict[str, TableSpec]

TIERS: dict[str, Tier] = {
    "peer_lab.#species": names.LOOKUP,
    "peer_lab.#rig": names.LOOKUP,
    "peer_lab.person": names.MANUAL,
    "peer_lab.animal": names.MANUAL,
    "peer_lab.setting": names.MANUAL,
    "peer_native.native": names.MANUAL,
    "peer_lab.everything": names.MANUAL,
    "peer_lab.defaults": names.MANUAL,
    "peer_lab.blob": names.MANUAL,
    "peer_ephys.session": names.MANUAL,
    "peer_ephys.session__trial": names.MANUAL,
    "peer_ephys.session__probe": names.MANUAL,
    "peer_ephys.pairing": names.MANUAL,
    "peer_ephys._scan": names.IMPORTED,
    "peer_ephys.__mask": names.COMPUTED,
    "peer_ephys.__trace": names.COMPUTED,
    "peer_ephys.__activity": names.COMPUTED,
}

TYPES = {
    "value_id": "int32",
    "a_int8": "int8",
    "a_int16": "int16",
    "a_int32": "int32",
    "a_int64": "int64",
    "a_float32": "float32",
    "a_float64": "float64",
    "a_bool": "bool",
    "a_uuid": "uuid",
    "a_bytes": "blob",
    "a_json": "json",
    "a_date": "date",
    "a_datetime": "datetime",
    "a_datetime3": "datetime",
    "a_char": "char(4)",
    "a_varchar": "varchar(12)",
    "an_enum": "enum('one','two','it is: three')",
    "a_decimal": "decimal(12,4)",
    "a_blob": "<dj_blob>",
    "n_smallint": "int16",
    "n_integer": "int32",
    "n_bigint": "int64",
    "n_real": "float32",
    "n_numeric": "decimal(8,3)",
    "n_time": "time",
}

DEFAULTS: dict[str, Any] = {
    "a_int8": -3,
    "a_int16": 4,
    "a_int32": 5,
    "a_int64": 9007199254740993,
    "a_float32": 1.5,
    "a_float64": 2.5e-3,
    "a_bool": True,
    "b_bool": False,
    "a_date": datetime.date(2020, 2, 29),
    "a_datetime": datetime.datetime(2020, 1, 1, 12, 30),
    "a_datetime3": datetime.datetime(2020, 1, 1, 12, 30, 0, 125000),
    "a_now": Special.NOW,
    "a_char": "ab",
    "a_varchar": "it's: #1",
    "an_enum": "b",
    "a_decimal": decimal.Decimal("1.50"),
    "n_smallint": 7,
    "n_real": 0.5,
    "n_text": "",
    "n_time": datetime.time(12, 30),
}


def test_no_table_is_refused(pipeline: Peer, connection: PostgresConnection) -> None:
    """There is no table of the peer's that djarrow cannot describe."""
    assert stored(connection, SCHEMAS).refused == {}


def test_all_tables_and_their_tiers(specs: Specs) -> None:
    """Every table of the two schemas is found with its tier; the peer's hidden tables, ~lineage and ~~scan, are not."""
    assert {name: spec.tier for name, spec in specs.items()} == TIERS


def test_parts_know_their_master(specs: Specs) -> None:
    """A part has its master and the name of its class; other tables have no master."""
    masters = {name: str(spec.master) for name, spec in specs.items() if spec.master}
    assert masters == {
        "peer_ephys.session__trial": "peer_ephys.session",
        "peer_ephys.session__probe": "peer_ephys.session",
    }
    assert specs["peer_ephys.session__trial"].class_name == "Trial"


def test_primary_keys(specs: Specs) -> None:
    """Primary keys are read in order; the peer's hidden key of a table of one row is no attribute."""
    keys = {name: spec.heading.primary_key for name, spec in specs.items()}
    assert keys["peer_lab.#rig"] == ("kind", "code")
    assert keys["peer_ephys.session"] == ("animal_id", "session")
    assert keys["peer_ephys.session__probe"] == ("animal_id", "session", "owner")
    assert keys["peer_ephys.pairing"] == ("mother", "father")
    assert keys["peer_lab.setting"] == ()
    assert specs["peer_lab.setting"].heading.names == ("version",)


def test_hidden_columns_are_no_attributes(specs: Specs) -> None:
    """The peer's columns about its jobs do not show."""
    assert specs["peer_ephys.__mask"].heading.names == ("animal_id", "session", "area")


def test_types(specs: Specs) -> None:
    """Each core type of the peer, and each native type that its column tells, has its type here."""
    heading = specs["peer_lab.everything"].heading
    assert {a.name: str(a.type) for a in heading if a.name != "n_text"} == TYPES
    assert heading["n_text"].type.family is Family.STRING
    assert all(a.nullable and a.default is Special.NULL for a in heading if a.name != "value_id")


def test_types_of_foreign_keys(specs: Specs) -> None:
    """The peer notes no type at a foreign key's columns: they have the parent's, also over several tables."""
    session = specs["peer_ephys.session"].heading
    assert str(session["kind"].type) == "enum('patch','2p')"
    assert str(session["code"].type) == "char(4)"
    assert str(session["companion"].type) == "varchar(32)"
    assert str(specs["peer_ephys.__activity"].heading["session"].type) == "int16"


def test_defaults(specs: Specs) -> None:
    """Defaults of each type come back as values of that type, and attributes with a default are not nullable."""
    heading = specs["peer_lab.defaults"].heading
    assert {a.name: a.default for a in heading if a.name != "default_id"} == DEFAULTS
    assert not any(a.nullable for a in heading)


def test_native_types_that_mean_something_else_here(specs: Specs) -> None:
    """A native type is what its column is, whatever djarrow would make of its name: float and serial."""
    heading = specs["peer_native.native"].heading
    assert {a.name: str(a.type) for a in heading} == {
        "number": "int32",
        "a_float": "float64",
        "a_double": "float64",
        "a_moment": "timestamp",
    }
    assert heading["number"].default is Special.AUTO
    assert heading["a_moment"].default is Special.NOW


def test_comments(specs: Specs) -> None:
    """Comments of tables and attributes come back as they were written, with their colons, quotes and hashes."""
    species = specs["peer_lab.#species"]
    assert species.comment == 'kinds of animals: "which" there are, #1 of the lists, the lab\'s own'
    assert species.heading["species"].comment == "common name: 'mouse', \"rat\", see #2"
    assert species.heading["legs"].comment == 'how many: none, two, "four"'
    assert specs["peer_lab.#rig"].heading["kind"].comment == "not in the order of the alphabet"
    assert specs["peer_lab.everything"].heading["n_text"].comment == "a comment: of a native type"


def test_foreign_keys(specs: Specs) -> None:
    """Foreign keys have their parents, renamed attributes, and what they allow: within a schema and between two."""
    keys = [(str(key.parent), key.pairs, key.nullable, key.unique) for key in specs["peer_ephys.session"].foreign_keys]
    assert keys == [
        ("peer_lab.animal", (("animal_id", "animal_id"),), False, False),
        ("peer_lab.#rig", (("kind", "kind"), ("code", "code")), False, False),
        ("peer_lab.#species", (("companion", "species"),), True, False),
        ("peer_lab.person", (("name", "name"),), True, True),
    ]
    pairing = specs["peer_ephys.pairing"].foreign_keys
    assert [key.renamed for key in pairing] == [{"mother": "animal_id"}, {"father": "animal_id"}]
    probe = specs["peer_ephys.session__probe"].foreign_keys
    assert [(str(key.parent), key.unique) for key in probe] == [
        ("peer_ephys.session", False),
        ("peer_lab.person", True),
    ]


def test_diamond(specs: Specs) -> None:
    """Two foreign keys over the same attributes are both there."""
    assert [str(name) for name in specs["peer_ephys.__activity"].parents] == [
        "peer_ephys.__mask",
        "peer_ephys.__trace",
    ]


def test_lineage(specs: Specs) -> None:
    """Lineage is where an attribute was first defined, through any number of foreign keys and renamings."""
    lineage = {
        f"{name}.{a.name}": str(a.lineage)
        for name, spec in specs.items()
        for a in spec.heading
        if a.lineage is not None
    }
    assert lineage["peer_ephys.__activity.animal_id"] == "peer_lab.animal.animal_id"
    assert lineage["peer_ephys.__activity.session"] == "peer_ephys.session.session"
    assert lineage["peer_ephys.pairing.mother"] == lineage["peer_ephys.pairing.father"] == "peer_lab.animal.animal_id"
    assert lineage["peer_ephys.session.companion"] == "peer_lab.#species.species"
    assert lineage["peer_ephys.session__probe.owner"] == "peer_lab.person.name"
    assert "peer_lab.animal.sex" not in lineage


def test_lineage_is_the_peers(specs: Specs, ask: Any) -> None:
    """The lineage derived from the foreign keys is the one that the peer recorded in its own table."""
    stored = [
        row for schema in sorted(SCHEMAS) for row in ask(f"SELECT '{schema}' AS schema, * FROM {schema}.\"~lineage\"")
    ]
    theirs = {
        f"{row['schema']}.{row['table_name']}.{row['attribute_name']}": row["lineage"]
        for row in stored
        if not row["table_name"].startswith("~") and not row["attribute_name"].startswith("_")
    }
    ours = {f"{name}.{a.name}": str(a.lineage) for name, spec in specs.items() for a in spec.heading if a.lineage}
    assert ours == theirs


def test_indexes(specs: Specs) -> None:
    """Indexes of the definition are read; those that the peer adds for foreign keys are not taken for them."""
    assert set(specs["peer_lab.animal"].indexes) == {Index(("born", "sex")), Index(("tag",), unique=True)}
    assert specs["peer_ephys.session"].indexes == ()
    assert specs["peer_ephys.session__probe"].indexes == ()
