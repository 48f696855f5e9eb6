"""The direction of imports: which folder may import which, who may import drivers, and what `import djarrow` loads.

Every module is parsed, so imports within functions count as those at the top do. Imports under `if TYPE_CHECKING` count
too, but for the few that only annotate, which `ANNOTATIONS` lists.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import frozen

import djarrow

ROOT = Path(djarrow.__file__).parent

BELOW_TABLE = (
    *("errors", "_version", "project", "settings", "model", "expr", "sql", "frame", "show"),
    *("engine.base", "engine.connect"),
)

ALLOWED: dict[str, tuple[str, ...]] = {
    "errors": (),
    "_version": (),
    "project": ("errors",),
    "settings": ("errors", "project"),
    "model": ("errors",),
    "expr": ("errors", "model"),
    "sql": ("errors", "model", "expr"),
    "engine": ("errors", "project", "model"),
    "codec": ("errors", "model"),
    "frame": ("errors", "model", "codec", "engine.base"),
    "show": ("errors", "model"),
    "table": BELOW_TABLE,
    "jobs": (*BELOW_TABLE, "table"),
    "repo": (*BELOW_TABLE, "table", "jobs", "engine.addresses", "engine.duckdb", "engine.duckdb_rows"),
    "demo": ("",),
    "cli": ("",),
    "__init__": ("",),
}
"""Layer -> what its modules may import besides themselves: modules and folders of the package; "" is all of it.

A repository offers the classes of its tables, those of computed ones among them, hence jobs; it is read through DuckDB.
"""

ANNOTATIONS: dict[str, tuple[str, ...]] = {
    "table": ("engine.postgres", "jobs.view", "jobs.many"),
    "repo": ("engine.postgres", "engine.parallel"),
}
"""What may be named besides under `if TYPE_CHECKING`: the connection that a table or an export is given, and what a
schema gives of its jobs.
"""

ONLY_IN: dict[str, tuple[str, ...]] = {
    "adbc_driver_postgresql": ("engine",),
    "adbc_driver_manager": ("engine",),
    "duckdb": ("engine",),
    "sqlglot": ("expr", "sql"),
}
"""Driver or library -> the layers that may import it."""

NAMED_BY_USERS = ("table.declaring.references", "jobs.remote", "cli.targets")
"""Modules that may import what a user names: the linking module that `activate` is given, the module of a class that
another process populates, what a worker works on."""

LAZY = {
    "adbc_driver_manager",
    "adbc_driver_postgresql",
    "duckdb",
    "fsspec",
    "lark",
    "networkx",
    "pandas",
    "pyarrow",
    "rich",
    "s3fs",
    "sqlglot",
    "typer",
    "zarr",
}
"""What is imported when first needed, so that `import djarrow` costs little."""


@frozen
class Import:
    """One imported module, as `djarrow.model.types` or `duckdb`, with its line."""

    module: str
    line: int
    annotation: bool


def module_name(path: Path) -> str:
    """`djarrow/model/types.py` -> `model.types`; a folder's `__init__` -> the folder; the package's -> `__init__`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts if len(parts) == 1 or parts[-1] != "__init__" else parts[:-1])


MODULES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def imports(source: str, module: str, *, is_package: bool = False) -> Iterator[Import]:
    """All imports of a module's source, wherever they stand; relative ones made absolute."""
    tree = ast.parse(source)
    branches = [node for node in ast.walk(tree) if isinstance(node, ast.If)]
    checking = [branch for branch in branches if ast.unparse(branch.test).endswith("TYPE_CHECKING")]
    annotating = {id(inner) for node in checking for statement in node.body for inner in ast.walk(statement)}
    package = ["djarrow", *module.split(".")] if is_package else ["djarrow", *module.split(".")][:-1]
    for node in ast.walk(tree):
        annotation = id(node) in annotating
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno, annotation) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{origin}.{alias.name}"
                yield Import(inner if inner.removeprefix("djarrow.") in MODULES else origin, node.lineno, annotation)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("__import__", "importlib.import_module"):
            named = node.args[0] if node.args else None
            literal = named.value if isinstance(named, ast.Constant) else "<computed>"
            yield Import(str(literal), node.lineno, annotation)


def within(name: str, folder: str) -> bool:
    """Whether a module is the folder or lies in it."""
    return folder in ("", name) or name.startswith(folder + ".")


def violations(source: str, module: str, *, is_package: bool = False) -> list[str]:
    """What a module may not import, one line each."""
    layer = module.partition(".")[0]
    found = []
    for one in imports(source, module, is_package=is_package):
        top, _, inner = one.module.partition(".")
        place = f"{module}, line {one.line}: {one.module}"
        if top == "djarrow":
            allowed = ALLOWED[layer] + (ANNOTATIONS.get(layer, ()) if one.annotation else ())
            if not any(within(inner or "__init__", folder) for folder in (layer, *allowed)):
                found.append(f"{place}: {layer} imports {', '.join(ALLOWED[layer]) or 'nothing of the package'}")
        elif top in ONLY_IN and layer not in ONLY_IN[top]:
            found.append(f"{place}: only {' and '.join(ONLY_IN[top])} may")
        elif top == "<computed>" and module not in NAMED_BY_USERS:
            found.append(f"{place}: an import by a name that is computed cannot be checked")
    return found


@pytest.mark.parametrize("module", MODULES)
def test_direction(module: str) -> None:
    """A module imports only layers below its own, and drivers and sqlglot only where they belong."""
    path = MODULES[module]
    assert violations(path.read_text("utf-8"), module, is_package=path.name == "__init__.py") == []


def test_every_layer_has_its_row() -> None:
    """The table of this test names every folder and module of the package, and no other."""
    assert {module.partition(".")[0] for module in MODULES} == set(ALLOWED)


def test_the_table_has_no_cycle() -> None:
    """No layer may import one that may import it, so that there is an order of layers at all."""
    for layer, allowed in ALLOWED.items():
        for other in {name.partition(".")[0] for name in allowed} - {""}:
            assert layer not in {name.partition(".")[0] for name in ALLOWED[other]}, (layer, other)


# --- the checker itself --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("model.types", "import djarrow.sql.ddl"),
        ("model.types", "from djarrow.sql import ddl"),
        ("model.types", "from djarrow import sql"),
        ("model.types", "import djarrow"),
        ("model.types", "from ..sql import ddl"),
        ("model.types", "from .. import project"),
        ("errors", "from djarrow.model import types"),
        ("expr.nodes", "def f():\n    from djarrow.sql.compile import compiled"),
        ("expr.nodes", "if TYPE_CHECKING:\n    from djarrow.table.table import Table"),
        ("sql.compile", "class A:\n    def f(self):\n        if True:\n            import djarrow.engine.base"),
        ("engine.postgres", "from djarrow.expr.nodes import Node"),
        ("engine.embedded.server", "from djarrow.table.schema import Schema"),
        ("frame.rows", "from djarrow.engine.postgres import PostgresConnection"),
        ("frame.rows", "from djarrow.engine import postgres"),
        ("table.declaring.declare", "from djarrow.engine.postgres import PostgresConnection"),
        ("table.declaring.declare", "def f():\n    from djarrow.engine import postgres"),
        ("table.table", "from djarrow.jobs.populate import populate"),
        ("jobs.populate", "import djarrow.repo"),
        ("jobs.populate", "if TYPE_CHECKING:\n    from djarrow.engine.postgres import PostgresConnection"),
        ("table.schema", "from djarrow.jobs.view import Jobs"),
        ("table.reading", "import duckdb"),
        ("repo.export", "import adbc_driver_postgresql.dbapi as adbc"),
        ("cli.main", "from adbc_driver_manager import dbapi"),
        ("frame.results", "def f():\n    import duckdb"),
        ("table.reading", "from sqlglot import exp"),
        ("engine.postgres", "import sqlglot"),
        ("model.types", "try:\n    import duckdb\nexcept ImportError:\n    pass"),
        ("model.types", "import importlib\nimportlib.import_module('djarrow.table.table')"),
        ("model.types", "__import__(name)"),
    ],
)
def test_violations_are_seen(module: str, source: str) -> None:
    """A planted violation is found in every form and place that an import can have."""
    found = violations(source, module)
    assert len(found) == 1
    assert found[0].startswith(f"{module}, line ")


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("model.spec", "from djarrow.model import names, types\nfrom djarrow.errors import DefinitionError"),
        ("model.spec", "from . import names\nfrom ..errors import DefinitionError"),
        ("sql.compile", "import sqlglot.expressions\nfrom djarrow.expr import nodes"),
        ("engine.duckdb", "def f():\n    import duckdb"),
        ("table.schema", "def f():\n    from djarrow.engine import connect"),
        ("table.declaring.declare", "if TYPE_CHECKING:\n    from djarrow.engine.postgres import PostgresConnection"),
        ("cli.main", "from djarrow.engine.embedded import EmbeddedServer\nimport djarrow as dj"),
        ("__init__", "from djarrow import errors"),
        ("model.types", "import pyarrow\nimport polars as pl"),
        ("table.declaring.references", "import importlib\nimportlib.import_module(name)"),
    ],
)
def test_allowed_imports_are_not(module: str, source: str) -> None:
    """What the table allows is no violation."""
    assert violations(source, module) == []


# --- the cost of the package ---------------------------------------------------------------------------------------


def loaded_by(statement: str) -> set[str]:
    """The top names of all modules that a new process has loaded after a statement."""
    script = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT.parent, timeout=60
    )
    return set(result.stdout.split())


def test_import_is_light() -> None:
    """`import djarrow` loads none of the libraries that are imported when first needed."""
    loaded = loaded_by("import djarrow")
    assert "djarrow" in loaded
    assert loaded & LAZY == set()


def test_loaded_modules_are_seen() -> None:
    """The look at a new process sees a library that a statement does load."""
    assert "lark" in loaded_by("import lark")
