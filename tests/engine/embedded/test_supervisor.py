"""What the supervisor and the package cost: no library that the server does not need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import djarrow
from djarrow.engine import embedded
from djarrow.engine.embedded import EmbeddedServer, supervisor

if TYPE_CHECKING:
    from collections.abc import Callable

    import psutil

_HEAVY = {"polars", "pyarrow", "numpy", "duckdb", "adbc_driver_manager", "adbc_driver_postgresql"}


def test_the_supervisor_needs_the_standard_library_only() -> None:
    """It starts without site-packages, and without even the larger modules of the standard library."""
    folder = str(Path(supervisor.__file__).parent)
    code = f"import sys; sys.path.append({folder!r}); import supervisor; print(*sys.modules)"
    command = [sys.executable, "-I", "-S", "-c", code]
    loaded = set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert "fcntl" in loaded
    assert loaded.isdisjoint({"typing", "subprocess", "ctypes", "attr", "djarrow", *_HEAVY})


def test_the_supervisor_is_small(root: Path, processes: Callable[[Path], list[psutil.Process]]) -> None:
    """It stays for as long as the server does, so its memory matters."""
    EmbeddedServer(root).join()
    [found] = [process for process in processes(root) if "-S" in process.cmdline()]
    assert found.memory_info().rss < 30_000_000


def test_the_package_imports_no_database_driver_and_no_dataframes() -> None:
    """Whatever `import djarrow` costs, this folder adds nothing heavy to it."""
    folder = Path(djarrow.__file__).parent
    code = (
        "import sys, types\n"
        "for name, path in zip(('djarrow', 'djarrow.engine'), sys.argv[1:]):\n"
        "    sys.modules[name] = types.ModuleType(name)\n"
        "    sys.modules[name].__path__ = [path]\n"
        "import djarrow.engine.embedded\n"
        "print(*sys.modules)"
    )
    command = [sys.executable, "-c", code, str(folder), str(folder / "engine")]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert embedded.__name__ in loaded
    assert loaded.isdisjoint(_HEAVY)


def test_a_second_supervisor_steps_back(root: Path, environment: dict[str, str]) -> None:
    """One that finds the folder supervised ends with its own exit code and starts nothing."""
    server = EmbeddedServer(root)
    server.join()
    pid = server.status().pid
    command = [sys.executable, "-m", supervisor.__name__, str(root), str(root / "none"), "-", "/bin/false"]
    assert subprocess.run(command, check=False, env=environment).returncode == supervisor.BUSY
    assert server.status().pid == pid
