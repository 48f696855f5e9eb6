"""From the makes of a class to all code of its package that they use: each function, class and constant once.

Each gets a number in the order of sight, by which the texts of others name it. Nothing is called and nothing imported:
names are followed through dicts, cells and the attributes of classes.
"""

from __future__ import annotations

import ast
import builtins
import enum
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from djarrow.jobs.code.canonical import CALLED, Canonical, Resolved
from djarrow.jobs.code.loaded import class_text, code_text
from djarrow.jobs.code.names import (
    MISSING,
    Names,
    contents,
    held,
    is_a,
    member,
    module_of,
    namespace,
    qualified_name,
)
from djarrow.jobs.code.package import MAIN, Package, is_table
from djarrow.jobs.code.reached import Reached
from djarrow.jobs.code.resolving import (
    Resolving,
    absolute,
    computed,
    library_name,
    literal_of_class,
    module_dict,
    names_of,
    outside,
)
from djarrow.jobs.code.scopes import Function, Imported, imported_names, parameters
from djarrow.jobs.code.sources import (
    source_of_file,
    source_of_module,
    tree_of_class,
    tree_of_function,
    unique_bindings,
)
from djarrow.jobs.code.units import Constant, Unimported, Unit
from djarrow.jobs.code.values import literal_text, text_of

_trees: WeakKeyDictionary[FunctionType, tuple[CodeType, Function | None]] = WeakKeyDictionary()


class Walk:
    """One walk. reached: what it has read."""

    def __init__(self, table_class: type) -> None:
        self._class = table_class
        self._package = Package.of(table_class)
        self._units: list[Unit] = []
        self._numbers: dict[tuple[object, ...], int] = {}
        self._constants: dict[tuple[int, str], tuple[str, Constant]] = {}
        self._bound: dict[int, Mapping[str, ast.AST | None]] = {}
        self._alive: list[object] = []
        self.reached = Reached()

    def text(self, methods: Sequence[str]) -> str:
        """The text of all that methods of the class use, if it has them."""
        found = {name: self.attribute(self._class, [name]) for name in methods}
        lines = [f"{name}={resolved.text}" for name, resolved in found.items() if resolved is not None]
        done = 0
        while done < len(self._units):
            lines.append(f"@{done}={self._unit_text(self._units[done])}")
            done += 1
        for (place, name), (shown, constant) in self._constants.items():
            text = constant.text()
            lines.append(f"{shown}={text}")
            if constant.changed:
                self.reached.names.pop((place, name), None)
            elif type(constant.value) in (list, dict, set, tuple):
                self.reached.contents.append((constant.value, text))
        return "\n".join(lines)

    # --- units -----------------------------------------------------------------------------------------------------

    def _add(self, unit: Unit, *key: object) -> str:
        """The number of a unit, which is new or known by its key."""
        if key not in self._numbers:
            self._numbers[key] = len(self._units)
            self._units.append(unit)
        return f"@{self._numbers[key]}"

    def _unit_text(self, unit: Unit) -> str:
        match unit.code:
            case CodeType():
                return code_text(unit.code, Resolving(self, unit))
            case type():
                return class_text(unit.code, self)
        resolving = Resolving(self, unit)
        try:
            return unit.replaced + Canonical(resolving, method=unit.receiver is not None).text(unit.code)
        except RecursionError:
            if unit.compiled is None:
                raise
            return code_text(unit.compiled, resolving)

    def function(self, function: FunctionType, receiver: type | None, owner: type | None) -> str:
        """The number of a function, of a class whose attributes self has if it is a method."""
        code, tree = _trees.get(function, (None, None))
        if code is not function.__code__:
            tree = tree_of_function(function)
            _trees[function] = function.__code__, tree
        self.reached.function(function)
        unit = Unit(tree or function.__code__, Names.of(function), receiver, owner, compiled=function.__code__)
        return self._add(unit, id(function), id(receiver))

    def functions(self, value: object, depth: int = 3) -> Iterator[FunctionType]:
        """The functions of the package that a value is, or holds as a wrapper."""
        if is_a(value, FunctionType) and self._package.owns(str(value.__globals__.get("__name__"))):
            yield value
        elif depth:
            self._alive.append(value)
            seen: set[int] = set()
            for one in held(value):
                for function in self.functions(one, depth - 1):
                    if id(function) not in seen:
                        seen.add(id(function))
                        yield function

    def _parameters(self, text: str) -> Sequence[str]:
        code = self._units[int(text[1:])].code
        return parameters(code) if isinstance(code, Function) else ()

    # --- names -----------------------------------------------------------------------------------------------------

    def attribute(
        self, cls: type, steps: Sequence[str], *, after: type | None = None, writes: bool = False
    ) -> Resolved | None:
        """What an attribute of a table class stands for; None where it is not the package's."""
        owner, value = member(cls, steps[0], after)
        self.reached.name(cls if after is None or owner is None else owner, steps[0], value)
        if owner is None or not self._package.extends(owner):
            return None
        if not is_a(value, FunctionType) and member(type(value), "__get__")[0] is None:
            return self.value(owner, steps[0], value, steps, 1, writes=writes)
        functions = [value] if is_a(value, FunctionType) else list(self.functions(value))
        receiver = None if is_a(value, staticmethod) else cls
        texts = [self.function(one, receiver, owner) for one in functions]
        bound = None if is_a(value, FunctionType) else self._bindings(owner).get(steps[0])
        if isinstance(bound, ast.expr) or (bound is not None and not texts):  # a partial method; a library's wrapper
            texts.append(self._add(Unit(bound, names_of(owner), receiver, owner), id(bound), id(receiver)))
        if not texts:
            return self.value(owner, steps[0], value, steps, 1, writes=writes)
        return Resolved("+".join(texts), 1, self._parameters(texts[0]))

    def value(self, place: object, name: str, value: Any, steps: Sequence[str], done: int, *, writes: bool) -> Resolved:
        """What a name stands for, after `done` steps. place: the dict, cell or class that has it."""
        if name.startswith("__") and name.endswith("__"):
            return Resolved(name, done)
        self._alive.append(value)
        self.reached.name(place, name, value)
        if value is MISSING or place is vars(builtins):
            return Resolved(f"{'?' if value is MISSING else 'builtins.'}{name}", done)
        bound = self._bindings(place).get(name)
        if isinstance(bound, ast.Import | ast.ImportFrom):
            imported = dict(imported_names(bound))[name]
            found = self._through_import(place, value, imported, steps, done=done, writes=writes)
            if found is not None:
                return found
        if is_a(value, ModuleType):
            return self.module(str(contents(value).get("__name__")), steps, done, writes=writes)
        if is_a(value, FunctionType) and self._package.owns(str(value.__globals__.get("__name__"))):
            text = self.function(value, None, None)
            return Resolved(text, done, self._parameters(text))
        if is_a(value, type):
            return self._type(place, value, bound, steps, done, writes=writes)
        return Resolved(self._constant(place, name, value, bound, writes=writes), done)

    def _through_import(
        self, place: object, value: Any, imported: Imported, steps: Sequence[str], *, done: int, writes: bool
    ) -> Resolved | None:
        """What a module imports under a name: as written if it is another package's, else what its own module has."""
        module = absolute(imported, place)
        if not self._package.owns(module):
            dotted = f"{module}.{imported.attribute}" if imported.attribute else module
            return outside(dotted, steps, done)
        origin = contents(sys.modules.get(module))
        if imported.attribute is None or origin is place or origin.get(imported.attribute, MISSING) is not value:
            return None
        return self.value(origin, imported.attribute, value, steps, done, writes=writes)

    def module(self, name: str, steps: Sequence[str], done: int, *, writes: bool) -> Resolved:
        """What attributes of a module stand for."""
        if not self._package.owns(name):
            return outside(name, steps, done)
        if done == len(steps) or steps[done] == CALLED:
            return Resolved(f"module:{name}", done)
        step = steps[done]
        module = contents(sys.modules.get(name))
        self.reached.name(sys.modules, name, sys.modules.get(name, MISSING))
        if step in module:
            return self.value(module, step, module[step], steps, done + 1, writes=writes)
        if f"{name}.{step}" in sys.modules:
            return self.module(f"{name}.{step}", steps, done + 1, writes=writes)
        found = source_of_module(name) if name not in sys.modules else None
        if found is not None and step in found[0].bound:
            return self.unimported(Unimported(name, found[1], found[0]), step, steps, done + 1)
        if source_of_module(f"{name}.{step}") is not None:
            return self.module(f"{name}.{step}", steps, done + 1, writes=writes)
        return Resolved(f"module:{name}", done)

    def unimported(self, names: Unimported, name: str, steps: Sequence[str], done: int) -> Resolved:
        """What a name stands for in a module that is not imported yet, by its source."""
        bound = names.source.bound.get(name)
        match bound:
            case ast.Import() | ast.ImportFrom():
                return self.imported(names, dict(imported_names(bound))[name], steps, done, writes=False)
            case None:
                known = name in vars(builtins) and name not in names.source.bound
                return Resolved(f"builtins.{name}" if known else f"?{name}", done)
            case _ if (literal := literal_text(bound)) is not None:
                return Resolved(self._slot(names.source, name, Constant(MISSING, literal, changed=True)), done)
            case ast.ClassDef() if (literal := literal_of_class(bound, steps[done:])) is not None:
                slot = self._slot(bound, steps[done], Constant(MISSING, literal, changed=True))
                return Resolved(slot, done + 1)
        text = self._add(Unit(bound, names), id(bound))
        return Resolved(text, done, self._parameters(text))

    def imported(
        self, names: Names | Unimported, imported: Imported, steps: Sequence[str], done: int, *, writes: bool
    ) -> Resolved:
        """What an import stands for, that of a function or of a module which is not imported."""
        module = absolute(imported, names)
        if imported.attribute is None:
            return self.module(module, steps, done, writes=writes)
        found = self.module(module, [imported.attribute, *steps[done:]], 0, writes=writes)
        return Resolved(found.text, done + max(found.steps - 1, 0), found.parameters)

    def _type(
        self, place: object, cls: type, bound: ast.AST | None, steps: Sequence[str], done: int, *, writes: bool
    ) -> Resolved:
        """A class: of a table, its name and what is used of it; of the package, all of it; of others, its name."""
        if not self._package.defines(cls):
            return outside(library_name(module_of(cls), qualified_name(cls)), steps, done)
        if is_table(cls):
            first = done + (steps[done : done + 1] == [CALLED])
            if first < len(steps) and steps[first] != CALLED:
                found = self.attribute(cls, steps[first:], writes=writes)
                if found is not None:
                    return Resolved(found.text, first + found.steps, found.parameters)
            near = module_of(cls) in (module_of(self._class), *MAIN)
            return Resolved(f"table:{'' if near else module_of(cls)}:{qualified_name(cls)}", done)
        members = namespace(cls).get("_member_map_")
        if type(members) is dict and done < len(steps) and steps[done] in members:
            name = steps[done]
            return Resolved(self._slot(cls, name, Constant(members[name], None)), done + 1)
        if done < len(steps) and _is_constant(value := namespace(cls).get(steps[done], MISSING)):
            return self.value(cls, steps[done], value, steps, done + 1, writes=writes)
        tree = tree_of_class(cls)
        names = Names(module_dict(cls))
        if tree is not None:
            return Resolved(self._add(Unit(tree, names, replaced=self._replaced(cls, tree)), id(cls)), done)
        named_tuple = isinstance(bound, ast.expr) and not is_a(place, type)
        return Resolved(self._add(Unit(bound if named_tuple and bound else cls, names), id(cls)), done)

    def _replaced(self, cls: type, tree: ast.ClassDef) -> str:
        """What of a class is not as its source says: methods and constants that were set later."""
        if (id(cls),) in self._numbers:
            return ""
        written, found = unique_bindings(tree.body), []
        for name, value in namespace(cls).items():
            if is_a(value, FunctionType):
                self.reached.name(cls, name, value)
                self.reached.function(value)
                if value.__qualname__ != f"{qualified_name(cls)}.{name}" and list(self.functions(value)):
                    found.append(f"{name}={self.function(value, None, cls)}")
            elif (bound := written.get(name)) is not None and (text := text_of(value)) is not None:
                self.reached.name(cls, name, value)
                written_text = "" if isinstance(bound, Function) else literal_text(bound)
                if written_text not in (None, text) and not is_a(value, enum.Enum):
                    found.append(f"{name}={text}")
        return ";".join(found)

    # --- values ----------------------------------------------------------------------------------------------------

    def _constant(self, place: object, name: str, value: Any, bound: ast.AST | None, *, writes: bool) -> str:
        """A value that is read: itself if it is plain, else the expression that the source gives for it.

        What calls something, as `os.cpu_count()` or `Path(__file__)`, counts as it is written: its value may differ
        between machines.
        """
        literal = None if bound is None else literal_text(bound)
        text = text_of(value)
        if isinstance(bound, ast.expr) and literal is None and (text is None or computed(bound)):
            return self._add(Unit(bound, names_of(place)), id(bound))
        if text is not None:
            return self._slot(place, name, Constant(value, literal), writes=writes)
        functions = [self.function(one, None, None) for one in self.functions(value)]
        if functions:  # of a library's wrapper, which the decorators in their trees name
            return "+".join(functions)
        if isinstance(bound, Function):
            return self._add(Unit(bound, names_of(place)), id(bound))
        kind = type(value)
        if self._package.defines(kind):
            return f"{self._type(None, kind, None, (), 0, writes=False).text}()"
        if is_a(value, BuiltinFunctionType) or is_a(value, FunctionType):
            return library_name(str(value.__module__), value.__qualname__)
        return library_name(module_of(kind), qualified_name(kind)) + "()"

    def _slot(self, place: object, name: str, constant: Constant, *, writes: bool = False) -> str:
        """The name under which a constant is told, once for each place."""
        self._alive.append(place)
        shown, known = self._constants.setdefault((id(place), name), (f"${len(self._constants)}", constant))
        known.changed = known.changed or writes
        return shown

    def _bindings(self, place: object) -> Mapping[str, ast.AST | None]:
        """What the source of a module or class binds, if it is to be had."""
        if id(place) not in self._bound:
            self._alive.append(place)
            found: Mapping[str, ast.AST | None] = {}
            if is_a(place, type):
                tree = tree_of_class(place)
                found = {} if tree is None else unique_bindings(tree.body)
            elif isinstance(place, dict) and isinstance(file := place.get("__file__"), str):
                source = source_of_file(file, place)
                found = {} if source is None else source.bound
            self._bound[id(place)] = found
        return self._bound[id(place)]


def _is_constant(value: object) -> bool:
    """Whether an attribute of a class counts by itself, without the rest of the class."""
    return text_of(value) is not None or is_a(value, type)
