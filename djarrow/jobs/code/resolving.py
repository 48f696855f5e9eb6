"""What the names of one unit mean, as the walk finds it, and how names of libraries are told."""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import frozen

from djarrow.jobs.code.canonical import CALLED, Resolved
from djarrow.jobs.code.names import Names, contents, in_place, is_a, module_of
from djarrow.jobs.code.scopes import Imported
from djarrow.jobs.code.sources import unique_bindings
from djarrow.jobs.code.units import Unimported, Unit
from djarrow.jobs.code.values import literal_text

if TYPE_CHECKING:
    from djarrow.jobs.code.walk import Walk


@frozen(eq=False)
class Resolving:
    """What the names of one unit mean."""

    walk: Walk
    unit: Unit

    def free(self, name: str, steps: Sequence[str], *, writes: bool) -> Resolved:
        """A name of the module, of an enclosing function, or of Python."""
        receiver, owner, names = self.unit.receiver, self.unit.owner, self.unit.names
        if name == "super" and len(steps) > 1 and steps[0] == CALLED and receiver is not None and owner is not None:
            found = self.walk.attribute(receiver, steps[1:], after=owner, writes=writes)
            return Resolved("super") if found is None else Resolved(found.text, found.steps + 1, found.parameters)
        if isinstance(names, Unimported):
            return self.walk.unimported(names, name, steps, 0)
        place, value = names.find(name)
        if place is not names.module:
            self.walk.reached.name(names.module, name, in_place(names.module, name))
        return self.walk.value(place, name, value, steps, 0, writes=writes)

    def imported(self, imported: Imported, steps: Sequence[str], *, writes: bool) -> Resolved:
        """A name that the function imports."""
        return self.walk.imported(self.unit.names, imported, steps, 0, writes=writes)

    def member(self, steps: Sequence[str], *, writes: bool) -> Resolved | None:
        """An attribute of self."""
        receiver = self.unit.receiver
        return None if receiver is None else self.walk.attribute(receiver, steps, writes=writes)

    def anything(self, name: str, others: Sequence[str]) -> str:
        """All that a name of bytecode may stand for: a global, an attribute of self, one of a module of the package."""
        found = [self.free(name, (), writes=False).text]
        if self.unit.receiver is not None and (attribute := self.member([name], writes=False)) is not None:
            found.append(attribute.text)
        if found[0].startswith("module:"):
            found += [self.free(name, (other,), writes=False).text for other in others]
        return "/".join(found)


def library_name(module: str, name: str) -> str:
    """A name of a library where no import tells it: without the module within the library, which versions move."""
    return f"{module.partition('.')[0]}..{name}"


def outside(dotted: str, steps: Sequence[str], done: int) -> Resolved:
    """A name of another package, with the attributes that follow."""
    attributes = steps[done:]
    if CALLED in attributes:
        attributes = attributes[: list(attributes).index(CALLED)]
    return Resolved(".".join([dotted, *attributes]), done + len(attributes))


def computed(node: ast.AST) -> bool:
    """Whether an expression calls something, or looks into something."""
    return any(isinstance(inner, ast.Call | ast.Attribute | ast.Await) or _dunder(inner) for inner in ast.walk(node))


def _dunder(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id.startswith("__")


def names_of(place: object) -> Names:
    """The names that an expression at the top of a module, or of a class, sees."""
    if is_a(place, type):
        return Names(module_dict(place), body=place)
    return Names(place if is_a(place, dict) else {})


def module_dict(cls: type) -> dict[str, Any]:
    """The dict of the module that a class is defined in."""
    found = contents(sys.modules.get(module_of(cls)))
    return found if isinstance(found, dict) else {}


def absolute(imported: Imported, place: object) -> str:
    """The module that an import names, in the module whose dict, or names, are given."""
    if not imported.level:
        return imported.module
    if isinstance(place, Unimported):
        package = place.package
    else:
        module = place.module if isinstance(place, Names) else place
        given = module.get("__package__") if isinstance(module, Mapping) else None
        package = given if isinstance(given, str) else ""
    parts = package.split(".")
    above = parts[: len(parts) - imported.level + 1]
    return ".".join([*above, *([imported.module] if imported.module else [])])


def literal_of_class(tree: ast.ClassDef, steps: Sequence[str]) -> str | None:
    """The text of an attribute that the body of a class gives as a literal, as that of the imported class would be."""
    bound = unique_bindings(tree.body).get(steps[0]) if steps else None
    literal = None if bound is None else literal_text(bound)
    if literal is None:
        return None
    enumeration = any(ast.unparse(base).endswith(("Enum", "Flag")) for base in tree.bases)
    return f"{tree.name}.{steps[0]}={literal}" if enumeration else literal
