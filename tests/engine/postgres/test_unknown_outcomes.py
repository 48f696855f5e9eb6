"""Connections lost while COMMIT runs: what is reported always agrees with the table, or says that it is not known.

An operation that writes joins the tests by a line in OPERATIONS.
"""

# ruff: noqa: PT012 - what raises is the block of a transaction, with all that is in it

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import attrs
import polars as pl
import psutil
import pytest
from attrs import frozen

import djarrow as dj
from djarrow.engine import transactions
from djarrow.engine.connect import connect, connect_embedded, server_folder
from djarrow.engine.embedded import EmbeddedServer
from djarrow.engine.postgres import PostgresConnection
from djarrow.engine.session import Session
from djarrow.errors import ConnectionFailed, EngineError, TransactionError, UnknownOutcome

from .proxy import Cut, Proxy, proxied

FEW = {Cut.BEFORE: 2, Cut.BEFORE_UNNOTICED: 1, Cut.DURING: 4, Cut.AFTER: 2}
MANY = {Cut.BEFORE: 25, Cut.BEFORE_UNNOTICED: 5, Cut.DURING: 10, Cut.AFTER: 25}
SOAK = "DJARROW_SOAK" in os.environ
TIMES = MANY if SOAK else FEW
"""How often each operation meets each cut; `nox -s soak` takes longer."""

Count = Callable[[str], int]


@frozen
class Operation:
    """Something that writes.

    run: does it for a number, through the table's class. before, wanted: the row of the number in the table, at first
    and when it was done; None where there is none.
    """

    name: str
    run: Callable[[Any, int], object]
    wanted: Callable[[int], dict[str, int] | None]
    before: Callable[[int], dict[str, int] | None]


OPERATIONS = [
    Operation(
        "insert",
        run=lambda table, n: table.insert([{"n": n, "value": n}]),
        wanted=lambda n: {"n": n, "value": n},
        before=lambda _: None,
    ),
    Operation(
        "insert of a frame",
        run=lambda table, n: table.insert(pl.DataFrame({"n": [n], "value": [n]})),
        wanted=lambda n: {"n": n, "value": n},
        before=lambda _: None,
    ),
    Operation(
        "delete",
        run=lambda table, n: (table & {"n": n}).delete(prompt=False),
        wanted=lambda _: None,
        before=lambda n: {"n": n, "value": n},
    ),
    Operation(
        "update1",
        run=lambda table, n: table.update1({"n": n, "value": -1 - n}),
        wanted=lambda n: {"n": n, "value": -1 - n},
        before=lambda n: {"n": n, "value": n},
    ),
]
"""Those that are tested."""


@pytest.fixture
def proxy_and_url(url: str) -> Iterator[tuple[Proxy, str]]:
    """A proxy before the server, and the URL through it."""
    with proxied(url) as found:
        yield found


@pytest.fixture
def proxy(proxy_and_url: tuple[Proxy, str]) -> Proxy:
    """The proxy that the connection `through` leads through."""
    return proxy_and_url[0]


@pytest.fixture
def through(proxy_and_url: tuple[Proxy, str]) -> Iterator[PostgresConnection]:
    """A connection through the proxy."""
    connection = connect(proxy_and_url[1])
    yield connection
    connection.close()


def declared(schema: dj.Schema) -> Any:
    """A table of numbers."""
    table: Any = schema(type("Number", (dj.Manual,), {"definition": "n : int32\n---\nvalue : int32"}))
    table.declare()
    return table


@pytest.mark.parametrize("cut", Cut, ids=lambda cut: cut.name.lower())
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_the_report_agrees_with_the_table(
    schema: dj.Schema, through: PostgresConnection, proxy: Proxy, operation: Operation, cut: Cut
) -> None:
    """What returned is in the table, what raised ConnectionFailed is not, and each time one of the two is found out."""
    seen = declared(schema)
    table = declared(dj.Schema(schema.name, connection=through))
    seen.insert([row for n in range(TIMES[cut]) if (row := operation.before(n)) is not None])
    chance = random.Random(5)  # noqa: S311 - for moments
    for n in range(TIMES[cut]):
        proxy.cut, proxy.delay = cut, chance.uniform(0, 0.0006)
        try:
            operation.run(table, n)
        except ConnectionFailed as error:
            assert "nothing of it was kept" in error.message  # noqa: PT017 - it may raise or not
            expected = operation.before(n)
        else:
            expected = operation.wanted(n)
        assert proxy.cuts == n + 1
        found = (seen & {"n": n}).to_dicts()
        assert found == [] if expected is None else [expected]
        done = expected == operation.wanted(n)
        assert done is {Cut.BEFORE: False, Cut.BEFORE_UNNOTICED: False, Cut.AFTER: True}.get(cut, done)


@pytest.mark.parametrize(
    ("cut", "truth"), [(Cut.BEFORE, "aborted"), (Cut.BEFORE_UNNOTICED, "in progress"), (Cut.AFTER, "committed")]
)
def test_where_the_server_cannot_be_asked_the_outcome_is_unknown(
    schema: dj.Schema,
    connection: PostgresConnection,
    through: PostgresConnection,
    proxy: Proxy,
    *,
    monkeypatch: pytest.MonkeyPatch,
    cut: Cut,
    truth: str,
) -> None:
    """UnknownOutcome tells the transaction's number, and the number tells the truth once the server can be asked."""
    monkeypatch.setattr(transactions, "PATIENCE", 0.3)
    seen, table = declared(schema), declared(dj.Schema(schema.name, connection=through))
    with pytest.raises(UnknownOutcome, match="do not repeat it") as raised, through.transaction:
        table.insert1((1, 1))
        proxy.cut, proxy.refusing = cut, True
    number = raised.value.transaction
    since = raised.value.since
    assert f"transaction_status({number!r}, since={since!r})" in str(raised.value)
    assert not isinstance(raised.value, ConnectionFailed)
    with pytest.raises(ConnectionFailed):
        through.transaction_status(number)
    if truth == "aborted":  # the server may not have noticed yet
        connection.read("SELECT pg_sleep(0.3)::text AS slept")
    assert connection.transaction_status(number) == connection.transaction_status(number, since=since) == truth
    assert len(seen) == (truth == "committed")
    proxy.refusing = False
    assert through.transaction_status(number) == truth
    table.insert1((2, 2))
    assert len(seen & "n = 2") == 1


def test_a_commit_that_still_runs_is_left_to_run(
    connection: PostgresConnection,
    through: PostgresConnection,
    proxy: Proxy,
    *,
    slow_commit: str,
    count: Count,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """COMMIT that takes longer than we wait is not ended: its outcome is unknown, and then it is found committed."""
    monkeypatch.setattr(transactions, "PATIENCE", 0.2)
    proxy.delay = 0.05
    with pytest.raises(UnknownOutcome) as raised, through.transaction:
        through.execute(f"INSERT INTO {slow_commit} VALUES (1.0)")
        proxy.cut = Cut.DURING
    assert connection.transaction_status(raised.value.transaction) == "in progress"
    while connection.transaction_status(raised.value.transaction) == "in progress":
        connection.read("SELECT pg_sleep(0.05)::text AS slept")
    assert connection.transaction_status(raised.value.transaction) == "committed"
    assert count(slow_commit) == 1


def test_where_nothing_was_written_nothing_can_be_lost(through: PostgresConnection, proxy: Proxy) -> None:
    """A transaction that only read ends well, and the server need not be asked."""
    with through.transaction:
        assert through.read("SELECT 1 AS one").num_rows == 1
        proxy.cut, proxy.refusing = Cut.BEFORE, True
    assert proxy.cuts == 1
    assert not through.is_connected
    proxy.refusing = False
    assert through.is_connected


def test_a_connection_lost_before_commit_says_that_nothing_was_kept(
    own: PostgresConnection, numbers: str, count: Count, lose: Callable[[PostgresConnection], None]
) -> None:
    """Without COMMIT sent there is nothing to ask: the error says so."""
    with pytest.raises(ConnectionFailed, match="COMMIT was not sent yet: nothing"), own.transaction:
        own.execute(f"INSERT INTO {numbers} VALUES (1)")
        lose(own)
    assert count(numbers) == 0


# --- populate ----------------------------------------------------------------------------------------------------


def test_populate_tells_an_unknown_outcome_and_makes_once(
    schema: dj.Schema, through: PostgresConnection, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A make whose COMMIT was not answered counts as made where the server says so, and as unknown where it cannot."""
    monkeypatch.setattr(transactions, "PATIENCE", 0.2)
    other = dj.Schema(schema.name, connection=through)
    Number = declared(other)
    made: list[int] = []

    @other
    class Square(dj.Computed):
        definition = "-> Number\n---\nsquare : int32"

        def make(self, key: dict[str, Any]) -> None:
            made.append(key["n"])
            proxy.cut, proxy.refusing = Cut.AFTER, key["n"] == 2
            self.insert1({**key, "square": key["n"] ** 2})

    Number.insert([(1, 1), (2, 2)])
    Square.declare()
    assert Square.populate("n = 1").done == 1
    populated = Square.populate("n = 2", suppress_errors=True)
    assert (populated.done, made) == (0, [1, 2])
    assert [type(failure.error) for failure in populated.failures] == [UnknownOutcome]
    proxy.cut, proxy.refusing = None, False
    assert Square.populate().done == 0
    assert len(Square()) == 2


# --- interruptions -----------------------------------------------------------------------------------------------


@pytest.fixture
def slow_commit(connection: PostgresConnection) -> Iterator[str]:
    """A table `slow_commit.naps(seconds)` whose rows make COMMIT sleep so long."""
    connection.execute("CREATE SCHEMA slow_commit")
    connection.execute("CREATE TABLE slow_commit.naps (seconds float8)")
    connection.execute(
        "CREATE FUNCTION slow_commit.nap() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_sleep(NEW.seconds); RETURN NULL; END $$"
    )
    connection.execute(
        "CREATE CONSTRAINT TRIGGER nap AFTER INSERT ON slow_commit.naps DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION slow_commit.nap()"
    )
    yield "slow_commit.naps"
    connection.execute("DROP SCHEMA slow_commit CASCADE")


@pytest.fixture
def press() -> Iterator[Callable[[], None]]:
    """Presses Ctrl-C in a moment."""
    timers: list[threading.Timer] = []

    def soon() -> None:
        timers.append(threading.Timer(0.4, lambda: os.kill(os.getpid(), signal.SIGINT)))
        timers[-1].start()

    yield soon
    for timer in timers:
        timer.join()


Press = Callable[[], None]


def test_ctrl_c_while_commit_works_tells_the_outcome(
    own: PostgresConnection, slow_commit: str, count: Count, press: Press
) -> None:
    """The server is told to cancel COMMIT, and the interruption says that nothing was kept."""
    with pytest.raises(KeyboardInterrupt) as raised, own.transaction:
        own.execute(f"INSERT INTO {slow_commit} VALUES (5.0)")
        press()
    assert raised.value.__notes__ == [
        "It came while COMMIT ran: the transaction was rolled back, and nothing of it was kept."
    ]
    assert count(slow_commit) == 0
    assert not own.in_transaction
    assert own.read("SELECT 1 AS one").num_rows == 1


def test_ctrl_c_while_a_statement_works_ends_the_transaction(
    own: PostgresConnection, numbers: str, count: Count, press: Press
) -> None:
    """It comes through as itself from statements of every kind, and the block is rolled back."""
    for slow in (own.read, own.query, own.execute, own.stream):
        with pytest.raises(KeyboardInterrupt), own.transaction:
            own.execute(f"INSERT INTO {numbers} VALUES (1)")
            press()
            slow("SELECT pg_sleep(5)::text AS slept")
    assert count(numbers) == 0
    assert not own.in_transaction


def test_ctrl_c_while_a_stream_begins(own: PostgresConnection, press: Press) -> None:
    """Outside of a transaction, too, it comes through, and the next stream has a session that works."""
    press()
    with pytest.raises(KeyboardInterrupt):
        list(own.stream("SELECT pg_sleep(5)::text AS slept"))
    with own.stream("SELECT 1::bigint AS n") as stream:
        assert [batch.column("n").to_pylist() for batch in stream] == [[1]]


def test_ctrl_c_that_comes_too_late_is_not_lost(
    own: PostgresConnection, numbers: str, count: Count, press: Press
) -> None:
    """A call that cannot be cancelled ends, and then the interruption is raised, with the block rolled back."""
    statement = (
        "DO $$ BEGIN PERFORM pg_sleep(1); EXCEPTION WHEN query_canceled THEN NULL; END $$"  # goes on all the same
    )
    with pytest.raises(KeyboardInterrupt), own.transaction:
        own.execute(f"INSERT INTO {numbers} VALUES (1)")
        press()
        own.execute(statement)
    assert count(numbers) == 0


def test_ctrl_c_does_what_the_program_has_set(own: PostgresConnection, press: Press) -> None:
    """A handler of the program's own is called, and the statement was cancelled."""
    called: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: called.append(number))
    try:
        press()
        with pytest.raises(EngineError) as raised:
            own.read("SELECT pg_sleep(5)::text AS slept")
    finally:
        signal.signal(signal.SIGINT, before)
    assert called == [signal.SIGINT]
    assert raised.value.sqlstate == "57014"


def interrupted(connection: PostgresConnection, statement: str, *, after: bool) -> None:
    """Have the first statement that begins so be interrupted, when it has run or instead of running."""
    run = connection._transactions.run
    left = [statement]

    def running(session: Session, text: str) -> Any:
        hit = bool(left) and text.startswith(left[0])
        if hit:
            left.clear()
        found = None if hit and not after else run(session, text)
        if hit:
            raise KeyboardInterrupt
        return found

    connection._transactions = attrs.evolve(connection._transactions, run=running)


@pytest.mark.parametrize(("after", "note"), [(True, "all of it was kept"), (False, "nothing of it was kept")])
def test_an_interruption_around_commit_tells_the_outcome(
    own: PostgresConnection, numbers: str, count: Count, *, after: bool, note: str
) -> None:
    """An interruption between COMMIT and its report, or just before it is sent, is told apart."""
    interrupted(own, "COMMIT", after=after)
    with pytest.raises(KeyboardInterrupt) as raised, own.transaction:
        own.execute(f"INSERT INTO {numbers} VALUES (1)")
    assert note in raised.value.__notes__[0]
    assert count(numbers) == after


@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("statement", ["BEGIN", "ROLLBACK"])
def test_an_interruption_leaves_no_transaction_behind(
    own: PostgresConnection, numbers: str, count: Count, *, statement: str, after: bool
) -> None:
    """What follows an interrupted BEGIN or ROLLBACK is not inside the transaction that may still be open."""
    interrupted(own, statement, after=after)
    with pytest.raises(KeyboardInterrupt), own.transaction:
        own.execute(f"INSERT INTO {numbers} VALUES (1)")
        raise ValueError
    assert not own.in_transaction
    own.execute(f"INSERT INTO {numbers} VALUES (2)")
    assert count(numbers) == 1


# --- asking ------------------------------------------------------------------------------------------------------


def test_what_the_server_does_not_know_is_unknown(
    own: PostgresConnection, numbers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that has forgotten the number, or is a standby, answers NULL: the outcome is unknown."""
    monkeypatch.setattr(transactions, "_STATUS", "SELECT NULL::text AS status")
    interrupted(own, "COMMIT", after=True)
    with pytest.raises(KeyboardInterrupt) as raised, own.transaction:
        own.execute(f"INSERT INTO {numbers} VALUES (1)")
    assert "It is not known whether" in raised.value.__notes__[0]
    assert own.transaction_status("1000") is None


def test_the_status_of_a_transaction(own: PostgresConnection, connection: PostgresConnection, numbers: str) -> None:
    """A number is in progress, then committed or aborted; one that was never given is that of nothing kept."""
    for ends, statement in (("committed", "SELECT 1 AS x"), ("aborted", "SELECT 1 / 0 AS x")):
        try:
            with own.transaction:
                own.execute(f"INSERT INTO {numbers} VALUES (1)")
                number = own.read("SELECT pg_current_xact_id()::text AS id").column("id")[0].as_py()
                assert connection.transaction_status(number) == "in progress"
                own.read(statement)
        except EngineError:
            assert ends == "aborted"
        assert connection.transaction_status(number) == ends
        connection.execute(f"DELETE FROM {numbers}")
    assert connection.transaction_status("9" * 15) == "aborted"


@pytest.mark.parametrize("number", ["", "x", "1'", "-1", "٣", "9" * 20])
def test_what_is_no_number_of_a_transaction_is_refused(connection: PostgresConnection, number: str) -> None:
    """It would be part of a statement."""
    with pytest.raises(TransactionError, match="is no number of a transaction"):
        connection.transaction_status(number)


@pytest.mark.parametrize("since", ["", "0/0'", "0/0 0/0 0/0", "0/0\n", "x"])
def test_what_is_no_place_in_the_log_is_refused(connection: PostgresConnection, since: str) -> None:
    """It would be part of a statement."""
    with pytest.raises(TransactionError, match="is no place in a log"):
        connection.transaction_status("1000", since=since)


def test_a_number_that_a_crash_lost_is_not_taken_for_a_later_one(tmp_path: Path) -> None:
    """A server that crashed gives the numbers again that it had not written down: such a transaction was not kept.

    Each crash loses one, and the next transaction gets its number: that is not mistaken for it. What had been written
    down is found committed after the crash.
    """
    connection = connect_embedded(tmp_path)
    server = EmbeddedServer(server_folder(tmp_path))
    try:
        connection.execute("CREATE TABLE kept (n int)")
        for _ in range(3 if SOAK else 1):
            with connection.transaction:
                connection.execute("INSERT INTO kept VALUES (1)")
                (kept,) = connection.read(transactions.probe(connection._sessions.own())).to_pylist()
            with pytest.raises(ConnectionFailed), connection.transaction:
                connection.execute("INSERT INTO kept VALUES (2)")
                (lost,) = connection.read(transactions.probe(connection._sessions.own())).to_pylist()
                crash(server)
                connection.read("SELECT 1 AS one")
            with connection.transaction:
                connection.execute("INSERT INTO kept VALUES (3)")
                (later,) = connection.read(transactions.probe(connection._sessions.own())).to_pylist()
            assert connection.transaction_status(lost["id"], since=lost["since"]) == "aborted"
            for each in (kept, later):
                assert connection.transaction_status(each["id"], since=each["since"]) == "committed"
            if lost["id"] == later["id"]:
                assert connection.transaction_status(lost["id"]) == "committed"  # which is true of the later one
    finally:
        connection.close()
        server.stop()


def test_a_server_that_does_not_tell_its_log(
    connection: PostgresConnection, url: str, numbers: str, count: Count, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where that is refused, transactions commit and are asked for by their number alone."""
    monkeypatch.setattr(transactions, "PATIENCE", 0.2)
    tell = "EXECUTE ON FUNCTION pg_current_wal_insert_lsn()"
    connection.execute(f"REVOKE {tell} FROM PUBLIC")
    connection.execute("CREATE ROLE untold LOGIN PASSWORD 'untold'")
    connection.execute("GRANT USAGE ON SCHEMA engine_tests TO untold")
    connection.execute(f"GRANT INSERT ON {numbers} TO untold")
    at = urlsplit(url)
    other = connect(urlunsplit(at._replace(netloc=f"untold:untold@{at.hostname}:{at.port}")))
    try:
        with (
            proxied(other.url) as (proxy, leading),
            contextlib.closing(connect(leading)) as through,
            pytest.raises(UnknownOutcome) as raised,
            through.transaction,
        ):
            through.execute(f"INSERT INTO {numbers} VALUES (1)")
            proxy.cut, proxy.refusing = Cut.AFTER, True
        assert raised.value.since is None
        assert other.transaction_status(raised.value.transaction) == "committed"
        assert count(numbers) == 1
    finally:
        other.close()
        connection.execute(f"GRANT {tell} TO PUBLIC")
        connection.execute("DROP OWNED BY untold")
        connection.execute("DROP ROLE untold")


def is_alive(process: psutil.Process) -> bool:
    """Whether a process is there, and not only waiting to be asked how it ended."""
    try:
        return process.is_running() and bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def crash(server: EmbeddedServer) -> None:
    """Kill all processes of a server at once."""
    pid = server.status().pid
    assert pid is not None
    postmaster = psutil.Process(pid)
    doomed = [postmaster, *postmaster.children(recursive=True)]
    for process in doomed:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    while any(is_alive(process) for process in doomed):
        time.sleep(0.01)


# --- isolation ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["READ COMMITTED", "repeatable read", "Serializable", " serializable "])
def test_isolation_levels(own: PostgresConnection, level: str) -> None:
    """The three levels are taken in any case, and are those of the server."""
    with own.begin(isolation=level):
        (found,) = own.read("SELECT current_setting('transaction_isolation') AS level").to_pylist()
    assert found["level"] == level.strip().lower()


@pytest.mark.parametrize("level", ["", "READ UNCOMMITTED", "SERIALIZABLE; DROP TABLE x", "READ ONLY", None, 3])
def test_other_isolation_levels_are_refused(own: PostgresConnection, level: Any) -> None:
    """Anything else does not reach the server, and the message has the three that do."""
    with pytest.raises(TransactionError, match="READ COMMITTED, REPEATABLE READ, SERIALIZABLE"):
        own.begin(isolation=level)
    assert not own.in_transaction


def test_conflicts_of_serializable_transactions_are_errors(
    own: PostgresConnection, connection: PostgresConnection, numbers: str
) -> None:
    """Two that could not have run one after the other do not both commit: the code says that it can be repeated."""
    with pytest.raises(EngineError) as raised, own.begin(isolation="SERIALIZABLE"):
        own.read(f"SELECT sum(n)::text AS s FROM {numbers}")
        with connection.begin(isolation="SERIALIZABLE"):
            connection.read(f"SELECT sum(n)::text AS s FROM {numbers}")
            connection.execute(f"INSERT INTO {numbers} VALUES (1)")
        own.execute(f"INSERT INTO {numbers} VALUES (2)")
    assert raised.value.sqlstate == "40001"
    assert connection.read(f"SELECT n FROM {numbers}").column("n").to_pylist() == [1]
