"""Starting postgres under a supervisor and waiting until it takes connections. For use under the boot lock."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from attrs import evolve

from djarrow.engine.embedded import locks, supervisor
from djarrow.engine.embedded.account import choose_account, environment, make_readable
from djarrow.engine.embedded.binaries import find_binaries
from djarrow.engine.embedded.cluster import Programs, check_version, create, later_settings
from djarrow.engine.embedded.folder import Remembered, ServerFolder
from djarrow.engine.embedded.postmaster import cluster_name, is_postgres_of, read_pid_file
from djarrow.errors import ConfigError, ServerStartFailed

PORT_SETTING = "DJARROW_PG_PORT"
ADDRESS = "127.0.0.1"  # nothing else is ever listened on
_SOCKET_PREFIX = "sockets-"
_LONGEST_SOCKET = ".s.PGSQL.65535.lock"
_PATIENCE = 60.0  # seconds; recovery after a crash reads what was written since the last checkpoint
_ATTEMPTS = 3  # somebody may take the port between our look and the start


def start(folder: ServerFolder, boot_lock: int) -> None:
    """Start the server of a folder at rest, making its files first when there are none; returns when it is ready.

    Raises ServerBinariesMissing, ServerVersionMismatch, ServerFolderDenied or ServerStartFailed.
    """
    binaries = find_binaries()
    check_version(folder, binaries)
    fixed_port = _fixed_port()
    account = choose_account(folder)
    programs = Programs(make_readable(binaries, account, folder), account)
    remembered = _prepare(folder, programs, boot_lock)
    for attempt in range(_ATTEMPTS):
        port = fixed_port or _choose_port(remembered.port)
        sockets = _make_sockets(folder, programs)
        remembered = evolve(remembered, port=port, sockets=str(sockets))
        folder.remember(remembered)
        written = folder.log.stat().st_size
        if _launch(folder, programs, port, sockets, boot_lock):
            return
        port_taken = not _is_free(port)
        if fixed_port and port_taken:
            raise _busy(fixed_port)
        if not port_taken or attempt == _ATTEMPTS - 1:
            break
    raise ServerStartFailed(f"PostgreSQL did not start in {folder.data}; see {folder.log}.", log=_tail(folder, written))


def _prepare(folder: ServerFolder, programs: Programs, boot_lock: int) -> Remembered:
    """Have complete files, a known password, and nothing in the way that a killed server left."""
    remembered = folder.remembered()
    if not folder.data.exists():
        if remembered is None:  # before the files: they are of no use without it
            remembered = Remembered(secrets.token_urlsafe(24))
            folder.remember(remembered)
        create(folder, programs, password=remembered.password, boot_lock=boot_lock)
    if remembered is None:
        raise ServerStartFailed(
            f"the file state.json in {folder.root}, which holds the password of the embedded server, is gone. Put it "
            "back from a backup."
        )
    folder.set_aside_long_log()
    _clear_stale_pid_file(folder)
    if remembered.sockets is not None:
        _remove_sockets(Path(remembered.sockets), programs)
    return remembered


def _clear_stale_pid_file(folder: ServerFolder) -> None:
    """Remove a pid file that names a living process of somebody else: postgres would take that for its predecessor.

    The server lock is free, so no postgres that was started here lives in the folder; one that was started by hand is
    recognised. A file that names no process is left to postgres, which also looks at the shared memory it names.
    """
    postmaster = read_pid_file(folder.data)
    if postmaster is None:
        return
    if is_postgres_of(postmaster.pid, folder.data):
        raise ServerStartFailed(
            f"a PostgreSQL that djarrow did not start, process {postmaster.pid}, works on {folder.data}. Stop it "
            "(`pg_ctl stop`) and try again."
        )
    if _is_alive(postmaster.pid):
        with folder.access():
            (folder.data / "postmaster.pid").unlink()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _fixed_port() -> int | None:
    """The port that the user asks for. Raises ConfigError when it is none, ServerStartFailed when it is busy."""
    setting = os.environ.get(PORT_SETTING)
    if not setting:
        return None
    if not setting.isdecimal() or not 0 < int(setting) < 65536:
        raise ConfigError(f"{PORT_SETTING} is {setting!r}; it takes the number of a port, 1 to 65535.")
    if not _is_free(int(setting)):
        raise _busy(int(setting))
    return int(setting)


def _busy(port: int) -> ServerStartFailed:
    return ServerStartFailed(
        f"port {port}, which {PORT_SETTING} asks for, is not to be had: another program listens on it, or this user "
        f"may not. Stop that program, set {PORT_SETTING} to another port, or unset it to have a free one chosen."
    )


def _choose_port(remembered: int | None) -> int:
    """The port of the last start when it is still free, so that other clients keep their settings; else any."""
    if remembered is not None and _is_free(remembered):
        return remembered
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        port: int = probe.getsockname()[1]
        return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As postgres does: connections that are just ending do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError:
            return False
        return True


def _make_sockets(folder: ServerFolder, programs: Programs) -> Path:
    """A new private folder for the Unix socket: in ours where that is possible, else among the temporary files.

    The path of a socket is limited to some 100 bytes, and not all file systems have sockets.
    """
    places = (folder.root, Path(tempfile.gettempdir()), Path("/tmp"))  # noqa: S108  (mkdtemp makes it private)
    for place in places:
        with folder.access():
            sockets = Path(tempfile.mkdtemp(prefix=_SOCKET_PREFIX, dir=place))
            if _takes_sockets(sockets):
                programs.account.give(sockets)
                return sockets
            sockets.rmdir()
    raise ServerStartFailed(f"no Unix socket can be made in any of {', '.join(map(str, places))}.")


def _takes_sockets(folder: Path) -> bool:
    name = folder / _LONGEST_SOCKET
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.bind(os.fsencode(name))
        except OSError:
            return False
    name.unlink()
    return True


def _remove_sockets(sockets: Path, programs: Programs) -> None:
    """Remove the socket folder of a supervisor that was killed, if it still is the one that was made then."""
    if not sockets.is_dir() or sockets.is_symlink() or not sockets.name.startswith(_SOCKET_PREFIX):
        return
    if sockets.stat().st_uid in (os.geteuid(), programs.account.uid):
        shutil.rmtree(sockets)


def _launch(folder: ServerFolder, programs: Programs, port: int, sockets: Path, boot_lock: int) -> bool:
    """Start a supervisor with postgres; True when it is ready, False when postgres ended."""
    settings = {
        "listen_addresses": ADDRESS,
        "port": str(port),
        "unix_socket_directories": '"' + str(sockets).replace('"', '""') + '"',
        "unix_socket_permissions": "0700",
        "cluster_name": cluster_name(folder.data),
        "logging_collector": "off",
        **later_settings(folder),
    }
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    account = programs.account
    run_as = "-" if account.uid is None else f"{account.uid}:{account.gid}"
    command = [*programs.command("postgres"), "-D", str(folder.data), *options]
    # By its path, without `site`: see its docstring.
    line = [sys.executable, "-I", "-S", supervisor.__file__, str(folder.root), str(sockets), run_as, *command]
    run = subprocess.run(line, stdin=boot_lock, capture_output=True, text=True, check=False, cwd="/", env=environment())
    if run.returncode != 0 or not run.stdout.strip():
        busy = " Another server is starting or ending in it." if run.returncode == supervisor.BUSY else ""
        raise ServerStartFailed(f"the supervisor of {folder.root} did not start.{busy}", log=run.stderr)
    return _wait_until_ready(folder, int(run.stdout))


def _wait_until_ready(folder: ServerFolder, pid: int) -> bool:
    """True when the postmaster with this number is ready, False when postgres has ended."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        postmaster = read_pid_file(folder.data)
        if postmaster is not None and (postmaster.pid, postmaster.status) == (pid, "ready"):
            return True
        if not locks.is_held(folder.server_lock):
            return False
        time.sleep(0.003)
    raise ServerStartFailed(
        f"PostgreSQL in {folder.data} is not ready after {_PATIENCE:.0f} s. It goes on starting, probably recovering "
        f"from a crash; try again later. Its log is {folder.log}."
    )


def _tail(folder: ServerFolder, begin: int) -> str:
    with folder.log.open(encoding="utf-8", errors="replace") as file:
        file.seek(begin)
        return "".join(file.readlines()[-12:])
