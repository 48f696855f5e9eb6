"""The text of schema.py, whatever the names and comments that it is made of: it is classes and nothing else."""

from __future__ import annotations

import ast
from collections.abc import Mapping

import pytest

from djarrow.errors import DefinitionError
from djarrow.model.definition import ReferenceLine
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec, table_spec
from djarrow.repo.companions.schema_module import text
from djarrow.table.existing.module_text import Module, literal

HOSTILE = [
    'x"); import os; os.system("touch run")#',
    "x'); import os #",
    'x"""\nimport os\n"""',
    "x\\",
    'x\\"',
    "x\nimport os",
    "x\r\timport os\x0c",
    "x\u2028import os\x85\x00",
    "\u65e5\u672c \U0001f400",
    "",
]


def spec(schema: str, table: str, definition: str, parents: Mapping[str, TableSpec] | None = None) -> TableSpec:
    """A table of these names, whoever gave them."""

    def resolve(reference: str, line: ReferenceLine) -> TableSpec:
        return (parents or {})[reference]

    return table_spec(definition, TableName(schema, table), resolve)


def calls(module: ast.Module) -> list[str]:
    """What is called anywhere in a module, by the text before the bracket."""
    return [ast.unparse(node.func) for node in ast.walk(module) if isinstance(node, ast.Call)]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_literal_is_the_name(name: str) -> None:
    """The literal of a name is one line, and Python reads the name from it."""
    written = literal(name)
    assert ast.literal_eval(written) == name
    assert len(written.splitlines()) == 1


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_schemas_are_literals(name: str) -> None:
    """A schema's name, its own and another's, is in the text as a string, and calls nothing but what all modules do."""
    parent = spec(name, "parent", "p : int8\n---\n")
    child = spec("lab", "child", "-> Parent\n---\n", {"Parent": parent})
    for own, called in (("lab", ["dj.Schema", "import_module"]), (name, ["dj.Schema"])):
        found = ast.parse(text(own, {parent.name: parent, child.name: child}))
        assert sorted(calls(found)) == called
        strings = {node.value for node in ast.walk(found) if isinstance(node, ast.Constant)}
        assert {own, f"{name}.schema"} & strings == ({own, f"{name}.schema"} if own == "lab" else {own})


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_tables_brought_by_name_are_literals(name: str) -> None:
    """A table of another schema that is an item of it, not an attribute, is in the text as a string."""
    parent = spec("other", name, "p : int8\n---\n")
    child = spec("lab", "child", "-> Parent\n---\n", {"Parent": parent})
    module = Module(
        "lab",
        {parent.name: parent, child.name: child},
        ["About."],
        lambda schema, variable: f"{variable} = dj.virtual({literal(schema)})",
        by_name={parent.name},
    )
    found = ast.parse(module.text())
    assert sorted(calls(found)) == ["dj.Schema", "dj.virtual"]
    (item,) = (node.slice for node in ast.walk(found) if isinstance(node, ast.Subscript))
    assert isinstance(item, ast.Constant)
    assert item.value == name


@pytest.mark.parametrize(
    "table", ["z(dj.Manual): pass; run()#", "none", "a b", "a\nb", "fine__a b", "fine__z): run()#"]
)
def test_a_table_that_is_no_class(table: str) -> None:
    """A table, or part, whose name would be something else in the text is refused with its name."""
    tables = [spec("lab", "fine", "a : int8\n---\n"), spec("lab", table, "a : int8\n---\n")]
    with pytest.raises(DefinitionError, match="no class can be called"):
        text("lab", {each.name: each for each in tables})
