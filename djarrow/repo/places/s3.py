"""A repository in S3, or what speaks its language: nothing is overwritten but by conditional writes."""

from __future__ import annotations

from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from djarrow.repo.places.base import Version
from djarrow.repo.places.remote import Remote, reached

EXISTS = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}
"""What S3 says where there is an object, or somebody writes one at the same time."""

REFUSED = EXISTS | {"NoSuchKey", "404"}
"""What it says where the object is not as a condition wants it."""


class S3(Remote):
    """A prefix of a bucket."""

    def _place(self, path: str) -> dict[str, str]:
        bucket, key, _ = self.filesystem.split_path(self._at(path))
        return {"Bucket": bucket, "Key": key}

    def look(self, path: str) -> tuple[bytes, Version] | None:
        """What an object holds, and its tag. The tag is asked for first: of a later object it would be another."""
        try:
            with reached():
                tag = self.filesystem.call_s3("head_object", **self._place(path))["ETag"]
                return bytes(self.filesystem.cat_file(self._at(path))), str(tag)
        except FileNotFoundError:
            return None

    def swap(self, path: str, data: bytes, version: Version | None) -> Version | None:
        """Write an object in one step, where it has this tag still, or is not there."""
        if version is None:
            return self._written(path, data, {"IfNoneMatch": "*"})
        written = self._written(path, data, {"IfMatch": version})
        if written is None and (found := self.look(path)) is not None and found[1] == version:
            return self._written(path, data, {"IfMatch": version.strip('"')})  # as older stores compare it
        return written

    def _written(self, path: str, data: bytes, condition: dict[str, str]) -> Version | None:
        """The tag of what was written; None where the condition does not hold."""
        try:
            with reached():
                written = self.filesystem.call_s3("put_object", **self._place(path), Body=data, **condition)
        except OSError as error:
            if _code(error) not in REFUSED:
                raise
            found = self.look(path)  # a write whose answer was lost is tried again, and then refused
            return found[1] if found is not None and found[0] == data else None
        return str(written["ETag"])

    def put(self, written: Path, path: str) -> bool:
        """Send a file here, unless an object is."""
        try:
            with reached():
                self.filesystem.put_file(str(written), self._at(path), mode="create")
        except OSError as error:
            if _code(error) not in EXISTS:
                raise
            return False
        return True

    def age(self, path: str, written: datetime) -> float:  # noqa: ARG002 - S3 knows itself
        """Seconds since an object was written, by the clock of S3."""
        with reached():
            found = self.filesystem.call_s3("head_object", **self._place(path))
        now = parsedate_to_datetime(found["ResponseMetadata"]["HTTPHeaders"]["date"])
        return float((now - found["LastModified"]).total_seconds())


def _code(error: OSError) -> Any:
    """S3's own code of an error."""
    if isinstance(error, FileExistsError):
        return "PreconditionFailed"
    response = getattr(error.__cause__, "response", None)
    return response["Error"]["Code"] if isinstance(response, dict) else None
