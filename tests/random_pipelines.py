"""Pipelines made at random: tables that refer to each other in every way that there is, and some rows."""

from __future__ import annotations

import random
from typing import Any

import djarrow as dj
from djarrow.model.names import TableName
from djarrow.model.spec import ForeignKey
from djarrow.model.types import Family

Rows = dict[TableName, list[dict[str, Any]]]

VALUES: dict[Family, tuple[Any, ...]] = {
    Family.INTEGER: tuple(range(6)),
    Family.STRING: ("", " ", "a", "A", "é", "'\""),
}
"""What attributes of keys can be."""


def declare(
    schema: dj.Schema, dice: random.Random, context: dict[str, Any] | None = None, *others: dj.Schema
) -> list[type[dj.Table]]:
    """Up to nine tables, each of which refers to some of those before it, in every way that there is.

    context: where classes are put, for schemas which look for them there. others: schemas of other tables; then parts
    can refer to their masters below the divider, or to fellow parts, and keys have more types.
    """
    classes: list[type[dj.Table]] = []
    for number in range(dice.randint(4, 6)):
        members: dict[str, Any] = {"definition": definition(classes, dice, number, own=True)}
        if others:
            kind = dice.choice(["uint8", "char(2)", "varchar(9)", "enum('a','b','é')"])
            members["definition"] = members["definition"].replace(f"id{number} : uint8", f"id{number} : {kind}")
        for part in range(dice.choice((0, 0, 1, 2))):
            inner = references(classes, dice, f"p{number}{part}")
            body = f"-> master\nq{number}{part} : uint8\n---\n{inner}"
            if others and part and dice.random() < 0.5:
                body = body.replace("-> master", "-> Part0", 1)
            elif others and dice.random() < 0.3:
                body = f"q{number}{part} : uint8\n---\n-> master\n{inner}"
            if dice.random() < 0.3:  # another row of its own master
                key = list(new_key(members["definition"], classes, schema, number))
                renames = ", ".join(f"x{number}{part}{i}='{name}'" for i, name in enumerate(key))
                body += f"-> [nullable] Table{number}.proj({renames})\n"
            members[f"Part{part}"] = type(f"Part{part}", (dj.Part,), {"definition": body})
        made = dice.choice([schema, *others])(type(f"Table{number}", (dj.Manual,), members))
        if context is not None:
            context[made.__name__] = made
        classes += [made, *(getattr(made, name) for name in members if name != "definition")]
    return classes


def new_key(text: str, classes: list[type[dj.Table]], schema: dj.Schema, number: int) -> tuple[str, ...]:
    """The primary key that a definition gives."""
    from djarrow.model.spec import TableSpec, table_spec

    by_name = {reference(cls): cls().spec for cls in classes}

    def resolve(name: str, _: Any) -> TableSpec | None:
        return by_name.get(name)

    return table_spec(text, TableName(schema.name, f"table{number}"), resolve).heading.primary_key


def reference(cls: type[dj.Table]) -> str:
    """How a definition names a table."""
    return cls.__qualname__ if issubclass(cls, dj.Part) is False else f"{cls().master.__name__}.{cls.__name__}"  # type: ignore[attr-defined]


def definition(classes: list[type[dj.Table]], dice: random.Random, number: int, *, own: bool) -> str:
    """A definition: references in the key and below, renamed or not, nullable or not, to itself or not."""
    key = references(classes, dice, f"k{number}", most=2, nullable=False) if classes else ""
    if own and (not key or dice.random() < 0.4):
        key += f"id{number} : uint8\n"
    below = references(classes, dice, f"s{number}")
    if f"id{number}" in key and "->" not in key and dice.random() < 0.5:
        below += f"-> [nullable] Table{number}.proj(up{number}='id{number}')\n"
    return f"{key}---\n{below}"


def references(
    classes: list[type[dj.Table]], dice: random.Random, prefix: str, most: int = 2, *, nullable: bool = True
) -> str:
    """Lines of references to some of the tables, each by names of its own unless that would mean the same."""
    lines = ""
    for position, cls in enumerate(dice.sample(classes, min(len(classes), dice.randint(0, most)))):
        key = cls().spec.heading.primary_key
        renamed = position > 0 or not prefix.startswith("k") or dice.random() < 0.3
        renames = ", ".join(f"{prefix}{position}{i}='{name}'" for i, name in enumerate(key)) if renamed else ""
        option = "[nullable] " if nullable and dice.random() < 0.5 else ""
        lines += f"-> {option}{reference(cls)}{f'.proj({renames})' if renames else ''}\n"
    return lines


def fill(classes: list[type[dj.Table]], dice: random.Random) -> None:
    """Some rows, whose references are to rows that there are."""
    there: Rows = {}
    for cls in classes:
        spec = cls().spec
        rows: dict[tuple[Any, ...], dict[str, Any]] = {}
        for _ in range(12):
            row: dict[str, Any] = {}
            for key in spec.foreign_keys:
                parents = list(rows.values()) if key.parent == spec.name else there[key.parent]
                fitting = [p for p in parents if all(row.get(own, p[its]) == p[its] for own, its in key.pairs)]
                if not fitting or (key.nullable and dice.random() < 0.3):
                    continue
                row.update({own: p[its] for p in [dice.choice(fitting)] for own, its in key.pairs})
            for attribute in spec.heading:
                if attribute.name in spec.heading.primary_key and attribute.name not in row:
                    row[attribute.name] = dice.choice(attribute.type.choices or VALUES[attribute.type.family])
            if all(a.name in row or a.nullable for a in spec.heading):
                rows.setdefault(tuple(row[name] for name in spec.heading.primary_key), row)
        cls.insert(list(rows.values()))
        there[spec.name] = cls.to_dicts()


def refers(row: dict[str, Any], parent: dict[str, Any], key: ForeignKey) -> bool:
    """Whether a row refers to another one."""
    return all(row[own] is not None and row[own] == parent[its] for own, its in key.pairs)
