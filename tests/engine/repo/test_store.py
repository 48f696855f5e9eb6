"""Repositories in an object store: the same rows, checks and refusals as in a folder, and claims that end."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path
from typing import Any

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import InvalidCondition, RepositoryError
from djarrow.repo.manifest import read
from djarrow.repo.places import lease
from djarrow.repo.places.find import place_of
from tests.described import drop_schemas
from tests.stores import SECRET, Spot, new_bucket

from .conftest import declared, same

SOAK = "DJARROW_SOAK" in os.environ


@pytest.fixture
def bucket(store: dict[str, Any]) -> Spot:
    """A place in S3."""
    return new_bucket(store)


def test_s3_round_trip(lab: dj.Schema, connection: PostgresConnection, bucket: Spot, tmp_path: Path) -> None:
    """Every table is read as the server has it, verified, and restored from there with the same content hashes."""
    classes = {cls.__name__: cls for cls in lab.tables}
    done = dj.export(lab, bucket.url, partition_by={classes["Session"]: ["session"]}, **bucket.given)
    assert done.place == bucket.url
    assert done.bytes == sum(len(content) for path, content in bucket.files().items() if path.endswith(".parquet"))
    repository = dj.open(bucket.url, **bucket.given)
    with repository.using(lab):
        offline = {name: cls.fetch(order_by="KEY") for name, cls in classes.items()}
        joined = (classes["Session"] * classes["Subject"] & "x > 3").fetch(order_by="KEY")
    assert all(same(offline[name], cls.fetch(order_by="KEY")) for name, cls in classes.items())
    assert same(joined, (classes["Session"] * classes["Subject"] & "x > 3").fetch(order_by="KEY"))
    repository.close()
    found = dj.verify(bucket.url, **bucket.given)
    assert found
    assert found.files == len(bucket.files()) - 1  # SHA256SUMS says nothing of itself
    try:
        dj.restore(bucket.url, connection, rename={lab.name: "again"}, **bucket.given)
        again = Spot(str(tmp_path / "again"))
        dj.export(dj.Schema("again", connection=connection), again.url)
        contents = [
            sorted((entry.table, entry.content) for entry in read(place_of(each.url, each.options)).tables)
            for each in (bucket, again)
        ]
        assert contents[0] == contents[1]
    finally:
        drop_schemas(connection, "again")


def test_s3_every_type(every: type[dj.Table], bucket: Spot) -> None:
    """Of every type NULL, both ends and what is hard."""
    dj.export(every, bucket.url, **bucket.given)
    repository = dj.open(bucket.url, **bucket.given)
    (name,) = repository
    assert same(repository[name].Every.fetch(order_by="KEY"), every.fetch(order_by="KEY"))
    repository.close()


def test_s3_damages(lab: dj.Schema, bucket: Spot) -> None:
    """A byte that was changed, an object that is missing, shorter or added: verify finds each."""
    dj.export(lab, bucket.url, **bucket.given)
    whole = bucket.files()
    chance = random.Random(7)  # noqa: S311 - test data
    for turn in range(360 if SOAK else 8):
        path = chance.choice(sorted(whole))
        content, at = whole[path], chance.randrange(len(whole[path]))
        match turn % 4:
            case 0:
                bucket.write(path, content[:at] + bytes([content[at] ^ (1 << chance.randrange(8))]) + content[at + 1 :])
            case 1:
                bucket.write(path, content[:at])
            case 2:
                bucket.remove(path)
            case _:
                bucket.write(f"{lab.name}/tables/more-{turn}.parquet", content)
        assert not dj.verify(bucket.url, **bucket.given), (turn, path)
        bucket.write(path, content)
        if turn % 4 == 3:
            bucket.remove(f"{lab.name}/tables/more-{turn}.parquet")
    assert dj.verify(bucket.url, **bucket.given)


def test_s3_refusals(lab: dj.Schema, bucket: Spot) -> None:
    """A bucket that is not there, and a store that does not answer, are refused in time, and no secret is told."""
    silent = {"endpoint_url": "http://127.0.0.1:9", "config_kwargs": {"retries": {"max_attempts": 0}}}
    nowhere = bucket.options | silent
    for url, options in (("s3://no-such-bucket/x", bucket.options), (bucket.url, nowhere)):
        for act in (dj.open, dj.verify, lambda *a, **k: dj.export(lab, *a, **k)):
            with pytest.raises(RepositoryError) as caught:
                act(url, storage_options=options)
            assert SECRET not in str(caught.value)
    with pytest.raises(RepositoryError, match="no repository"):
        dj.open(bucket.url, **bucket.given)


def test_s3_compared(
    lab: dj.Schema, bucket: Spot, store: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`dj.diff` takes URLs with storage_options, on either side or both, beside a folder or a database."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    folder = dj.export(lab, tmp_path / "here").path
    other = new_bucket(store)
    dj.export(lab, bucket.url, **bucket.given)
    lab["Subject"].update1({"subject_id": 3, "name": "other"})
    dj.export(lab, other.url, **other.given)
    assert dj.diff(bucket.url, folder, **bucket.given).equal
    assert dj.diff(lab, other.url, **bucket.given).equal
    found = dj.diff(bucket.url, other.url, **bucket.given)
    assert found[lab["Subject"]].changed.to_dicts() == [
        {"subject_id": 3, "name.before": "n\\3'", "name.after": "other"}
    ]
    assert SECRET not in str(found)
    with pytest.raises(RepositoryError, match="neither side is the URL of one"):
        dj.diff(folder, lab, **bucket.given)
    with pytest.raises(RepositoryError) as caught:
        dj.diff(bucket.url, folder)
    assert SECRET not in str(caught.value)


def test_s3_paths_mean_themselves(schema: dj.Schema, bucket: Spot) -> None:
    """A value with what globs and URLs take for their own is the name of one object, and is found."""
    table = declared(schema, "Odd", "name : varchar(40)\n---\nn : int32")
    table.insert([("*", 1), ("?", 2), ("[ab]", 3), ("a", 4), ("a/b", 5), ("..", 6), ("é ~%2A", 7), ("{a,b}", 8)])
    dj.export(table, bucket.url, partition_by=["name"], **bucket.given)
    repository = dj.open(bucket.url, **bucket.given)
    assert same(repository[schema.name].Odd.fetch(order_by="KEY"), table.fetch(order_by="KEY"))
    repository.close()
    assert dj.verify(bucket.url, **bucket.given)


@pytest.mark.skipif(not SOAK, reason="a hundred megabytes and 1,500 objects take their time")
def test_s3_large(schema: dj.Schema, bucket: Spot) -> None:
    """A file that is sent in pieces, and more objects than a listing tells at once."""
    table = declared(schema, "Big", "n : int32\n---\nnoise : blob")
    chance = random.Random(1)  # noqa: S311 - test data
    table.insert([(n, chance.randbytes(1_000_000)) for n in range(120)])
    many = declared(schema, "Many", "n : int32")
    many.insert([(n,) for n in range(1500)])
    dj.export(schema, bucket.url, partition_by={many: ["n"]}, **bucket.given)
    assert dj.verify(bucket.url, **bucket.given)
    assert dj.export(schema, bucket.url, partition_by={many: ["n"]}, **bucket.given).written == 0
    repository = dj.open(bucket.url, **bucket.given)
    assert same(repository[schema.name].Big.fetch(order_by="KEY"), table.fetch(order_by="KEY"))
    assert len(repository[schema.name].Many) == 1500
    repository.close()


# --- claims --------------------------------------------------------------------------------------------------------


def test_s3_claims_end(bucket: Spot, monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim that is renewed stays; of one that is not, the next export takes it, and who had it is told."""
    monkeypatch.setattr(lease, "LEASE", 3.0)
    monkeypatch.setattr(lease, "RENEW", 0.3)
    place = place_of(bucket.url, bucket.options)
    with place.claimed() as check:
        time.sleep(3.5)
        check()
        with pytest.raises(RepositoryError, match="another export"), place.claimed():
            pass
    monkeypatch.setattr(lease, "RENEW", 60.0)  # as if it slept
    with place.claimed() as slept:
        time.sleep(4.2)
        with place.claimed() as other:
            other()
            with pytest.raises(RepositoryError, match="another one may have begun"):
                slept()
        assert not [path for path in bucket.files() if path.endswith("lock")]


# --- other places --------------------------------------------------------------------------------------------------


def test_a_filesystem_of_fsspec(lab: dj.Schema) -> None:
    """Any other filesystem that fsspec knows holds repositories too."""
    spot = Spot("memory://lab repository")
    dj.export(lab, spot.url)
    assert dj.verify(spot.url)
    assert dj.export(lab, spot.url).written == 0
    repository = dj.open(spot.url)
    session = next(cls for cls in lab.tables if cls.__name__ == "Session")
    assert same(repository[lab.name].Session.fetch(order_by="KEY"), session.fetch(order_by="KEY"))
    repository.close()


def test_urls(lab: dj.Schema, folder: Path) -> None:
    """A folder by its URL; what cannot hold a repository, or options that nothing takes, are refused."""
    dj.export(lab, f"file://{folder}")
    assert dj.verify(folder)
    for url, options in (
        ("zip::file:///tmp/x.zip", None),
        ("simplecache::s3://bucket/x", None),
        ("nothing-like-it://x/y", None),
        ("s3://", None),
        (str(folder), {"key": "x"}),
    ):
        with pytest.raises(RepositoryError):
            dj.export(lab, url, storage_options=options)


def test_options(lab: dj.Schema, folder: Path) -> None:
    """A compression that Parquet does not have, and no number of rows, are refused before anything is written."""
    for wrong in ({"compression": "rar"}, {"max_rows_per_file": 0}, {"max_rows_per_file": True}):
        with pytest.raises(InvalidCondition):
            dj.export(lab, folder, **wrong)
    assert not folder.exists()
    for compression in ("none", "snappy", "gzip", "brotli", "lz4", "zstd"):
        dj.export(lab, folder / compression, compression=compression)
        assert dj.verify(folder / compression)
    assert len({sum(f.stat().st_size for f in (folder / c).rglob("*.parquet")) for c in ("none", "zstd", "gzip")}) == 3
