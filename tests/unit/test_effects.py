"""effects.py: what statements have to do with those of others."""

from __future__ import annotations

import pytest

from tests.effects import Effect, Transaction

NONE, READ, WRITE, END = Effect


@pytest.mark.parametrize(
    ("texts", "effects"),
    [
        (['SELECT FROM "s"."t"'], [READ]),
        (['SELECT to_regclass(\'"s"."t"\')'], [NONE]),
        (['INSERT INTO "s"."t" VALUES (1)'], [END]),
        (
            ["BEGIN ISOLATION LEVEL READ COMMITTED", 'SELECT FROM "s"."t"', 'SELECT FROM "s"."t"', "COMMIT"],
            [NONE, READ, READ, NONE],
        ),
        (
            ["BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT 1", 'SELECT FROM "s"."t"', "ROLLBACK"],
            [NONE, READ, NONE, NONE],
        ),
        (
            ["BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL a.b = 'c'", 'SELECT FROM "s"."t" FOR SHARE', "COMMIT"],
            [NONE, WRITE, END],
        ),
        (
            [
                "BEGIN ISOLATION LEVEL REPEATABLE READ",
                'PREPARE p AS INSERT INTO "s"."t" VALUES (1)',
                'SELECT FROM "s"."t"',
                "EXECUTE p",
                "ROLLBACK",
            ],
            [NONE, NONE, READ, WRITE, END],
        ),
        (
            [
                "BEGIN ISOLATION LEVEL READ COMMITTED",
                'CREATE TEMPORARY TABLE "djarrow_update" AS SELECT FROM "s"."t" WITH NO DATA',
                "COPY",
                'WITH a AS (UPDATE "s"."t" SET b = 1) SELECT 1',
                'DROP TABLE "djarrow_update"',
                "COMMIT",
            ],
            [NONE, NONE, NONE, WRITE, NONE, END],
        ),
        (["SELECT pg_advisory_xact_lock(1)"], [END]),
        (["-- deletes\nSELECT 'it''s an UPDATE' FROM \"s\".\"t\""], [READ]),
    ],
)
def test_effects(texts: list[str], effects: list[Effect]) -> None:
    """Of the statements of one session, in their order."""
    session = Transaction()
    assert [session.effect(text) for text in texts] == effects


@pytest.mark.parametrize("text", ['TRUNCATE "s"."t"', 'ALTER TABLE "s"."t" ADD a int', 'CREATE TABLE "s"."t" ()'])
def test_what_changes_tables_is_not_known(text: str) -> None:
    """Others see it in their catalogs, whatever snapshot they have."""
    with pytest.raises(AssertionError, match="not known here"):
        Transaction().effect(text)


def test_which_neighbours_matter() -> None:
    """What is seen, and what waits: nothing matters to NONE, only an END to a READ, and to a WRITE another one."""
    apart = {(one, other) for one in Effect for other in Effect if one.matters_before_or_after(other)}
    assert apart == {(READ, END), (END, READ), (WRITE, WRITE), (WRITE, END), (END, WRITE), (END, END)}
