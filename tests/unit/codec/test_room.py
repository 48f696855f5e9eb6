"""How much memory reading may take, and how much a writer must store for it."""

from __future__ import annotations

import numpy as np
import pytest

from djarrow.codec.layout import MOST_WITHOUT_BYTES
from djarrow.codec.room import Room, least_stored, room
from djarrow.errors import InvalidBlob


def test_room_is_used_up() -> None:
    """Room is there once; what goes beyond it is refused before it is made."""
    left = Room(100)
    assert left.array((2, 3), np.dtype("f8")).tolist() == [[0.0] * 3] * 2
    left.take(52)
    with pytest.raises(InvalidBlob, match="more than 4,096 times their stored size"):
        left.array((2**60,), np.dtype("u1"))


def test_an_array_keeps_its_dtype() -> None:
    """An array without bytes has the dtype that was asked for, up to a number of elements, and takes no room."""
    left = Room(0)
    for kind in ("S0", "U0", "V0"):
        array = left.array((MOST_WITHOUT_BYTES,), np.dtype(kind))
        assert (array.dtype, array.shape) == (np.dtype(kind), (MOST_WITHOUT_BYTES,))
        with pytest.raises(InvalidBlob, match=f"{MOST_WITHOUT_BYTES + 1} elements has no bytes"):
            left.array((MOST_WITHOUT_BYTES + 1,), np.dtype(kind))
    assert left.array((0, 5), np.dtype("V100000000")).shape == (0, 5)


def test_what_is_copied_is_counted() -> None:
    """A copy takes its own size, and can be written."""
    left = Room(5)
    copied = left.copy(b"abc")
    copied[0] = 7
    assert left.left == 2
    with pytest.raises(InvalidBlob, match="times their stored size"):
        left.copy(b"abc")


@pytest.mark.parametrize("taken", [10**8, 10**9, 10**12])
@pytest.mark.parametrize("structure", [0, 100, 10**6])
def test_the_least_size_leaves_the_room(taken: int, structure: int) -> None:
    """The size that the writer fills up to is enough for the reader, and one byte less is not."""
    size = least_stored(taken, structure)
    room(size, structure).take(taken)
    with pytest.raises(InvalidBlob, match="times their stored size"):
        room(size - 1, structure).take(taken)
