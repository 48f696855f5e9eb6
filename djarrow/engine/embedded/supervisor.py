"""The detached process that owns one postgres and stops it when nobody uses it. Nothing else of the package runs here.

It is started by its path with `python -I -S`, so that it costs 20 ms and 10 MB whatever `import djarrow` costs: only
the standard library may be imported, and little of it. The names of the files that it shares with the joining
processes are therefore written down here.

    python -m djarrow.engine.embedded.supervisor ROOT SOCKETS RUN_AS COMMAND...

ROOT is the folder, SOCKETS the folder of its Unix socket (removed at the end), RUN_AS `-` or `uid:gid`, and COMMAND
starts postgres. It prints the process id of postgres once that runs and both locks are held, and returns; what stays
behind is detached. It exits with BUSY when another supervisor or postgres is at work on the folder.
"""

# Importing pathlib costs as much as all the rest:
# ruff: noqa: PTH106, PTH108, PTH110, PTH116, PTH118, PTH208
from __future__ import annotations

import fcntl
import os
import select
import signal
import sys
import time

TYPE_CHECKING = False  # type checkers take it as true; importing `typing` would cost more than the rest
if TYPE_CHECKING:
    from collections.abc import Callable

USERS_LOCK = "users.lock"  # shared: by each process that uses the server; exclusive: by a supervisor that ends it
SUPERVISOR_LOCK = "supervisor.lock"  # exclusive: by the supervisor
SERVER_LOCK = "server.lock"  # exclusive: inherited by postgres, so it is held until the last of its processes is gone
KEEP_MARKER = "keep"  # exists: the server stays up without users
LOG_FILE = "postgres.log"
BUSY = 3

_LOOK_EVERY = 0.25  # seconds between two looks for users
_GRACE = 1.0  # seconds without users before the end, so that scripts run one after the other share a server
_FAST_SHUTDOWN = 20.0  # seconds granted to a fast shutdown before an immediate one
_IMMEDIATE_SHUTDOWN = 10.0
_SUPERVISOR_HANDOVER = 2.0  # seconds to wait for a predecessor whose postgres has just died
_SERVER_HANDOVER = 1.0  # others look at this lock for microseconds
_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> int:
    """Take the locks, leave a detached supervisor behind, and report."""
    root, sockets, run_as, *command = arguments
    supervisor_lock = _lock(os.path.join(root, SUPERVISOR_LOCK), _SUPERVISOR_HANDOVER)
    if supervisor_lock is None:
        return BUSY
    server_lock = _lock(os.path.join(root, SERVER_LOCK), _SERVER_HANDOVER)
    if server_lock is None:
        return BUSY
    if os.fork():
        return 0
    os.setsid()
    os.chdir("/")
    _redirect_to_log(root)
    wakeup = _listen_to_signals()
    pid = _spawn(command, run_as, server_lock)
    os.close(server_lock)
    os.write(1, b"%d\n" % pid)
    os.dup2(2, 1)
    _watch(pid, root, supervisor_lock, wakeup)
    _remove_sockets(sockets)
    return 0


def _lock(path: str, patience: float) -> int | None:
    """A descriptor that holds the file exclusively; None when others hold it for longer than the patience."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    end = time.monotonic() + patience
    while not _try_exclusive(descriptor):
        if time.monotonic() > end:
            os.close(descriptor)
            return None
        time.sleep(0.005)
    return descriptor


def _try_exclusive(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _redirect_to_log(root: str) -> None:
    """Standard input from nowhere, errors to the log; output stays with whoever waits for the report.

    Standard input is the starter's boot lock: it must not be let go before the locks above are taken, so that no
    second starter sees a folder at rest, and not be kept after that.
    """
    nowhere = os.open(os.devnull, os.O_RDONLY)
    log = os.open(os.path.join(root, LOG_FILE), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(nowhere, 0)
    os.dup2(log, 2)
    os.close(nowhere)
    os.close(log)


def _listen_to_signals() -> int:
    """Let signals wake the watch; returns the descriptor on which their numbers arrive."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(writing)
    return reading


def _spawn(command: list[str], run_as: str, server_lock: int) -> int:
    """Start postgres as our child with the server lock in its hands; returns its process id."""
    prctl = _find_prctl()
    supervisor = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        os.dup2(2, 1)
        os.set_inheritable(server_lock, True)
        if run_as != "-":
            uid, gid = map(int, run_as.split(":"))
            os.setgroups([])
            os.setgid(gid)
            os.setuid(uid)
        if prctl is not None:  # after setuid, which clears it: a supervisor killed with -9 means a fast shutdown
            prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() == supervisor:
            os.execv(command[0], command)  # noqa: S606
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
    os._exit(127)


def _find_prctl() -> Callable[[int, int], int] | None:
    """The system call of that name, where there is one."""
    if sys.platform != "linux":
        return None
    try:
        import ctypes
    except ImportError:  # a Python built without libffi: a later join finds the orphan and ends it
        return None
    prctl: Callable[[int, int], int] = ctypes.CDLL(None).prctl
    return prctl


def _watch(pid: int, root: str, supervisor_lock: int, wakeup: int) -> None:
    """Return when postgres is gone; end it when it has been without users for a while, or when told to."""
    path = os.path.join(root, USERS_LOCK)
    users = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    unused_since: float | None = None
    while not _is_reaped(pid):
        if _told_to_stop(wakeup) or not _is_same_file(users, path):
            os.close(supervisor_lock)  # first of all: a join from now on knows that this server is ending
            return _end(pid)
        if not _try_exclusive(users):
            unused_since = None
            continue
        # Here nobody uses it, and nobody can begin to as long as the lock is held.
        now = time.monotonic()
        unused_since = now if unused_since is None else unused_since
        if now - unused_since >= _GRACE and not os.path.exists(os.path.join(root, KEEP_MARKER)):
            return _end(pid)
        fcntl.flock(users, fcntl.LOCK_UN)
    return None


def _told_to_stop(wakeup: int) -> bool:
    """Sleep until the next look or a signal; True when the signal asks to stop."""
    if not select.select([wakeup], [], [], _LOOK_EVERY)[0]:
        return False
    return any(number != signal.SIGCHLD for number in os.read(wakeup, 64))


def _is_same_file(descriptor: int, path: str) -> bool:
    """Whether the path still is the open file: it is not when the folder has been removed."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _end(pid: int) -> None:
    """A fast shutdown; when that takes too long, an immediate one, from which the next start recovers."""
    for number, patience in ((signal.SIGINT, _FAST_SHUTDOWN), (signal.SIGQUIT, _IMMEDIATE_SHUTDOWN)):
        os.kill(pid, number)
        end = time.monotonic() + patience
        while time.monotonic() < end:
            if _is_reaped(pid):
                return
            time.sleep(0.01)


def _is_reaped(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:  # reaped by an earlier look
        return True


def _remove_sockets(folder: str) -> None:
    """Remove the socket folder, which was made for this one start."""
    try:
        for name in os.listdir(folder):
            os.unlink(os.path.join(folder, name))
        os.rmdir(folder)
    except FileNotFoundError:  # the whole folder has been removed
        return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
