"""User text -> the tree of SQL's parser, or why it is not one expression. What of the tree is allowed: parse.py."""

from __future__ import annotations

from typing import Any

from djarrow.errors import InvalidTerm
from djarrow.model.heading import Heading

NO_SUBQUERY = "subqueries are not allowed; restrict by the query: `A & B`."


def beginning(text: str) -> str:
    """As much of a text as a message shows."""
    return text if len(text) <= 60 else text[:57] + "..."


_STATEMENTS = {"SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "DROP", "CREATE", "ALTER", "TRUNCATE", "MERGE", "CALL"}


def tree_of(text: str, heading: Heading) -> Any:
    """The parser's tree of one expression. Statements are never read: the parser starts at a condition."""
    from sqlglot.errors import SqlglotError

    from djarrow.expr import dialect  # imports sqlglot, which `import djarrow` need not wait for

    tokens: list[Any] = []
    try:
        tokens = dialect.tokenize(text)
        _check_tokens(tokens, text)
        return dialect.parse(tokens, text)
    except SqlglotError as error:
        raise InvalidTerm(_syntax_problem(error, tokens, heading), text=beginning(text)) from None


def _check_tokens(tokens: list[Any], text: str) -> None:
    kinds = {token.token_type.name for token in tokens}
    if not tokens:
        raise InvalidTerm("an expression is wanted here, and this is empty.", text=text)
    if any(token.comments for token in tokens):
        raise InvalidTerm("comments are not allowed.", text=beginning(text))
    if "SEMICOLON" in kinds:
        raise InvalidTerm("one expression is wanted here, without `;`.", text=beginning(text))
    if "SELECT" in kinds and tokens[0].token_type.name != "SELECT":
        raise InvalidTerm(NO_SUBQUERY, text=beginning(text))


def _syntax_problem(error: Any, tokens: list[Any], heading: Heading) -> str:
    """What the parser could not read, in the words of who wrote the text."""
    problems = getattr(error, "errors", None) or [{}]
    place = problems[0].get("highlight")
    if tokens and tokens[0].text.upper() in _STATEMENTS and tokens[0].text not in heading:
        return "statements are not allowed; one expression is wanted here."
    plain = {"VAR", "IDENTIFIER", "STRING", "NUMBER"}
    reserved = next((t.text for t in tokens if t.text in heading and t.token_type.name not in plain), None)
    if reserved is not None:
        return (
            f"{reserved!r} may be a word of SQL here; if the attribute is meant, write it in backticks, `{reserved}`."
        )
    return f"this is not one expression; it cannot be read at {place!r}." if place else "this is not one expression."
