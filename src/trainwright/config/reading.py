"""YAML files and literals read by the rules of YAML 1.2, with the place of every value kept."""

from __future__ import annotations

import ast
import math
import re
from pathlib import Path
from typing import Any

import yaml

from trainwright.config.errors import ConfigError, ManyErrors, RequestError, nearest
from trainwright.config.limits import refuse_depth, refuse_digits, refuse_repeated
from trainwright.config.places import Node, Place, node_of
from trainwright.config.text_files import read_text
from trainwright.config.yaml_nodes import CORE, FLOAT, INTEGER, SCALARS, compose

MOST_TUPLE = 10_000
"""Characters of a tuple; longer lists are kept in files."""
SIMPLE = ("str", *(kind for kind, _, _ in SCALARS))
"""Tags of single values that may be written out, as in `!!str 3`."""


def read_yaml(path: Path, shown: str = "", problems: list[RequestError] | None = None) -> Node:
    """The mapping in a YAML file; raises ConfigError naming line and column of what is wrong; `problems` as for `parse_yaml`."""
    shown = shown or str(path)
    node = parse_yaml(read_text(path, shown, missing=_similar), shown, problems)
    if node.value is None:
        return Node({}, node.place)
    if not isinstance(node.value, dict):
        raise ConfigError(f"the file holds {kind_of(node.value)}, not options", where=str(node.place), fix="write `key: value` lines")
    return node


def parse_yaml(text: str, name: str, problems: list[RequestError] | None = None) -> Node:
    """The value that YAML text holds; raises ConfigError with `name:line:column`.

    Of a key given twice the first value is taken; each such key is added to `problems`, or raised (as ManyErrors) where there are none.
    """
    try:
        root = compose(text)
    except ConfigError as error:
        raise ConfigError(error.what, where=f"{name}:{error.where}", why=error.why, fix=error.fix) from error
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, name, text) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        what = f"character {error.character!r} is not allowed in YAML"
        raise ConfigError(what, where=f"{name}:{line}", fix="take it out, or save the file as UTF-8 text") from error
    if root is None:
        return Node(None, Place(name, 1, 1))
    builder = _Builder(name)
    node = builder.build(root)
    if problems is not None:
        problems += builder.errors
    elif builder.errors:
        raise builder.errors[0] if len(builder.errors) == 1 else ManyErrors(builder.errors)
    return node


def literal(text: str, place: Place) -> Node:
    """The value of an override: a list, mapping, tuple or quoted text, else a plain value.

    Raises ConfigError where a bracket or quote is open.
    """
    stripped = text.strip()
    if (values := read_tuple(stripped)) is not None:
        return node_of(values, place)
    if not stripped.startswith(("[", "{", '"', "'")) or stripped in ("[", "{", '"', "'"):
        return Node(_plain_value(stripped, str(place)), place, place)
    try:
        node = parse_yaml(stripped, "value")
    except ConfigError as error:
        raise ConfigError(
            f"the value is not valid YAML: {text}", where=str(place), why=error.what, fix="quote the argument in the shell"
        ) from error
    for each in node.walk():
        each.place = each.key = place
    return node


def read_tuple(text: str) -> list[Any] | None:
    """`(64, 64)` as Python and YACS write it, as a list; None for other text, such as `(a, b)`: words in it are quoted."""
    if not (text.startswith("(") and text.endswith(")")) or len(text) > MOST_TUPLE:
        return None
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    return _as_list(found) if isinstance(found, tuple) and _is_plain(found) else None


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(each) for each in value)
    return value is None or isinstance(value, bool | int | float | str)


def _as_list(value: list[Any] | tuple[Any, ...]) -> list[Any]:
    return [_as_list(each) if isinstance(each, list | tuple) else each for each in value]


def _plain_value(text: str, where: str) -> Any:
    kind = next((kind for kind, pattern, _ in SCALARS if pattern.fullmatch(text)), "str")
    return text if kind in ("str", "merge") else _read_scalar(kind, text, where)


def _read_scalar(kind: str, text: str, where: str) -> Any:
    """A scalar as the Python value of its kind; raises ConfigError for text that is none of that kind, and numbers out of all range."""
    if kind == "null" and text in ("", "~", "null", "Null", "NULL"):
        return None
    if kind == "bool" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if kind == "int" and INTEGER.fullmatch(text):
        refuse_digits(text, where)
        return int(text, 0) if text.startswith(("0o", "0x")) else int(text)
    if kind == "float" and (FLOAT.fullmatch(text) or INTEGER.fullmatch(text)):
        value = float(re.sub(r"\.(inf|nan)", r"\1", text.lower()))
        if math.isinf(value) and "inf" not in text.lower():
            raise ConfigError(f"{text[:40]} is too large for a number", where=where, fix="write at most 1.7e308, or .inf if it is meant")
        return value
    raise ConfigError(
        f"'{text[:40]}' is not what its tag says",
        where=where,
        why=f"the tag is !!{kind}",
        fix="leave the tag out",
    )


def kind_of(value: Any) -> str:
    """A value's kind in plain words."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    return f"'{value}'" if isinstance(value, str) else str(value)


class _Builder:
    """Nodes of PyYAML → nodes with places; duplicate keys are collected."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.errors: list[RequestError] = []
        self.open: set[int] = set()
        self.seen: set[int] = set()
        self.repeated = 0

    def place(self, mark: Any) -> Place:
        return Place(self.name, mark.line + 1, mark.column + 1)

    def build(self, node: yaml.Node) -> Node:
        place = self.place(node.start_mark)
        self.repeated += id(node) in self.seen
        self.seen.add(id(node))
        refuse_repeated(self.repeated, str(place))
        if id(node) in self.open:
            raise ConfigError("an alias refers to the mapping or list it is in", where=str(place), fix="remove the alias")
        if isinstance(node, yaml.ScalarNode):
            return Node(self.scalar(node, place), place)
        self.refuse_tag(node, ("map",) if isinstance(node, yaml.MappingNode) else ("seq",), place)
        self.open.add(id(node))
        refuse_depth(len(self.open), str(place))  # aliases of aliases are deep without brackets
        value = self.mapping(node, place) if isinstance(node, yaml.MappingNode) else [self.build(each) for each in node.value]
        self.open.discard(id(node))
        return Node(value, place)

    def mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Node]:
        own: dict[str, Node] = {}
        merged: dict[str, Node] | None = None
        for key, value in node.value:
            at = self.place(key.start_mark)
            if not isinstance(key, yaml.ScalarNode):
                fix = "write `key: value`; quote a key that begins with [ or {"
                raise ConfigError("a key must be text, not a list or a mapping", where=str(at), fix=fix)
            self.refuse_tag(key, SIMPLE, at)
            if key.tag == CORE + "merge" and key.value == "<<":
                if merged is not None:
                    self.errors.append(ConfigError("'<<' is given twice", where=str(at), fix="write both in one: `<<: [*first, *second]`"))
                merged = self.merge(value, at) if merged is None else merged
                continue
            if key.value in own:
                first = own[key.value].key
                what = f"'{key.value}' is given twice"
                self.errors.append(ConfigError(what, where=str(at), why=f"it was given before at {first}", fix="keep one of them"))
                continue
            built = self.build(value)
            own[key.value] = Node(built.value, built.place, at)
        return {**(merged or {}), **own}

    def refuse_tag(self, node: yaml.Node, allowed: tuple[str, ...], place: Place) -> None:
        if not (node.tag.startswith(CORE) and node.tag.removeprefix(CORE) in allowed):
            fix = "write plain values; nothing in a config is run as code"
            raise ConfigError(f"the tag '{node.tag.replace(CORE, '!!')}' is not allowed", where=str(place), fix=fix)

    def merge(self, node: yaml.Node, place: Place) -> dict[str, Node]:
        built = self.build(node)
        several = built.value[::-1] if isinstance(built.value, list) else [built]
        if not all(isinstance(each.value, dict) for each in several):
            raise ConfigError(
                "`<<` merges mappings only", where=str(place), fix="give it an alias of a mapping, for example `<<: *defaults`"
            )
        return {key: value for each in several for key, value in each.value.items()}

    def scalar(self, node: yaml.ScalarNode, place: Place) -> Any:
        self.refuse_tag(node, SIMPLE, place)
        kind = node.tag.removeprefix(CORE)
        return node.value if kind in ("str", "merge") else _read_scalar(kind, node.value, str(place))


def _syntax_error(error: yaml.MarkedYAMLError, name: str, text: str) -> ConfigError:
    mark = error.problem_mark or error.context_mark
    where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
    problem = error.problem or "it cannot be read"
    lines = text.splitlines()
    line = lines[mark.line] if mark and mark.line < len(lines) else ""
    fix = ""
    if "\\t" in problem or "\t" in line:
        problem, fix = "a tab", "indent with spaces"
    elif "mapping values are not allowed" in problem:
        fix = "quote a text that holds ': ', and indent what belongs together alike"
    elif "expected ',' or" in problem or "<stream end>" in problem or "end of stream" in problem:
        fix = "close every bracket and quote"
        reference = re.match(r"\$\{[^}]*\}", line[mark.column - 1 :]) if mark and mark.column else None
        fix = f'quote a reference inside braces: "{reference[0]}"' if reference else fix
    elif "could not find expected ':'" in problem:
        fix = "write `key: value`, with a space after the colon"
    elif "undefined alias" in problem or "scanning an alias" in str(error.context):
        fix = "quote a text that begins with '*'"
    elif "expected a single document" in str(error.context):
        problem, fix = "a second document begins here", "keep one document in a file"
    context = f"{error.context}" if error.context and error.context_mark and error.context_mark.line != (mark.line if mark else -1) else ""
    why = f"{context}, begun in line {error.context_mark.line + 1}" if context and error.context_mark else ""
    fix = fix or "quote a text that holds special characters"
    return ConfigError(f"not valid YAML: {problem}", where=where, why=why, fix=fix)


def _similar(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"the folder '{folder}' does not exist"
    stems = {each.stem: each.name for each in sorted(folder.iterdir()) if each.suffix in (".yaml", ".yml")}
    close = nearest(path.stem, stems)
    if close:
        return f"did you mean '{folder / stems[close]}'?"
    there = list(stems.values())
    shown = ", ".join(there[:5]) + (", …" if len(there) > 5 else "")
    return f"configurations in that folder: {shown}" if there else "no .yaml file is in that folder; check where you are"
