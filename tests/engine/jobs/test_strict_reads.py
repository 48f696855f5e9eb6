"""Strict reads: which reads of a make are of its key and what is upstream of it, and what becomes of the others."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

import djarrow as dj
from djarrow.errors import StrictReadError, StrictReadWarning
from djarrow.table.strict import permitted

Key = dict[str, Any]
Read = Callable[[Any], Any]
"""A read in a make. Its argument has the tables by name, `table`, which is the maker, and `key`."""


@pytest.fixture(autouse=True)
def strict() -> Iterator[None]:
    """Reads that are not upstream raise."""
    with dj.config.override(strict_reads="error"):
        yield


def trials(m: Any) -> Any:
    """The trials of the key, as a frame."""
    return (m.Session.Trial & m.key).to_polars()


def reading(read: Read, lab: SimpleNamespace) -> Callable[[Any, Key], Any]:
    """A make that reads so."""
    return lambda table, key: read(SimpleNamespace(**vars(lab), table=table, key=key))


ALLOWED: dict[str, Read] = {
    "the parent by the key": lambda m: (m.Session & m.key).fetch1(),
    "by attributes of the key alone": lambda m: (m.Subject & {"subject": m.key["subject"]}).fetch1(),
    "by text": lambda m: (m.Session & f"subject = {m.key['subject']} and session = {m.key['session']}").fetch1(),
    "by text in two steps": lambda m: (m.Session & "subject = 3" & "1 = session").fetch1(),
    "by a list of one": lambda m: (m.Session & [m.key]).fetch1(),
    "by a list of one value": lambda m: (m.Session & m.key & "session in (1)").fetch1(),
    "by a frame": lambda m: (m.Session & pl.DataFrame([m.key])).fetch1(),
    "by a frame of parts": lambda m: (m.Session.Trial & trials(m)).to_polars(),
    "by a Polars expression": lambda m: (m.Session & (pl.col("subject") == 3) & (pl.col("session") == 1)).fetch1(),
    "more than the key says": lambda m: (m.Session & m.key & "minutes > 1").to_dicts(),
    "less than the key's rows": lambda m: ((m.Session & m.key) - "minutes > 1").to_dicts(),
    "all conditions": lambda m: (m.Session & dj.AndList([m.key, "minutes > 1"])).to_dicts(),
    "alternatives of the key": lambda m: (
        m.Session & [{**m.key, "minutes": 1.0}, {**m.key, "minutes": 5.0}]
    ).to_dicts(),
    "alternatives in text": lambda m: (
        m.Session & [f"subject = 3 and session = 1 and minutes > {n}" for n in (1, 2)]
    ).to_dicts(),
    "a part of the parent": lambda m: len(m.Session.Trial & m.key),
    "what a part refers to": lambda m: (m.Kind & (m.Session.Trial & m.key)).to_polars(),
    "a join": lambda m: (m.Subject * m.Session * m.Session.Trial & m.key).to_polars(),
    "a join to what is further up": lambda m: (m.Session * m.Room & m.key).fetch1("level"),
    "a join begun further up": lambda m: (m.Room * m.Session & m.key).fetch1("level"),
    "a left join": lambda m: (m.Session & m.key).extend(m.Room).fetch1(),
    "further up by a restriction": lambda m: (m.Room & (m.Session & m.key)).fetch1("level"),
    "further up by a projection": lambda m: (m.Person & (m.Session & m.key).proj("person")).to_dicts(),
    "renamed": lambda m: (m.Session.proj(s="subject") & {"s": 3, "session": 1}).fetch1(),
    "an aggregation": lambda m: (m.Session & m.key).aggr(m.Session.Trial, n="count(*)").fetch1("n"),
    "an aggregation of what is restricted": lambda m: m.Session.aggr(
        m.Session.Trial & m.key, n="count(*)", exclude_nonmatching=True
    ).to_dicts(),
    "distinct values": lambda m: (dj.U("kind") & (m.Session.Trial & m.key)).to_dicts(),
    "aggregates of distinct values": lambda m: dj.U("kind").aggr(m.Session.Trial & m.key, n="count(*)").to_dicts(),
    "a union": lambda m: ((m.Session & m.key).proj() + (m.Session & m.key & "minutes > 1").proj()).to_dicts(),
    "a union that is restricted": lambda m: (m.Session.proj() + m.Session.proj() & m.key).to_dicts(),
    "top of the key's": lambda m: (m.Session.Trial & m.key & dj.Top(1)).to_dicts(),
    "a complement": lambda m: (m.Session.Trial & m.key) - (m.Kind & "kind = 'go'") and None,
    "nothing": lambda m: (m.Session & []).to_dicts(),
    "its own table": lambda m: len(m.table & m.key),
    "its own parts": lambda m: len(m.table.Sample & m.key),
    "what it may choose from": lambda m: m.Method.to_dicts(),
    "upstream": lambda m: [
        m.table.upstream[table].to_dicts()
        for table in (m.Session, m.Subject, m.Room, m.Person, m.Session.Trial, m.Kind)
    ],
    "by what is upstream": lambda m: (m.Subject & m.table.upstream[m.Subject]).to_dicts(),
    "a trace": lambda m: {name: query.to_dicts() for name, query in dj.trace(m.table & m.key).items()},
    "no read": lambda m: (m.Session & "minutes > 1").to_sql() and m.Stray.heading and repr(m.Stray.proj()),
}

REFUSED: dict[str, tuple[Read, str]] = {
    "all": (lambda m: m.Session.to_polars(), "Session"),
    "another key": (lambda m: (m.Session & {"subject": 4, "session": 1}).fetch1(), "Session"),
    "a part of the key": (lambda m: (m.Session & "session = 1").to_dicts(), "Session"),
    "a key with a typo": (lambda m: (m.Session & {"subjekt": 3, "session": 1}).to_dicts(), "Session"),
    "or": (lambda m: (m.Session & "subject = 3 and session = 1 or minutes > 5").to_dicts(), "Session"),
    "alternatives": (lambda m: (m.Session & [m.key, "minutes > 5"]).to_dicts(), "Session"),
    "keys": (lambda m: (m.Session & [m.key, {"subject": 4, "session": 1}]).to_dicts(), "Session"),
    "values of the key for other attributes": (
        lambda m: (m.Session & {"subject": 1, "session": 3}).to_dicts(),
        "Session",
    ),
    "alternatives of values of the key": (lambda m: (m.Subject & ["subject = 3", "subject = 1"]).to_dicts(), "Subject"),
    "not the key": (lambda m: (m.Session - m.key).to_dicts(), "Session"),
    "not not the key": (lambda m: (m.Session & dj.Not(m.key)).to_dicts(), "Session"),
    "a range": (lambda m: (m.Session & "subject <= 3" & "session = 1").to_dicts(), "Session"),
    "an expression of an attribute": (lambda m: (m.Session & "subject + 0 = 3" & "session = 1").to_dicts(), "Session"),
    "top before the key": (lambda m: (m.Session & dj.Top(2) & m.key).to_dicts(), "Session"),
    "further up": (lambda m: m.Room.to_dicts(), "Room"),
    "further up by another key": (lambda m: (m.Room & (m.Session & "subject = 4")).to_dicts(), "Room"),
    "further up by what it has nothing of": (lambda m: (m.Room * (m.Subject & m.key)).to_dicts(), "Room"),
    "a part of another key": (lambda m: len(m.Session.Trial & "trial = 1"), "Session.Trial"),
    "a mother": (lambda m: (m.Subject & {"subject": 2}).to_dicts(), "Subject"),
    "rows beside a left join": (lambda m: m.Session.extend(m.Room).to_dicts(), "Session"),
    "rows beside a left join that the key restricts": (
        lambda m: m.Subject.extend((m.Subject & {"subject": 3}).proj()).to_dicts(),
        "Subject",
    ),
    "groups": (lambda m: m.Session.aggr(m.Session.Trial & m.key, n="count(*)").to_dicts(), "Session"),
    "one side of a union": (lambda m: ((m.Session & m.key).proj() + m.Session.proj()).to_dicts(), "Session"),
    "no lookup of it": (lambda m: m.Stray.to_dicts(), "Stray"),
    "no lookup of it, by the key": (lambda m: (m.Stray & (m.Room & (m.Session & m.key))).to_dicts(), "Stray"),
    "in a condition": (lambda m: (m.Session & m.key & m.Stray).to_dicts(), "Stray"),
    "in a complement": (lambda m: ((m.Room & (m.Session & m.key)) - m.Stray).to_dicts(), "Stray"),
    "its own rows": (lambda m: len(m.table), "Speed"),
    "its own parts of other rows": (lambda m: len(m.table.Sample()), "Speed.Sample"),
}


@pytest.mark.parametrize("case", ALLOWED)
def test_what_is_upstream_is_read(lab: SimpleNamespace, case: str) -> None:
    """A read that its structure confines to the key, or to what the key's rows refer to, passes."""
    assert lab.run(reading(ALLOWED[case], lab)).done == 1


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_upstream_is_refused(lab: SimpleNamespace, case: str) -> None:
    """Any other read raises, with the table, the key and the line; nothing of the make stays."""
    read, name = REFUSED[case]
    with pytest.raises(StrictReadError) as caught:
        lab.run(reading(read, lab))
    error = caught.value
    assert error.read == str(lab.schema[name]().spec.name)
    assert (error.table, error.key) == (str(lab.Speed().spec.name), {"subject": 3, "session": 1})
    assert error.file == __file__
    assert Path(__file__).read_text("utf-8").splitlines()[error.line - 1].strip()
    with dj.config.override(strict_reads="off"):
        assert len(lab.Speed) == 0


READS: dict[str, Callable[[Any], Any]] = {
    "to_polars": lambda q: q.to_polars(),
    "to_arrow": lambda q: q.to_arrow(),
    "to_pandas": lambda q: q.to_pandas(),
    "to_dicts": lambda q: q.to_dicts(),
    "to_numpy": lambda q: q.to_numpy(),
    "to_arrays": lambda q: q.to_arrays("stray"),
    "to_batches": lambda q: q.to_batches(),
    "to_lazy": lambda q: q.to_lazy(),
    "fetch": lambda q: q.fetch(),
    "fetch1": lambda q: q.fetch1(),
    "keys": lambda q: q.keys(),
    "head": lambda q: q.head(),
    "tail": lambda q: q.tail(),
    "iteration": lambda q: next(iter(q)),
    "list": list,
    "a frame of it": lambda q: pl.DataFrame(list(q)),
    "len": len,
    "bool": bool,
    "in": lambda q: {"stray": 1} in q,
    "preview": lambda q: q.preview(),
}


@pytest.mark.parametrize("how", READS)
def test_every_way_of_reading_counts(lab: SimpleNamespace, how: str) -> None:
    """However rows are read, of a query or of a class, the line of the user's that reads is told."""
    with pytest.raises(StrictReadError) as caught:
        lab.run(lambda *_: READS[how](lab.Stray()))
    line = Path(__file__).read_text("utf-8").splitlines()[caught.value.line - 1]
    assert caught.value.file == __file__
    assert line.strip().startswith((f'"{how}"', "lab.run(lambda"))


def test_insert_from_a_query_is_a_read(lab: SimpleNamespace) -> None:
    """Rows that go from table to table on the server are read, too."""
    with pytest.raises(StrictReadError, match="not upstream"):
        lab.run(lambda table, _: table.insert(lab.Stray.proj(subject="stray"), ignore_extra_fields=True))


def test_outside_of_a_make_everything_is_read(lab: SimpleNamespace) -> None:
    """Neither before nor after a make, nor in another thread meanwhile, is any read in the way."""
    seen = []
    lab.Stray.to_dicts()

    def make(*_: Any) -> None:
        thread = threading.Thread(target=lambda: seen.append(len(lab.Stray)))
        thread.start()
        thread.join(20)

    lab.run(make)
    assert seen == [2]
    assert len(lab.Stray) == 2


def test_off_allows_all(lab: SimpleNamespace) -> None:
    """Where the setting is off, nothing is said."""
    with dj.config.override(strict_reads="off"):
        assert lab.run(lambda *_: len(lab.Stray)).done == 1


def test_warnings_once_a_line_and_table(lab: SimpleNamespace) -> None:
    """By default each line that reads a table it should not warns once, however many makes pass it."""

    def make(*_: Any) -> None:
        for _again in range(2):
            list(map(len, (lab.Stray(), lab.Room())))
        lab.Stray.to_dicts()

    with dj.config.override(strict_reads="warn"), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        assert lab.run(make, True).done == 3
    told = [(warning.lineno, str(warning.message).split(" reads ")[1].split()[0]) for warning in caught]
    assert all(warning.category is StrictReadWarning and warning.filename == __file__ for warning in caught)
    assert len(told) == len(set(told)) == 3


def test_keys_of_every_type(schema: dj.Schema) -> None:
    """A read by the key is known as one, whatever the types of its attributes are, also from a frame."""

    @schema
    class Thing(dj.Manual):
        definition = """
        a : uuid
        b : date
        c : decimal(6,2)
        d : timestamp
        e : enum('x', 'y')
        f : bool
        g : char(3)
        h : float64
        i : uint64
        j : time
        ---
        """

    @schema
    class Result(dj.Computed):
        definition = "-> Thing\n---"

        def make(self, key: Key) -> None:
            for given in (key, [key], (Thing & key).to_polars(), self.upstream[Thing]):
                assert len(Thing & given) == 1
            self.insert1(key)

    row = ("1b4e28ba-2fa1-11d2-883f-0016d3cca427", "2024-02-29", "1.50", "2024-02-29 12:00:00", "x", True, "ab'", 0.1)
    Thing.insert1((*row, 2**64 - 1, "12:30:00"))
    Thing.insert1((*row, 1, "12:30:00"))
    assert Result.populate().done == 2


def test_tables_that_come_later_are_known(lab: SimpleNamespace) -> None:
    """What may be read is found once, and anew when the schemas have other tables."""
    key = {"subject": 3, "session": 1}
    first = permitted(lab.Speed(), key)
    assert permitted(lab.Speed(), key) is first

    @lab.schema
    class Later(dj.Manual):
        definition = "-> Session\n---"

    again = permitted(lab.Speed(), key)
    assert again is not first
    assert Later().spec.name in again.specs


def test_reads_that_differ_in_the_key_are_proved_once(lab: SimpleNamespace) -> None:
    """The proof is kept by structure: makes of other keys add none, and a query of another structure does."""
    with dj.config.override(strict_reads="off"):
        lab.run(lambda _, key: (lab.Session & key).fetch1(), True)
    proved = permitted(lab.Speed(), {"subject": 3, "session": 1})._proved
    assert len(proved) <= 2  # one where subject and session have different values, one where they are the same


SETS: dict[str, tuple[Callable[[Any, pl.DataFrame], Any], str | None]] = {
    "the rows of the keys": (lambda lab, keys: (lab.Session & keys).to_polars(), None),
    "all rows of a table upstream": (lambda lab, _: len(lab.Session * lab.Room), None),
    "parts upstream": (lambda lab, _: lab.Session.Trial.to_polars(), None),
    "what they choose from": (lambda lab, _: lab.Method.to_polars(), None),
    "a table that is not upstream": (lambda lab, _: lab.Stray.to_polars(), "Stray"),
    "one that is joined": (lambda lab, keys: (lab.Session & keys & lab.Stray).to_polars(), "Stray"),
}


@pytest.mark.parametrize("what", SETS)
def test_sets_read_tables_upstream(lab: SimpleNamespace, schema: dj.Schema, what: str) -> None:
    """make_batch: which rows of them is its own affair; other tables raise, with the line."""
    read, refused = SETS[what]

    @schema
    class Batched(dj.Computed):
        definition = "-> Session\n-> Method\n---"

        def make_batch(self, keys: pl.DataFrame) -> pl.DataFrame:
            read(lab, keys)
            return keys

    if refused is None:
        assert Batched.populate().done > 0
        return
    with pytest.raises(StrictReadError) as caught:
        Batched.populate()
    assert (caught.value.read, caught.value.key) == (str(lab.Stray().spec.name), None)
    assert Path(caught.value.file) == Path(__file__)
    assert not Batched()


def test_queries_of_make_query_read_tables_upstream(lab: SimpleNamespace, schema: dj.Schema) -> None:
    """They are looked at once, before anything runs; the line is that of make_query."""

    @schema
    class Right(dj.Computed):
        definition = "-> Session\n---"

        def make_query(self) -> Any:
            return lab.Session.proj()

    @schema
    class Wrong(dj.Computed):
        definition = "-> Session\n---"

        def make_query(self) -> Any:
            return lab.Session.proj() & lab.Stray

    assert Right.populate().done == len(lab.Session())
    with pytest.raises(StrictReadError) as caught:
        Wrong.populate()
    assert caught.value.read == str(lab.Stray().spec.name)
    assert caught.value.line == Wrong.make_query.__code__.co_firstlineno
    with dj.config.override(strict_reads="warn"), pytest.warns(StrictReadWarning, match="not upstream"):
        Wrong.populate()
    with dj.config.override(strict_reads="off"):
        Wrong.populate()
