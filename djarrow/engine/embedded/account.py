"""Under which account does postgres run? It refuses to run as root, so root needs a stand-in.

Not here: what is run under it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from djarrow.errors import ServerFolderDenied

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from djarrow.engine.embedded.binaries import Binaries
    from djarrow.engine.embedded.folder import ServerFolder

# Of our own environment postgres needs this much. The rest stays out: PG* would change what it does, and what others
# keep there is none of its business.
_ENVIRONMENT = ("PATH", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


@frozen
class Account:
    """Who runs postgres: this user, or the user uid:gid; prefix: the command that makes the rest of a line run so."""

    uid: int | None = None
    gid: int | None = None
    prefix: tuple[str, ...] = ()

    def run(
        self, command: Sequence[str | Path], *, stdin: int = subprocess.DEVNULL, pass_fds: Sequence[int] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end under this account, with what it writes as text."""
        return subprocess.run(
            [*self.prefix, *command],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            cwd="/",
            env=environment(),
            user=self.uid,
            group=self.gid,
            extra_groups=None if self.uid is None else [],
            pass_fds=pass_fds,
        )

    def can(self, operator: str, path: Path) -> bool:
        """Whether this account passes `test OPERATOR PATH`: asked by trying, which minds ACLs and mounts as well."""
        return self.run(["test", operator, path]).returncode == 0

    def give(self, path: Path) -> None:
        """Make this account the owner of a folder of ours and of all that is in it."""
        if self.uid is None or self.gid is None:
            return
        os.chown(path, self.uid, self.gid, follow_symlinks=False)
        for folder, folders, files in os.walk(path):
            for name in (*folders, *files):
                os.chown(Path(folder, name), self.uid, self.gid, follow_symlinks=False)


def environment() -> Mapping[str, str]:
    """The environment of the programs. LC_ALL: messages in English; macOS needs it set to anything."""
    return {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ} | {"LC_ALL": "C"}


def choose_account(folder: ServerFolder) -> Account:
    """The account for the server of a folder; it can reach the folder.

    An ordinary user runs it. Root runs it as the owner of what is there already; where that is root, as an ordinary
    user of a user namespace, who is root to the file system; where the kernel allows none, as nobody.

    Raises ServerFolderDenied when none of them reaches the folder.
    """
    if os.geteuid() != 0:
        return _with_name(Account(), os.geteuid())
    owner = (folder.data if folder.data.exists() else folder.root).stat()
    if owner.st_uid != 0:
        candidates = [_with_name(Account(owner.st_uid, owner.st_gid), owner.st_uid)]
    else:
        candidates = [account for account in (_namespace(Account()), _nobody()) if account is not None]
    for account in candidates:
        if account.can("-x", folder.root.parent):
            _let_in(account, folder)
            return account
    raise ServerFolderDenied(
        f"this is root, as which PostgreSQL refuses to run, and no other account reaches {folder.root}. Work as an "
        f"ordinary user, or in a folder whose parents let others through (`chmod o+x` on each of them)."
    )


def _let_in(account: Account, folder: ServerFolder) -> None:
    """Let the account through our own folder, in which the secrets are private files of root, to the database files."""
    if not account.can("-x", folder.root):
        folder.root.chmod(0o711)
    if folder.data.exists() and account.uid not in (None, folder.data.stat().st_uid):
        account.give(folder.data)


def _with_name(account: Account, uid: int) -> Account:
    """The account, in a namespace where it has a name: initdb refuses a user who is not in the list of users."""
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return _namespace(account) or account
    return account


def _namespace(account: Account) -> Account | None:
    """The account in a user namespace in which it is nobody; None where there can be none."""
    program, nobody = shutil.which("unshare"), _find_nobody()
    if program is None or nobody is None:
        return None
    options = ("--user", f"--map-user={nobody.pw_uid}", f"--map-group={nobody.pw_gid}", "--")
    inside = evolve(account, prefix=(program, *options))
    return inside if inside.can("-d", Path("/")) else None


def _nobody() -> Account | None:
    nobody = _find_nobody()
    return None if nobody is None else Account(nobody.pw_uid, nobody.pw_gid)


def _find_nobody() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        return None


def make_readable(binaries: Binaries, account: Account, folder: ServerFolder) -> Binaries:
    """The binaries, or a copy of them inside the folder where the account cannot read them where they are.

    Raises ServerFolderDenied when there is no room for the copy.
    """
    if account.can("-x", Path(binaries.program("postgres"))):
        return binaries
    copy = folder.root / f"postgresql-{binaries.major}"
    real = binaries.folder.resolve()
    package = real.parents[1]
    libraries = package.with_name(f"{package.name}.libs")  # a wheel's programs look for these beside the package
    if not copy.exists():
        new = copy.with_suffix(".new")
        with folder.access():
            shutil.rmtree(new, ignore_errors=True)
            for source in (real.parent, libraries):
                if source.is_dir():
                    shutil.copytree(source, new / source.relative_to(package.parent), symlinks=True)
            _open_to_all(new)
            new.rename(copy)
    return evolve(binaries, folder=copy / real.relative_to(package.parent))


def _open_to_all(tree: Path) -> None:
    """Let everybody read a copied tree, and run what its owner may run."""
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | 0o444 | (0o111 if mode & 0o100 else 0))
