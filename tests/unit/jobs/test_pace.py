"""The size of the next batch, by what the last one took."""

from __future__ import annotations

import pytest

from djarrow.jobs.pace import FIRST, MOST, SECONDS, Pace


@pytest.mark.parametrize(
    ("keys", "seconds", "size"),
    [
        (100, 2.0, 100),
        (100, 1.0, 200),
        (100, 4.0, 50),
        (100, 0.001, 2000),
        (100, 0.0, 2000),
        (100, 1000.0, 5),
        (50, 1.0, 100),
        (3, 0.03, 200),
    ],
)
def test_the_next_batch_comes_closer_to_the_time(keys: int, seconds: float, size: int) -> None:
    """As many keys as take two seconds, and no more than twenty times or a twentieth of the last size at once."""
    pace = Pace()
    assert pace.size == FIRST == 100
    pace.took(keys, seconds)
    assert pace.size == size


def test_it_arrives_and_stays() -> None:
    """At a constant speed the size is found in a few steps, from above and from below."""
    pace = Pace()
    for each in (0.001, 0.5):
        for _ in range(8):
            pace.took(pace.size, pace.size * each)
        assert pace.size * each == pytest.approx(SECONDS)


def test_bounds() -> None:
    """However fast or slow keys are, a batch has one at least and a million at most."""
    pace = Pace()
    for _ in range(20):
        pace.took(pace.size, 0.0)
    assert pace.size == MOST == 1_000_000
    for _ in range(20):
        pace.took(pace.size, 1e9)
    assert pace.size == 1


def test_a_fixed_size_stays() -> None:
    """Where the user says how many keys, that is how many."""
    pace = Pace(7)
    pace.took(7, 1e-6)
    assert pace.size == 7


@pytest.mark.parametrize(
    ("seconds", "aside", "size"), [(3.0, 1.0, 100), (2.0, 1.0, 200), (30.0, 10.0, 50), (5.0, 9.0, 2000)]
)
def test_what_any_batch_takes_does_not_count(seconds: float, aside: float, size: int) -> None:
    """Batches do not get small because of it: where it takes longer than a batch is to, they are to take as long."""
    pace = Pace()
    pace.took(100, seconds, aside=aside)
    assert pace.size == size


def test_no_keys_say_nothing() -> None:
    """A batch of which nothing was left does not tell how long keys take."""
    pace = Pace()
    pace.took(0, 5.0)
    assert pace.size == FIRST


@pytest.mark.parametrize(
    ("keys", "seconds", "size"),
    [
        (1000, 2.0, 1000),
        (1000, 1.0, 2000),
        (1000, 0.001, 20_000),
        (100, 0.0, 2000),
        (3, 0.01, 100),
        (3, 6.0, 1),
        (1, 1000.0, 1),
        (5, 10.0, 1),
        (1_000_000, 0.001, MOST),
    ],
)
def test_an_earlier_batch_says_how_to_begin(keys: int, seconds: float, size: int) -> None:
    """As many as take two seconds, twenty times the earlier ones at most; few that went fast do not make it small."""
    pace = Pace()
    pace.remember(keys, seconds)
    assert pace.size == size


def test_a_fixed_size_does_not_remember() -> None:
    """It is the user's."""
    pace = Pace(7)
    pace.remember(1000, 2.0)
    assert pace.size == 7
