"""What the compiler relies on in sqlglot. A release that changes one of these is seen here first."""

from __future__ import annotations

import re
from importlib.metadata import version

import pytest
import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, ParseError, UnsupportedError

from djarrow.expr import dialect

DIALECTS = ("postgres", "duckdb")


def text(node: exp.Expr, name: str = "postgres") -> str:
    """A node as the compiler writes it."""
    return node.sql(dialect=name, unsupported_level=ErrorLevel.RAISE)


def column(name: str) -> exp.Column:
    """A quoted column."""
    return exp.Column(this=exp.Identifier(this=name, quoted=True))


def test_version_is_the_pinned_one() -> None:
    """The tree's classes and arguments are those of this minor version."""
    assert version("sqlglot").startswith("30.30.")


def test_bare_division_adds_a_cast_and_typed_does_not() -> None:
    """A division is written as it stands only when it is marked as typed."""
    assert "CAST" in text(sqlglot.parse_one("a / b", dialect="mysql"))
    for name in DIALECTS:
        assert text(exp.Div(this=column("a"), expression=column("b"), typed=True), name) == '"a" / "b"'


def test_order_says_where_nulls_go() -> None:
    """Ordered needs nulls_first: without it the generator cannot know what was meant."""
    last = exp.Ordered(this=column("a"), desc=True, nulls_first=False)
    assert text(last, "postgres") == '"a" DESC NULLS LAST'
    assert text(last, "duckdb") == '"a" DESC'
    assert text(exp.Ordered(this=column("a"), desc=True, nulls_first=True), "postgres") == '"a" DESC'
    assert text(exp.Ordered(this=column("a"), desc=False, nulls_first=False), "postgres") == '"a" ASC'


def test_placeholders_are_not_used_for_values() -> None:
    """A placeholder prints as `%s` for PostgreSQL, so that values have marks of our own, printed as they are."""
    assert text(exp.Placeholder()) == "%s"
    assert text(exp.Var(this="\x007\x00")) == "\x007\x00"


def test_convert_loses_nan() -> None:
    """The library's own literals turn NaN into NULL, so that ours are written in sql/literals.py."""
    assert text(exp.convert(float("nan"))) == "NULL"


def test_unsupported_constructs_raise_only_when_told() -> None:
    """What a dialect cannot say is dropped with a warning unless the level is RAISE."""
    tree = sqlglot.parse_one("SELECT ARRAY_AGG(a IGNORE NULLS) FROM t", dialect="bigquery")
    with pytest.raises(UnsupportedError):
        text(tree, "mysql")


def test_arguments_of_select() -> None:
    """FROM is the argument `from_`, and clauses come out in the order of SQL."""
    tree = exp.Select(
        expressions=[column("a")],
        from_=exp.From(this=exp.Table(this=exp.Identifier(this="t", quoted=True))),
        where=exp.Where(this=exp.Boolean(this=True)),
        order=exp.Order(expressions=[exp.Ordered(this=column("a"), desc=False, nulls_first=False)]),
        limit=exp.Limit(expression=exp.Literal.number(1)),
        offset=exp.Offset(expression=exp.Literal.number(2)),
    )
    for name in DIALECTS:
        assert text(tree, name) == 'SELECT "a" FROM "t" WHERE TRUE ORDER BY "a" ASC LIMIT 1 OFFSET 2'


def test_long_chains_are_written_without_recursion() -> None:
    """A conjunction of thousands of conditions is written."""
    tree: exp.Expr = exp.Boolean(this=True)
    for _ in range(5000):
        tree = exp.And(this=tree, expression=exp.Boolean(this=False))
    assert text(tree).count("AND") == 5000


def test_user_defined_types_are_written_as_they_are() -> None:
    """A type of ours reaches the text unchanged."""
    kind = exp.DataType(this=exp.DataType.Type.USERDEFINED, kind="numeric(38,0)")
    assert text(exp.Cast(this=column("a"), to=kind)) == 'CAST("a" AS numeric(38,0))'
    assert text(exp.TryCast(this=column("a"), to=kind), "duckdb") == 'TRY_CAST("a" AS numeric(38,0))'


def test_operators_of_both_dialects() -> None:
    """The nodes that have another name in another dialect are written as meant."""
    a, b = column("a"), column("b")
    written = {
        exp.NullSafeEQ: ('"a" IS NOT DISTINCT FROM "b"',) * 2,
        exp.Mod: ('"a" % "b"',) * 2,
        exp.DPipe: ('"a" || "b"',) * 2,
        exp.ILike: ('"a" ILIKE "b"',) * 2,
        exp.RegexpLike: ('"a" ~ "b"', 'REGEXP_MATCHES("a", "b")'),
        exp.IntDiv: (None, '"a" // "b"'),
    }
    for kind, wanted in written.items():
        for name, expected in zip(DIALECTS, wanted, strict=True):
            if expected is not None:
                assert text(kind(this=a.copy(), expression=b.copy()), name) == expected


def test_names_of_attributes_are_escaped() -> None:
    """A quote in a quoted name is doubled."""
    assert text(column('a"b')) == '"a""b"'


def test_the_parser_alone_admits_what_we_refuse() -> None:
    """Any function and any subquery parses: what may be used is decided after parsing."""
    for written in ("pg_sleep(10)", "a IN (SELECT 1)", "sum(a) OVER ()", "a = (SELECT 1)"):
        assert sqlglot.parse_one(written, dialect="mysql") is not None


def test_our_dialect_reads_functions_as_plain_names() -> None:
    """No function but CAST and EXTRACT has syntax of its own, and none is known to the parser."""
    for written in ("left(a, 1)", "if(a, 1, 2)", "replace(a, 'b', 'c')", "date(a)", "count(*)", "sum(a)", "values(a)"):
        tree = dialect.parse(dialect.tokenize(written), written)
        assert type(tree) is exp.Anonymous, written
        assert re.match(tree.name, written)


def test_our_dialect_reads_no_statements() -> None:
    """The parser starts at a condition, so that a statement is a syntax error and not a tree."""
    for written in ("SELECT 1", "DROP TABLE t", "INSERT INTO t VALUES (1)", "SET a = 1 b", "a AS b"):
        with pytest.raises(ParseError):
            dialect.parse(dialect.tokenize(written), written)


def test_comments_stay_on_tokens() -> None:
    """The tokenizer keeps comments on tokens, where they are found and refused."""
    for written in ("a -- x", "a /* x */ + b", "a # x", "a + /*! x */ b"):
        assert any(token.comments for token in dialect.tokenize(written)), written


def test_statement_words_are_names() -> None:
    """Attributes called key, values or replace are read as names."""
    for name in (
        "key",
        "values",
        "replace",
        "where",
        "join",
        "on",
        "insert",
        "comment",
        "order",
        "group",
        "desc",
        "user",
    ):
        tree = dialect.parse(dialect.tokenize(f"{name} = 1"), f"{name} = 1")
        assert isinstance(tree, exp.EQ)
        assert isinstance(tree.this, exp.Column)
        assert tree.this.name == name
