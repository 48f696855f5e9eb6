"""What the tests of computing share: a pipeline whose make does what each test says."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

import djarrow as dj


@pytest.fixture
def lab(schema: dj.Schema) -> SimpleNamespace:
    """Subject > Session (in a Room, by an optional Person) > Speed, with parts, and a Stray that nothing refers to.

    Speed refers to a Method that its make chooses. `lab.make` is called by the make; `lab.run(f)` populates by f.
    """
    made = SimpleNamespace(schema=schema, make=lambda *_: None)

    @schema
    class Room(dj.Lookup):
        definition = "room : varchar(10)\n---\nlevel : int8"
        contents = (("a", 1), ("b", 2))

    @schema
    class Person(dj.Manual):
        definition = "person : varchar(10)\n---"

    @schema
    class Kind(dj.Lookup):
        definition = "kind : varchar(10)\n---"
        contents = (("go",), ("stop",))

    @schema
    class Method(dj.Lookup):
        definition = "method : uint8\n---"
        contents = ((1,), (2,))

    @schema
    class Stray(dj.Lookup):
        definition = "stray : uint8\n---\n-> [nullable] Room"
        contents = ((1, "a"), (2, None))

    @schema
    class Subject(dj.Manual):
        definition = "subject : uint8\n---\n-> [nullable] Subject.proj(mother='subject')"

    @schema
    class Session(dj.Manual):
        definition = "-> Subject\nsession : uint8\n---\n-> Room\n-> [nullable] Person\nminutes : float64"

        class Trial(dj.Part):
            definition = "-> master\ntrial : uint8\n---\n-> Kind"

    @schema
    class Speed(dj.Computed):
        definition = "-> Session\n---\n-> Method\nspeed : float64"

        class Sample(dj.Part):
            definition = "-> master\nsample : uint8\n---"

        def make(self, key: dict[str, Any]) -> None:
            found = made.make(self, key)
            self.insert1({**key, "method": 1, "speed": found if isinstance(found, float) else 0.0})

    Person.insert([("eve",), ("tom",)])
    Subject.insert([(1, None), (2, 1), (3, 2), (4, None)])
    Session.insert([(3, 1, "a", "eve", 5.0), (3, 2, "b", None, 6.0), (4, 1, "b", "tom", 7.0)])
    Session.Trial.insert([(3, 1, 1, "go"), (3, 1, 2, "go"), (3, 2, 1, "stop"), (4, 1, 1, "go")])
    Speed.declare()

    def run(make: Callable[..., Any], *restrictions: Any) -> Any:
        made.make = make
        return Speed.populate(*(restrictions or ({"subject": 3, "session": 1},)))

    tables = (Room, Person, Kind, Method, Stray, Subject, Session, Speed)
    vars(made).update({table.__name__: table for table in tables}, run=run)
    return made
