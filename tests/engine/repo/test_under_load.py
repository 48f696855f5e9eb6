"""Exports while others write, and truncate: every one is a moment of the database, by plain SQL over the files."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

import djarrow as dj
from djarrow.engine.connect import connect
from djarrow.engine.postgres import PostgresConnection

SOAK = "DJARROW_SOAK" in os.environ

ACCOUNTS, WRITERS = 20, 4

Work = Callable[[PostgresConnection], None]


@pytest.fixture
def bank(schema: dj.Schema) -> SimpleNamespace:
    """Accounts, transfers between them with two entries each, and the balance of each account. All sum to zero."""

    @schema
    class Account(dj.Manual):
        definition = "account : int32\n---\nbalance : decimal(12,2)"

    @schema
    class Transfer(dj.Manual):
        definition = "transfer : int64\n---\nsaid : varchar(40)"

        class Entry(dj.Part):
            definition = "-> master\n-> Account\n---\namount : decimal(12,2)"

    Account.insert([(n, 0) for n in range(ACCOUNTS)])
    Transfer.declare()
    return SimpleNamespace(schema=schema, Account=Account, Transfer=Transfer)


def transfer(bank: SimpleNamespace, numbers: Iterator[int], chance: random.Random) -> Work:
    """A transfer: master, two entries and two balances in one transaction; sometimes an old one is taken back."""
    name = bank.schema.name

    def work(connection: PostgresConnection) -> None:
        number, amount = next(numbers), chance.randrange(1, 10_000)
        low, high = sorted(chance.sample(range(ACCOUNTS), 2))
        with connection.begin(isolation="READ COMMITTED"):
            entries = f"({number}, {low}, {amount}), ({number}, {high}, -{amount})"
            connection.execute(f"INSERT INTO \"{name}\".transfer VALUES ({number}, 'x')")
            connection.execute(f'INSERT INTO "{name}".transfer__entry VALUES {entries}')
            for account, change in ((low, amount), (high, -amount)):
                connection.execute(
                    f'UPDATE "{name}".account SET balance = balance + {change} WHERE account = {account}'
                )

    return work


def truncate(bank: SimpleNamespace) -> Work:
    """All transfers gone, and all balances zero."""
    name = bank.schema.name

    def work(connection: PostgresConnection) -> None:
        with connection.begin(isolation="READ COMMITTED"):
            connection.execute(f'TRUNCATE "{name}".transfer CASCADE')
            connection.execute(f'UPDATE "{name}".account SET balance = 0')

    return work


@contextlib.contextmanager
def emptied_meanwhile(bank: SimpleNamespace, url: str) -> Iterator[None]:
    """A block at the time of which all is truncated."""
    own = connect(url)
    emptying = threading.Thread(target=truncate(bank), args=(own,))
    emptying.start()
    try:
        yield
    finally:
        emptying.join()
        own.close()


def check(folder: Path, name: str) -> int:
    """How many transfers the files hold, none of them in part. Only DuckDB reads them."""
    tables = {
        table: f"read_parquet({[str(path) for path in sorted((folder / name / 'tables' / table).rglob('*.parquet'))]})"
        for table in ("account", "transfer", "transfer__entry")
    }
    ask = duckdb.connect()

    def one(text: str) -> object:
        (row,) = ask.sql(text.format(**tables)).fetchall()
        return row[0]

    assert one("SELECT coalesce(sum(balance), 0) FROM {account}") == 0
    assert one("SELECT coalesce(sum(amount), 0) FROM {transfer__entry}") == 0
    orphans = "SELECT count(*) FROM {transfer__entry} ANTI JOIN {transfer} USING (transfer)"
    assert one(orphans) == 0
    halves = (
        "SELECT count(*) FROM {transfer} AS t "
        "WHERE (SELECT count(*) FROM {transfer__entry} AS e WHERE e.transfer = t.transfer) <> 2"
    )
    assert one(halves) == 0
    unbalanced = (
        "SELECT count(*) FROM {account} AS a WHERE balance <> "
        "(SELECT coalesce(sum(amount), 0) FROM {transfer__entry} AS e WHERE e.account = a.account)"
    )
    assert one(unbalanced) == 0
    found = one("SELECT count(*) FROM {transfer}")
    assert isinstance(found, int)
    return found


@pytest.mark.timeout(1800 if SOAK else 120)
@pytest.mark.parametrize("options", [{}, {"partition_by": ["account"]}], ids=["whole", "partitioned"])
def test_every_export_is_a_moment(
    bank: SimpleNamespace, connection: PostgresConnection, folder: Path, options: dict[str, Any]
) -> None:
    """Transfers by four writers, a TRUNCATE in the middle: every export sums to zero and has no orphan."""
    numbers, stop, written = itertools.count(), threading.Event(), itertools.count()

    def write(number: int) -> None:
        chance = random.Random(number)  # noqa: S311 - test data
        own, work = connect(connection.url), transfer(bank, numbers, chance)
        try:
            while not stop.is_set():
                work(own)
                next(written)
        finally:
            own.close()

    exports = 50 if SOAK else 4
    held = []
    with ThreadPoolExecutor(WRITERS) as pool:
        writers = [pool.submit(write, number) for number in range(WRITERS)]
        try:
            for number in range(exports):
                begun = next(written)
                end = time.monotonic() + 30
                while next(written) < begun + 40:  # they are at work
                    assert time.monotonic() < end
                    time.sleep(0.01)
                with emptied_meanwhile(bank, connection.url) if number % 2 else contextlib.nullcontext():
                    dj.export(bank.schema, folder, **options)
                held.append(check(folder, bank.schema.name))
                assert dj.verify(folder)
        finally:
            stop.set()
    for writer in writers:
        writer.result()
    assert max(held) > 10
