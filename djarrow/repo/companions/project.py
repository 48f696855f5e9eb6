"""datajoint.toml: the mark of a project's folder, with its name."""

from __future__ import annotations

import json

from djarrow.repo.manifest import Manifest


def text(document: Manifest) -> str:
    """The project's name. How to reach a database is a matter of who opens it."""
    name = json.dumps(document.project, ensure_ascii=False).replace(
        "\x7f", "\\u007f"
    )  # TOML takes the rest as JSON does
    return f"[project]\nname = {name}\n"
