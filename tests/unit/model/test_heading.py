"""Headings: ordered attributes with their key, their Arrow schema, and what an unknown name says."""

from __future__ import annotations

import pyarrow as pa
import pytest

from djarrow.errors import UnknownAttribute
from djarrow.model.heading import Attribute, Heading, Origin, as_nullable
from djarrow.model.names import TableName
from djarrow.model.types import core

NAME = Attribute("name", core("varchar", 20))
WEIGHT = Attribute("weight", core("float32"), nullable=True)
KEY = Attribute("subject_id", core("uint16"))
HEADING = Heading((KEY, NAME, WEIGHT), ("subject_id",))


def test_order() -> None:
    """Attributes keep their order; the key and the rest are told apart."""
    assert HEADING.names == ("subject_id", "name", "weight")
    assert HEADING.secondary == ("name", "weight")
    assert list(HEADING) == [KEY, NAME, WEIGHT]
    assert len(HEADING) == 3
    assert str(HEADING) == "*subject_id, name, weight"


def test_lookup() -> None:
    """An attribute is found by its name."""
    assert HEADING["weight"] is WEIGHT
    assert "weight" in HEADING
    assert "height" not in HEADING


def test_unknown() -> None:
    """An unknown name is refused with who asked, and the nearest name."""
    with pytest.raises(UnknownAttribute, match=r"proj: there is no attribute 'wieght'\. Did you mean 'weight'\?") as e:
        HEADING.attribute("wieght", where="proj")
    assert (e.value.name, e.value.where) == ("wieght", "proj")
    with pytest.raises(KeyError, match="Known: name, subject_id, weight"):
        HEADING["zzz"]


def test_select() -> None:
    """A selection has its own order, and of the key what is left."""
    assert HEADING.select(("weight", "subject_id")) == Heading((WEIGHT, KEY), ("subject_id",))
    assert HEADING.select(("name",)).primary_key == ()


def test_arrow_schema() -> None:
    """The Arrow schema has the declared types, and says which fields may be NULL."""
    expected = pa.schema(
        [
            pa.field("subject_id", pa.uint16(), nullable=False),
            pa.field("name", pa.string(), nullable=False),
            pa.field("weight", pa.float32(), nullable=True),
        ]
    )
    assert expected == HEADING.arrow_schema


def test_empty_heading() -> None:
    """A heading may have no attributes at all."""
    empty = Heading((), ())
    assert (len(empty), empty.names, str(empty)) == (0, (), "")
    assert empty.arrow_schema == pa.schema([])


def test_as_nullable() -> None:
    """Making an attribute nullable changes a copy."""
    assert as_nullable(NAME).nullable
    assert not NAME.nullable


def test_origin_text() -> None:
    """A lineage reads as schema, table and attribute."""
    assert str(Origin(TableName("lab", "subject"), "subject_id")) == "lab.subject.subject_id"


def test_equality() -> None:
    """Headings with the same attributes and key are equal and hash alike."""
    same = Heading((KEY, NAME, WEIGHT), ("subject_id",))
    assert same == HEADING
    assert hash(HEADING) == hash(same)
    assert Heading((KEY, NAME, WEIGHT), ()) != HEADING
