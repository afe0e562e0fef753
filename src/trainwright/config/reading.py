"""YAML files and literals read by the rules of YAML 1.2, with the place of every value kept."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from trainwright.config.errors import ConfigError, ManyErrors, RequestError, nearest
from trainwright.config.places import Node, Place

CORE = "tag:yaml.org,2002:"
INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
SCALARS: list[tuple[str, re.Pattern[str], list[str] | None]] = [
    ("null", re.compile(r"~|null|Null|NULL|"), ["~", "n", "N", ""]),
    ("bool", re.compile(r"true|True|TRUE|false|False|FALSE"), list("tTfF")),
    ("int", INTEGER, list("-+0123456789")),
    ("float", FLOAT, list("-+0123456789.")),
    ("merge", re.compile("<<"), ["<"]),
]
"""The core schema of YAML 1.2 (`no`, `on` and `12:30` are text, `1e-3` is a number), and the merge key of 1.1."""


class CoreLoader(yaml.SafeLoader):
    """Resolves plain scalars by the core schema of YAML 1.2 instead of 1.1."""

    yaml_implicit_resolvers: dict[str, list[Any]] = {}


for _tag, _pattern, _first in SCALARS:
    CoreLoader.add_implicit_resolver(CORE + _tag, re.compile(rf"(?:{_pattern.pattern})\Z"), _first)


def read_yaml(path: Path, shown: str = "", problems: list[RequestError] | None = None) -> Node:
    """The mapping in a YAML file; raises ConfigError naming line and column of what is wrong; `problems` as for `parse_yaml`."""
    shown = shown or str(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError("no such file", where=shown, fix=_similar(path)) from None
    except UnicodeDecodeError as error:
        raise ConfigError("not a text file", where=shown, why=f"byte {error.start} is not UTF-8", fix="a config is YAML text") from error
    except OSError as error:
        raise ConfigError("cannot be read", where=shown, why=error.strerror or str(error)) from error
    node = parse_yaml(text, shown, problems)
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
        root = yaml.compose(text, Loader=CoreLoader)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, name, text) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"character {error.character!r} is not allowed in YAML", where=f"{name}:{line}") from error
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
    """The value of an override: a list, mapping or quoted text, else a plain value; raises ConfigError where a bracket or quote is open."""
    stripped = text.strip()
    if not stripped.startswith(("[", "{", '"', "'")) or stripped in ("[", "{", '"', "'"):
        return Node(_plain_value(stripped), place, place)
    try:
        node = parse_yaml(stripped, "value")
    except ConfigError as error:
        raise ConfigError(
            f"the value is not valid YAML: {text}", where=str(place), why=error.what, fix="quote the argument in the shell"
        ) from error
    for each in node.walk():
        each.place = each.key = place
    return node


def _plain_value(text: str) -> Any:
    kind = next((kind for kind, pattern, _ in SCALARS if pattern.fullmatch(text)), "str")
    return _typed(kind, text)


def _typed(kind: str, text: str) -> Any:
    """A scalar as the Python value of its kind; text that the kind does not fit stays text."""
    if kind == "null":
        return None
    if kind == "bool" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if kind == "int" and INTEGER.fullmatch(text):
        return int(text, 0) if text.startswith(("0o", "0x")) else int(text)
    if kind == "float" and (FLOAT.fullmatch(text) or INTEGER.fullmatch(text)):
        return float(re.sub(r"\.(inf|nan)", r"\1", text.lower()))
    return text


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

    def place(self, mark: Any) -> Place:
        return Place(self.name, mark.line + 1, mark.column + 1)

    def build(self, node: yaml.Node) -> Node:
        place = self.place(node.start_mark)
        if id(node) in self.open:
            raise ConfigError("an alias refers to the mapping or list it is in", where=str(place), fix="remove the alias")
        if isinstance(node, yaml.ScalarNode):
            return Node(self.scalar(node, place), place)
        self.open.add(id(node))
        value = self.mapping(node, place) if isinstance(node, yaml.MappingNode) else [self.build(each) for each in node.value]
        self.open.discard(id(node))
        return Node(value, place)

    def mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Node]:
        own: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        for key, value in node.value:
            at = self.place(key.start_mark)
            if key.tag == CORE + "merge":
                merged |= self.merged(value, at)
                continue
            if not isinstance(key, yaml.ScalarNode):
                raise ConfigError("a key must be text, not a list or a mapping", where=str(at))
            if key.value in own:
                first = own[key.value].key
                what = f"'{key.value}' is given twice"
                self.errors.append(ConfigError(what, where=str(at), why=f"it was given before at {first}", fix="keep one of them"))
                continue
            built = self.build(value)
            own[key.value] = Node(built.value, built.place, at)
        return {**merged, **own}

    def merged(self, node: yaml.Node, place: Place) -> dict[str, Node]:
        built = self.build(node)
        several = built.value[::-1] if isinstance(built.value, list) else [built]
        if not all(isinstance(each.value, dict) for each in several):
            raise ConfigError(
                "`<<` merges mappings only", where=str(place), fix="give it an alias of a mapping, for example `<<: *defaults`"
            )
        return {key: value for each in several for key, value in each.value.items()}

    def scalar(self, node: yaml.ScalarNode, place: Place) -> Any:
        kind = node.tag.removeprefix(CORE)
        if kind in ("str", "merge", "null", "bool", "int", "float"):
            return _typed(kind, node.value)
        raise ConfigError(
            f"the tag '{node.tag}' is not allowed", where=str(place), fix="write plain values; nothing in a config is run as code"
        )


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
        fix = "quote a text that holds ': ', and check the indentation"
    elif "expected ',' or" in problem or "<stream end>" in problem:
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
