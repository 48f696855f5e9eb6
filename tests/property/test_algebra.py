"""Random expressions over random tables: PostgreSQL and DuckDB give the rows that the naive evaluator gives.

DJARROW_FUZZ=<examples> runs that many, over more tables; the default is a sample.
"""

from __future__ import annotations

import math
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import IncompatibleOperands, QueryError
from djarrow.repo.repository import Repository
from djarrow.table.expression import QueryExpression
from tests.described import drop_schemas

from . import naive
from .naive import Aggregate, Attribute, Relation, Term

EXAMPLES = int(os.environ.get("DJARROW_FUZZ", "350"))
DATA_SETS = 3 if EXAMPLES < 1000 else 12
STEPS = 4

DEFINITIONS: dict[str, tuple[str, dict[str, Attribute], tuple[str, ...]]] = {
    "Animal": (
        "a : int16\n---\ns = null : int8\nw = null : varchar(4)",
        {"a": Attribute("int", "Animal.a"), "s": Attribute("int"), "w": Attribute("str")},
        ("a",),
    ),
    "Kind": (
        "c : varchar(4)\n---\ncn = null : uint8",
        {"c": Attribute("str", "Kind.c"), "cn": Attribute("int")},
        ("c",),
    ),
    "Batch": (
        "-> Animal\nb : uint8\n---\n-> [nullable] Kind\nv = null : int32\nok = null : bool",
        {
            "a": Attribute("int", "Animal.a"),
            "b": Attribute("int", "Batch.b"),
            "c": Attribute("str", "Kind.c"),
            "v": Attribute("int"),
            "ok": Attribute("bool"),
        },
        ("a", "b"),
    ),
    "Deed": (
        "d : int64\n---\n-> [nullable] Animal\n-> [nullable] Animal.proj(a2='a')\n"
        "-> [nullable] Kind.proj(k='c')\nq = null : int64",
        {
            "d": Attribute("int", "Deed.d"),
            "a": Attribute("int", "Animal.a"),
            "a2": Attribute("int", "Animal.a"),
            "k": Attribute("str", "Kind.c"),
            "q": Attribute("int"),
        },
        ("d",),
    ),
    "Link": (
        "-> Batch\n-> Batch.proj(a2='a', b2='b')\n---\nr : int16",
        {
            "a": Attribute("int", "Animal.a"),
            "b": Attribute("int", "Batch.b"),
            "a2": Attribute("int", "Animal.a"),
            "b2": Attribute("int", "Batch.b"),
            "r": Attribute("int"),
        },
        ("a", "b", "a2", "b2"),
    ),
    "Single": ("---\nz = null : int16", {"z": Attribute("int")}, ()),
}
"""Class -> definition, and what it should mean, said once more by hand."""


@dataclass
class DataSet:
    """The same rows in lists, in a schema of PostgreSQL, and in a repository."""

    relations: dict[str, Relation]
    classes: dict[str, type[dj.Manual]]
    schema: dj.Schema
    repository: Repository

    def _repr_pretty_(self, printer: Any, _: bool) -> None:
        """What hypothesis shows of it."""
        printer.text(str({name: relation.rows for name, relation in self.relations.items()}))


def random_rows(seed: int) -> dict[str, list[dict[str, Any]]]:
    """Rows for each table that obey its foreign keys. Values are few, so that many are equal; some are missing."""
    chance = random.Random(seed)  # noqa: S311 - test data

    def maybe(values: list[Any]) -> Any:
        return chance.choice(values) if values and chance.random() < 0.6 else None

    def some(most: int) -> int:
        return 0 if seed == 0 else chance.randint(1, most)

    animals = [
        {"a": n, "s": maybe([-1, 0, 1, 2]), "w": maybe(["", "x", "X", "y%"])} for n in range(chance.randint(1, 4))
    ]
    kinds = [{"c": c, "cn": maybe([0, 1, 2])} for c in chance.sample(["x", "y", "", "zz"], some(4))]
    keys = [row["a"] for row in animals]
    names = [row["c"] for row in kinds]
    batches = [
        {"a": a, "b": b, "c": maybe(names), "v": maybe([-3, 0, 1, 2]), "ok": maybe([True, False])}
        for a in keys
        for b in chance.sample([0, 1, 2], chance.randint(0, 3))
    ]
    deeds = [
        {"d": d, "a": maybe(keys), "a2": maybe(keys), "k": maybe(names), "q": maybe([0, 1, 1, 5])}
        for d in range(some(6))
    ]
    pairs = [(x, y) for x in batches for y in batches]
    links = [
        {"a": x["a"], "b": x["b"], "a2": y["a"], "b2": y["b"], "r": chance.choice([-1, 0, 1])}
        for x, y in chance.sample(pairs, min(len(pairs), some(6)))
    ]
    single = [{"z": maybe([0, 1])}] if some(1) else []
    return {"Animal": animals, "Kind": kinds, "Batch": batches, "Deed": deeds, "Link": links, "Single": single}


def load(seed: int, connection: PostgresConnection, folder: Path) -> DataSet:
    """Declare the tables in a schema of their own, fill and export them."""
    schema = dj.Schema(f"algebra{seed}", connection=connection)
    classes: dict[str, type[dj.Manual]] = {}
    relations = {}
    rows = random_rows(seed)
    for name, (definition, attributes, key) in DEFINITIONS.items():
        bare: Any = type(name, (dj.Manual,), {"definition": definition, "__module__": __name__})
        classes[name] = schema(bare)
        classes[name].insert(rows[name])
        relations[name] = Relation(attributes, key, rows[name])
    dj.export(schema, folder)
    return DataSet(relations, classes, schema, dj.open(folder))


@pytest.fixture(scope="module")
def data_sets(connection: PostgresConnection, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[DataSet]]:
    """Some data sets, the first of them nearly empty."""
    for seed in range(DATA_SETS):
        connection.execute(f'DROP SCHEMA IF EXISTS "algebra{seed}" CASCADE')
    folder = tmp_path_factory.mktemp("algebra")
    loaded = [load(seed, connection, folder / str(seed)) for seed in range(DATA_SETS)]
    yield loaded
    for data_set in loaded:
        data_set.repository.close()
        drop_schemas(connection, data_set.schema.name)


# --- terms -------------------------------------------------------------------------------------------------------

Draw = Callable[[st.SearchStrategy[Any]], Any]


def apply(text: str, kind: str, function: Callable[..., Any], *terms: Term) -> Term:
    """A term of terms. text: with {} for each."""
    written = text.format(*(term.text for term in terms))
    names = frozenset[str]().union(*(term.names for term in terms))
    return Term(written, kind, lambda row: function(*(term.value(row) for term in terms)), names)


def constant(value: Any) -> Term:
    """A constant as it is written."""
    return Term("NULL" if value is None else repr(value), "int" if isinstance(value, int) else "str", lambda _: value)


def read(name: str, kind: str) -> Term:
    """An attribute."""
    return Term(name, kind, lambda row: row[name], frozenset({name}))


def draw_int(draw: Draw, relation: Relation, depth: int) -> Term:
    """A term that is a whole number. Products have a constant in them, so that nothing grows beyond 64 bits."""
    choices = ["constant"]
    choices += ["attribute"] * 3 if relation.of_kind("int") else []
    choices += (
        ["sum", "difference", "product", "coalesce", "if", "neg", "abs", "div", "mod", "greatest", "length"]
        if depth
        else []
    )
    less = depth - 1

    def part() -> Term:
        return draw_int(draw, relation, less)

    match draw(st.sampled_from(choices)):
        case "constant":
            return constant(draw(st.integers(-2, 3)))
        case "attribute":
            return read(draw(st.sampled_from(relation.of_kind("int"))), "int")
        case "sum":
            return apply("({} + {})", "int", naive.strict(lambda x, y: x + y), part(), part())
        case "difference":
            return apply("({} - {})", "int", naive.strict(lambda x, y: x - y), part(), part())
        case "product":
            return apply(
                "{} * ({})", "int", naive.strict(lambda x, y: x * y), constant(draw(st.integers(0, 3))), part()
            )
        case "coalesce":
            return apply("coalesce({}, {})", "int", lambda x, y: y if x is None else x, part(), part())
        case "if":
            test = draw_bool(draw, relation, less)
            return apply("if({}, {}, {})", "int", lambda t, x, y: x if t else y, test, part(), part())
        case "neg":
            return apply("-({})", "int", naive.strict(lambda x: -x), part())
        case "abs":
            return apply("abs({})", "int", naive.strict(abs), part())
        case "div":
            return apply("({}) div ({})", "int", naive.strict(naive.truncated), part(), part())
        case "mod":
            return apply("({}) % ({})", "int", naive.strict(naive.remainder), part(), part())
        case "greatest":
            return apply("greatest({}, {})", "int", naive.strict(max), part(), part())
        case "length":
            return apply("length({})", "int", naive.strict(len), draw_str(draw, relation, less))
    raise AssertionError


def draw_str(draw: Draw, relation: Relation, depth: int) -> Term:
    """A term that is a string."""
    choices = [
        "constant",
        *(["attribute"] * 3 if relation.of_kind("str") else []),
        *(["concat", "if"] if depth else []),
    ]
    match draw(st.sampled_from(choices)):
        case "constant":
            return constant(draw(st.sampled_from(["", "x", "y", "%", "zz"])))
        case "attribute":
            return read(draw(st.sampled_from(relation.of_kind("str"))), "str")
        case "concat":
            left, right = draw_str(draw, relation, depth - 1), draw_str(draw, relation, depth - 1)
            return apply("concat({}, {})", "str", naive.strict(lambda x, y: x + y), left, right)
        case "if":
            test = draw_bool(draw, relation, depth - 1)
            left, right = draw_str(draw, relation, depth - 1), draw_str(draw, relation, depth - 1)
            return apply("if({}, {}, {})", "str", lambda t, x, y: x if t else y, test, left, right)
    raise AssertionError


COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda x, y: bool(x == y),
    "<>": lambda x, y: bool(x != y),
    "<": lambda x, y: bool(x < y),
    "<=": lambda x, y: bool(x <= y),
    ">": lambda x, y: bool(x > y),
    ">=": lambda x, y: bool(x >= y),
}


def draw_bool(draw: Draw, relation: Relation, depth: int) -> Term:
    """A term that is true, false or NULL."""
    choices = ["numbers", "strings", "null", "same", *(["attribute"] * 2 if relation.of_kind("bool") else [])]
    choices += ["and", "or", "not", "xor", "in", "between", "is true", "chain"] if depth else []
    less = max(depth - 1, 0)

    def number() -> Term:
        return draw_int(draw, relation, less)

    def truth() -> Term:
        return draw_bool(draw, relation, less)

    match draw(st.sampled_from(choices)):
        case "numbers":
            operator = draw(st.sampled_from(list(COMPARISONS)))
            return apply("({} " + operator + " {})", "bool", naive.strict(COMPARISONS[operator]), number(), number())
        case "strings":
            operator = draw(st.sampled_from(list(COMPARISONS)))
            left, right = draw_str(draw, relation, less), draw_str(draw, relation, less)
            return apply("({} " + operator + " {})", "bool", naive.strict(COMPARISONS[operator]), left, right)
        case "null":
            return apply("({} IS NULL)", "bool", lambda x: x is None, draw_any(draw, relation))
        case "same":
            return apply("({} <=> {})", "bool", lambda x, y: x == y, number(), number())
        case "attribute":
            return read(draw(st.sampled_from(relation.of_kind("bool"))), "bool")
        case "and":
            return apply("({} AND {})", "bool", naive.both, truth(), truth())
        case "or":
            return apply("({} OR {})", "bool", naive.either, truth(), truth())
        case "chain":  # AND binds more tightly than OR, and NOT than AND
            return apply(
                "({} OR NOT {} AND {})",
                "bool",
                lambda x, y, z: naive.either(x, naive.both(naive.negation(y), z)),
                truth(),
                truth(),
                truth(),
            )
        case "not":
            return apply("(NOT {})", "bool", naive.negation, truth())
        case "xor":
            return apply("({} XOR {})", "bool", naive.strict(lambda x, y: x != y), truth(), truth())
        case "in":
            values = draw(st.lists(st.sampled_from([0, 1, 2, None]), min_size=1, max_size=3))
            listing = ", ".join("NULL" if value is None else str(value) for value in values)
            return apply("({} IN (" + listing + "))", "bool", lambda x: naive.among(x, values), number())
        case "between":
            return apply(
                "({} BETWEEN {} AND {})",
                "bool",
                lambda x, y, z: naive.both(
                    naive.strict(COMPARISONS[">="])(x, y), naive.strict(COMPARISONS["<="])(x, z)
                ),
                number(),
                number(),
                number(),
            )
        case "is true":
            return apply("({} IS TRUE)", "bool", lambda x: x is True, truth())
    raise AssertionError


def draw_any(draw: Draw, relation: Relation) -> Term:
    """An attribute of any kind, or a number where there is none."""
    names = list(relation.attributes)
    if not names:
        return constant(1)
    name = draw(st.sampled_from(names))
    return read(name, relation.attributes[name].kind)


def draw_term(draw: Draw, relation: Relation) -> Term:
    """A term to be computed."""
    match draw(st.sampled_from(["int", "str", "bool", "float"])):
        case "int":
            return draw_int(draw, relation, 2)
        case "str":
            return draw_str(draw, relation, 2)
        case "bool":
            return draw_bool(draw, relation, 1)
    return apply("({}) / 4", "float", naive.strict(lambda x: x / 4), draw_int(draw, relation, 1))


def draw_aggregate(draw: Draw, groups: Relation, source: Relation) -> Aggregate:
    """An aggregate, some in an expression, some with attributes of the group in it."""
    inside = Relation(groups.attributes | source.attributes, (), [])
    of = draw_int(draw, inside, 1)
    simple = {
        "count(*)": len,
        f"count({of.text})": lambda rows: len(present(of, rows)),
        f"count(distinct {of.text})": lambda rows: len(set(present(of, rows))),
        f"sum({of.text})": lambda rows: sum(present(of, rows)) if present(of, rows) else None,
        f"min({of.text})": lambda rows: min(present(of, rows), default=None),
        f"max({of.text})": lambda rows: max(present(of, rows), default=None),
        f"avg({of.text})": lambda rows: sum(present(of, rows)) / len(present(of, rows)) if present(of, rows) else None,
    }
    text = draw(st.sampled_from(list(simple)))
    value: Callable[[list[naive.Row]], Any] = simple[text]
    kind = "float" if text.startswith("avg") else "int"
    if kind == "int" and groups.of_kind("int") and draw(st.booleans()):
        outside = draw_int(draw, groups, 1)
        plus = naive.strict(lambda x, y: x + y)
        return Aggregate(f"{text} + {outside.text}", kind, lambda row, rows: plus(value(rows), outside.value(row)))
    if kind == "int" and draw(st.booleans()):
        return Aggregate(f"coalesce({text}, -7) - count(*)", kind, lambda _, rows: _or(value(rows), -7) - len(rows))
    return Aggregate(text, kind, lambda _, rows: value(rows))


def present(term: Term, rows: list[naive.Row]) -> list[Any]:
    """The values of a term in rows that are not NULL."""
    return [value for value in map(term.value, rows) if value is not None]


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


# --- expressions -------------------------------------------------------------------------------------------------


@dataclass
class Pair:
    """A query, and what it should be."""

    query: QueryExpression
    relation: Relation
    text: str


def both(pair: Pair, text: str, build: Callable[[], Any], evaluate: Callable[[], Relation]) -> Pair:
    """Take a step on both sides. Where it must be refused, see that it is, and stay."""
    try:
        relation = evaluate()
    except naive.Refused as why:
        with pytest.raises((IncompatibleOperands, QueryError)):
            build()
        note(f"refused ({why}): {text}")
        return pair
    return Pair(build(), relation, text)


def steps_to_take() -> list[Callable[[Draw, DataSet, Pair, int], Pair]]:
    """The operators, restriction twice as often."""
    return [draw_restriction, draw_restriction, draw_projection, draw_join, draw_aggregation, draw_top]


def draw_pair(draw: Draw, data: DataSet, steps: int) -> Pair:
    """A table, and some operators over it."""
    name = draw(st.sampled_from(list(data.classes)))
    pair = Pair(data.classes[name](), data.relations[name], name)
    for _ in range(draw(st.integers(0, steps))):
        step = draw(st.sampled_from(steps_to_take()))
        if len(pair.relation.rows) <= 60:
            pair = step(draw, data, pair, steps - 1)
    return pair


def draw_restriction(draw: Draw, data: DataSet, pair: Pair, steps: int) -> Pair:
    """`A & c` or `A - c`."""
    complement = draw(st.booleans())
    made = draw_condition(draw, data, pair, steps, 2)
    operator = "-" if complement else "&"
    return both(
        pair,
        f"({pair.text} {operator} {made.text})",
        lambda: pair.query - made.given() if complement else pair.query & made.given(),
        lambda: naive.restrict(pair.relation, made.condition(), complement=complement),
    )


@dataclass
class Given:
    """What a user restricts by, and what it means."""

    text: str
    given: Callable[[], Any]
    condition: Callable[[], naive.Condition]


def draw_condition(draw: Draw, data: DataSet, pair: Pair, steps: int, depth: int) -> Given:
    """A condition of any kind. Lists hold further ones."""
    choices = [
        "text",
        "text",
        "text",
        "mapping",
        "query",
        "bool",
        *(["any", "all", "not", "mappings"] if depth else []),
    ]
    match draw(st.sampled_from(choices)):
        case "text":
            term = draw_bool(draw, pair.relation, 2)
            return Given(repr(term.text), lambda: term.text, lambda: naive.holds(term))
        case "mapping":
            mapping = draw_mapping(draw, pair.relation)
            return Given(repr(mapping), lambda: mapping, lambda: naive.equals(mapping, pair.relation))
        case "mappings":
            names = draw(st.lists(st.sampled_from([*pair.relation.attributes, "nowhere"]), max_size=2, unique=True))
            mappings = [
                {name: draw_value(draw, pair.relation, name) for name in names} for _ in range(draw(st.integers(0, 3)))
            ]
            return Given(
                repr(mappings),
                lambda: mappings,
                lambda: lambda row: any(naive.equals(mapping, pair.relation)(row) for mapping in mappings),
            )
        case "query":
            other = draw_pair(draw, data, min(steps, 2))
            if draw(st.booleans()):
                other = keys_of(other)
            return Given(other.text, lambda: other.query, lambda: naive.matches(pair.relation, other.relation))
        case "bool":
            value = draw(st.booleans())
            return Given(str(value), lambda: value, lambda: lambda _: value)
        case "not":
            inner = draw_condition(draw, data, pair, steps, depth - 1)
            return Given(f"Not({inner.text})", lambda: dj.Not(inner.given()), lambda: _inverse(inner.condition()))
    parts = [draw_condition(draw, data, pair, steps, depth - 1) for _ in range(draw(st.integers(0, 3)))]
    texts = ", ".join(part.text for part in parts)
    if draw(st.booleans()):
        return Given(
            f"[{texts}]", lambda: [part.given() for part in parts], lambda: _any([part.condition() for part in parts])
        )
    return Given(
        f"AndList([{texts}])",
        lambda: dj.AndList(part.given() for part in parts),
        lambda: _all([part.condition() for part in parts]),
    )


def _inverse(condition: naive.Condition) -> naive.Condition:
    return lambda row: not condition(row)


def _any(conditions: list[naive.Condition]) -> naive.Condition:
    return lambda row: any(condition(row) for condition in conditions)


def _all(conditions: list[naive.Condition]) -> naive.Condition:
    return lambda row: all(condition(row) for condition in conditions)


VALUES: dict[str, list[Any]] = {"int": [0, 1, 2, None], "str": ["", "x", "y", None], "bool": [True, False, None]}


def draw_value(draw: Draw, relation: Relation, name: str) -> Any:
    """A value for an attribute, or anything for a name that is none."""
    kind = relation.attributes[name].kind if name in relation.attributes else "int"
    return draw(st.sampled_from(VALUES.get(kind, [None])))


def draw_mapping(draw: Draw, relation: Relation) -> naive.Row:
    """Some attributes with values, and at times a name that is no attribute."""
    names = draw(st.lists(st.sampled_from([*relation.attributes, "nowhere"]), max_size=2, unique=True))
    return {name: draw_value(draw, relation, name) for name in names}


NEW_NAMES = ["a", "b", "c", "d", "a2", "b2", "k", "n1", "n2", "n3", "order", "t1"]


def draw_projection(draw: Draw, _: DataSet, pair: Pair, __: int) -> Pair:
    """Attributes kept, renamed, copied and computed."""
    names = list(pair.relation.attributes)
    kept = draw(st.lists(st.sampled_from(names), unique=True)) if names else []
    everything = draw(st.booleans())
    new = draw(st.lists(st.sampled_from(NEW_NAMES), max_size=3, unique=True))
    renamed: dict[str, str] = {}
    copied: dict[str, str] = {}
    computed: dict[str, Term] = {}
    for name in new:
        kind = draw(st.sampled_from(["rename", "copy", "compute"])) if names else "compute"
        old = draw(st.sampled_from(names)) if names else ""
        if kind == "rename" and old not in renamed.values():
            renamed[name] = old
        elif kind == "copy":
            copied[name] = old
        else:
            term = draw_term(draw, pair.relation)
            if term.text in names:  # by itself it would be a renaming
                term = apply("coalesce({0}, {0})", term.kind, lambda x: x, term)
            computed[name] = term
    texts = renamed | {n: f"({o})" for n, o in copied.items()} | {n: term.text for n, term in computed.items()}
    listing: list[Any] = [...] if everything else kept
    shown = ", ".join([*map(str, listing), *(f"{n}={t!r}" for n, t in texts.items())])
    return both(
        pair,
        f"{pair.text}.proj({shown})",
        lambda: pair.query.proj(*listing, **texts),
        lambda: naive.project(pair.relation, names if everything else kept, renamed, copied, computed),
    )


def draw_join(draw: Draw, data: DataSet, pair: Pair, steps: int) -> Pair:
    """`A * B`, either way round."""
    other = draw_pair(draw, data, min(steps, 2))
    if draw(st.booleans()):
        other = keys_of(other)
    if len(pair.relation.rows) * len(other.relation.rows) > 600:
        return pair
    left, right = (pair, other) if draw(st.booleans()) else (other, pair)
    return both(
        pair,
        f"({left.text} * {right.text})",
        lambda: left.query * right.query,
        lambda: naive.join(left.relation, right.relation),
    )


def draw_aggregation(draw: Draw, data: DataSet, pair: Pair, steps: int) -> Pair:
    """`A.aggr(B, ...)`, either way round."""
    other = draw_pair(draw, data, min(steps, 2))
    groups, source = (pair, other) if draw(st.booleans()) else (other, pair)
    if draw(st.integers(0, 3)):  # now and then as it comes, refused or not
        choices = [(groups, source), (source, groups), (keys_of(groups), source), (groups, keys_of(source))]
        groups, source = next((two for two in choices if fits(*two)), (groups, groups))
    names = list(groups.relation.attributes)
    kept = draw(st.lists(st.sampled_from(names), unique=True)) if names else []
    try:
        naive.aggregate(groups.relation, source.relation, [], {})
    except naive.Refused:
        new: dict[str, Aggregate] = {"n9": Aggregate("count(*)", "int", lambda _, rows: len(rows))}
    else:
        wanted = draw(st.lists(st.sampled_from(["n1", "n4", "n5", "a"]), max_size=2, unique=True))
        new = {name: draw_aggregate(draw, groups.relation, source.relation) for name in wanted}
    texts: dict[str, Any] = {name: term.text for name, term in new.items()}
    shown = ", ".join([source.text, *kept, *(f"{n}={t!r}" for n, t in texts.items())])
    return both(
        pair,
        f"{groups.text}.aggr({shown})",
        lambda: groups.query.aggr(source.query, *kept, **texts),
        lambda: naive.aggregate(groups.relation, source.relation, kept, new),
    )


def keys_of(pair: Pair) -> Pair:
    """A query's keys."""
    return Pair(pair.query.proj(), naive.project(pair.relation, [], {}, {}, {}), f"{pair.text}.proj()")


def fits(groups: Pair, source: Pair) -> bool:
    """Whether rows of one belong to rows of the other."""
    try:
        naive.aggregate(groups.relation, source.relation, [], {})
    except naive.Refused:
        return False
    return True


def draw_top(draw: Draw, _: DataSet, pair: Pair, __: int) -> Pair:
    """`A & Top(limit, order_by, offset)`."""
    order = []
    for _number in range(draw(st.integers(0, 2))):
        term = draw_int(draw, pair.relation, 1) if draw(st.booleans()) else draw_str(draw, pair.relation, 1)
        if term.names:
            order.append((term, draw(st.booleans())))
    limit = draw(st.none() | st.integers(0, 6))
    offset = draw(st.sampled_from([0, 0, 0, 1, 2]))
    texts = [term.text + (" DESC" if descending else "") for term, descending in order]
    return both(
        pair,
        f"({pair.text} & Top({limit}, {texts}, {offset}))",
        lambda: pair.query & dj.Top(limit, texts, offset),
        lambda: naive.top(pair.relation, order, limit, offset),
    )


# --- the property ------------------------------------------------------------------------------------------------


def comparable(rows: list[naive.Row]) -> list[list[tuple[str, str]]]:
    """Rows in an order of their own, so that two lists of them can be compared. Floats to 12 digits."""
    return sorted([sorted((name, _shown(value)) for name, value in row.items()) for row in rows])


def _shown(value: Any) -> str:
    if isinstance(value, float) and math.isfinite(value):
        return repr(float(f"{value:.12g}"))
    return repr(value)


def check_heading(pair: Pair) -> None:
    """The heading has the attributes, key and lineage that it should have."""
    heading = pair.query.heading
    assert set(heading.names) == set(pair.relation.attributes)
    assert set(heading.primary_key) == set(pair.relation.key)
    for name, attribute in pair.relation.attributes.items():
        assert (heading[name].lineage is None) == (attribute.lineage is None), name


def check_rows(pair: Pair, rows: list[naive.Row], engine: str) -> None:
    """The rows are those that should be; the key tells them apart; what cannot be NULL is not."""
    assert comparable(rows) == comparable(pair.relation.rows), engine
    keys = [tuple(row[name] for name in pair.query.primary_key) for row in rows]
    assert len(set(keys)) == len(keys)
    for attribute in pair.query.heading:
        if not attribute.nullable or attribute.name in pair.query.primary_key:
            assert all(row[attribute.name] is not None for row in rows), attribute.name


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)
@given(data=st.data())
@pytest.mark.timeout(0 if EXAMPLES >= 1000 else 120)
def test_rows_are_those_of_the_naive_evaluator(data: st.DataObject, data_sets: list[DataSet]) -> None:
    """Whatever the expression, both engines give the rows, key and heading that design section 6 says."""
    data_set = data_sets[data.draw(st.sampled_from([*range(1, len(data_sets)), *range(len(data_sets))]))]
    pair = draw_pair(data.draw, data_set, STEPS)
    note(pair.text)
    check_heading(pair)
    check_rows(pair, pair.query.to_dicts(order_by=[]), "postgres")
    with data_set.repository.using(data_set.schema):
        check_rows(pair, pair.query.to_dicts(order_by=[]), "duckdb")
    assert len(pair.query) == len(pair.relation.rows)
    assert bool(pair.query) == bool(pair.relation.rows)
