"""The dialect that user text is read in: MySQL's syntax of expressions, and of nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp
from sqlglot.dialects.mysql import MySQL
from sqlglot.errors import ParseError
from sqlglot.parsers.mysql import MySQLParser
from sqlglot.tokenizer_core import TokenType

if TYPE_CHECKING:
    from sqlglot.tokenizer_core import Token

_STATEMENT_WORDS = """
ALTER CALL CHARSET CREATE CROSS DELETE DISTINCTROW DROP EXCEPT EXECUTE FETCH FOR FORCE GLOB GRANT HAVING IGNORE
INNER INSERT INTERSECT INTO JOIN KEY LATERAL NOTNULL ON OPTIMIZE OUTER PARTITIONED_BY PREPARE QUALIFY RENAME
REPLACE RETURNING REVOKE ROLLBACK SEPARATOR STRAIGHT_JOIN TABLESAMPLE UNCACHE UNION USING VACUUM VALUES WHERE
"""
"""Words that no expression needs: they are read as names, so that attributes may be called so without backticks."""

_TYPE_WORDS = """
ARRAY LIST MAP NESTED OBJECT STRUCT INT4RANGE INT4MULTIRANGE INT8RANGE INT8MULTIRANGE NUMRANGE NUMMULTIRANGE TSRANGE
TSMULTIRANGE TSTZRANGE TSTZMULTIRANGE DATERANGE DATEMULTIRANGE VARIANT
"""
"""Types that are not for casts, and whose brackets would hide those of a path: `doc.list[0]`."""


def _only(parsers: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: parsers[name] for name in names}


class _Tokenizer(MySQL.Tokenizer):
    KEYWORDS = {k: v for k, v in MySQL.Tokenizer.KEYWORDS.items() if k not in (_STATEMENT_WORDS + _TYPE_WORDS).split()}  # noqa: RUF012


class _Parser(MySQLParser):
    """Every function is left as a plain name, so that the table of functions alone decides what may be called."""

    ARRAY_CONSTRUCTORS = {}  # noqa: RUF012 - `doc.list[0]` is a path
    LAMBDAS = {}  # noqa: RUF012 - `doc -> '$.a'` is a path in arguments too
    FUNCTIONS = {}  # noqa: RUF012 - as the parser declares them
    NO_PAREN_FUNCTIONS = {}  # noqa: RUF012
    FUNCTION_PARSERS = {  # noqa: RUF012
        **_only(MySQLParser.FUNCTION_PARSERS, "CAST", "EXTRACT", "TRIM", "POSITION"),
        "SUBSTRING": lambda self: self.substring(),
        "GROUP_CONCAT": lambda self: self.ordered_aggregate("group_concat"),
        "STRING_AGG": lambda self: self.ordered_aggregate("string_agg"),
    }
    NO_PAREN_FUNCTION_PARSERS = _only(MySQLParser.NO_PAREN_FUNCTION_PARSERS, "CASE")

    def substring(self) -> exp.Expr:
        """`substring(x from 2 for 3)` as `substring(x, 2, 3)`."""
        arguments: list[exp.Expr | None] = [*self._parse_csv(self._parse_disjunction)]
        if self._match(TokenType.FROM):
            arguments.append(self._parse_disjunction())
        if self._match_text_seq("FOR"):
            arguments.append(self._parse_disjunction())
        return exp.Anonymous(this="substring", expressions=arguments)

    def ordered_aggregate(self, name: str) -> exp.Expr:
        """`group_concat(distinct x order by y desc separator ', ')`, of which the word separator is no keyword here."""
        distinct = bool(self._match(TokenType.DISTINCT))
        arguments = self._parse_csv(self._parse_disjunction)
        order = self._parse_order()
        separator = self._parse_string() if self._match_text_seq("SEPARATOR") else None
        return exp.Anonymous(this=name, expressions=arguments, distinct=distinct, order=order, separator=separator)


class _Terms(MySQL):
    Tokenizer = _Tokenizer
    Parser = _Parser

    def to_json_path(self, path: exp.Expr | None) -> exp.Expr | None:
        """Paths into JSON stay strings: expr/paths.py reads them, and says what is wrong with one."""
        return path


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
