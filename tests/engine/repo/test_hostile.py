"""Repositories made to do harm: each attack is refused soon, or does nothing, and nothing outside is opened.

`ATTACKS` is the list: what is done to a whole repository, whose manifest is then made to agree with it. What is not
found out stands at the end: hard links, and statistics that lie.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import EngineError, RepositoryError, ResultTooLarge
from djarrow.repo.repository import Repository
from tests.described import drop_schemas

from .conftest import Opener

SCHEMA = "hostile_source"
CANARY = "canary-7d1c"
"""What files outside hold, and no result, message or file of ours may."""

pytestmark = pytest.mark.timeout(110)  # of which a loaded machine takes most to start processes


@pytest.fixture(scope="module")
def source(connection: PostgresConnection, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A small repository, which tests do not change: a table in one file, and one in seven."""
    schema = dj.Schema(SCHEMA, connection=connection)

    @schema
    class Day(dj.Manual):
        definition = "day : int8  # of the week\n---\nname : varchar(9)"

    @schema
    class Reading(dj.Manual):
        definition = "-> Day\nnumber : int16\n---\nvalue : float64\nlabel : varchar(20)"

    Day.insert((n, "MTWTFSS"[n]) for n in range(7))
    Reading.insert({"day": n % 7, "number": n, "value": n / 7, "label": f"n{n}"} for n in range(70))
    yield dj.export(schema, tmp_path_factory.mktemp("hostile") / "week", partition_by={Reading: ["day"]}).path
    drop_schemas(connection, SCHEMA)


class Spoiled:
    """A copy of the repository, and a folder beside it that is none of its business."""

    def __init__(self, source: Path, place: Path) -> None:
        self.root = Path(shutil.copytree(source, place / "week"))
        self.outside = place / "outside"
        self.outside.mkdir()
        (self.outside / "canary.txt").write_text(CANARY)
        self.secret = self.outside / "secret.parquet"
        table = pq.read_table(self.file("day"))
        names = pa.array([CANARY] * table.num_rows)
        pq.write_table(table.set_column(1, table.schema.field("name"), names), self.secret)

    def file(self, table: str = "reading", name: str | None = None) -> Path:
        """A data file: that of `day`, or the one of day 3."""
        return self.root / SCHEMA / "tables" / table / (name or ("all.parquet" if table == "day" else "day-3.parquet"))

    @property
    def manifest(self) -> Any:
        """What the manifest says."""
        return json.loads((self.root / "manifest.json").read_bytes())

    def write(self, document: Any) -> None:
        """Write another manifest."""
        (self.root / "manifest.json").write_text(json.dumps(document))

    def entry(self, document: Any, table: str = "reading") -> Any:
        """What a manifest says of a table."""
        return next(each for each in document["tables"] if each["table"] == table)

    def listed(self, document: Any, path: Path) -> Any:
        """What a manifest says of a file."""
        relative = path.relative_to(self.root).as_posix()
        return next(f for table in document["tables"] for f in table["files"] if f["path"] == relative)

    def put(self, content: bytes, path: Path | None = None, rows: int | None = None) -> None:
        """Put this in the place of a data file, by default that of day 3, and let the manifest agree."""
        path = path or self.file()
        path.write_bytes(content)
        document = self.manifest
        entry = self.listed(document, path)
        entry |= {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        if rows is not None:
            entry["rows"] = rows
        self.write(document)

    def put_table(self, table: pa.Table, rows: int | None = None, **options: Any) -> None:
        """Put this table in the place of that of day 3."""
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, **options)
        self.put(sink.getvalue().to_pybytes(), rows=table.num_rows if rows is None else rows)

    def link(self, path: str) -> None:
        """Let the manifest say another path of the file of `day`, as long as the secret."""
        document = self.manifest
        self.entry(document, "day")["files"][0] |= {"path": path, "size": self.secret.stat().st_size}
        self.write(document)


@pytest.fixture
def spoiled(source: Path, tmp_path: Path) -> Spoiled:
    """A repository to spoil."""
    return Spoiled(source, tmp_path)


def rows_of(repository: Repository) -> str:
    """Every row of every table, as text."""
    return "".join(repr(repository.table(name).to_dicts()) for name in sorted(repository.tables))


# --- the attacks -------------------------------------------------------------------------------------------------


def _path(path: str) -> Callable[[Spoiled], None]:
    return lambda it: it.link(path.format(outside=it.outside, root=it.root))


def _document(change: Callable[[Spoiled, Any], Any]) -> Callable[[Spoiled], None]:
    def attack(it: Spoiled) -> None:
        document = it.manifest
        it.write(change(it, document) or document)

    return attack


def _definition(text: str, table: str = "day") -> Callable[[Spoiled], None]:
    return _document(lambda it, document: it.entry(document, table).update(definition=text))


def _raw(change: Callable[[bytes], bytes]) -> Callable[[Spoiled], None]:
    def attack(it: Spoiled) -> None:
        path = it.root / "manifest.json"
        path.write_bytes(change(path.read_bytes()))

    return attack


def _link_of_file(it: Spoiled) -> None:
    it.put(it.secret.read_bytes(), it.file("day"))
    it.file("day").unlink()
    it.file("day").symlink_to(it.secret)


def _link_of_links(it: Spoiled) -> None:
    _link_of_file(it)
    it.file("day").rename(it.file("day", "other"))
    it.file("day").symlink_to("other")


def _link_of_folder(it: Spoiled) -> None:
    it.put(it.secret.read_bytes(), it.file("day"))
    shutil.move(it.file("day").parent, it.outside / "day")
    (it.root / SCHEMA / "tables" / "day").symlink_to(it.outside / "day")


def _link_of_schema(it: Spoiled) -> None:
    shutil.move(it.root / SCHEMA, it.outside / SCHEMA)
    (it.root / SCHEMA).symlink_to(it.outside / SCHEMA)


def _instead(make: Callable[[Path], object], *, of_manifest: bool = False) -> Callable[[Spoiled], None]:
    def attack(it: Spoiled) -> None:
        path = it.root / "manifest.json" if of_manifest else it.file()
        if not of_manifest:
            it.put(b"")
        path.unlink()
        make(path)

    return attack


def _huge_manifest(it: Spoiled) -> None:
    os.truncate(it.root / "manifest.json", 2**30)


def _columns(change: Callable[[pa.Table], pa.Table]) -> Callable[[Spoiled], None]:
    def attack(it: Spoiled) -> None:
        table = pq.read_table(it.file())
        it.put_table(change(table))

    return attack


def _cast(name: str, kind: pa.DataType) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        at = table.schema.get_field_index(name)
        field = table.schema.field(name).with_type(kind)
        return table.set_column(at, field, table.column(name).cast(kind))

    return change


def _nullable(table: pa.Table) -> pa.Table:
    at = table.schema.get_field_index("value")
    return table.set_column(at, "value", pa.nulls(table.num_rows, pa.float64()))


def _more_rows(it: Spoiled) -> None:
    document = it.manifest
    it.listed(document, it.file())["rows"] += 1
    it.write(document)


def _lying_footer(it: Spoiled) -> None:
    """The footer says, once, that there are 11 rows."""
    content = bytearray(it.file().read_bytes())
    length = int.from_bytes(content[-8:-4], "little")
    start = len(content) - 8 - length
    at = content.index(b"\x16\x14\x19", start)  # 10 rows, then the list of row groups
    content[at + 1] = 22
    it.put(bytes(content), rows=11)


def _end(change: Callable[[bytes], bytes]) -> Callable[[Spoiled], None]:
    return lambda it: it.put(change(it.file().read_bytes()))


def _deep(levels: int) -> bytes:
    """A file whose footer describes one column at this depth."""
    group, leaf = b"\x48\x01a\x15\x02\x00", b"\x15\x02\x25\x00\x18\x01a\x00"
    count, length = b"", levels + 1
    while length > 127:
        count, length = count + bytes([length & 127 | 128]), length >> 7
    footer = b"\x15\x02\x19\xfc" + count + bytes([length]) + group * levels + leaf + b"\x16\x00\x19\x0c\x00"
    return b"PAR1" + footer + struct.pack("<I", len(footer)) + b"PAR1"


def _only_day(it: Spoiled, definition: str, content: bytes, rows: int) -> None:
    """Let the repository be one table of this definition in one file with this content."""
    document = it.manifest
    entry = it.entry(document, "day")
    entry["definition"] = definition
    document["tables"] = [entry]
    it.write(document)
    it.put(content, it.file("day"), rows)


def _repeated(value: str, rows: int, key: bool = False, **options: Any) -> bytes:
    """A file of one value in so many rows, which it holds once. key: with numbers beside it."""
    column = pa.DictionaryArray.from_arrays(np.zeros(rows, "int8"), [value])
    columns = {"n": pa.array(range(rows), "int32")} if key else {}
    table = pa.table({**columns, "s": column})
    table = table.cast(pa.schema([field.with_nullable(False) for field in table.schema]))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_statistics=False, store_schema=False, **options)
    return bytes(sink.getvalue().to_pybytes())


def _bomb(it: Spoiled) -> None:
    rows = 2**27
    content = _repeated("abcdefgh", rows, row_group_size=rows, data_page_size=2**30, write_batch_size=rows)
    assert len(content) < 2**18
    _only_day(it, "s : varchar(8)", content, rows)


MANY = "\n".join(f"a{number} : int32" for number in range(100_000))

ATTACKS: dict[str, Callable[[Spoiled], None]] = {
    # paths
    "a path that climbs": _path("../outside/secret.parquet"),
    "a path that climbs later": _path(f"{SCHEMA}/../../outside/secret.parquet"),
    "an absolute path": _path("{outside}/secret.parquet"),
    "an absolute path under the root": _path("{root}/../outside/secret.parquet"),
    "a path with two slashes": _path("//{outside}/secret.parquet"),
    "a URL of a file": _path("file://{outside}/secret.parquet"),
    "a URL of a server": _path("http://127.0.0.1:9/secret.parquet"),
    "a URL of a bucket": _path("s3://bucket/secret.parquet"),
    "a URL of data": _path("data:;base64,UEFSMQ=="),
    "URLs in a chain": _path("zip://*.parquet::file://{outside}/secret.zip"),
    "a home": _path("~/secret.parquet"),
    "a variable": _path("$HOME/secret.parquet"),
    "a drive": _path("C:/secret.parquet"),
    "a share": _path("\\\\server\\secret.parquet"),
    "a pattern that matches links": _path(f"{SCHEMA}/tables/day/*.parquet"),
    "a pattern that climbs": _path("*/../../outside/*.parquet"),
    "a name of NUL": _path("day\0.parquet"),
    "a name of half a pair": _document(lambda it, d: it.entry(d, "day")["files"][0].update(path="day\udc80.parquet")),
    "a name of 100,000 letters": _path("x" * 100_000),
    "a file listed twice": _document(lambda it, d: it.entry(d)["files"].append(it.entry(d)["files"][0])),
    "a file of another table": _document(
        lambda it, d: it.entry(d)["files"].append({**it.entry(d, "day")["files"][0], "path": f"{SCHEMA}/./schema.py"})
    ),
    # what lies there
    "a link out": _link_of_file,
    "a link to a link out": _link_of_links,
    "a folder that is a link out": _link_of_folder,
    "a schema's folder that is a link out": _link_of_schema,
    "a link to itself": _instead(lambda path: path.symlink_to(path)),
    "a link to /dev/zero": _instead(lambda path: path.symlink_to("/dev/zero")),
    "a link to /etc/passwd": _instead(lambda path: path.symlink_to("/etc/passwd")),
    "a pipe": _instead(os.mkfifo),
    "a folder": _instead(Path.mkdir),
    "nothing": _instead(lambda _: None),
    # the manifest's file
    "a manifest that is a pipe": _instead(os.mkfifo, of_manifest=True),
    "a manifest that is /dev/zero": _instead(lambda path: path.symlink_to("/dev/zero"), of_manifest=True),
    "a manifest that is elsewhere": _instead(lambda path: path.symlink_to("../outside/canary.txt"), of_manifest=True),
    "a manifest of a gigabyte": _huge_manifest,
    "a manifest of 200,000 brackets": _raw(lambda _: b"[" * 200_000),
    "a manifest of 100,000 objects": _raw(lambda _: b'{"a":' * 100_000),
    "a manifest of 20 million lists": _raw(lambda _: b"[" + b"[]," * 20_000_000 + b"0]"),
    "a member twice": _raw(lambda text: text.replace(b'"rows": ', b'"rows": 1, "rows": ', 1)),
    "a number of 5,000 digits": _raw(lambda text: text.replace(b'"rows": ', b'"rows": ' + b"9" * 5000, 1)),
    "a number of 30 digits": _raw(lambda text: text.replace(b'"rows": ', b'"rows": ' + b"9" * 30, 1)),
    "a number below 0": _raw(lambda text: text.replace(b'"rows": ', b'"rows": -', 1)),
    "no number": _raw(lambda text: text.replace(b'"rows": ', b'"rows": NaN, "x": ', 1)),
    "a manifest that is no text": _raw(lambda text: text.replace(b"week", b"w\xff\xfek", 1)),
    "a checksum that is none": _raw(lambda text: text.replace(b'"sha256": "', b'"sha256": "x', 1)),
    # definitions and names
    "100,000 attributes": _definition(f"day : int8\n---\nname : varchar(9)\n{MANY}"),
    "100,000 values of an enum": _definition("day : enum(" + ", ".join(f"'{n}'" for n in range(100_000)) + ")"),
    "an index of 100,000 parentheses": _definition("day : int8\n---\nindex (" + "(" * 100_000 + "day" + ")" * 100_001),
    "a type in types": _definition("day : " + "enum(" * 10_000),
    "a million empty lines": _definition("day : int8" + "\n" * 1_000_000),
    "ten megabytes of definitions": _definition("day : int8 # " + "x" * 10_000_000),
    "a cycle": _definition("-> Reading\n---\n"),
    "a table that refers to itself": _definition("-> Day\n---\n"),
    "an attribute that is SQL": _definition('day" FROM x; DROP VIEW y; -- : int8'),
    "an attribute that is Python": _definition("__import__('os').system('x') : int8"),
    "a schema that is SQL": _document(lambda it, d: it.entry(d).update(schema='x"; DROP SCHEMA y; --')),
    "a table that is SQL": _document(lambda it, d: it.entry(d).update(table='x"; DROP TABLE y; --')),
    "a table that is Python": _document(lambda it, d: it.entry(d).update(table="__class__")),
    "a table that is a word of Python": _document(lambda it, d: it.entry(d).update(table="none")),
    # Parquet
    "no Parquet": _end(lambda content: b"x" * len(content)),
    "a file of three bytes": _end(lambda _: b"PAR"),
    "encrypted Parquet": _end(lambda content: content[:-4] + b"PARE"),
    "a footer longer than the file": _end(lambda content: content[:-8] + b"\xff\xff\xff\x7fPAR1"),
    "a footer of 0 bytes": _end(lambda content: content[:-8] + b"\0\0\0\0PAR1"),
    "a footer of noise": _end(lambda content: content[:-60] + b"\xff" * 52 + content[-8:]),
    "columns in 300,000 levels": lambda it: it.put(_deep(300_000), rows=0),
    "rows that are not there": _more_rows,
    "a footer that lies about rows": _lying_footer,
    "numbers as text": _columns(_cast("number", pa.string())),
    "longer numbers": _columns(_cast("number", pa.int64())),
    "shorter floats": _columns(_cast("value", pa.float32())),
    "text as bytes": _columns(_cast("label", pa.binary())),
    "a number as a time": _columns(
        lambda table: table.set_column(2, "value", pa.array(range(table.num_rows), pa.timestamp("us")))
    ),
    "NULL where there is none": _columns(_nullable),
    "a column less": _columns(lambda table: table.drop_columns(["label"])),
    "a column more": _columns(lambda table: table.append_column("more", pa.array([CANARY] * table.num_rows))),
    "another column": _columns(lambda table: table.rename_columns(["day", "number", "value", "Label"])),
    "columns exchanged": _columns(lambda table: table.select(["number", "day", "value", "label"])),
    "a list as a column": _columns(lambda t: t.set_column(2, "value", pa.array([[1.0]] * t.num_rows))),
    "a gigabyte in a quarter of a megabyte": _bomb,
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_attacks(spoiled: Spoiled, attack: Callable[[Spoiled], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is refused within 10 s by a RepositoryError, whose message tells nothing of what lies outside."""
    monkeypatch.chdir(spoiled.outside)
    attack(spoiled)
    watched = [*spoiled.outside.rglob("*.*")]
    untouched = [_unread(path) for path in watched]
    started = time.monotonic()
    with pytest.raises(RepositoryError) as refused, _closing(spoiled.root) as repository:
        rows_of(repository)
    assert time.monotonic() - started < 10
    assert CANARY not in str(refused.value)
    assert len(str(refused.value)) < 2_000
    assert [path.stat().st_atime_ns for path in watched] == untouched
    assert sorted(path.name for path in spoiled.outside.iterdir() if path.name not in (SCHEMA, "day")) == [
        "canary.txt",
        "secret.parquet",
    ]


class _closing:
    def __init__(self, root: Path) -> None:
        self.root = root

    def __enter__(self) -> Repository:
        self.repository = dj.open(self.root)
        return self.repository

    def __exit__(self, *_: object) -> None:
        self.repository.close()


def _unread(path: Path) -> int:
    """Set when a file was last read to long ago, from where reading it moves it; that time."""
    os.utime(path, ns=(10**18, path.stat().st_mtime_ns), follow_symlinks=True)
    return path.stat().st_atime_ns


def test_reading_would_be_seen(spoiled: Spoiled) -> None:
    """What the attacks are watched by moves where a file is read, unless this system does not keep it."""
    before = _unread(spoiled.secret)
    pq.read_table(spoiled.secret)
    if spoiled.secret.stat().st_atime_ns == before:
        pytest.skip("the file system does not keep when files are read")


def test_the_list_is_of_a_repository_that_opens(spoiled: Spoiled, opened: Opener) -> None:
    """Unspoiled, the repository gives its rows; so each attack is refused for what it does."""
    repository = opened(spoiled.root)
    assert (len(repository[SCHEMA].Day), len(repository[SCHEMA].Reading)) == (7, 70)
    sink = pq.read_table(spoiled.file(), schema=pq.read_schema(spoiled.file()))
    spoiled.put_table(sink)  # written by another writer, and still what the manifest says
    assert len(opened(spoiled.root)[SCHEMA].Reading) == 70


# --- what is read as it should be ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["*.parquet", "[a-z]*.parquet", "al[l].parquet", "?ll.parquet", "**", "{all,b}.parquet"]
)
def test_names_that_are_patterns(spoiled: Spoiled, opened: Opener, name: str) -> None:
    """A file with the name of a pattern is read by itself, and not what the pattern would match."""
    path = spoiled.file("day", name)
    table = pq.read_table(spoiled.file("day"))
    pq.write_table(table.slice(0, 2), path)
    for other in ("a.parquet", "b.parquet"):
        shutil.copy(spoiled.secret, spoiled.file("day", other))
    document = spoiled.manifest
    spoiled.entry(document, "day")["files"][0] |= {
        "path": path.relative_to(spoiled.root).as_posix(),
        "rows": 2,
        "size": path.stat().st_size,
    }
    spoiled.write(document)
    assert opened(spoiled.root)[SCHEMA].Day.to_dicts() == table.slice(0, 2).to_pylist()


@pytest.mark.parametrize("name", ["[w]eek", "wee?", "*", "w\\eek"])
def test_a_root_that_is_a_pattern(spoiled: Spoiled, opened: Opener, name: str) -> None:
    """A repository in a folder with the name of a pattern is read, and not its neighbours which the pattern matches."""
    root = Path(shutil.copytree(spoiled.root, spoiled.root.parent / name))
    spoiled.put(spoiled.secret.read_bytes(), spoiled.file("day"))
    assert CANARY not in rows_of(opened(root))
    assert CANARY in rows_of(opened(spoiled.root))


def test_a_root_that_cannot_be_written(spoiled: Spoiled) -> None:
    """The one kind of folder that DuckDB cannot be told of is refused in words."""
    root = Path(shutil.copytree(spoiled.root, spoiled.root.parent / "a\\*"))
    with pytest.raises(EngineError, match="Move the folder"), _closing(root) as repository:
        rows_of(repository)


def test_folders_that_look_like_values(spoiled: Spoiled, opened: Opener) -> None:
    """A folder `day=5` says nothing of the rows in it."""
    moved = spoiled.file().parent / "day=5" / "number=1.parquet"
    moved.parent.mkdir()
    spoiled.file().rename(moved)
    document = spoiled.manifest
    spoiled.listed(document, spoiled.file())["path"] = moved.relative_to(spoiled.root).as_posix()
    spoiled.write(document)
    reading = opened(spoiled.root)[SCHEMA].Reading
    assert {row["number"] for row in (reading & "day = 3").to_dicts()} == {n for n in range(70) if n % 7 == 3}
    assert len(reading & "day = 5") == 10


@pytest.mark.parametrize("swap", [_link_of_file, _link_of_folder, _link_of_schema])
def test_links_that_come_later(spoiled: Spoiled, swap: Callable[[Spoiled], None]) -> None:
    """What becomes a link out of the repository after its files were read is not followed by the next query."""
    manifest = (spoiled.root / "manifest.json").read_bytes()
    with _closing(spoiled.root) as repository:
        assert CANARY not in rows_of(repository)
        swap(spoiled)
        (spoiled.root / "manifest.json").write_bytes(manifest)
        with pytest.raises((RepositoryError, EngineError)):
            rows_of(repository)


@pytest.mark.parametrize("swap", [_link_of_file, _link_of_folder])
def test_links_between_check_and_use(
    spoiled: Spoiled, swap: Callable[[Spoiled], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What becomes one between the last look at a file and the engine's own opening is refused by the engine."""
    from djarrow.repo.reading import RepositoryTables

    with _closing(spoiled.root) as repository:
        rows_of(repository)
        views = {view.name: view for view in repository.reader._tables.of(f"{SCHEMA}.day {SCHEMA}.reading")}
        swap(spoiled)
        monkeypatch.setattr(RepositoryTables, "of", lambda *_: list(views.values()))
        with pytest.raises(EngineError, match="Cannot access file"):
            repository[SCHEMA].Day.to_dicts()


def test_code_in_texts(spoiled: Spoiled, opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """Comments, values of enums and defaults that are code are texts: they are shown, and nothing of them runs."""
    monkeypatch.chdir(spoiled.outside)
    sql = "x'') AS name FROM d; COPY (SELECT 1) TO ''executed''; --"
    python = '\\"\\"\\"; open(\\"executed\\", \\"w\\"); \\"\\"\\"'
    definition = f"# {python} {{x}} %s\nday : int8  # {sql}\n---\nname : enum('{sql}', 'M', \"{python}\")"
    values = pa.DictionaryArray.from_arrays(pa.array([0, 1], "int8"), [sql.replace("''", "'"), "M"])
    fields = [pa.field("day", pa.int8(), nullable=False), pa.field("name", pa.string(), nullable=False)]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table([pa.array([1, 2], pa.int8()), values.cast(pa.string())], pa.schema(fields)), sink)
    _only_day(spoiled, definition, sink.getvalue().to_pybytes(), 2)
    day = opened(spoiled.root)[SCHEMA].Day
    assert [row["name"] for row in day.to_dicts()] == [sql.replace("''", "'"), "M"]
    assert (day & {"name": sql.replace("''", "'")}).fetch1("day") == 1
    for shown in (day.describe(), repr(day()), day.explain(), day.to_sql("duckdb")):
        assert isinstance(shown, str)
    assert not [path for path in (*spoiled.outside.iterdir(), *spoiled.root.iterdir()) if path.name == "executed"]


def test_schema_py_is_not_imported(spoiled: Spoiled, opened: Opener) -> None:
    """Code beside the data is not run, also where the repository is the working folder."""
    for name in ("schema.py", "__init__.py", "sitecustomize.py", "duckdb.py"):
        (spoiled.root / SCHEMA / name).write_text("raise SystemExit('executed')")
        (spoiled.root / name).write_text("raise SystemExit('executed')")
    (spoiled.root / ".duckdbrc").write_text("COPY (SELECT 1) TO 'executed';")
    assert len(opened(spoiled.root)[SCHEMA].Day) == 7


# --- limits -------------------------------------------------------------------------------------------------------

MEASURED = """
import resource, sys
import djarrow as dj
from djarrow.errors import DjarrowError

def most():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

import duckdb, polars, pyarrow.parquet
dj.open(sys.argv[2])["hostile_source"].Day.to_dicts()
before = most()
try:
    table = dj.open(sys.argv[1])["hostile_source"].Day
    {read}
    print("read", most() - before)
except DjarrowError as error:
    print(type(error).__name__, most() - before)
"""


def measured(spoiled: Spoiled, source: Path, read: str, **variables: str) -> tuple[str, int]:
    """What comes of reading the table `day` in a process of its own, and how many megabytes more that took."""
    code = MEASURED.format(read=read)
    path = os.pathsep.join(filter(None, map(os.path.abspath, sys.path)))
    done = subprocess.run(
        [sys.executable, "-c", code, str(spoiled.root), str(source)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path, **variables},
        cwd=spoiled.outside,
    )
    assert done.returncode == 0, done.stderr
    outcome, megabytes = done.stdout.split()
    return outcome, int(megabytes)


def test_a_long_value_many_times(spoiled: Spoiled, source: Path) -> None:
    """A long text, which is 20 GB when each row has its own, takes no more than the setting and a few batches."""
    content = _repeated("x" * 100_000, 200_000, key=True)
    assert len(content) < 1_000_000
    _only_day(spoiled, "n : int32\n---\ns : varchar(20)", content, 200_000)
    read = "assert len(table) == 200_000 and most() < before + 100; table.fetch()"
    outcome, megabytes = measured(spoiled, source, read, DJ_REPOSITORY_MEMORY="300MB")
    assert outcome == "ResultTooLarge"
    assert megabytes < 1_000


def test_a_manifest_at_its_limit(spoiled: Spoiled, source: Path) -> None:
    """60 MB of the JSON that takes most memory are refused before they take a gigabyte."""
    (spoiled.root / "manifest.json").write_bytes(b"[" + b'"ab",' * 12_000_000 + b"0]")
    outcome, megabytes = measured(spoiled, source, "pass")
    assert outcome == "RepositoryError"
    assert megabytes < 1_000


def test_results_and_queries_have_limits(spoiled: Spoiled, opened: Opener) -> None:
    """A result, and what a query holds in memory and on disk, may have the size that a setting says."""
    with dj.config.override({"repository.memory": "60MB", "repository.spill": "1MB", "repository.threads": 1}):
        repository = opened(spoiled.root)
        numbers = "SELECT range AS n, range % 7 AS m FROM range(20_000_000)"
        with pytest.raises(ResultTooLarge, match=r"repository\.memory.*to_batches") as refused:
            repository.reader.read(numbers)
        assert 59 * 10**6 < refused.value.limit < 61 * 10**6
        with pytest.raises(EngineError, match=r"repository\.(spill|memory)"):
            repository.reader.read(f"SELECT max(c) FROM (SELECT n, count(*) AS c FROM ({numbers}) GROUP BY n)")
        with repository.reader.stream(numbers) as stream:
            assert sum(batch.num_rows for batch in stream) == 20_000_000
        assert repository.reader.read("SELECT current_setting('threads') AS t").column("t")[0].as_py() == 1
    assert len(repository[SCHEMA].Reading) == 70


def test_spilling_leaves_the_repository_alone(
    spoiled: Spoiled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not fit into memory goes to the system's folder for such, for the user alone, and is removed."""
    (tmp_path / "spill").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "spill"))
    monkeypatch.chdir(spoiled.outside)
    before = {str(path) for path in spoiled.root.parent.rglob("*")}
    with dj.config.override({"repository.memory": "60MB", "repository.threads": 1}):
        repository = dj.open(spoiled.root)
        repository.reader.read("SELECT max(c) FROM (SELECT n, count(*) AS c FROM range(3_000_000) t(n) GROUP BY n)")
        (folder,) = (tmp_path / "spill").iterdir()
        assert folder.stat().st_mode & 0o077 == 0
        repository.close()
    assert not list((tmp_path / "spill").iterdir())
    assert {str(path) for path in spoiled.root.parent.rglob("*")} == before | {str(tmp_path / "spill")}


def test_no_extension_is_fetched(spoiled: Spoiled, opened: Opener) -> None:
    """A function of an extension that is not there is refused, and not looked for elsewhere."""
    reader = opened(spoiled.root).reader
    for text in ("SELECT * FROM sqlite_scan('x', 'y')", "SELECT st_point(1, 2)", "SELECT * FROM iceberg_scan('x')"):
        with pytest.raises(EngineError, match="DuckDB refused: Catalog Error"):
            reader.read(text)


# --- what is not found out ---------------------------------------------------------------------------------------


def test_a_hard_link_is_a_file(spoiled: Spoiled, opened: Opener) -> None:
    """A hard link to a file elsewhere is no link that anything tells from the file: it is read."""
    spoiled.put(spoiled.secret.read_bytes(), spoiled.file("day"))
    spoiled.file("day").unlink()
    spoiled.file("day").hardlink_to(spoiled.secret)
    assert CANARY in rows_of(opened(spoiled.root))


def test_statistics_that_lie(spoiled: Spoiled, opened: Opener) -> None:
    """Who writes wrong statistics hides rows from queries that filter, as if the rows were not there; no more."""
    content = spoiled.file().read_bytes()
    high = struct.pack("<i", 66)  # the highest number of day 3
    length = int.from_bytes(content[-8:-4], "little")
    body, footer = content[: -8 - length], content[-8 - length :]
    assert footer.count(high) >= 1
    spoiled.put(body + footer.replace(high, struct.pack("<i", 4)))
    reading = opened(spoiled.root)[SCHEMA].Reading
    numbers = [row["number"] for row in (reading & "day = 3").to_dicts()]
    assert numbers == [n for n in range(70) if n % 7 == 3]
    assert len(reading & "number > 10 and day = 3") == 0  # of 8
