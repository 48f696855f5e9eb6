"""The dialect that user text is read in: MySQL's syntax of expressions, and of nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp
from sqlglot.dialects.mysql import MySQL
from sqlglot.errors import ParseError
from sqlglot.parsers.mysql import MySQLParser

if TYPE_CHECKING:
    from sqlglot.tokenizer_core import Token

_STATEMENT_WORDS = """
ALTER CALL CHARSET CREATE CROSS DELETE DISTINCTROW DROP EXCEPT EXECUTE FETCH FOR FORCE GLOB GRANT HAVING IGNORE
INNER INSERT INTERSECT INTO JOIN KEY LATERAL NOTNULL ON OPTIMIZE OUTER PARTITIONED_BY PREPARE QUALIFY RENAME
REPLACE RETURNING REVOKE ROLLBACK SEPARATOR STRAIGHT_JOIN TABLESAMPLE UNCACHE UNION USING VACUUM VALUES WHERE
"""
"""Words that no expression needs: they are read as names, so that attributes may be called so without backticks."""


def _only(parsers: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: parsers[name] for name in names}


class _Tokenizer(MySQL.Tokenizer):
    KEYWORDS = {k: v for k, v in MySQL.Tokenizer.KEYWORDS.items() if k not in _STATEMENT_WORDS.split()}  # noqa: RUF012


class _Parser(MySQLParser):
    """Every function is left as a plain name, so that the table of functions alone decides what may be called."""

    FUNCTIONS = {}  # noqa: RUF012 - as the parser declares them
    NO_PAREN_FUNCTIONS = {}  # noqa: RUF012
    FUNCTION_PARSERS = _only(MySQLParser.FUNCTION_PARSERS, "CAST", "EXTRACT")
    NO_PAREN_FUNCTION_PARSERS = _only(MySQLParser.NO_PAREN_FUNCTION_PARSERS, "CASE")


class _Terms(MySQL):
    Tokenizer = _Tokenizer
    Parser = _Parser


_TERMS = _Terms()


def tokenize(text: str) -> list[Token]:
    """The words of a text. Raises sqlglot's TokenError."""
    return _TERMS.tokenize(text)


def parse(tokens: list[Token], text: str) -> exp.Expr:
    """The tree of one expression. Raises sqlglot's ParseError: for statements too, which are not in this language."""
    trees = _TERMS.parser().parse_into(exp.Condition, tokens, text)
    if len(trees) != 1 or trees[0] is None:
        raise ParseError(f"not one expression: {text!r}")
    return trees[0]
