"""The text of a delete: one statement from the top down, and those that count, lock and look for masters."""

from __future__ import annotations

from types import SimpleNamespace

from djarrow.expr.nodes import Stored
from djarrow.expr.operators import restrict, text_condition
from djarrow.expr.order import top
from djarrow.model.cascade import CASCADE, Reference, plan
from djarrow.model.names import TableName
from djarrow.sql.delete import Statements, asked, chosen

SUBJECT, SESSION, METHOD = TableName("lab", "subject"), TableName("lab", "session"), TableName("lab", "#method")
TRIAL = TableName("lab", "session__trial")
OF_SUBJECT = Reference(SESSION, SUBJECT, (("subject_id", "subject_id"),))
OF_SESSION = Reference(TRIAL, SESSION, (("subject_id", "subject_id"), ("session", "session")))
OF_METHOD = Reference(TRIAL, METHOD, (("method", "method"),), strict=False)
ABOVE = Reference(SUBJECT, SUBJECT, (("mother", "subject_id"),), strict=False)
KEYS = {SUBJECT: ("subject_id",), SESSION: ("subject_id", "session"), TRIAL: ("t",), METHOD: ("method",)}


def heavy(subject: Stored) -> str:
    """The rows of a condition, and the statement that deletes them with their sessions."""
    query = restrict(subject, text_condition("weight > 20", subject.heading))
    found = plan(SUBJECT, [OF_SUBJECT], KEYS, whole=False, part_integrity="enforce")
    return Statements(found, chosen(subject, query, ("subject_id",)), query).delete()


def test_by_a_condition(lab: SimpleNamespace) -> None:
    """A condition stands in the DELETE itself, and what is below asks for the rows that went."""
    assert heavy(lab.Subject).splitlines() == [
        'WITH RECURSIVE d0 AS (DELETE FROM "lab"."subject" AS t1 WHERE t1."weight" > 20 RETURNING t1."subject_id"),',
        'd1 AS (DELETE FROM "lab"."session" AS r WHERE (r."subject_id") IN (SELECT d."subject_id" FROM d0 AS d) '
        "RETURNING 1 AS one)",
        "SELECT (SELECT count(*) FROM d0) AS n0, (SELECT count(*) FROM d1) AS n1",
    ]


def test_by_a_query(lab: SimpleNamespace) -> None:
    """What is more than a condition is a query for keys; of a singleton, for any row."""
    first = chosen(lab.Method, top(lab.Method, 1, "KEY", 0), ("method",))
    assert " ".join(first.text.split()) == (
        '"lab"."#method" AS r WHERE (r."method") IN '
        '(SELECT t1."method" FROM "lab"."#method" AS t1 ORDER BY t1."method" COLLATE "C" ASC LIMIT 1)'
    )
    anything = chosen(lab.Limits, top(lab.Limits, 1, "KEY", 0), ()).text
    assert anything.startswith('"lab"."#limits" AS r WHERE EXISTS (SELECT')


def test_by_a_condition_on_the_key(lab: SimpleNamespace) -> None:
    """A condition that asks for nothing but the key is asked of the tables below, which have it under its name."""
    query = restrict(lab.Subject, text_condition("subject_id > 2", lab.Subject.heading))
    assert asked(query) == frozenset({"subject_id"})
    assert asked(top(query, 1, "KEY", 0)) is None
    found = plan(SUBJECT, [OF_SUBJECT, OF_SESSION], KEYS, whole=False, part_integrity="enforce", asked=asked(query))
    text = Statements(found, chosen(lab.Subject, query, ("subject_id",)), query).delete()
    assert text.splitlines()[:3] == [
        'WITH RECURSIVE d0 AS (DELETE FROM "lab"."subject" AS t1 WHERE t1."subject_id" > 2 RETURNING 1 AS one),',
        'd1 AS (DELETE FROM "lab"."session" AS t1 WHERE t1."subject_id" > 2 RETURNING 1 AS one),',
        'd2 AS (DELETE FROM "lab"."session__trial" AS t1 WHERE t1."subject_id" > 2 RETURNING 1 AS one)',
    ]


def test_all_rows(lab: SimpleNamespace) -> None:
    """All rows take all that must refer to them, without a condition."""
    found = plan(SUBJECT, [OF_SUBJECT, OF_SESSION], KEYS, whole=True, part_integrity="enforce")
    text = Statements(found, chosen(lab.Subject, lab.Subject, ("subject_id",)), lab.Subject).delete()
    assert "WHERE" not in text
    assert text.count("DELETE FROM") == 3


def test_a_hierarchy(lab: SimpleNamespace) -> None:
    """The keys below the rows are found first, by a query that goes on until there are no more."""
    found = plan(SUBJECT, [ABOVE], KEYS, whole=False, part_integrity="enforce")
    query = restrict(lab.Subject, text_condition("weight > 20", lab.Subject.heading))
    text = Statements(found, chosen(lab.Subject, query, ("subject_id",)), query).delete()
    assert 'UNION SELECT r."subject_id" FROM c0 AS c JOIN "lab"."subject" AS r ON r."mother" = c."subject_id")' in text
    assert 'DELETE FROM "lab"."subject" AS r WHERE (r."subject_id") IN (SELECT c."subject_id" FROM c0 AS c)' in text


def test_parts_and_masters(lab: SimpleNamespace) -> None:
    """Rows that would go without their master are counted; or their masters are noted, for the next look."""
    references = [OF_SUBJECT, OF_SESSION, OF_METHOD]
    first = chosen(lab.Method, lab.Method, ("method",))
    enforced = Statements(plan(METHOD, references, KEYS, whole=True, part_integrity="enforce"), first, lab.Method)
    assert enforced.delete().endswith("(SELECT count(*) FROM d1 AS p) AS v1")
    assert enforced.create_masters() == []
    assert enforced.find_masters() is None
    found = Statements(plan(METHOD, references, KEYS, whole=True, part_integrity=CASCADE), first, lab.Method)
    (create,), (drop,) = found.create_masters(), found.drop_masters()
    assert create.startswith('CREATE TEMPORARY TABLE "djarrow_masters_0" ON COMMIT DROP AS SELECT m."subject_id", m."s')
    assert drop == 'DROP TABLE pg_temp."djarrow_masters_0"'
    assert 'INSERT INTO pg_temp."djarrow_masters_0" SELECT DISTINCT p."subject_id"' in str(found.find_masters())


def test_locks_go_down(lab: SimpleNamespace) -> None:
    """Each table that others refer to is locked in the order of its key, after those above it."""
    found = plan(SUBJECT, [OF_SUBJECT, OF_SESSION], KEYS, whole=False, part_integrity="enforce")
    query = restrict(lab.Subject, text_condition("weight > 20", lab.Subject.heading))
    first, second = Statements(found, chosen(lab.Subject, query, ("subject_id",)), query).locks()
    assert first.endswith('WHERE t1."weight" > 20 ORDER BY t1."subject_id" FOR UPDATE OF t1) AS l) AS n')
    assert second.endswith('ORDER BY r."subject_id", r."session" FOR UPDATE OF r) AS l) AS n')
