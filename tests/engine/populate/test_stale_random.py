"""What is stale after random changes, makes, acceptances and deletes, against a search through all rows in Python."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from attrs import define, field

import djarrow as dj
from djarrow.model.names import TableName

Row = tuple[TableName, tuple[Any, ...]]


def declare(schema: dj.Schema) -> dict[str, Any]:
    """A hierarchy, a master with a part, a lookup, and results of them that meet again, one with a part."""

    @schema
    class Subject(dj.Manual):
        definition = "subject : uint8\n---\n-> [nullable] Subject.proj(mother='subject')\nx = 0 : int32"

    @schema
    class Tool(dj.Manual):
        definition = "tool : varchar(4)\n---\nx = 0 : int32"

    @schema
    class Session(dj.Manual):
        definition = "-> Subject\nsession : uint8\n---\nx = 0 : int32"

        class Trial(dj.Part):
            definition = "-> master\ntrial : uint8\n---\n-> [nullable] Tool\nx = 0 : int32"

    @schema
    class Rate(dj.Computed):
        definition = "-> Session\n---\nx = 0 : int32"

        def make(self, key: dict[str, Any]) -> None:
            self.insert1(key)

    @schema
    class Fit(dj.Computed):
        definition = "-> Rate\n-> Tool.proj(by='tool')\n---\nx = 0 : int32"

        class Term(dj.Part):
            definition = "-> master\nterm : uint8\n---\nx = 0 : int32"

        def make(self, key: dict[str, Any]) -> None:
            self.insert1(key)
            self.Term.insert([{**key, "term": number} for number in range(2)])

    @schema
    class Peak(dj.Computed):
        definition = "-> Fit.Term\n---\nx = 0 : int32"

        def make(self, key: dict[str, Any]) -> None:
            self.insert1(key)

    @schema
    class Report(dj.Computed):
        definition = "-> Session\n---\n-> [nullable] Fit.proj(best='by')\nx = 0 : int32"

        def make(self, key: dict[str, Any]) -> None:
            best = (Fit & key).to_dicts("by", limit=1)
            self.insert1({**key, "best": best[0]["by"] if best else None})

    Tool.insert([{"tool": tool} for tool in ("a", "b'")])
    Subject.insert([{"subject": 0}, {"subject": 1, "mother": 0}, {"subject": 2, "mother": 1}])
    Session.insert([{"subject": subject, "session": number} for subject in range(3) for number in range(2)])
    trials = [{**row, "trial": n, "tool": (None, "a", "b'")[n]} for row in Session.keys() for n in range(3)]  # noqa: SIM118
    Session.Trial.insert(trials)
    parts = {"Trial": Session.Trial, "Term": Fit.Term}
    return {cls.__name__: cls for cls in (Subject, Tool, Session, Rate, Fit, Peak, Report)} | parts


@define
class Naive:
    """What is known of each result: the steps at which it was made and accepted; and when each row was changed."""

    classes: dict[str, Any]
    changes: dict[Row, list[int]] = field(factory=dict)
    started: dict[Row, Any] = field(factory=dict)
    made: dict[Row, int] = field(factory=dict)
    accepted: dict[Row, int] = field(factory=dict)
    rows: dict[TableName, list[dict[str, Any]]] = field(factory=dict)

    def see(self, step: int) -> None:
        """Read all rows, and note those that were made anew."""
        self.rows = {cls().spec.name: cls.to_dicts() for cls in self.classes.values()}
        for name in ("Rate", "Fit", "Peak", "Report"):
            cls = self.classes[name]
            for row in cls.provenance().to_dicts():
                of = self.row(cls().spec, row)
                if self.started.get(of) != row["started"]:
                    self.started[of], self.made[of] = row["started"], step
                    self.accepted.pop(of, None)

    @staticmethod
    def row(spec: Any, row: dict[str, Any]) -> Row:
        """A row by its table and key."""
        return spec.name, tuple(row[name] for name in spec.heading.primary_key)

    def parents(self, spec: Any, row: dict[str, Any]) -> Iterator[tuple[Any, dict[str, Any]]]:
        """The rows that a row refers to."""
        by_name = {cls().spec.name: cls().spec for cls in self.classes.values()}
        for key in spec.foreign_keys:
            for other in self.rows[key.parent]:
                if all(row[child] == other[parent] for child, parent in key.pairs):
                    yield by_name[key.parent], other

    def above(self, spec: Any, row: dict[str, Any], *, first: bool) -> Iterator[tuple[Any, dict[str, Any]]]:
        """One step up: what it refers to, its parts unless it is the first, and what these refer to."""
        yield from self.parents(spec, row)
        for cls in self.classes.values():
            part = cls().spec
            if part.master != spec.name:
                continue
            for other in self.rows[part.name]:
                if all(row[name] == other[name] for name in spec.heading.primary_key):
                    if first:
                        yield from ((s, r) for s, r in self.parents(part, other) if s.name != spec.name)
                    else:
                        yield part, other

    def upstream(self, spec: Any, row: dict[str, Any]) -> dict[Row, tuple[Any, dict[str, Any]]]:
        """All rows upstream of a result."""
        found: dict[Row, tuple[Any, dict[str, Any]]] = {}
        pending = list(self.above(spec, row, first=True))
        while pending:
            one = pending.pop()
            if (of := self.row(*one)) not in found:
                found[of] = one
                pending += self.above(*one, first=False)
        return found

    def unseen(self, spec: Any, row: dict[str, Any]) -> set[int]:
        """The steps of the changes upstream that neither its make nor who accepted it had seen."""
        of = self.row(spec, row)
        since = max(self.made.get(of, 0), self.accepted.get(of, 0))
        return {step for above in self.upstream(spec, row) for step in self.changes.get(above, []) if step > since}

    def stale(self, cls: Any) -> list[tuple[Any, ...]]:
        """The keys of the rows that do not hold."""
        spec = cls().spec
        found = []
        for row in self.rows[spec.name]:
            of = self.row(spec, row)
            stuck = (
                self.unseen(*one)
                for above, one in self.upstream(spec, row).items()
                if above in self.made and one[0].name == above[0]
            )
            accepted = self.accepted.get(of, 0)
            if self.unseen(spec, row) or any(step > accepted for steps in stuck for step in steps):
                found.append(of[1])
        return sorted(found)


@pytest.mark.parametrize("seed", range(2))
def test_against_a_search_through_all_rows(schema: dj.Schema, seed: int) -> None:
    """The same rows are stale, whatever was changed, made, accepted and deleted in whatever order."""
    chance = random.Random(seed)  # noqa: S311 - for choice
    classes = declare(schema)
    naive = Naive(classes)
    results = [classes[name] for name in ("Rate", "Fit", "Peak", "Report")]
    seen = set()
    for step in range(1, 31):
        action = chance.choice(["change"] * 4 + ["make"] * 3 + ["accept", "refresh", "delete"]) if step > 1 else "make"
        cls = chance.choice(results)
        if action == "change":
            changed = chance.choice(list(classes.values()))
            if rows := changed.keys():
                key = chance.choice(rows)
                changed.update1({**key, "x": step})
                naive.changes.setdefault(naive.row(changed().spec, key), []).append(step)
        elif action == "make":
            for each in results[: chance.randint(1, 4)]:
                each.populate(max_calls=chance.choice([3, None]))
        elif action == "refresh":
            cls.populate(refresh_stale=True, max_calls=chance.choice([2, None]))
        elif action == "delete":
            (cls & "subject = 1").delete(prompt=False, part_integrity="cascade")
        else:
            among = chance.choice(["subject < 2", "subject > 0"])
            rows = (cls.stale() & among).keys()
            assert cls.accept(among) == len(rows)
            naive.accepted.update({naive.row(cls().spec, row): step for row in rows})
        naive.see(step)
        for each in results:
            expected = naive.stale(each)
            found = sorted(tuple(row.values()) for row in each.stale().to_dicts())
            assert found == expected, (step, action, each.__name__)
            seen.update(expected)
    assert len(seen) > 5
