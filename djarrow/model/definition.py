"""Definition text -> the lines it says, by the grammar of definition.lark. What they mean is spec.py's question."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from attrs import frozen

from djarrow.errors import DefinitionError, DefinitionSyntaxError
from djarrow.model.names import UNKEPT
from djarrow.model.types import AttributeType, Parameter, attribute_type

if TYPE_CHECKING:
    import lark


@frozen
class AttributeLine:
    """`name : type = default  # comment`. default is the text, and quoted says whether it stood in quotes."""

    line: int
    name: str
    type_name: str
    parameters: tuple[Parameter, ...]
    default: str | None
    quoted: bool
    comment: str


@frozen
class ReferenceLine:
    """`-> [options] Class.proj(new='old')`. renames maps the parent's attribute to its name here."""

    line: int
    reference: str
    options: frozenset[str]
    renames: tuple[tuple[str, str], ...]


@frozen
class IndexLine:
    """`unique index (a, b)`."""

    line: int
    unique: bool
    attributes: tuple[str, ...]


Line = AttributeLine | ReferenceLine | IndexLine


@frozen
class Definition:
    """What a definition text says: the table's comment, the lines above the divider, and those below it."""

    comment: str
    key: tuple[Line, ...]
    secondary: tuple[Line, ...]


def parse_definition(text: str, *, table: str) -> Definition:
    """Parse the text of a definition; table is named in errors.

    Raises DefinitionSyntaxError, with line, column, text and what was expected. Without a divider all attributes
    are the key, as in definitions written for DataJoint-Python.
    """
    comment: str | None = None
    above: list[Line] = []
    below: list[Line] | None = None
    for number, source in enumerate(_LINE_END.split(text), 1):
        parsed = _parse_line(source, number, table)
        if isinstance(parsed, str):
            comment = parsed if comment is None and not above and below is None else comment
        elif parsed is _DIVIDER:
            if below is not None:
                raise DefinitionError("there is a second `---`; a table has one.", table=table, line=number)
            below = []
        elif parsed is not None:
            (above if below is None else below).append(parsed)
    return Definition(comment or "", tuple(above), tuple(below or ()))


def parse_type(text: str, *, table: str) -> AttributeType:
    """A type as a definition writes it: `decimal(7,4)`. Raises DefinitionSyntaxError or UnknownType."""
    line = _parse_line(f"x : {text}", 1, table)
    return attribute_type(line.type_name, line.parameters, table=table)


_DIVIDER: Any = object()
_LINE_END = re.compile(r"\r\n|\r|\n")  # str.splitlines also cuts comments at separators that only Unicode knows

_EXPECTED = {
    "NAME": "an attribute name",
    "CLASS_NAME": "a class name",
    "TYPE_WORD": "a type",
    "STRING": "a string in quotes",
    "INTEGER": "a number",
    "PLAIN": "a default value",
    "OPTION": "`nullable` or `unique`",
    "REMARK": "a `# comment`",
    "DIVIDER": "`---`",
    "INDEX": "`index (...)`",
    "UNIQUE": "`unique index (...)`",
    "COLON": "`:`",
    "EQUAL": "`=`",
    "LPAR": "`(`",
    "RPAR": "`)`",
    "LSQB": "`[`",
    "RSQB": "`]`",
    "COMMA": "`,`",
    "__ANON_0": "`->`",
    "__ANON_1": "`.proj(`",
    "$END": "the end of the line",
}


@cache
def _parser() -> lark.Lark:
    import lark

    grammar = files(__package__).joinpath("definition.lark").read_text("utf-8")
    return lark.Lark(grammar, start="line", parser="lalr", lexer="contextual", maybe_placeholders=True)


def _parse_line(source: str, number: int, table: str) -> Any:
    """A Line; the text of a remark; _DIVIDER; or None for a blank line."""
    import lark

    if found := UNKEPT.search(source):
        text = f"the line holds {found[0]!r}, which no text of PostgreSQL can."
        raise DefinitionError(text, table=table, line=number)
    try:
        tree = _parser().parse(source)
    except lark.UnexpectedInput as error:
        raise _syntax_error(error, source, number, table) from None
    statement = tree.children[0]
    if not isinstance(statement, lark.Tree):  # pragma: no cover - the grammar has only trees here
        raise DefinitionError("the line cannot be read.", table=table, line=number)
    return _STATEMENTS[statement.data](number, statement.children)


def _syntax_error(error: lark.UnexpectedInput, source: str, number: int, table: str) -> DefinitionSyntaxError:
    import lark

    match error:
        case lark.UnexpectedCharacters():
            expected, column = error.allowed, error.column
        case lark.UnexpectedToken():
            expected = error.accepts or error.expected
            column = len(source.rstrip()) + 1 if error.token.type == "$END" else error.column
        case _:
            expected, column = set(), len(source) + 1
    words = sorted({_EXPECTED.get(name, name) for name in expected or ()} - {"a `# comment`"})
    return DefinitionSyntaxError(table=table, line=number, column=column, text=source, expected=tuple(words))


def _remark(token: Any) -> str:
    return "" if token is None else str(token)[1:].strip()


def _unquote(text: str) -> str:
    """The content of a string: a backslash or a doubled quote stands for the character after it."""
    quote = text[0]
    return re.sub(rf"\\(.)|{quote}{quote}", lambda match: match[1] or quote, text[1:-1])


def _attribute_line(number: int, name: Any, kind: Any, default: Any, remark: Any) -> AttributeLine:
    word, parameters, modifier = kind.children
    token = None if default is None else default.children[0]
    quoted = token is not None and token.type == "STRING"
    return AttributeLine(
        line=number,
        name=str(name),
        type_name=str(word) if modifier is None else f"{word} {modifier}",
        parameters=() if parameters is None else tuple(_parameter(p) for p in parameters.children),
        default=None if token is None else _unquote(token) if quoted else str(token),
        quoted=quoted,
        comment=_remark(remark),
    )


def _parameter(token: Any) -> Parameter:
    return int(token) if token.type == "INTEGER" else _unquote(token)


def _type_first(number: int, children: list[Any]) -> AttributeLine:
    name, kind, default, remark = children
    return _attribute_line(number, name, kind, default, remark)


def _default_first(number: int, children: list[Any]) -> AttributeLine:
    name, default, kind, remark = children
    return _attribute_line(number, name, kind, default, remark)


def _reference(number: int, children: list[Any]) -> ReferenceLine:
    options, name, renames, _ = children
    pairs = () if renames is None else tuple(_rename(rename.children) for rename in renames.children if rename)
    chosen = frozenset() if options is None else frozenset(str(option).lower() for option in options.children)
    return ReferenceLine(number, str(name), chosen, pairs)


def _rename(children: list[Any]) -> tuple[str, str]:
    new, old = children
    return (_unquote(old) if old.type == "STRING" else str(old)), str(new)


def _index(number: int, children: list[Any]) -> IndexLine:
    unique, _, *names, _ = children
    return IndexLine(number, unique is not None, tuple(map(str, names)))


_STATEMENTS: dict[str, Any] = {
    "attribute": _type_first,
    "attribute_default_first": _default_first,
    "reference": _reference,
    "index": _index,
    "divider": lambda *_: _DIVIDER,
    "remark": lambda _, children: _remark(children[0]),
    "blank": lambda *_: None,
}
