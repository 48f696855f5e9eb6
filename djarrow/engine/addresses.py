"""Where a database is, as text: a URL, or words as libpq has them; and any text without the passwords of such in it."""

from __future__ import annotations

import re

_PASSWORD = re.compile(r"(?<=://)([^:/@\s]*):[^\n]*@")  # to the last @: a password that is not encoded can hold any
_PASSWORD_SETTING = re.compile(r"(?i)\b(password\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s&]+)")


def redact(text: str) -> str:
    """The text without the password of any URL or connection string in it."""
    return _PASSWORD_SETTING.sub(r"\1***", _PASSWORD.sub(r"\1:***@", text))


def is_url(text: str) -> bool:
    """Whether it is the URL of a database."""
    return text.casefold().startswith(("postgresql://", "postgres://"))


def has_password(text: str) -> bool:
    """Whether there are words of libpq with a password in it, `host=... password=...`, as folders are hardly called."""
    return _PASSWORD_SETTING.search(text) is not None
