"""A proxy between a client and the server that breaks a connection around its COMMIT, as a network may.

It reads as much of PostgreSQL's protocol (version 3, without TLS) as this needs: where messages end, which statement
the client has prepared, and when the server is done with one.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator
from enum import Enum, auto
from urllib.parse import urlsplit, urlunsplit

from attrs import define, field


class Cut(Enum):
    """When a connection is cut, seen from COMMIT."""

    BEFORE = auto()
    """The server does not get it; both sides see the end of the connection."""
    BEFORE_UNNOTICED = auto()
    """The server does not get it, and is left waiting for more; only the client sees the end."""
    DURING = auto()
    """The server gets it, and both sides see the end at some moment of its work."""
    AFTER = auto()
    """The server has answered, and the client does not get the answer."""


@define
class Messages:
    """Bytes of one direction, to be taken as whole messages. headless: those of the client's start have no type."""

    headless: bool
    waiting: bytes = b""

    def take(self, received: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The messages that are complete now: the type, and the whole of it."""
        self.waiting += received
        while len(self.waiting) >= (prefix := 0 if self.headless else 1) + 4:
            (length,) = struct.unpack_from("!I", self.waiting, prefix)
            if len(self.waiting) < prefix + length:
                return
            message, self.waiting = self.waiting[: prefix + length], self.waiting[prefix + length :]
            yield message[:prefix], message
            self.headless = False


@define
class Proxy:
    """The proxy. cut: what happens to the next COMMIT, once; delay: seconds before the cut, where it is DURING.

    refusing: new connections are closed at once. cuts: how many were made.
    """

    target: tuple[str, int]
    cut: Cut | None = None
    delay: float = 0.0
    refusing: bool = False
    cuts: int = 0
    listener: socket.socket = field(factory=lambda: socket.create_server(("127.0.0.1", 0)))
    abandoned: list[socket.socket] = field(factory=list)

    def serve(self) -> None:
        """Take connections until the listener is closed."""
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.refusing:
                client.close()
            else:
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        server = socket.create_connection(self.target)
        with contextlib.suppress(OSError), client:
            if Link(self, client, server).carry():
                server.close()
            else:
                self.abandoned.append(server)

    def close(self) -> None:
        """Take no more connections, and leave none behind."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for server in self.abandoned:
            server.close()


@define
class Link:
    """One connection through the proxy. text: the statement that the client has prepared last."""

    proxy: Proxy
    client: socket.socket
    server: socket.socket
    text: bytes = b""
    group: bytes = b""
    commits: bool = False
    asked: Messages = field(factory=lambda: Messages(headless=True))

    def carry(self) -> bool:
        """Carry both directions until one side ends, or the cut. False where the server is to be left waiting."""
        while True:
            ready, _, _ = select.select([self.client, self.server], [], [])
            for side in ready:
                received = side.recv(65536)
                if not received:
                    return True
                if side is self.server:
                    self.client.sendall(received)
                    continue
                for kind, message in self.asked.take(received):
                    if (left := self._ask(kind, message)) is not None:
                        return left

    def _ask(self, kind: bytes, message: bytes) -> bool | None:
        """Forward the client's messages in the groups that the server works on. None: go on."""
        if kind == b"P":
            _, _, rest = message[5:].partition(b"\0")  # the name of the statement comes first
            self.text = rest.partition(b"\0")[0]
        text = {b"E": self.text, b"Q": message[5:-1]}.get(kind)
        self.commits |= text == b"COMMIT"
        self.group += message
        if kind not in (b"", b"p", b"S", b"Q", b"H", b"d", b"c", b"f", b"X"):
            return None
        group, self.group = self.group, b""
        commits, self.commits = self.commits, False
        if commits and self.proxy.cut is not None:
            cut, self.proxy.cut = self.proxy.cut, None
            self.proxy.cuts += 1
            return self._break(cut, group)
        self.server.sendall(group)
        return None

    def _break(self, cut: Cut, group: bytes) -> bool:
        """What becomes of a COMMIT: whether the server's side is closed, too."""
        match cut:
            case Cut.BEFORE:
                return True
            case Cut.BEFORE_UNNOTICED:
                return False
            case Cut.DURING:
                self.server.sendall(group)
                time.sleep(self.proxy.delay)
                return True
            case Cut.AFTER:
                self.server.sendall(group)
                answers = Messages(headless=False)
                while all(kind != b"Z" for kind, _ in answers.take(self.server.recv(65536))):
                    pass
                return True


@contextlib.contextmanager
def proxied(url: str) -> Iterator[tuple[Proxy, str]]:
    """A proxy before the server of an URL, for the time of the block, and the URL that leads through it."""
    parts = urlsplit(url)
    proxy = Proxy((parts.hostname or "127.0.0.1", parts.port or 5432))
    thread = threading.Thread(target=proxy.serve, daemon=True)
    thread.start()
    port = proxy.listener.getsockname()[1]
    netloc = f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{port}"
    try:
        yield proxy, urlunsplit(parts._replace(netloc=netloc, query="sslmode=disable&gssencmode=disable"))
    finally:
        proxy.close()
        thread.join(10)
