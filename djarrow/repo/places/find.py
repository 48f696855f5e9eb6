"""Which place a URL means."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from djarrow.engine.addresses import has_password, is_url, redact
from djarrow.errors import RepositoryError
from djarrow.repo.places.base import Place
from djarrow.repo.places.folder import Folder

StorageOptions = Mapping[str, Any]
"""What a filesystem of fsspec is made with: `{"key": ..., "secret": ..., "endpoint_url": ...}` for S3."""


def place_of(url: str | Path, storage_options: StorageOptions | None = None) -> Place:
    """The place that a path or a URL means. Raises RepositoryError for one that cannot be used."""
    text = str(url)
    if "::" in text and "://" in text:
        raise RepositoryError("a URL that leads through several filesystems (`::`) cannot hold a repository.")
    if isinstance(url, str):
        _check_no_database(text)
    if is_remote(url):
        return _remote(text, storage_options or {})
    if storage_options:
        raise RepositoryError(f"storage_options say how an object store is reached, and {text} is a folder.")
    protocol = _PROTOCOL.match(text)
    path = text if isinstance(url, Path) or protocol is None else text[protocol.end() :]
    return Folder(Path(path).expanduser().resolve())


def is_remote(url: str | Path) -> bool:
    """Whether it is the URL of something that storage_options tell how to reach, and no folder of this machine."""
    protocol = None if isinstance(url, Path) else _PROTOCOL.match(url)
    return protocol is not None and protocol[1] not in ("file", "local")


def _check_no_database(text: str) -> None:
    """Refuse what says where a database is, by libpq's words too, and do not say it again: it can have a password."""
    words = not is_remote(text) and has_password(text) and not os.path.exists(text)  # noqa: PTH110 - any text
    if words or is_url(text):
        raise RepositoryError(
            "this is the address of a database, and a repository is a folder, or a URL as s3://bucket/path. `dj.diff` "
            "takes a database, too, by a connection or a URL: postgresql://user@host/database."
        )


_PROTOCOL = re.compile(r"^([a-z][a-z0-9+.-]*)://")


def _remote(url: str, storage_options: StorageOptions) -> Place:
    from fsspec.core import url_to_fs

    from djarrow.repo.places.remote import Remote, reached
    from djarrow.repo.places.s3 import S3

    try:
        with reached():
            filesystem, root = url_to_fs(url, use_listings_cache=False, **storage_options)
    except (OSError, ImportError) as error:
        raise RepositoryError(redact(f"{url.partition('?')[0]} cannot be reached: {error}")) from error
    if not root.strip("/"):
        raise RepositoryError(f"{redact(url)} names no place within its filesystem.")
    protocols = (filesystem.protocol,) if isinstance(filesystem.protocol, str) else filesystem.protocol
    return S3(filesystem, root) if "s3" in protocols else Remote(filesystem, root)
