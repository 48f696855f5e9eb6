"""Names: class <-> table both ways, and what PostgreSQL or the specification refuses."""

from __future__ import annotations

import re
from typing import Any

import pytest

from djarrow.errors import DefinitionError
from djarrow.model import names
from djarrow.model.names import COMPUTED, IMPORTED, LOOKUP, MANUAL, TableName, Tier


@pytest.mark.parametrize(
    ("class_name", "table"),
    [
        ("Subject", "subject"),
        ("TwoPhotonScan", "two_photon_scan"),
        ("Scan2P", "scan2_p"),
        ("Ephys", "ephys"),
        ("A", "a"),
        ("RNASeq", "r_n_a_seq"),
        ("A1B2", "a1_b2"),
    ],
)
def test_snake_and_camel(class_name: str, table: str) -> None:
    """A class's name becomes a table's, and the way back leads to the same class."""
    assert names.snake_case(class_name) == table
    assert names.camel_case(table) == class_name


@pytest.mark.parametrize(
    ("tier", "table", "part"),
    [
        (MANUAL, "two_photon", "two_photon__raw_frame"),
        (LOOKUP, "#two_photon", "#two_photon__raw_frame"),
        (IMPORTED, "_two_photon", "_two_photon__raw_frame"),
        (COMPUTED, "__two_photon", "__two_photon__raw_frame"),
    ],
)
def test_tiers_and_parts(tier: Tier, table: str, part: str) -> None:
    """The tier is the prefix of a table's name, a part's name begins with its master's, and both are read back."""
    assert names.table_name("TwoPhoton", tier) == table
    assert names.table_name("RawFrame", tier, master=table) == part
    assert names.split_table_name(table) == (tier, "TwoPhoton", None)
    assert names.split_table_name(part) == (tier, "RawFrame", table)


@pytest.mark.parametrize("name", ["TwoPhotonScan", "Scan2P", "Ephys", "MembraneVoltage", "A"])
def test_class_names(name: str) -> None:
    """The specification's valid class names are taken."""
    names.check_class_name(name)


@pytest.mark.parametrize("name", ["Two_photon_Scan", "twoPhotonScan", "2PhotonScan", "membrane_potential", "", "Größe"])
def test_wrong_class_names(name: str) -> None:
    """The specification's invalid class names are refused with the rule."""
    with pytest.raises(DefinitionError, match=f"{name!r} is not CamelCase"):
        names.check_class_name(name)


@pytest.mark.parametrize("name", ["first_name", "two_photon_scan", "scan_2p", "two_photon_scan_", "a", "a" * 63])
def test_attribute_names(name: str) -> None:
    """The specification's valid attribute names are taken, up to 63 bytes."""
    names.check_attribute_name(name, table="t")


@pytest.mark.parametrize("name", ["firstName", "2photon_scan", "TwoPhotonScan", "_hidden", "größe", "a-b", "a\n"])
def test_wrong_attribute_names(name: str) -> None:
    """The specification's invalid attribute names are refused with table, line, column and the rule."""
    with pytest.raises(DefinitionError, match="must start with a lowercase letter") as caught:
        names.check_attribute_name(name, table="subject", line=4, column=7)
    assert (caught.value.table, caught.value.line, caught.value.column) == ("subject", 4, 7)
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize("name", ["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"])
def test_names_of_system_columns(name: str) -> None:
    """PostgreSQL has columns of these names in every table, so that no attribute can have them; the place is told."""
    with pytest.raises(DefinitionError, match="taken by a hidden column that PostgreSQL gives every table") as caught:
        names.check_attribute_name(name, table="subject", line=4, column=7)
    assert (caught.value.line, caught.value.column) == (4, 7)


def test_long_names() -> None:
    """A name that PostgreSQL would cut is refused with its length and the limit."""
    for check in (
        lambda name: names.check_attribute_name(name, table="t"),
        names.check_table_name,
        names.check_schema_name,
    ):
        check("a" * 63)
        with pytest.raises(DefinitionError, match=re.escape("has 64 bytes; PostgreSQL keeps 63")):
            check("a" * 64)


def test_a_long_attribute_name_has_a_place() -> None:
    """A name that is too long is refused with its line and column, and shown in part when it is very long."""
    with pytest.raises(DefinitionError, match="has 5000 bytes") as caught:
        names.check_attribute_name("a" * 5000, table="subject", line=4, column=7)
    assert (caught.value.line, caught.value.column) == (4, 7)
    assert len(str(caught.value)) < 400


def test_table_names_are_measured_in_bytes() -> None:
    """The limit is one of bytes, not of characters."""
    with pytest.raises(DefinitionError, match="has 64 bytes"):
        names.check_table_name("ß" * 32)


@pytest.mark.parametrize("name", ["lab", "my-project_2"])
def test_schema_names(name: str) -> None:
    """A schema's name holds lowercase letters, digits, underscores and hyphens."""
    names.check_schema_name(name)


@pytest.mark.parametrize("name", ["", "Lab", "1lab", "my lab", "lab/../x", 'a"b', "lab\n", "größe"])
def test_wrong_schema_names(name: str) -> None:
    """Other schema names are refused."""
    with pytest.raises(DefinitionError, match="must start with a lowercase letter"):
        names.check_schema_name(name)


def test_table_name_text() -> None:
    """A table's full name is shown with a dot and sorts by schema, then table."""
    assert str(TableName("lab", "#rig")) == "lab.#rig"
    assert sorted([TableName("b", "a"), TableName("a", "b")])[0].schema == "a"


@pytest.mark.parametrize("name", ["pg_x", "pg_catalog", "information_schema", 5, None])
def test_schema_names_that_are_not_free(name: Any) -> None:
    """Schema names that PostgreSQL keeps for itself, and what is no text, are refused."""
    with pytest.raises(DefinitionError, match=re.escape(repr(name))):
        names.check_schema_name(name)


@pytest.mark.parametrize(
    ("schema", "name"),
    [
        ("lab", "lab"),
        ("my-lab", "my_lab"),
        ("class", "class_"),
        ("dj", "dj_"),
        ("schema", "schema_"),
        ("master", "master_"),
        ("2024 Lab", "_2024_Lab"),
    ],
)
def test_schema_names_in_definitions(schema: str, name: str) -> None:
    """A definition refers to another schema by a name that the grammar and Python take, and that is not taken."""
    assert names.class_reference(TableName(schema, "subject__part"), "other") == f"{name}.Subject.Part"
    assert names.class_reference(TableName(schema, "#subject"), schema) == "Subject"


@pytest.mark.parametrize("name", ["Lab_Ephys", "two words", "it's", 'a"b', "a\nb", "public", "\u65e5\u672c", "1"])
def test_held_schema_names(name: str) -> None:
    """A schema that exists can have a name that djarrow would not give."""
    names.check_held_schema_name(name)
    assert names.module_name(name).isidentifier()
    assert names.module_name(name).isascii()


@pytest.mark.parametrize("name", ["", "a\0b", "\ud800", "pg_toast", "information_schema", "n" * 64, None, 5])
def test_what_no_schema_is_called(name: Any) -> None:
    """PostgreSQL's own schemas, and what is no name in it, are refused."""
    with pytest.raises(DefinitionError, match="name"):
        names.check_held_schema_name(name)


@pytest.mark.parametrize(
    "table", ["", "scan_2", "Upper", "none", "true", "a b", "../x", "a__none", "../x__part", "a__b__c", "x\n", "___a"]
)
def test_tables_without_a_class(table: str) -> None:
    """A table whose name no class leads to, or the master of which has such a name, is known as such."""
    assert not names.has_class(TableName("lab", table))
    with pytest.raises(DefinitionError):
        names.check_has_class(TableName("lab", table))


@pytest.mark.parametrize("table", ["a", "#a_b", "_scan2", "__mask", "session__trial", "__a__b"])
def test_tables_with_a_class(table: str) -> None:
    """A table of ours has one."""
    assert names.has_class(TableName("lab", table))
