"""The source of functions and classes, if it is that of the code that is loaded: a file may have changed since.

Sources are taken from `linecache`, which also knows the cells of notebooks. A function's tree counts only where the
source, compiled, gives the function's own code; so a worker that runs for days does not take new code for what it runs.
"""

from __future__ import annotations

import ast
import functools
import importlib.machinery
import linecache
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from attrs import frozen

from djarrow.jobs.code.names import contents, held, is_a, module_of, namespace, qualified_name
from djarrow.jobs.code.scopes import Function, bindings
from djarrow.jobs.code.values import text_of


@frozen(eq=False)
class Source:
    """A module, or a cell of a notebook: its functions by name and first line, its compiled code, what it binds."""

    functions: Mapping[tuple[str, int], list[Function]]
    classes: Mapping[str, list[ast.ClassDef]]
    codes: Mapping[str, list[CodeType]]
    bound: Mapping[str, ast.AST | None]


@functools.lru_cache(maxsize=256)
def source_of_text(text: str) -> Source | None:
    """The source that a text is; None where it is no Python of this version."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _source(ast.parse(text), text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _source(tree: ast.Module, text: str) -> Source:
    code = compile(text, "<source>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    functions: dict[tuple[str, int], list[Function]] = {}
    for node in ast.walk(tree):
        if isinstance(node, Function):
            functions.setdefault((_name(node), _first_line(node)), []).append(node)
    classes: dict[str, list[ast.ClassDef]] = {}
    for name, one in _classes(tree, ""):
        classes.setdefault(name, []).append(one)
    codes: dict[str, list[CodeType]] = {}
    for inner in _codes(code):
        codes.setdefault(inner.co_qualname, []).append(inner)
    return Source(functions, classes, codes, unique_bindings(tree.body))


def unique_bindings(body: list[ast.stmt]) -> dict[str, ast.AST | None]:
    """Name -> what binds it, or None where several places do, or one that tells no value."""
    found: dict[str, ast.AST | None] = {}
    for name, node in bindings(body):
        found[name] = None if name in found else node
    return found


def _name(node: Function) -> str:
    return "<lambda>" if isinstance(node, ast.Lambda) else node.name


def _first_line(node: Function) -> int:
    decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
    return min([node.lineno, *(one.lineno for one in decorators)])


def _classes(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.ClassDef]]:
    for inner in ast.iter_child_nodes(node):
        name = getattr(inner, "name", "")
        if isinstance(inner, ast.ClassDef):
            yield prefix + name, inner
            yield from _classes(inner, f"{prefix}{name}.")
        elif isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _classes(inner, f"{prefix}{name}.<locals>.")
        elif not isinstance(inner, ast.expr):
            yield from _classes(inner, prefix)


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def same_code(one: CodeType, other: CodeType) -> bool:
    """Whether two codes do the same, wherever they stand in their files."""
    names = ("co_code", "co_names", "co_varnames", "co_freevars", "co_cellvars", "co_argcount", "co_kwonlyargcount")
    if any(getattr(one, name) != getattr(other, name) for name in names):
        return False
    return len(one.co_consts) == len(other.co_consts) and all(map(_same_constant, one.co_consts, other.co_consts))


def _same_constant(one: object, other: object) -> bool:
    if isinstance(one, CodeType) and isinstance(other, CodeType):
        return same_code(one, other)
    return text_of(one) == text_of(other)


def source_of_file(filename: str, module: Mapping[str, Any] | None = None) -> Source | None:
    """The source of a file, of a module in an archive, or of a cell of a notebook."""
    linecache.checkcache(filename)
    lines = linecache.getlines(filename, None if module is None else dict(module))
    return source_of_text("".join(lines)) if lines else None


def tree_of_function(function: FunctionType) -> Function | None:
    """The tree of a function; None where the source is not to be had, or is not that of the loaded code."""
    code = function.__code__
    source = source_of_file(code.co_filename, function.__globals__)
    if source is None:
        return None
    same = [one for one in source.codes.get(code.co_qualname, ()) if same_code(one, code)]
    near = [one for one in same if one.co_firstlineno == code.co_firstlineno] or same
    for one in near:
        nodes = source.functions.get((one.co_name, one.co_firstlineno), [])
        if len(nodes) > 1:
            # several lambdas on a line: the smallest that has the place where the code returns
            end = [place for place in code.co_positions() if place[3]][-1:]
            nodes = sorted((node for node in nodes if end and _around(node, end[0])), key=_extent)
        if nodes:
            return nodes[0]
    return None


def _extent(node: Function) -> tuple[int, int]:
    return (node.end_lineno or 0) - node.lineno, (node.end_col_offset or 0) - node.col_offset


def _around(node: Function, place: tuple[int | None, int | None, int | None, int | None]) -> bool:
    line, end_line, column, end_column = (number or 0 for number in place)
    starts = (node.lineno, node.col_offset) <= (line, column)
    return starts and (end_line, end_column) <= (node.end_lineno or 0, node.end_col_offset or 0)


def tree_of_class(cls: type) -> ast.ClassDef | None:
    """The tree of a class, if all its functions that stand in it are the loaded ones."""
    functions = [one for value in namespace(cls).values() for one in (value, *held(value)) if is_a(one, FunctionType)]
    module = contents(sys.modules.get(module_of(cls)))
    files = {module.get("__file__"): None} | {one.__code__.co_filename: None for one in functions}
    for file in files:
        source = source_of_file(file, module) if isinstance(file, str) else None
        for node in reversed(source.classes.get(qualified_name(cls), []) if source else []):
            names = {one.name for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}
            written = [one for one in functions if one.__name__ in names and one.__code__.co_filename == file]
            if all(tree_of_function(one) is not None for one in written):
                return node
    return None


def source_of_module(name: str) -> tuple[Source, bool] | None:
    """(the source of a module that is not imported, whether it is a package); its packages are only looked at."""
    above, _, last = name.rpartition(".")
    folders = _folders(above)
    if folders is None:
        return None
    found = importlib.machinery.PathFinder.find_spec(last, folders)
    if found is None or not found.origin or not found.origin.endswith(".py"):
        return None
    source = source_of_file(found.origin)
    return None if source is None else (source, found.submodule_search_locations is not None)


def _folders(package: str) -> list[str] | None:
    """The folders that a package's modules lie in; None where it cannot be said without an import."""
    if not package:
        return None
    if package in sys.modules:
        return list(contents(sys.modules[package]).get("__path__", []))
    above = _folders(package.rpartition(".")[0])
    return None if above is None else [str(Path(one) / package.rpartition(".")[2]) for one in above]
