"""The dependency graph of tables: order, ancestors, descendants, cycles. Pure; diagrams are drawn elsewhere."""

from __future__ import annotations

import graphlib
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import TypeVar

from djarrow.errors import CyclicDependency
from djarrow.model import names
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec

Parents = Mapping[TableName, Iterable[TableName]]
Node = TypeVar("Node", bound=Hashable)


def parents_of(specs: Iterable[TableSpec]) -> dict[TableName, tuple[TableName, ...]]:
    """Table -> the tables it refers to."""
    return {spec.name: spec.parents for spec in specs}


def topological_order(parents: Parents) -> tuple[TableName, ...]:
    """Parents before children, and by name where either would do. Only tables that are keys of the mapping appear.

    Raises CyclicDependency with the cycle named.
    """
    sorter = graphlib.TopologicalSorter({t: [p for p in parents[t] if p in parents] for t in parents})
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        raise CyclicDependency(tuple(map(str, reversed(error.args[1])))) from None
    order: list[TableName] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        order += ready
        sorter.done(*ready)
    return tuple(order)


def check_acyclic(new: TableSpec, parents: Parents) -> None:
    """Refuse a table that closes a cycle with those already known."""
    try:
        topological_order({**parents, new.name: new.parents})
    except CyclicDependency as error:
        raise CyclicDependency(error.cycle, table=new.name.table) from None


def ancestors(table: TableName, parents: Parents) -> set[TableName]:
    """All tables that this one depends on, directly or not."""
    found: set[TableName] = set()
    pending = list(parents.get(table, ()))
    while pending:
        current = pending.pop()
        if current not in found:
            found.add(current)
            pending += parents.get(current, ())
    return found


def children_of(parents: Parents) -> dict[TableName, tuple[TableName, ...]]:
    """The same graph read the other way: table -> the tables that refer to it."""
    children: dict[TableName, list[TableName]] = {table: [] for table in parents}
    for child, its_parents in parents.items():
        for parent in its_parents:
            children.setdefault(parent, []).append(child)
    return {table: tuple(sorted(found)) for table, found in children.items()}


def master_of(name: TableName, parents: Parents) -> TableName | None:
    """The master of a part: named so, and referred to. Other software has names with `__`, too."""
    _, _, table = names.split_table_name(name.table)
    master = None if table is None else TableName(name.schema, table)
    return master if master in ancestors(name, parents) else None


def components(sources: Mapping[Node, Iterable[Node]]) -> list[tuple[Node, ...]]:
    """The nodes in groups, those together that depend on each other, each group after all that it depends on.

    sources: node -> what it depends on, all of which are nodes. Within a group they are in the order of the mapping.
    """
    position = {node: number for number, node in enumerate(sources)}
    targets: dict[Node, list[Node]] = {node: [] for node in sources}
    for node, its in sources.items():
        for source in its:
            targets[source].append(node)
    groups, placed = [], set[Node]()
    for node in reversed(_finished(targets, targets)):  # Kosaraju: what leads nowhere was finished first
        if node not in placed:
            group = _finished(sources, [node], placed)
            groups.append(tuple(sorted(group, key=position.__getitem__)))
    return groups


def _finished(
    edges: Mapping[Node, Iterable[Node]], starts: Iterable[Node], visited: set[Node] | None = None
) -> list[Node]:
    """What the starts lead to and was not visited yet, each node after all that it leads to."""
    seen, order = set[Node]() if visited is None else visited, []
    for start in starts:
        stack: list[tuple[Node, Iterator[Node]]] = []
        if start not in seen:
            seen.add(start)
            stack.append((start, iter(edges[start])))
        while stack:
            node, rest = stack[-1]
            following = next((each for each in rest if each not in seen), None)
            if following is None:
                order.append(node)
                stack.pop()
            else:
                seen.add(following)
                stack.append((following, iter(edges[following])))
    return order
