"""Work that several readers read, and other threads write: order, bounds, and what goes wrong."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pyarrow as pa
import pytest

from djarrow.repo.exporting import dealing
from djarrow.repo.exporting.dealing import dealt_out

SIZES = [3, 0, 5, 1]
"""Batches of each piece of work."""


def batch(number: int) -> pa.RecordBatch:
    """A batch of one number, and of eight bytes."""
    return pa.record_batch([pa.array([number], pa.int64())], names=["n"])


@contextmanager
def opened(size: int, _reader: str) -> Iterator[Iterable[pa.RecordBatch]]:
    """So many batches."""
    yield map(batch, range(size))


def numbers(_size: int, batches: Iterator[pa.RecordBatch]) -> list[int]:
    """What is in them."""
    return [each.column(0)[0].as_py() for each in batches]


@pytest.mark.parametrize("readers", ["a", "ab", "abcdef"])
def test_each_gives_what_was_written_of_it_in_order(readers: str) -> None:
    """However many readers there are."""
    assert dealt_out(SIZES, list(readers), read=opened, write=numbers) == [list(range(size)) for size in SIZES]


def test_one_reader_reads_in_the_thread_of_the_caller() -> None:
    """There Ctrl-C reaches the driver; the writing is done in another."""
    read, written = set[threading.Thread](), set[threading.Thread]()

    @contextmanager
    def read_here(size: int, _reader: str) -> Iterator[Iterable[pa.RecordBatch]]:
        read.add(threading.current_thread())
        yield map(batch, range(size))

    def write(_size: int, batches: Iterator[pa.RecordBatch]) -> None:
        written.add(threading.current_thread())
        assert list(batches) is not None

    dealt_out(SIZES, ["a"], read=read_here, write=write)
    assert read == {threading.current_thread()}
    assert len(written) == 1
    assert written.isdisjoint(read)


def test_the_next_piece_is_read_while_one_is_written() -> None:
    """The first is not finished before the second was opened."""
    second = threading.Event()

    @contextmanager
    def read(piece: int, _reader: str) -> Iterator[Iterable[pa.RecordBatch]]:
        if piece == 1:
            second.set()
        yield [batch(piece)]

    def write(piece: int, batches: Iterator[pa.RecordBatch]) -> bool:
        found = list(batches)
        return len(found) == 1 and (piece != 0 or second.wait(10))

    assert dealt_out([0, 1], ["a"], read=read, write=write) == [True, True]


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its bytes, over all pieces of a reader. One that is larger than that waits alone."""
    monkeypatch.setattr(dealing, "HELD", 20)
    lock, held, most = threading.Lock(), 0, 0

    @contextmanager
    def read(size: int, _reader: str) -> Iterator[Iterable[pa.RecordBatch]]:
        def counted() -> Iterator[pa.RecordBatch]:
            nonlocal held, most
            for number in range(size):
                with lock:
                    held += 1
                    most = max(most, held)
                yield batch(number) if number else pa.concat_batches([batch(0)] * 9)

        yield counted()

    def write(_size: int, batches: Iterator[pa.RecordBatch]) -> int:
        nonlocal held
        rows = 0
        for each in batches:
            threading.Event().wait(0.001)
            with lock:
                held -= 1
            rows += each.num_rows
        return rows

    assert dealt_out([50, 1, 50], ["a"], read=read, write=write) == [58, 9, 58]
    assert most <= 4  # one is read, two wait, one is written


class Wrong(Exception):
    """What goes wrong."""


@pytest.mark.parametrize("readers", ["a", "ab"])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_what_reading_raises_ends_all(readers: str, at: int) -> None:
    """It is what comes out, and who writes finds that no more comes."""
    ended = []

    @contextmanager
    def read(piece: int, _reader: str) -> Iterator[Iterable[pa.RecordBatch]]:
        def batches() -> Iterator[pa.RecordBatch]:
            yield batch(0)
            if piece == at:
                raise Wrong
            yield from map(batch, range(1000))

        yield batches()

    def write(piece: int, batches: Iterator[pa.RecordBatch]) -> None:
        try:
            for _ in batches:
                pass
        finally:
            ended.append(piece)

    with pytest.raises(Wrong):
        dealt_out(range(3), list(readers), read=read, write=write)
    assert len(ended) == len(set(ended)) <= 3


@pytest.mark.parametrize("readers", ["a", "ab"])
@pytest.mark.parametrize("after", [0, 1, 51])
def test_what_writing_raises_ends_all(readers: str, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where who reads waits for room, or has given all already."""
    monkeypatch.setattr(dealing, "HELD", 24)

    def write(piece: int, batches: Iterator[pa.RecordBatch]) -> None:
        for place, _ in enumerate(batches):
            if piece == 51 and place == after:
                raise Wrong
        if piece == 51:
            raise Wrong

    with pytest.raises(Wrong):
        dealt_out([100, 51, 100_000], list(readers), read=opened, write=write)
    assert not [each for each in threading.enumerate() if each.name.startswith(("djarrow-write", "djarrow-read"))]


def test_ctrl_c_ends_all() -> None:
    """Nothing is written after it."""
    ended = threading.Event()

    @contextmanager
    def read(_piece: int, _reader: str) -> Iterator[Iterable[pa.RecordBatch]]:
        def batches() -> Iterator[pa.RecordBatch]:
            yield batch(0)
            raise KeyboardInterrupt

        yield batches()

    def write(_piece: int, batches: Iterator[pa.RecordBatch]) -> None:
        try:
            list(batches)
        except dealing.GivenUp:
            ended.set()
            raise

    with pytest.raises(KeyboardInterrupt):
        dealt_out([0, 1], ["a"], read=read, write=write)
    assert ended.is_set()


@contextmanager
def interrupted_at(place: int) -> Iterator[list[str]]:
    """Ctrl-C in this thread at the line of that number in dealing.py, or of the condition that it takes a lock by.

    Gives where that was.
    """
    found: list[str] = []
    left = place

    def event(frame: FrameType, kind: str, _: Any) -> Any:
        nonlocal left
        own = frame.f_code.co_filename == dealing.__file__
        of_condition = frame.f_code.co_name == "__enter__" and frame.f_back is not None
        if not own and not (of_condition and frame.f_back.f_code.co_filename == dealing.__file__):  # type: ignore[union-attr]
            return None
        if kind == ("line" if own else "return"):
            left -= 1
            if left < 0 and not found:
                found.append(f"{frame.f_code.co_name}, line {frame.f_lineno}")
                raise KeyboardInterrupt
        return event

    before = sys.gettrace()
    sys.settrace(event)
    try:
        yield found
    finally:
        sys.settrace(before)


@pytest.mark.timeout(60)
def test_ctrl_c_at_every_line_ends_all() -> None:
    """Wherever it comes, also while the last is written: when it is raised, nothing is being written any more."""
    writing = 0

    def write(_piece: int, batches: Iterator[pa.RecordBatch]) -> None:
        nonlocal writing
        writing += 1
        try:
            for _ in batches:
                pass
            threading.Event().wait(0.005)
        finally:
            writing -= 1

    place = 0
    while True:
        with interrupted_at(place) as found:
            try:
                dealt_out([2, 1], ["a"], read=opened, write=write)
            except KeyboardInterrupt:
                pass
            else:
                assert not found
        assert writing == 0, found
        if not found:
            break
        place += 1
    assert place > 50
    assert not [each for each in threading.enumerate() if each.name.startswith("djarrow-write")]


@pytest.mark.parametrize("readers", ["a", "ab"])
@pytest.mark.parametrize("times", [1, 3])
def test_ctrl_c_while_the_last_is_written(readers: str, times: int) -> None:
    """What is being written is waited for, however often it comes, though Python takes a thread for ended whose end it
    did not see.
    """
    writing, ended = threading.Event(), threading.Event()

    def write(_piece: int, batches: Iterator[pa.RecordBatch]) -> None:
        list(batches)
        writing.set()
        threading.Event().wait(0.3)
        ended.set()

    def interrupt() -> None:
        assert writing.wait(10)
        for _ in range(times):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            threading.Event().wait(0.05)

    other = threading.Thread(target=interrupt)
    other.start()
    with pytest.raises(KeyboardInterrupt):
        dealt_out([1], list(readers), read=opened, write=write)
    assert ended.is_set()
    other.join()
