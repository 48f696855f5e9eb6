"""Scripts run by the peer's Python, connected to a server: once, or line by line in a process that stays."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from attrs import field, frozen

from .values import from_json, to_json

DRIVER = Path(__file__).with_name("driver.py")
SECONDS = 300
"""How long a script may take."""


class PeerFailed(AssertionError):
    """A script of the peer's failed; the message ends with its traceback."""


@frozen
class Peer:
    """The peer, ready to use the server at an URL. python: an interpreter that has it installed."""

    python: Path
    url: str = field(repr=False)

    def run(self, code: str, *, modules: dict[str, str] | None = None, **given: Any) -> Any:
        """Run a script with `dj` connected and the values given as its variables; what it leaves in `result`.

        modules: name -> source, of modules that the script can import. Raises PeerFailed.
        """
        with tempfile.TemporaryDirectory(prefix="djarrow-peer-") as name:
            folder = Path(name)
            for module, source in {"script": code, **(modules or {})}.items():
                (folder / f"{module}.py").write_text(source, "utf-8")
            (folder / "given.json").write_text(to_json(given), "utf-8")
            done = subprocess.run(
                self.command(folder),
                cwd=folder,
                env=self.environment(),
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
            if done.returncode:
                raise PeerFailed(f"the peer's script failed.\n{done.stdout}{done.stderr}")
            return from_json((folder / "result.json").read_text("utf-8"))

    def command(self, folder: Path, *options: str) -> list[str]:
        """The command that runs the script in a folder. Warnings are the peer's own matter."""
        return [str(self.python), "-W", "ignore", str(DRIVER), str(folder), *options]

    def environment(self) -> dict[str, str]:
        """The variables that tell the peer where the server is, instead of all that begin with its prefix."""
        at = urlsplit(self.url)
        own = {name: value for name, value in os.environ.items() if not name.startswith(("DJ_", "PYTHON"))}
        return own | {
            "DJ_BACKEND": "postgresql",
            "DJ_HOST": at.hostname or "",
            "DJ_PORT": str(at.port),
            "DJ_USER": unquote(at.username or ""),
            "DJ_PASS": unquote(at.password or ""),
            "DJ_DATABASE_NAME": unquote(at.path[1:]),
            "DJ_USE_TLS": "false",
            "DJ_LOG_LEVEL": "ERROR",
            "DJ_IGNORE_CONFIG_FILE": "true",
        }

    @contextmanager
    def worker(self, code: str, **given: Any) -> Iterator[PeerWorker]:
        """A process that runs the script and then calls functions of it by name: for work that is timed."""
        with tempfile.TemporaryDirectory(prefix="djarrow-peer-") as name:
            folder = Path(name)
            (folder / "script.py").write_text(code, "utf-8")
            (folder / "given.json").write_text(to_json(given), "utf-8")
            with subprocess.Popen(
                self.command(folder, "--stay"),
                cwd=folder,
                env=self.environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            ) as process:
                worker = PeerWorker(process)
                worker.wait()
                yield worker
                process.stdin.close()  # type: ignore[union-attr]  # it is a pipe


@frozen
class PeerWorker:
    """A process of the peer's that waits to be told which function to call."""

    process: subprocess.Popen[str]

    def call(self, function: str) -> Any:
        """Call a function of the script without arguments; what it returns. Raises PeerFailed."""
        assert self.process.stdin is not None
        self.process.stdin.write(function + "\n")
        self.process.stdin.flush()
        return self.wait()

    def wait(self) -> Any:
        """The next answer."""
        assert self.process.stdout is not None
        answer = self.process.stdout.readline()
        if not answer:
            raise PeerFailed("the peer's process ended; its traceback is above.")
        return from_json(answer)
