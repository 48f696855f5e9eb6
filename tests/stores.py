"""A real S3 for tests: moto's server, or the one that `$DJARROW_S3_UP start FOLDER PORT KEY SECRET` starts."""

from __future__ import annotations

import contextlib
import itertools
import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import field, frozen

KEY, SECRET = "djarrowtestkey", "djarrowtestsecret"

_numbers = itertools.count(1)


@frozen
class Spot:
    """A place to export to. options: storage_options for it."""

    url: str
    options: dict[str, Any] = field(factory=dict)

    @property
    def given(self) -> dict[str, Any]:
        """The arguments that functions take for it."""
        return {"storage_options": self.options} if self.options else {}

    def _reached(self) -> tuple[Any, str]:
        from fsspec.core import url_to_fs

        filesystem, root = url_to_fs(self.url, use_listings_cache=False, **self.options)
        return filesystem, root.rstrip("/")

    def files(self) -> dict[str, bytes]:
        """Every file that is there, by its path from the root."""
        filesystem, root = self._reached()
        return {path.removeprefix(root).lstrip("/"): filesystem.cat_file(path) for path in filesystem.find(root)}

    def parquet(self) -> set[str]:
        """The paths of the Parquet files."""
        return {path for path in self.files() if path.endswith(".parquet")}

    def write(self, path: str, data: bytes) -> None:
        """Put a file there, whatever was."""
        filesystem, root = self._reached()
        filesystem.makedirs(f"{root}/{path}".rpartition("/")[0], exist_ok=True)
        filesystem.pipe_file(f"{root}/{path}", data)

    def remove(self, path: str) -> None:
        """Remove a file."""
        filesystem, root = self._reached()
        filesystem.rm_file(f"{root}/{path}")


@contextlib.contextmanager
def object_store(folder: Path) -> Iterator[dict[str, Any]]:
    """Starts an S3, and gives the storage_options that reach it. folder: for what it keeps, new."""
    port = _free_port()
    command = shlex.split(os.environ.get("DJARROW_S3_UP", ""))
    options = {"key": KEY, "secret": SECRET, "endpoint_url": f"http://127.0.0.1:{port}"}
    with _ceph(command, folder, port) if command else _moto(port, folder):
        yield options


@contextlib.contextmanager
def _moto(port: int, folder: Path) -> Iterator[None]:
    script = Path(sys.executable).with_name("moto_server")
    folder.mkdir()
    with (folder / "log").open("wb") as log, subprocess.Popen([script, "-p", str(port)], stdout=log, stderr=log) as run:
        try:
            _answers(port, run)
            yield
        finally:
            run.kill()


@contextlib.contextmanager
def _ceph(command: list[str], folder: Path, port: int) -> Iterator[None]:
    started = subprocess.run(
        [*command, "start", str(folder), str(port), KEY, SECRET],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert started.returncode == 0, started.stdout + started.stderr
    try:
        yield
    finally:
        subprocess.run([*command, "stop", str(folder)], timeout=60, check=False)


def new_bucket(options: dict[str, Any]) -> Spot:
    """A prefix of a bucket of its own."""
    import fsspec

    name = f"bucket-{os.getpid()}-{next(_numbers)}"
    fsspec.filesystem("s3", **options).mkdir(name)
    return Spot(f"s3://{name}/a folder/it's 100% [new] é", options)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int, run: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert run.poll() is None, "the server has ended"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError("no S3 answers")
