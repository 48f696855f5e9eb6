"""Which place a URL means."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
    protocol = _PROTOCOL.match(text)
    if isinstance(url, Path) or protocol is None or protocol[1] in ("file", "local"):
        if storage_options:
            raise RepositoryError(f"storage_options say how an object store is reached, and {text} is a folder.")
        path = text if protocol is None else text[protocol.end() :]
        return Folder(Path(path).expanduser().resolve())
    return _remote(text, storage_options or {})


_PROTOCOL = re.compile(r"^([a-z][a-z0-9+.-]*)://")


def _remote(url: str, storage_options: StorageOptions) -> Place:
    from fsspec.core import url_to_fs

    from djarrow.repo.places.remote import Remote, reached
    from djarrow.repo.places.s3 import S3

    try:
        with reached():
            filesystem, root = url_to_fs(url, use_listings_cache=False, **storage_options)
    except (OSError, ImportError) as error:
        raise RepositoryError(f"{url.partition('?')[0]} cannot be reached: {error}") from error
    if not root.strip("/"):
        raise RepositoryError(f"{url} names no place within its filesystem.")
    protocols = (filesystem.protocol,) if isinstance(filesystem.protocol, str) else filesystem.protocol
    return S3(filesystem, root) if "s3" in protocols else Remote(filesystem, root)
