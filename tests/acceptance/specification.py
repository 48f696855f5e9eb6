"""Python blocks of documents -> modules: the specification's, kept in `blocks/`, and those of docs/specification.md."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import djarrow

if TYPE_CHECKING:
    import pytest

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "specification.md"


def blocks(path: Path) -> dict[str, str]:
    """The first Python block under each heading of the second level, by heading."""
    found: dict[str, str] = {}
    for section in path.read_text("utf-8").split("\n## ")[1:]:
        title, _, rest = section.partition("\n")
        if "```python\n" in rest:
            found[title] = rest.partition("```python\n")[2].partition("\n```")[0] + "\n"
    return found


WRITTEN = {
    f"{document} {title}": text
    for document in ("000", "002")
    for title, text in blocks(HERE / "blocks" / f"{document}.txt").items()
}
"""The blocks as the specification has them, by document and heading."""

FORMS = blocks(DOCUMENT)
"""The forms that run, of the blocks that do not, by the same names."""


def classes_in(text: str) -> list[str]:
    """The names of the classes that a block declares as tables, in order."""
    return re.findall(r"^\s*class (\w+)\(dj\.", text, re.M)


class Runner:
    """Runs blocks as modules, with the names that they take for granted; `import datajoint` gives djarrow."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._patch = patch
        patch.setitem(sys.modules, "datajoint", djarrow)

    def __call__(self, text: str, **given: Any) -> ModuleType:
        """The module that a block makes. Raises what the block raises."""
        name = f"block{len(list(self._folder.iterdir()))}"
        path = self._folder / f"{name}.py"
        path.write_text(text, "utf-8")
        found = importlib.util.spec_from_file_location(name, path)
        assert found is not None
        assert found.loader is not None
        module = importlib.util.module_from_spec(found)
        vars(module).update({"dj": djarrow, **given})
        self._patch.setitem(sys.modules, name, module)
        found.loader.exec_module(module)
        return module
