"""Code without its source, as at a prompt: the bytecode of functions, the attributes of classes."""

from __future__ import annotations

from types import CodeType
from typing import TYPE_CHECKING

from djarrow.jobs.code.names import mro, namespace, qualified_name
from djarrow.jobs.code.values import text_of

if TYPE_CHECKING:
    from djarrow.jobs.code.resolving import Resolving
    from djarrow.jobs.code.walk import Walk


def code_text(code: CodeType, resolving: Resolving) -> str:
    """Bytecode, constants, names, and what the names can stand for."""
    constants = list(code.co_consts)
    if constants and isinstance(constants[0], str) and code.co_name != "<lambda>":
        constants[0] = None  # the docstring
    texts = [code_text(one, resolving) if isinstance(one, CodeType) else str(text_of(one)) for one in constants]
    uses = [resolving.anything(name, code.co_names) for name in code.co_names]
    return f"code({code.co_code.hex()}|{','.join(texts)}|{','.join(code.co_names)}|{','.join(uses)})"


def class_text(cls: type, walk: Walk) -> str:
    """A class without source: its attributes by name."""
    parts = [f"base:{qualified_name(one)}" for one in mro(cls)[1:]]
    for name, value in sorted(namespace(cls).items()):
        functions = list(walk.functions(value))
        if any(one.__code__.co_filename.startswith("<string>") for one in functions):
            continue  # what a dataclass or a named tuple writes for itself
        if functions:
            parts.append(f"{name}={','.join(walk.function(one, None, cls) for one in functions)}")
        elif not name.startswith("__") and (text := text_of(value)) is not None:
            walk.reached.name(cls, name, value)
            parts.append(f"{name}={text}")
    return f"class({';'.join(parts)})"
