"""The harness itself: what goes to the peer and comes back, and what a test sees when the peer fails."""

from __future__ import annotations

import datetime
import decimal
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ...peer import Peer, PeerFailed
from ...peer.environment import PeerUnavailable, interpreter
from ...peer.values import from_json, same, to_json
from .pipelines import BLOBS

pytestmark = pytest.mark.timeout(600)


def test_the_peer_is_the_version_named_and_connected(peer: Peer) -> None:
    """A script runs with `dj` connected to the server of the tests, and what it leaves in `result` comes back."""
    assert peer.run("result = (dj.__version__, number + 1, 'public' in dj.list_schemas())", number=1) == (
        "2.3.5",
        2,
        True,
    )


def test_a_failing_script_fails_the_test_with_the_traceback(peer: Peer) -> None:
    """An exception of the script reaches the test with its line and its message."""
    with pytest.raises(PeerFailed, match=r"(?s)script\.py\", line 2.*ZeroDivisionError"):
        peer.run("result = 1\nresult / 0")


@pytest.mark.parametrize(
    "value",
    [
        *BLOBS,
        float("nan"),
        np.float32(1.5),
        np.array(3),
        datetime.timedelta(seconds=1.5),
        {"$odd": 1},
        decimal.Decimal("1.50"),
        uuid.UUID(int=1),
    ],
    ids=repr,
)
def test_values_come_back_the_same(value: Any) -> None:
    """Any value that tests use survives the way to the peer's process and back."""
    assert same(from_json(to_json(value)), value)


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, True), (1, 1.0), ((1,), [1]), (np.int64(1), np.int32(1)), (np.arange(2), np.arange(2.0)), ({1}, {2})],
)
def test_values_that_differ_are_not_the_same(one: Any, other: Any) -> None:
    """Equality of values is that of type, dtype, shape and content."""
    assert not same(one, other)
    assert not same([one], [other])


def test_a_peer_that_cannot_be_had_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where pip cannot install the peer, its tests fail with what pip said, and nothing half made is left."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(PeerUnavailable, match="No matching distribution found for datajoint"):
        interpreter(tmp_path / "spare")
    assert list((tmp_path / "cache" / "djarrow-tests").iterdir()) == []
