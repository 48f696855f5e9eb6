"""Run by the peer's Python: a script from a folder, with `dj` connected, whose `result` goes back as JSON.

`python driver.py folder [--stay]`. With --stay it then calls functions of the script, one a line of its input.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import datajoint
from values import from_json, to_json  # type: ignore[import-not-found]  # of this folder, where the script runs


def run(folder: Path) -> dict[str, Any]:
    """Run the script; its variables."""
    sys.path.insert(0, str(folder))
    datajoint.config["safemode"] = False
    datajoint.conn()
    given = from_json((folder / "given.json").read_text("utf-8"))
    return runpy.run_path(str(folder / "script.py"), init_globals={"dj": datajoint, **given}, run_name="__main__")


def serve(functions: dict[str, Any]) -> None:
    """Answer each line of the input, the name of a function, with what the function returns."""
    answers, sys.stdout = sys.stdout, sys.stderr  # what the script prints is no answer
    name = ""
    while True:
        print(to_json(functions[name]() if name else None), file=answers, flush=True)
        name = sys.stdin.readline().strip()
        if not name:
            return


if __name__ == "__main__":
    found = run(Path(sys.argv[1]))
    if "--stay" in sys.argv:
        serve(found)
    else:
        (Path(sys.argv[1]) / "result.json").write_text(to_json(found.get("result")), "utf-8")
