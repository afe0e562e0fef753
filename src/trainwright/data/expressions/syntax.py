"""The text of an expression as a tree: Python's own grammar, of which few parts are allowed; nothing is executed."""

from __future__ import annotations

import ast
import keyword
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from trainwright.config.errors import ConfigError, did_you_mean

MOST_CHARACTERS = 2_000
MOST_DEPTH = 40
SHOWN = 70
"""Characters of an expression that an error shows round the place it names."""

WORDS = ("and", "or", "not", "in", "is", "if", "else", "True", "False", "None")
"""Words with a meaning of their own; any other word of Python is a column's name: `class`, `from`."""

TOKEN = re.compile(
    r"""(?P<text>[rR]?(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"))|(?P<quoted>`[^`]*`)|(?P<word>[^\W\d]\w*)|(?P<comment>\#)""", re.S
)

ALLOWED = (
    *(ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.UAdd, ast.IfExp, ast.Constant, ast.Load),
    *(ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.Name, ast.Call, ast.List, ast.Tuple),
    *(ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn),
)
"""What an expression may be made of."""

THERE_ARE = "there are + - * / // % **, comparisons, and, or, not, in, if … else, functions"
NOT_ALLOWED: dict[type, tuple[str, str]] = {
    ast.Attribute: ("a dot has no meaning here", "put a name with a dot in backticks: `a.b`; functions stand before: lower(name)"),
    ast.Subscript: ("square brackets after a name have no meaning here", "put a name with brackets in backticks: `a[0]`"),
    ast.Is: ("`is` has no meaning here", "write missing(column), or not missing(column)"),
    ast.IsNot: ("`is` has no meaning here", "write missing(column), or not missing(column)"),
    ast.BitAnd: ("'&' has no meaning here", "write `and`"),
    ast.BitOr: ("'|' has no meaning here", "write `or`"),
    ast.BitXor: ("'^' has no meaning here", "write ** for a power"),
    ast.Invert: ("'~' has no meaning here", "write `not`"),
}
"""Parts that people try, what is wrong with them, and what to write."""


@dataclass(frozen=True)
class Expression:
    """A text that was read: its tree, and the columns it names."""

    text: str
    where: str
    """The option it was given as: `data.where`, `data.derive.bmi`."""
    body: ast.expr
    """The tree; every name in it is the name of a column or a function."""
    places: dict[int, int]
    """Where a character of the tree (in bytes of its line) is in the text."""

    @cached_property
    def columns(self) -> list[str]:
        """Names of the columns, each once, in the order they come."""
        functions = {id(node.func) for node in ast.walk(self.body) if isinstance(node, ast.Call)}
        names = [node for node in ast.walk(self.body) if isinstance(node, ast.Name) and id(node) not in functions]
        return list(dict.fromkeys(node.id for node in sorted(names, key=lambda node: node.col_offset)))

    def refusal(self, what: str, node: ast.AST | None = None, why: str = "", fix: str = "") -> ConfigError:
        """An error that shows the expression, with a caret under `node`."""
        at = self.places.get(getattr(node, "col_offset", -1), -1) if node is not None else -1
        shown = point_at(self.text, at) if at >= 0 else self.text[:SHOWN]
        return ConfigError(what, where=self.where, why=f"{why}\n       {shown}" if why else shown, fix=fix)

    def show(self, node: ast.AST) -> str:
        """A part of the expression as it was written."""
        first, last = (self.places.get(getattr(node, name, -1), -1) for name in ("col_offset", "end_col_offset"))
        return self.text[first:last] if 0 <= first < last else self.text

    def terms(self) -> list[Expression]:
        """The conditions that all have to hold: the expression at its outermost `and`s."""
        if not (isinstance(self.body, ast.BoolOp) and isinstance(self.body.op, ast.And)):
            return [self]
        parts = [Expression(self.text, self.where, value, self.places) for value in self.body.values]
        return [term for part in parts for term in part.terms()]


def parse_expression(text: str, where: str) -> Expression:
    """The expression of a text; raises ConfigError, with the place in it, for what cannot be read or is not allowed."""
    text = " ".join(text.split("\n")).strip()
    if not text:
        raise ConfigError("the expression is empty", where=where, fix="write a condition such as age >= 18, or leave it out")
    if len(text) > MOST_CHARACTERS:
        why = f"it has {len(text):,} characters, and {MOST_CHARACTERS:,} are allowed"
        raise ConfigError("the expression is too long", where=where, why=why, fix="make columns of its parts with data.derive")
    code, names = _as_python(text, where)
    tree, places = _parse(code, text, where), _places(code)
    expression = Expression(text, where, tree.body, places)
    _ensure_depth(tree, expression)
    for node in ast.walk(tree):
        _ensure_allowed(node, expression)
        if isinstance(node, ast.Name):
            start, end = places[node.col_offset], places[node.end_col_offset or 0]
            node.id = names.get((start, end), text[start:end])
    return expression


def point_at(text: str, at: int) -> str:
    """A text, or what is round the place `at` of a long one, with a caret in a second line."""
    first = max(0, min(at - SHOWN // 2, len(text) - SHOWN))
    shown = text[first : first + SHOWN]
    return f"{shown}\n       {' ' * (at - first)}^"


def _as_python(text: str, where: str) -> tuple[str, dict[tuple[int, int], str]]:
    """The text with every quoted name and every reserved word made an ordinary name of the same length, and which column each is."""
    names: dict[tuple[int, int], str] = {}

    def replace(found: re.Match[str]) -> str:
        word = found[0]
        if found.lastgroup == "comment":
            raise _at(text, found.start(), "'#' stands outside a text", where, "put texts in quotes: '#'")
        if found.lastgroup == "quoted":
            if word == "``":
                raise _at(text, found.start(), "a name in backticks is empty", where, "write the column's name: `a name`")
            names[found.span()] = word[1:-1]
            return "_" * len(word)
        if found.lastgroup == "word" and keyword.iskeyword(word) and word not in WORDS:
            names[found.span()] = word
            return "_" * len(word)
        return word

    return TOKEN.sub(replace, text), names


def _parse(code: str, text: str, where: str) -> ast.Expression:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes such as \d, which patterns have and Python's texts do not
            return ast.parse(code, mode="eval")
    except SyntaxError as error:
        at = min(max((error.offset or 1) - 1, 0), len(text))
        fix = "write == to compare" if re.search(r"(?<![<>=!])=(?!=)", code) else "put texts in quotes, and names with blanks in backticks"
        raise _at(text, at, f"this is no expression: {error.msg or 'it cannot be read'}", where, fix) from error
    except (ValueError, MemoryError, RecursionError) as error:
        raise ConfigError("this is no expression", where=where, why=str(error) or "it is too deep", fix="make it simpler") from error


def _at(text: str, at: int, what: str, where: str, fix: str) -> ConfigError:
    return ConfigError(what, where=where, why=point_at(text, at), fix=fix)


def _places(code: str) -> dict[int, int]:
    """Byte of the one line → character: what the tree counts in, and what a person does."""
    places, byte = {}, 0
    for place, character in enumerate(code):
        places[byte] = place
        byte += len(character.encode("utf-8", "surrogatepass"))
    return places | {byte: len(code)}


def _ensure_depth(tree: ast.AST, expression: Expression) -> None:
    level, depth = [tree], 0
    while level:
        depth += 1
        if depth > MOST_DEPTH:
            raise expression.refusal("the expression is too deep", level[0], fix="make columns of its parts with data.derive")
        level = [child for node in level for child in ast.iter_child_nodes(node)]


def _ensure_allowed(node: ast.AST, expression: Expression) -> None:
    if isinstance(node, ast.Call):
        if not isinstance(node.func, ast.Name):
            raise expression.refusal("only functions with a name can be called", node, fix="write function(column, …)")
        if node.keywords:
            raise expression.refusal("functions take no named arguments", node, fix="give the values alone, in their order")
    for part in (node, getattr(node, "op", None), *getattr(node, "ops", ())):  # a sign has no place of its own
        if part is not None and not isinstance(part, ALLOWED):
            usual = (
                f"{type(part).__name__} has no meaning here",
                THERE_ARE,
            )
            what, fix = NOT_ALLOWED.get(type(part), usual)
            raise expression.refusal(what, node, fix=fix)


def unknown_column(expression: Expression, name: str, known: list[str]) -> ConfigError:
    """The refusal of a name that is no column."""
    node = next((each for each in ast.walk(expression.body) if isinstance(each, ast.Name) and each.id == name), None)
    near = did_you_mean(name, known)
    return expression.refusal(f"'{name}' is not a column of the data", node, fix=f"{near}; a text stands in quotes: '{name}'")


def expression_columns(where: str, derive: Mapping[str, str]) -> set[str]:
    """All columns that expressions name."""
    texts = [*([where] if where else []), *derive.values()]
    return {name for text in texts for name in parse_expression(text, "").columns}


def ensure_condition(where: str) -> str:
    """The text of a condition; raises ConfigError where it cannot be read, before any data are."""
    if where:
        read = parse_expression(where, "")
        if isinstance(read.body, ast.Constant | ast.List | ast.Tuple):
            raise read.refusal("this is no condition", read.body, fix="compare a column with it: age >= 18, class in ['a', 'b']")
    return where


def ensure_derivations(derive: Mapping[str, str]) -> Mapping[str, str]:
    """The texts of derived columns; raises ConfigError for the first that has no name or cannot be read."""
    for name, text in derive.items():
        if not name.strip():
            raise ConfigError("a derived column has no name", fix="name it: derive: {bmi: weight / height ** 2}")
        parse_expression(text, name)
    return derive
