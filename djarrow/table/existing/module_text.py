"""A schema as the text of a Python module: a class for each table, which declares the same table again.

Shared by `Schema.save` and by exported repositories, which bring in other schemas differently. Names come from a
database that others may have written: they stand in the text as literals, or are checked to be names of Python.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property

from attrs import field, frozen

from djarrow.errors import DefinitionError
from djarrow.model import graph, names
from djarrow.model.describe import describe
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec
from djarrow.table.table import BASES

Group = tuple[TableSpec, ...]
"""A table and its parts, which are one class with others nested in it."""

References = Mapping[TableName, str]
"""How a definition refers to a table."""


@frozen
class Module:
    """A module to be written. specs: the tables of the schema, and those that they refer to, parents first.

    docstring: its lines. bring: (other schema, name that it gets) -> the line that brings it. late: that line stands
    before the first class that needs it, not at the top. remarks: lines of comment above the classes. create: whether
    the module makes the schema where it is missing. by_name: tables of other schemas that their schemas do not have as
    attributes, but as items.

    Raises DefinitionError where a class of the schema would have a name that is none in Python.
    """

    schema: str
    specs: Mapping[TableName, TableSpec]
    docstring: Sequence[str]
    bring: Callable[[str, str], str]
    late: bool = False
    remarks: Sequence[str] = field(default=())
    create: bool = True
    by_name: Collection[TableName] = field(default=())

    def text(self) -> str:
        """The source of the module."""
        groups = self._groups()
        others = {group: sorted(_schemas(group) - {self.schema}) for group in groups}
        at_top = [] if self.late else sorted(set().union(*others.values()))
        first, *rest = map(_escaped, self.docstring)
        lines = [f'"""{first}', *rest, '"""', "", *self._head(at_top)]
        present = set(at_top)
        for group in groups:
            new = self._lines([name for name in others[group] if name not in present])
            present |= set(others[group])
            lines += ["", "", *new, *([""] if new else []), *self._class(group)]
        return "\n".join(lines) + "\n"

    # --- references ----------------------------------------------------------------------------------------------

    @cached_property
    def variables(self) -> dict[str, str]:
        """Other schema -> its name in the module. Schemas can differ in a hyphen only."""
        others = sorted({parent.schema for spec in self._own for parent in spec.parents} - {self.schema})
        return dict(zip(others, _distinct(map(_variable, others)), strict=True))

    @cached_property
    def aliases(self) -> dict[TableName, str]:
        """Table that its schema does not have as an attribute -> its name in the module."""
        referred = {parent for spec in self._own for parent in spec.parents}
        tables = sorted(name for name in self.by_name if name in referred)
        wanted = [f"{self.variables[name.schema]}_{re.sub(r'[^A-Za-z0-9_]', '_', name.table)}" for name in tables]
        every = _distinct([*self.variables.values(), *wanted])
        return dict(zip(tables, every[len(self.variables) :], strict=True))

    def references(self, group: Group) -> dict[TableName, str]:
        """How a table and its parts refer to each other, and to the tables that any of them depends on."""
        shadowed = self._shadowed(group)
        found: dict[TableName, str] = {}
        for name in dict.fromkeys(each for spec in group for each in (spec.name, *spec.parents)):
            text = names.class_reference(name, name.schema)
            if name in shadowed:
                first, dot, rest = text.partition(".")
                text = f"{first}_{dot}{rest}"
            if name.schema != self.schema:
                text = self.aliases.get(name) or f"{self.variables[name.schema]}.{text}"
            found[name] = text
        return found

    def _shadowed(self, group: Group) -> set[TableName]:
        """The tables that the group refers to by a name which one of its parts has, too: `-> Channel` in a Channel."""
        parts = {part.class_name for part in group[1:]}
        own = {spec.name for spec in group}
        referred = {p for spec in group for p in spec.parents if p.schema == self.schema and p not in own}
        return {name for name in referred if names.class_reference(name, self.schema).partition(".")[0] in parts}

    # --- lines ---------------------------------------------------------------------------------------------------

    def _head(self, others: Sequence[str]) -> list[str]:
        """Imports, other schemas and the schema itself."""
        lines = self._lines(others)
        imports = [line for line in lines if line.startswith(("import ", "from "))]
        assigned = [line for line in lines if line not in imports]
        head = [*(line for line in imports if line.startswith("from ")), "import djarrow as dj"]
        head += [line for line in imports if line.startswith("import ")]
        remarks = [_comment(line) for line in self.remarks]
        return [*head, "", *remarks, *assigned, f"schema = dj.Schema({literal(self.schema)}{self._terms()})"]

    def _terms(self) -> str:
        return "" if self.create else ", create_schema=False"

    def _lines(self, schemas: Iterable[str]) -> list[str]:
        """The lines that bring other schemas, and those of their tables that need a name of their own."""
        lines = []
        for schema in schemas:
            variable = self.variables[schema]
            lines.append(self.bring(schema, variable))
            own = [(alias, name.table) for name, alias in self.aliases.items() if name.schema == schema]
            lines += [f"{alias} = {variable}[{literal(table)}]" for alias, table in own]
        needed = ["from importlib import import_module"] if any("= import_module(" in line for line in lines) else []
        return [*needed, *lines]

    def _class(self, group: Group) -> list[str]:
        """A class with its parts nested in it."""
        table, *parts = group
        first = {names.class_reference(name, self.schema).partition(".")[0] for name in self._shadowed(group)}
        references = self.references(group)
        lines = [f"{name}_ = {name}  # a part has the same name" for name in sorted(first)]
        lines += ["", "", "@schema"] if lines else ["@schema"]
        lines.append(f"class {_checked(table)}(dj.{BASES[table.tier].__name__}):")
        lines += _assigned(describe(table, references.__getitem__), "    ")
        for part in parts:
            lines += ["", f"    class {_checked(part)}(dj.Part):"]
            lines += _assigned(describe(part, references.__getitem__), " " * 8)
        return lines

    # --- order ---------------------------------------------------------------------------------------------------

    @cached_property
    def _own(self) -> list[TableSpec]:
        return [spec for spec in self.specs.values() if spec.name.schema == self.schema]

    def _groups(self) -> list[Group]:
        """The tables of the schema with their parts, in an order in which each finds those that it refers to."""
        members: dict[TableName, list[TableSpec]] = {}
        for spec in sorted(self._own, key=lambda spec: spec.master is not None):  # masters first, else as they are
            members.setdefault(spec.master or spec.name, []).append(spec)
        return [tuple(members[master]) for master in graph.topological_order(group_parents(self._own))]


def group_parents(specs: Iterable[TableSpec]) -> dict[TableName, list[TableName]]:
    """Table that is no part -> the others, or their masters, that it or one of its parts refers to."""
    parents: dict[TableName, list[TableName]] = {}
    for spec in specs:
        group = top(spec.name)
        parents.setdefault(group, []).extend(top(parent) for parent in spec.parents if top(parent) != group)
    return parents


def top(name: TableName) -> TableName:
    """The master of a part; of another table, itself."""
    master = names.split_table_name(name.table)[2]
    return name if master is None else TableName(name.schema, master)


def _schemas(group: Group) -> set[str]:
    return {parent.schema for spec in group for parent in spec.parents}


# --- names ---------------------------------------------------------------------------------------------------------


def literal(text: str) -> str:
    """The literal of a name: in double quotes and on one line, whatever is in it."""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else _escape(c) for c in quoted) + '"'


def _checked(spec: TableSpec) -> str:
    """The name of a class. Other software gives tables names that would be something else in the text of a module."""
    name = spec.class_name
    if not name.isidentifier() or keyword.iskeyword(name):
        raise DefinitionError(f"no class can be called {name!r}, after the table {spec.name.table!r}.")
    return name


def _variable(schema: str) -> str:
    """The name of another schema in a module: no class begins so."""
    name = names.module_name(schema)
    return name if name[0].islower() else f"schema_{name}"


def _distinct(wanted: Iterable[str]) -> list[str]:
    """The names, with underscores after those that are taken."""
    found: dict[str, None] = {}
    for each in wanted:
        name = each
        while name in found:
            name += "_"
        found[name] = None
    return list(found)


# --- text --------------------------------------------------------------------------------------------------------


def _assigned(definition: str, indent: str) -> list[str]:
    """The lines that give a class its definition."""
    lines = _escaped(definition).rstrip("\n").split("\n")
    return [f'{indent}definition = """', *(f"{indent}{line}" for line in lines), f'{indent}"""']


def _escaped(text: str) -> str:
    """A text between three quotes that Python reads as it is: no backslash, end of string or control character."""
    quoted = text.replace("\\", "\\\\").replace('"""', r"\"\"\"")
    return "".join(c if c == "\n" or c.isprintable() else _escape(c) for c in quoted)


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"


def _comment(text: str) -> str:
    return "# " + _escaped(re.sub(r"\s+", " ", text))
