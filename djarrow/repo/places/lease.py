"""The claim on a place in an object store: an object that is renewed while an export runs. Decision 027."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Protocol

from attrs import define, field

from djarrow.errors import RepositoryError
from djarrow.jobs.provenance import user_name
from djarrow.repo.places.base import LOCK, Check, Version

LEASE = 60.0
"""Seconds after which a claim that was not renewed is anybody's."""

RENEW = 15.0
"""Seconds between two renewals."""


class Store(Protocol):
    """What a lease needs of a place."""

    def look(self, path: str) -> tuple[bytes, Version] | None:
        """What an object holds, and its version."""
        ...

    def swap(self, path: str, data: bytes, version: Version | None) -> Version | None:
        """Write an object, where it is of this version still."""
        ...

    def remove(self, path: str) -> None:
        """Remove an object."""
        ...

    def age(self, path: str, written: datetime) -> float:
        """Seconds since an object was written."""
        ...


@define
class Lease:
    """One export's claim. version: of its object; heard: when that was last written, by the monotonic clock."""

    store: Store
    version: Version
    token: str
    heard: float
    lost: bool = False
    ended: threading.Event = field(factory=threading.Event)

    @property
    def over(self) -> bool:
        """Whether the claim may be somebody else's."""
        return self.lost or time.monotonic() - self.heard > LEASE

    def check(self) -> None:
        """Raises RepositoryError where it is over."""
        if self.over:
            raise RepositoryError(
                f"the export to {self.store} was not heard of for {LEASE:.0f} s, and another one may have begun. "
                "Nothing of it was published; export again."
            )

    def renew(self) -> None:
        """Renew until the export ends. What fails is tried again: `check` says when that has taken too long."""
        while not self.ended.wait(RENEW):
            began = time.monotonic()
            with contextlib.suppress(OSError):
                version = self.store.swap(LOCK, _claim(self.token), self.version)
                if version is None:
                    self.lost = True
                    return
                self.version, self.heard = version, began


@contextlib.contextmanager
def held(store: Store) -> Iterator[Check]:
    """Hold the claim on a place. Raises RepositoryError where another export does."""
    lease = _taken(store)
    renewing = threading.Thread(target=lease.renew, name="djarrow-export-claim", daemon=True)
    renewing.start()
    try:
        yield lease.check
    finally:
        lease.ended.set()
        renewing.join()
        if not lease.over:
            with contextlib.suppress(OSError):  # it ends by itself
                store.remove(LOCK)


def _taken(store: Store) -> Lease:
    token, began = uuid.uuid4().hex, time.monotonic()
    found = store.look(LOCK)
    if found is not None:
        who = _read(found[0])
        age = store.age(LOCK, who["renewed"])
        if age < LEASE:
            raise RepositoryError(
                f"another export to {store} is running: of {who['user']} on {who['host']}, last heard of "
                f"{max(age, 0):.0f} s ago. One that was stopped is forgotten {LEASE:.0f} s after that."
            )
    version = store.swap(LOCK, _claim(token), None if found is None else found[1])
    if version is None:
        raise RepositoryError(f"another export to {store} has begun at the same time. Wait for it.")
    return Lease(store, version, token, began)


def _claim(token: str) -> bytes:
    now = datetime.now(UTC).isoformat()
    said = {"token": token, "user": user_name(), "host": socket.gethostname(), "renewed": now}
    return json.dumps(said).encode()


def _read(data: bytes) -> dict[str, Any]:
    """Who holds a claim; one that cannot be read is as old as can be."""
    try:
        said = json.loads(data)
        return {
            "user": str(said["user"]),
            "host": str(said["host"]),
            "renewed": datetime.fromisoformat(said["renewed"]),
        }
    except (ValueError, TypeError, KeyError):
        return {"user": "somebody", "host": "another machine", "renewed": datetime.min.replace(tzinfo=UTC)}
