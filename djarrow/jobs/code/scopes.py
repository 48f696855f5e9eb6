"""Which names of a function are its own. What the other ones mean: names.py."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from attrs import Factory, define, field, frozen

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


@frozen
class Imported:
    """A name that an import binds. module: as written, after `level` dots; attribute: of `from module import it`."""

    module: str
    attribute: str | None = None
    level: int = 0


@define(eq=False)
class Scope:
    """The names that a function, a comprehension or the body of a class binds.

    is_class: its names are attributes, which are not renamed and which functions within do not see.
    outer: names declared global or nonlocal, which belong to a scope further out.
    """

    names: frozenset[str] = frozenset()
    imports: dict[str, Imported] = Factory(dict)
    outer: frozenset[str] = frozenset()
    is_class: bool = False
    numbers: dict[str, str] = field(factory=dict)


def imported_names(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, Imported]]:
    """Name -> what it stands for, of one import statement."""
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            yield alias.asname or alias.name, Imported(node.module or "", alias.name, node.level)
        elif alias.asname:
            yield alias.asname, Imported(alias.name)
        else:
            top = alias.name.partition(".")[0]
            yield top, Imported(top)


def bindings(body: Iterable[ast.AST]) -> Iterator[tuple[str, ast.AST | None]]:
    """(name, what binds it) for all that statements bind in their own scope, in order.

    A plain assignment of one name gives the value's tree, imports and definitions their statement, everything else
    None.
    """
    for node in body:
        yield from _bindings(node)


def _bindings(node: ast.AST) -> Iterator[tuple[str, ast.AST | None]]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.name, node
        case ast.Import() | ast.ImportFrom():
            yield from ((name, node) for name, _ in imported_names(node))
        case (
            ast.Assign(targets=[ast.Name(id=name)], value=value)
            | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
        ):
            yield from _bindings(value)
            yield name, value
        case ast.expr():
            yield from ((name, None) for name in _in_expression(node))
        case _:
            bound = getattr(node, "name", None) if isinstance(node, _NAMING) else getattr(node, "rest", None)
            if isinstance(bound, str):
                yield bound, None
            yield from bindings(ast.iter_child_nodes(node))


def _in_expression(expression: ast.expr) -> Iterator[str]:
    """The names that an expression binds: as a target, or by a walrus. Without recursion, as sums can be long."""
    left: list[tuple[ast.AST, bool]] = [(expression, False)]
    while left:
        node, inner = left.pop()
        match node:
            case ast.Lambda():
                continue
            case ast.NamedExpr(target=target, value=value):
                yield target.id
                left.append((value, inner))
                continue
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()) if not inner:
                yield name
        inner = inner or isinstance(node, Comprehension)
        left += [(child, inner) for child in ast.iter_child_nodes(node)]


_NAMING = (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)


def function_scope(node: Function) -> Scope:
    """The scope of a function: its parameters and all that its body binds."""
    if isinstance(node, ast.Lambda):
        bound = list(bindings([node.body]))
        return Scope(frozenset([*parameters(node), *(name for name, _ in bound)]))
    outer = frozenset(name for inner in _own(node.body) for name in _declared(inner))
    names: set[str] = set(parameters(node))
    imports: dict[str, Imported] = {}
    for name, by in bindings(node.body):
        if name in outer:
            continue
        found = dict(imported_names(by))[name] if isinstance(by, ast.Import | ast.ImportFrom) else None
        if found is None or name in names:
            imports.pop(name, None)
        elif imports.setdefault(name, found) != found:
            del imports[name]
        else:
            continue
        names.add(name)
    return Scope(frozenset([*names, *imports]), imports, outer)


def _declared(node: ast.AST) -> list[str]:
    return node.names if isinstance(node, ast.Global | ast.Nonlocal) else []


def _own(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """All statements within statements, but for those of a function or class within."""
    for node in body:
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.expr):
            yield from _own(ast.iter_child_nodes(node))


def class_scope(node: ast.ClassDef) -> Scope:
    """The scope of the body of a class."""
    return Scope(frozenset(name for name, _ in bindings(node.body)), is_class=True)


def comprehension_scope(node: Comprehension) -> Scope:
    """The scope of a comprehension: the targets of its loops."""
    targets = (inner for generator in node.generators for inner in ast.walk(generator.target))
    return Scope(frozenset(inner.id for inner in targets if isinstance(inner, ast.Name) and _stored(inner)))


def _stored(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)


def parameters(node: Function) -> list[str]:
    """The names of all parameters, in order."""
    given = node.args
    plain = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    return [one.arg for one in (*plain, *(one for one in (given.vararg, given.kwarg) if one is not None))]


def first_parameter(node: Function) -> str | None:
    """The first positional parameter: what a method calls self."""
    positional = [*node.args.posonlyargs, *node.args.args]
    return positional[0].arg if positional else None
