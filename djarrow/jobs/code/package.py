"""Which modules belong to the code of a table class, and which ones are libraries that it uses."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from djarrow.jobs.code.names import contents, member, module_of

MAIN = ("__main__", "__mp_main__")
"""The module that was started, and what a spawned process calls it."""

INSTALLED = ("site-packages", "dist-packages")


@frozen
class Package:
    """The top-level package of a class, and for a module outside of packages the others in its folder."""

    name: str
    folder: str | None = None

    @classmethod
    def of(cls, table_class: type) -> Package:
        """The package that a class belongs to."""
        name = module_of(table_class)
        module = contents(sys.modules.get(name))
        if name in MAIN:
            name = getattr(module.get("__spec__"), "name", None) or name
        parts = name.split(".")
        if parts[0] == "djarrow":
            return cls(".".join(parts[:2]))  # the demo: a pipeline that comes with the library
        folder = _folder(module) if len(parts) == 1 else None
        return cls(parts[0], folder)

    def owns(self, module: str) -> bool:
        """Whether a module, by its name, is part of it."""
        if module in MAIN or module == self.name or module.startswith(self.name + "."):
            return True
        top = contents(sys.modules.get(module.partition(".")[0]))
        return self.folder is not None and _folder(top) == self.folder

    def defines(self, cls: type) -> bool:
        """Whether a class is part of it."""
        return self.owns(module_of(cls))

    def extends(self, cls: type) -> bool:
        """Whether a base of a table class is part of it, or is one of another package between it and djarrow."""
        if self.defines(cls):
            return True
        return module_of(cls).partition(".")[0] != "djarrow" and is_table(cls)


def _folder(module: Mapping[str, Any]) -> str | None:
    """The folder of a module that is no package and is not installed."""
    file = module.get("__file__")
    if not isinstance(file, str) or "__path__" in module:
        return None
    folder = Path(file).absolute().parent
    return None if folder.name in INSTALLED or folder == STANDARD_LIBRARY else str(folder)


STANDARD_LIBRARY = Path(os.__file__).absolute().parent


def is_table(cls: type) -> bool:
    """Whether a class is that of a table."""
    return member(cls, "_is_table")[1] is True
