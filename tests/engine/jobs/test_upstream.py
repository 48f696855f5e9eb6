"""self.upstream: inside of a make, the rows that its key depends on, as queries."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

import djarrow as dj
from djarrow.errors import NotUpstream, QueryError
from djarrow.jobs.upstream import UpstreamRows


def seen(lab: SimpleNamespace, *given: Any) -> dict[str, Any]:
    """What the make of subject 3, session 1 finds upstream of it in each table."""
    found: dict[str, Any] = {}

    def make(table: Any, _: Any) -> None:
        for each in given:
            found[each if isinstance(each, str) else (each if isinstance(each, type) else type(each)).__name__] = (
                table.upstream[each].to_dicts()
            )

    lab.run(make)
    return found


def test_rows_upstream_of_the_key(lab: SimpleNamespace) -> None:
    """By the key, by what its rows refer to, by parts, and up a hierarchy; as class, instance, or text."""
    session = {"subject": 3, "session": 1, "room": "a", "person": "eve", "minutes": 5.0}
    trials = [{"subject": 3, "session": 1, "trial": number, "kind": "go"} for number in (1, 2)]
    name = lab.schema.name
    texts = (f"{name}.session", f"{name}.Session.Trial", f"{name}.#room")
    assert seen(lab, lab.Session, lab.Room, lab.Person, lab.Session.Trial, lab.Kind, lab.Subject(), *texts) == {
        "Session": [session],
        "Room": [{"room": "a", "level": 1}],
        "Person": [{"person": "eve"}],
        "Trial": trials,
        "Kind": [{"kind": "go"}],
        "Subject": [{"subject": n, "mother": mother} for n, mother in ((1, None), (2, 1), (3, 2))],
        f"{name}.session": [session],
        f"{name}.Session.Trial": trials,
        f"{name}.#room": [{"room": "a", "level": 1}],
    }


def test_it_is_a_query(lab: SimpleNamespace) -> None:
    """Nothing is read until it is asked for, and it can be restricted, joined and read in any form."""
    found = []

    def make(table: Any, _: Any) -> None:
        session = table.upstream[lab.Session]
        assert isinstance(session, dj.QueryExpression)
        assert session.to_sql().count("SELECT") == 1
        found.append((session * table.upstream[lab.Room]).fetch1("minutes", "level"))
        found.append(len(table.upstream[lab.Session.Trial] & "trial > 1"))

    lab.run(make)
    assert found == [(5.0, 1), 1]


def test_a_table_that_is_not_upstream(lab: SimpleNamespace) -> None:
    """Of an unrelated table, of the one being made, and of what the make chooses, each is told why not."""
    texts: list[str] = []

    def make(table: Any, _: Any) -> None:
        for each in (lab.Stray, lab.Speed, table.Sample, lab.Method, f"{lab.schema.name}.sesion", "sesion'\"; --"):
            with pytest.raises(NotUpstream) as caught:
                table.upstream[each]
            texts.append(str(caught.value))
        with pytest.raises(QueryError, match="named by its class"):
            table.upstream[3]

    lab.run(make)
    stray, speed, sample, method, typo, odd = texts
    assert "does not depend on" in stray
    assert "Refer to it in the definition" in stray
    assert all("is what is being made" in text for text in (speed, sample))
    assert "outside of its primary key. All of its rows may be read here." in method
    assert f"Did you mean '{lab.schema.name}.session'?" in typo
    assert "does not depend on" in odd


def test_outside_of_a_make(lab: SimpleNamespace) -> None:
    """Without a make, and in that of another table, there is no key: the error says what to use."""
    with pytest.raises(QueryError, match=r"no make of .* runs here.*dj\.trace"):
        lab.Speed().upstream[lab.Session]

    @lab.schema
    class Other(dj.Computed):
        definition = "-> Session"

        def make(self, key: dict[str, Any]) -> None:
            with pytest.raises(QueryError, match="no make of"):
                lab.Speed().upstream[lab.Session]
            assert isinstance(self.upstream, UpstreamRows)
            self.insert1(key)

    assert Other.populate().done == 3


def test_a_coarser_key_source(lab: SimpleNamespace) -> None:
    """Where the key has some of the primary key's attributes, what these determine is upstream, and the rest is not."""
    found = []

    @lab.schema
    class Choice(dj.Computed):
        definition = "-> Session\n---\n"

        @property
        def key_source(self) -> Any:
            return lab.Subject & "subject = 3"

        def make(self, key: dict[str, Any]) -> None:
            found.append(self.upstream[lab.Subject].keys())
            with pytest.raises(NotUpstream, match="does not tell which rows"):
                self.upstream[lab.Session]
            with dj.config.override(strict_reads="error"):
                self.insert1({**key, "session": (lab.Session & key).to_arrays("session")[-1]})

    assert Choice.populate().done == 1
    assert found == [[{"subject": n} for n in (1, 2, 3)]]


def test_many_ways_to_one_table(schema: dj.Schema) -> None:
    """A table that the key names twice, and that rows upstream name once more, has the rows of every way."""

    @schema
    class Place(dj.Manual):
        definition = "place : uint8\n---"

    @schema
    class Walker(dj.Manual):
        definition = "walker : uint8\n---\n-> Place.proj(home='place')"

    found = []

    @schema
    class Walk(dj.Computed):
        definition = "-> Walker\n-> Place.proj(start='place')\n-> Place.proj(stop='place')\n---"

        def make(self, key: dict[str, Any]) -> None:
            with dj.config.override(strict_reads="error"):
                found.append(self.upstream[Place].to_arrays("place").tolist())
                assert len(Place & {"place": key["start"]}) == 1
                assert len(Place & {"place": key["stop"]}) == 1
                assert len(Place & (Walker & key).proj(place="home")) == 1
                with pytest.raises(dj.errors.StrictReadError):
                    len(Place & {"place": 4})
            self.insert1(key)

    Place.insert([(n,) for n in range(1, 6)])
    Walker.insert1((7, 5))
    Walk.populate({"start": 2, "stop": 3})
    assert found == [[2, 3, 5]]
