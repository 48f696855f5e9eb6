"""dj.verify finds whatever was changed in a repository, taken from it or put into it."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

import djarrow as dj
from djarrow.cli.main import app
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import InvalidCondition, RepositoryError
from djarrow.repo.exporting.export import Exported
from djarrow.repo.verify import Damage
from tests.described import drop_schemas

CASES = 360
"""Random changes to a repository, each of which is found."""


@pytest.fixture(scope="module")
def exported(connection: PostgresConnection, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exported]:
    """A small repository, which tests do not change."""
    schema = dj.Schema("verified", connection=connection)

    @schema
    class Day(dj.Manual):
        definition = "day : int8  # of the week\n---\nname : varchar(9)"

    @schema
    class Reading(dj.Manual):
        definition = "-> Day\nnumber : int16\n---\nvalue : float64"

    Day.insert((n, "MTWTFSS"[n]) for n in range(7))
    Reading.insert({"day": n % 7, "number": n, "value": n / 7} for n in range(100))
    yield dj.export(schema, tmp_path_factory.mktemp("exported") / "week", partition_by={Reading: ["day"]})
    drop_schemas(connection, "verified")


@pytest.fixture
def root(exported: Exported, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(exported.path, tmp_path / "week"))


def files(root: Path) -> list[Path]:
    """All files of a repository."""
    return sorted(path for path in root.rglob("*") if path.is_file())


def found(root: Path) -> dict[str, Damage]:
    """The damaged files."""
    return {problem.path: problem.damage for problem in dj.verify(root).problems}


def test_a_whole_repository(exported: Exported) -> None:
    """Nothing is found, and every byte but those of the checksums was read."""
    every = files(exported.path)
    report = dj.verify(exported.path)
    assert report
    assert report.problems == ()
    assert report.files == len(every) - 1
    assert report.bytes == sum(path.stat().st_size for path in every if path.name != "SHA256SUMS")
    assert report.listed == exported.bytes
    assert report.path == exported.path


def change(path: Path, chance: random.Random) -> str:
    """Change bytes of a file by chance; what was done."""
    content = bytearray(path.read_bytes())
    kind = chance.choice(["bit", "byte", "insert", "cut", "append", "empty", "swap"])
    at = chance.randrange(len(content))
    match kind:
        case "bit":
            content[at] ^= 1 << chance.randrange(8)
        case "byte":
            content[at] = (content[at] + chance.randrange(1, 256)) % 256
        case "insert":
            content.insert(at, chance.randrange(256))
        case "cut":
            del content[at:]
        case "append":
            content += chance.choice([b"\n", b" ", b"\0", b"#"])
        case "empty":
            content.clear()
        case _:  # two neighbours that differ
            at = next(
                n for n in range(at, at + len(content)) if content[n % len(content) - 1] != content[n % len(content)]
            )
            at %= len(content)
            content[at - 1], content[at] = content[at], content[at - 1]
    path.write_bytes(content)
    return f"{kind} at {at} of {path.name}"


def alter(root: Path, chance: random.Random) -> str:
    """Change, remove, add, rename or exchange files by chance; what was done."""
    every = files(root)
    one, other = chance.sample(every, 2)
    match chance.choice(["change"] * 4 + ["remove", "add", "rename", "exchange", "copy"]):
        case "change":
            return change(one, chance)
        case "remove":
            one.unlink()
            return f"removed {one.name}"
        case "add":
            added = one.parent / f"{chance.randrange(10**6)}{chance.choice(['.parquet', '', '.py'])}"
            added.write_bytes(chance.randbytes(chance.randrange(20)))
            return f"added {added.name}"
        case "rename":
            one.rename(one.with_name("other" + one.name))
            return f"renamed {one.name}"
        case "copy":
            shutil.copyfile(one, one.with_name("copy" + one.name))
            return f"copied {one.name}"
        case _:
            content = one.read_bytes()
            if content == other.read_bytes():
                return change(one, chance)
            one.write_bytes(other.read_bytes())
            other.write_bytes(content)
            return f"exchanged {one.name} and {other.name}"


def test_random_damage_is_found(root: Path, tmp_path: Path) -> None:
    """Whatever is changed, removed or added, be it the manifest or the checksums, and restored it is whole again."""
    whole = {path: path.read_bytes() for path in files(root)}
    seed = random.randrange(2**32)  # noqa: S311 - a seed, which a failure names
    chance = random.Random(seed)  # noqa: S311
    for number in range(CASES):
        done = alter(root, chance)
        assert dj.verify(root).problems, f"{done}: number {number} of the seed {seed}"
        for path in set(files(root)) - whole.keys():
            path.unlink()
        for path, content in whole.items():
            if not path.exists() or path.read_bytes() != content:
                path.write_bytes(content)
    assert dj.verify(root)


def test_what_is_told(root: Path) -> None:
    """Each file with what is wrong with it."""
    changed, missing = (path for path in files(root) if path.name in ("README.md", "croissant.json"))
    text = changed.read_bytes()
    changed.write_bytes(text.replace(b"djarrow", b"djarrov"))
    missing.unlink()
    (root / "more").mkdir()
    (root / "more" / "notes.txt").write_text("mine")
    parquet = next(path for path in files(root) if path.suffix == ".parquet")
    parquet.write_bytes(parquet.read_bytes()[:-1])
    relative = parquet.relative_to(root).as_posix()
    assert found(root) == {
        changed.name: Damage.CHANGED,
        missing.name: Damage.MISSING,
        "more/notes.txt": Damage.UNLISTED,
        relative: Damage.CHANGED,
    }
    told = [str(problem) for problem in dj.verify(root).problems]
    digest = hashlib.sha256(changed.read_bytes()).hexdigest()
    assert any(digest in line and line.startswith(f"{changed.name}: changed: ") for line in told)
    size = parquet.stat().st_size
    assert f"{relative}: changed: it has {size} bytes, and had {size + 1}." in told


@pytest.mark.parametrize("name", ["manifest.json", "SHA256SUMS"])
def test_without_one_of_the_lists(root: Path, name: str) -> None:
    """The other one says what the files were."""
    (root / name).unlink()
    readme = next(path for path in files(root) if path.suffix == ".parquet")
    readme.write_bytes(readme.read_bytes() + b"\0")
    problems = found(root)
    assert problems[name] in (Damage.MISSING, Damage.UNREADABLE)
    assert problems[readme.relative_to(root).as_posix()] is Damage.CHANGED


def test_no_repository(tmp_path: Path) -> None:
    """A folder without either is none."""
    (tmp_path / "data.parquet").write_bytes(b"")
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(RepositoryError, match="no repository"):
            dj.verify(path)


def test_a_sample(root: Path) -> None:
    """Some files of tables are read and all others; sizes are compared of all."""
    whole, half, none = (dj.verify(root, sample=share) for share in (1.0, 0.5, 0))
    assert whole.bytes > half.bytes > none.bytes > 0
    assert half.files >= none.files + 1
    assert half.bytes - none.bytes >= half.listed / 2
    parquet = [path for path in files(root) if path.suffix == ".parquet"]
    for path in parquet:
        content = bytearray(path.read_bytes())
        content[10] ^= 1
        path.write_bytes(content)
    assert len(dj.verify(root, sample=1).problems) == len(parquet)
    assert 0 < len(dj.verify(root, sample=0.3).problems) < len(parquet)
    assert dj.verify(root, sample=0)
    parquet[0].write_bytes(b"")
    assert len(dj.verify(root, sample=0).problems) == 1


@pytest.mark.parametrize("sample", [-0.1, 1.1, float("nan"), "all", None, True])
def test_a_sample_is_a_share(root: Path, sample: object) -> None:
    """From 0 to 1."""
    with pytest.raises(InvalidCondition, match="share"):
        dj.verify(root, sample=sample)  # type: ignore[arg-type]


Hostile = Callable[[Path, Path], None]


def pipe(path: Path, _: Path) -> None:
    """A pipe that nobody writes to."""
    os.mkfifo(path)


def folder(path: Path, _: Path) -> None:
    """A folder of that name."""
    path.mkdir()


def link(path: Path, secret: Path) -> None:
    """A link to a file outside that has the very content."""
    path.symlink_to(secret)


def around(path: Path, _: Path) -> None:
    """A link to itself."""
    path.symlink_to(path)


def test_checksums_without_end(root: Path) -> None:
    """A list of a terabyte is not read: what it alone lists is known to nobody then."""
    os.truncate(root / "SHA256SUMS", 2**40)
    assert found(root)["SHA256SUMS"] is Damage.CHANGED
    assert set(found(root).values()) == {Damage.CHANGED, Damage.UNLISTED}


@pytest.mark.timeout(10)
@pytest.mark.parametrize("put", [pipe, folder, link, around])
@pytest.mark.parametrize("name", ["README.md", "SHA256SUMS", "parquet"])
def test_what_is_no_file_is_not_read(root: Path, tmp_path: Path, put: Hostile, name: str) -> None:
    """Nothing that would not end or lies elsewhere is read in the place of a file, were its content right."""
    path = next(path for path in files(root) if path.name == name or path.suffix == f".{name}")
    secret = tmp_path / "secret"
    shutil.move(path, secret)
    put(path, secret)
    assert path.relative_to(root).as_posix() in found(root)


@pytest.mark.parametrize("path", ["../outside", "/etc/hostname", "a/../../outside", "C:\\x", ""])
def test_checksums_of_files_elsewhere_are_not_read(root: Path, path: str) -> None:
    """A list that names a file outside is no list of djarrow's."""
    (root.parent / "outside").write_text("x")
    sums = root / "SHA256SUMS"
    digest = hashlib.sha256(b"x").hexdigest()
    sums.write_text(
        "".join(
            sorted([*sums.read_text().splitlines(keepends=True), f"{digest}  {path}\n"], key=lambda line: line[66:])
        )
    )
    assert found(root) == {"SHA256SUMS": Damage.CHANGED}


def test_names_that_are_no_text(root: Path) -> None:
    """A file with a name of other bytes is told in a form that can be printed."""
    Path(os.fsdecode(os.fsencode(root) + b"/\xff\n")).write_bytes(b"")
    (problem,) = dj.verify(root).problems
    assert problem.damage is Damage.UNLISTED
    str(problem).encode("utf-8")


def test_a_folder_that_is_linked_in(root: Path, tmp_path: Path) -> None:
    """It is told, and not followed."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").write_text("")
    (root / "linked").symlink_to(elsewhere)
    assert found(root) == {"linked": Damage.UNLISTED}


# --- in a shell --------------------------------------------------------------------------------------------------


def test_the_command(root: Path) -> None:
    """Exits with 0 of a whole repository, and with 1 and a line a file of one that is not; 2 is for wrong usage."""
    whole = CliRunner().invoke(app, ["verify", str(root)])
    assert (whole.exit_code, whole.stdout) == (0, "")
    assert whole.stderr.startswith("whole: ")
    (root / "README.md").unlink()
    (root / "more").write_text("")
    damaged = CliRunner().invoke(app, ["verify", str(root), "--sample", "0.5"])
    assert damaged.exit_code == 1
    assert damaged.stdout.splitlines() == [
        "README.md: missing: it is listed and is not there.",
        "more: unlisted: it is there and is not listed.",
    ]
    assert damaged.stderr.startswith("2 problems: ")
    none = CliRunner().invoke(app, ["verify", str(root / "nowhere")])
    assert (none.exit_code, none.stdout) == (1, "")
    assert "no repository" in none.stderr
    assert CliRunner().invoke(app, ["verify", str(root), "--sample", "2"]).exit_code == 2
