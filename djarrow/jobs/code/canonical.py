"""A syntax tree as text that formatting, comments, docstrings, annotations and the names of locals do not change.

    def mean(values: list) -> float:        def mean(v):
        '''The mean.'''                         return sum(v) / len(v)
        return sum(values) / len(values)

give one text. Fields that are empty are left out, so that it is the same whatever Python's version adds to its trees.
What names mean that are not local is the resolver's answer. Import statements are left out: names say what they import.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from typing import Protocol

from attrs import frozen

from djarrow.jobs.code.scopes import (
    Comprehension,
    Function,
    Imported,
    Scope,
    class_scope,
    comprehension_scope,
    first_parameter,
    function_scope,
)
from djarrow.jobs.code.values import text_of

CALLED = "()"
"""The step of a chain that is a call without arguments: `Session().rate` is Session, (), rate."""

LEFT_OUT = {"ctx", "kind", "type_comment", "annotation", "returns", "type_params", "simple"}

CHANGING = {
    *("add", "append", "appendleft", "clear", "difference_update", "discard", "extend", "insert"),
    *("intersection_update", "pop", "popitem", "popleft", "remove", "reverse", "setdefault", "sort"),
    *("symmetric_difference_update", "update"),
}
"""Methods of the containers of Python that change them."""


@frozen
class Resolved:
    """What a chain of names stands for. steps: how many after the first name the text covers.

    parameters: those of the function of the package that it is, so that calls may name them.
    """

    text: str
    steps: int = 0
    parameters: Sequence[str] = ()


class Resolver(Protocol):
    """What names mean that are not local. writes: the code changes what is named."""

    def free(self, name: str, steps: Sequence[str], *, writes: bool) -> Resolved:
        """A name of the module, of an enclosing function, or of Python."""
        ...

    def imported(self, imported: Imported, steps: Sequence[str], *, writes: bool) -> Resolved:
        """A name that the function imports."""
        ...

    def member(self, steps: Sequence[str], *, writes: bool) -> Resolved | None:
        """An attribute of self; None where self says nothing about it."""
        ...


class Canonical:
    """Trees of one function, class or expression made text."""

    def __init__(self, resolver: Resolver, *, method: bool = False) -> None:
        """method: the first parameter of the function is self or the class."""
        self._resolver = resolver
        self._method = method
        self._scopes: list[Scope] = []
        self._count = 0
        self._self: tuple[Scope, str] | None = None
        self._written: set[int] = set()

    def text(self, node: ast.AST) -> str:
        """The text of a tree."""
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                return self._function(node)
            case ast.ClassDef():
                return self._class(node)
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                return self._comprehension(node)
            case ast.Name() | ast.Attribute():
                return self._chain(node)
            case ast.Call():
                return self._call(node)
            case ast.Constant(value=value):
                return str(text_of(value))
            case ast.AnnAssign(target=target, value=value):
                given = [] if value is None else [self.text(value)]
                return f"Assign({','.join([self.text(target), *given])})"
            case ast.Assign(targets=targets, value=value):
                self._changes(targets)
                return f"Assign({','.join([*map(self.text, targets), self.text(value)])})"
            case ast.AugAssign(target=target) | ast.For(target=target) | ast.AsyncFor(target=target):
                self._changes([target])
                return self._fields(node)
            case ast.Delete(targets=targets):
                self._changes(targets)
                return self._fields(node)
            case ast.BinOp():
                return self._sum(node)
            case ast.JoinedStr(values=values):
                # Python 3.12.1 has empty texts between the values
                return f"JoinedStr({','.join(self.text(one) for one in values if not _is_empty(one))})"
            case _:
                return self._fields(node)

    def _fields(self, node: ast.AST) -> str:
        """The general case: the name of the node and its fields, but for empty ones."""
        parts = []
        for name, value in ast.iter_fields(node):
            if name in LEFT_OUT or value is None or value == [] or (name == "level" and not value):
                continue
            if name in ("name", "rest") and isinstance(value, str):
                parts.append(f"{name}={self._local(value)}")
            elif name in ("body", "orelse", "finalbody") and isinstance(value, list):
                parts.append(f"{name}={self.block(value)}")
            else:
                parts.append(f"{name}={self._value(value)}")
        return f"{type(node).__name__}({','.join(parts)})"

    def _sum(self, node: ast.BinOp) -> str:
        """An operation. Its left sides are gone through in a loop, as a sum can be long."""
        operations, left = [node], node.left
        while isinstance(left, ast.BinOp):
            operations.append(left)
            left = left.left
        text = self.text(left)
        for one in reversed(operations):
            text = f"BinOp({text},{type(one.op).__name__},{self.text(one.right)})"
        return text

    def _value(self, value: object) -> str:
        match value:
            case ast.AST():
                return self.text(value)
            case list():
                return f"[{','.join(self._value(one) for one in value)}]"
            case None:
                return "-"
            case _:
                return repr(value)

    def block(self, body: Iterable[ast.stmt]) -> str:
        """The statements that do something."""
        return f"[{';'.join(self.text(node) for node in body if not self._idle(node))}]"

    def _idle(self, node: ast.stmt) -> bool:
        """Whether a statement does nothing, or is told by the names that it binds."""
        match node:
            case ast.Expr(value=ast.Constant()) | ast.Pass() | ast.Import() | ast.ImportFrom():
                return True
            case ast.Global() | ast.Nonlocal():
                return True
            case ast.AnnAssign(target=ast.Name(), value=None):
                return not (self._scopes and self._scopes[-1].is_class)  # a field of a dataclass
            case _:
                return False

    # --- what has a scope ------------------------------------------------------------------------------------------

    def _function(self, node: Function) -> str:
        given, parts = node.args, [type(node).__name__]
        if not isinstance(node, ast.Lambda):
            if self._scopes:
                parts.append(self._local(node.name))
            parts += [f"@{self.text(decorator)}" for decorator in node.decorator_list]
        defaults = [self._value(one) for one in (*given.defaults, *given.kw_defaults)]
        outermost = not self._scopes
        scope = function_scope(node)
        self._scopes.append(scope)
        first = first_parameter(node)
        if outermost and self._method and first is not None:
            self._self = scope, first
        for kind in ("posonlyargs", "args", "kwonlyargs"):
            parts.append(",".join(self._local(one.arg) for one in getattr(given, kind)))
        parts += [self._local(one.arg) if one else "" for one in (given.vararg, given.kwarg)]
        parts.append(",".join(defaults))
        parts.append(self.text(node.body) if isinstance(node, ast.Lambda) else self.block(node.body))
        self._scopes.pop()
        return f"({'|'.join(parts)})"

    def _class(self, node: ast.ClassDef) -> str:
        outside = [f"@{self.text(one)}" for one in node.decorator_list]
        outside += [self.text(one) for one in (*node.bases, *node.keywords)]
        name = [self._local(node.name)] if self._scopes else []
        self._scopes.append(class_scope(node))
        functions = [one for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
        methods = [self.text(one) for one in sorted(functions, key=lambda one: one.name)]
        rest = self.block(one for one in node.body if one not in functions)
        self._scopes.pop()
        return f"(Class|{'|'.join([*name, *outside, rest, *methods])})"

    def _comprehension(self, node: Comprehension) -> str:
        first = self.text(node.generators[0].iter)
        self._scopes.append(comprehension_scope(node))
        parts = [type(node).__name__, first]
        for position, one in enumerate(node.generators):
            parts += [self.text(one.target), self.text(one.iter) if position else "", *map(self.text, one.ifs)]
            parts.append("async" if one.is_async else "")
        elements = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        parts += [self.text(one) for one in elements]
        self._scopes.pop()
        return f"({'|'.join(parts)})"

    # --- names -----------------------------------------------------------------------------------------------------

    def _scope_of(self, name: str) -> Scope | None:
        """The scope that binds a name; None where it is none of this tree."""
        for depth, scope in enumerate(reversed(self._scopes)):
            if scope.is_class and depth:
                continue
            if name in scope.names and name not in scope.outer:
                return scope
        return None

    def _local(self, name: str) -> str:
        """A local name as its number, in the order of sight; an attribute of a class as it is."""
        scope = self._scope_of(name)
        if scope is None or scope.is_class:
            return f"{'.' if scope else '?'}{name}"
        if name not in scope.numbers:
            scope.numbers[name] = f"%{self._count}"
            self._count += 1
        return scope.numbers[name]

    def _chain(self, node: ast.expr) -> str:
        return self._resolved(node)[0]

    def _resolved(self, node: ast.expr) -> tuple[str, Sequence[str]]:
        """The text of names with attributes, and the parameters of the function that they are."""
        root, steps = self._steps(node)
        if isinstance(root, ast.Name):
            writes = id(node) in self._written or not isinstance(getattr(node, "ctx", None), ast.Load | None)
            found = self._named(root.id, steps, writes=writes)
        else:
            found = Resolved(self.text(root))
        text = found.text
        for step in steps[found.steps :]:
            text = f"{text}()" if step == CALLED else f"{text}.{step}"
        return text, found.parameters if found.steps == len(steps) else ()

    def _steps(self, node: ast.expr) -> tuple[ast.expr, list[str]]:
        """What a chain of attributes and calls without arguments begins with, and its steps."""
        match node:
            case ast.Attribute(value=value, attr=attribute):
                root, steps = self._steps(value)
                return root, [*steps, attribute]
            case ast.Call(func=ast.Name() | ast.Attribute() as function, args=[], keywords=[]):
                root, steps = self._steps(function)
                return root, [*steps, CALLED]
            case ast.Call(func=ast.Name(id="type"), args=[ast.Name(id=name) as given], keywords=[]) if self._is_self(
                name
            ):
                return given, ["__class__"]
            case _:
                return node, []

    def _is_self(self, name: str) -> bool:
        scope = self._scope_of(name)
        return scope is not None and self._self == (scope, name)

    def _named(self, name: str, steps: Sequence[str], *, writes: bool) -> Resolved:
        scope = self._scope_of(name)
        if scope is None:
            return self._resolver.free(name, steps, writes=writes)
        if name in scope.imports:
            return self._resolver.imported(scope.imports[name], steps, writes=writes)
        if steps and self._is_self(name):
            skipped = 1 if steps[0] == "__class__" and len(steps) > 1 else 0
            found = self._resolver.member(steps[skipped:], writes=writes)
            if found is not None:
                return Resolved(found.text, found.steps + skipped, found.parameters)
            return Resolved("%self", skipped)
        return Resolved(self._local(name))

    def _call(self, node: ast.Call) -> str:
        if isinstance(node.func, ast.Attribute) and node.func.attr in CHANGING:
            self._written.update((id(node.func), id(node)))
            self._changes([node.func.value])
        if not node.args and not node.keywords and isinstance(node.func, ast.Name | ast.Attribute):
            return self._chain(node)
        function, known = self._resolved(node.func)
        parts = [function, *map(self.text, node.args)]
        for given in node.keywords:
            number = f"#{known.index(given.arg)}" if given.arg in known else given.arg or "**"
            parts.append(f"{number}={self.text(given.value)}")
        return f"Call({','.join(parts)})"

    def _changes(self, targets: Iterable[ast.expr]) -> None:
        """Note that what targets are items or attributes of is changed."""
        for target in targets:
            node = target
            while isinstance(node, ast.Subscript | ast.Starred):
                node = node.value
            self._written.add(id(node))
            if isinstance(node, ast.Tuple | ast.List):
                self._changes(node.elts)


def _is_empty(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == ""
