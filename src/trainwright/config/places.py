"""Where each value of a configuration was written: a file with line and column, the command line, the environment, or Python."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from trainwright.config.errors import ConfigError
from trainwright.config.limits import refuse_depth

Plain = Any
KeyPath = tuple[str | int, ...]
"""Keys and list indices from the root."""
EXPRESSIONS: dict[KeyPath, int] = {("data", "where"): 2, ("data", "derive"): 3}
"""Options that are expressions, by their first keys, with how many keys they have: text as it stands, with quotes and colons of its own."""


def is_expression(path: KeyPath) -> bool:
    """Whether the option at `path` is text that the command line and variables give as it stands."""
    return EXPRESSIONS.get(path[:2]) == len(path)


@dataclass(frozen=True)
class Place:
    """`file:line:column`, or words such as `command line: trainer.max_epochs=40`."""

    name: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.name}:{self.line}:{self.column}" if self.line else self.name


@dataclass
class Node:
    """A value and the place it was written; mappings and lists hold nodes. `layer` counts the sources from the first base up."""

    value: Any
    place: Place
    key: Place | None = None
    layer: int = 0

    def plain(self) -> Plain:
        """The value without its places."""
        if isinstance(self.value, dict):
            return {key: each.plain() for key, each in self.value.items()}
        if isinstance(self.value, list):
            return [each.plain() for each in self.value]
        return self.value

    def under(self, key: str | int) -> Node | None:
        """The node under a key of a mapping or an index of a list, if there is one."""
        if isinstance(self.value, dict) and isinstance(key, str):
            return self.value.get(key)
        if isinstance(self.value, list) and isinstance(key, int) and -len(self.value) <= key < len(self.value):
            return self.value[key]
        return None

    def nearest(self, path: KeyPath) -> tuple[Node, int]:
        """The deepest node on the way to `path`, and how many keys it took to reach it."""
        here = self
        for depth, key in enumerate(path):
            found = here.under(key)
            if found is None:
                return here, depth
            here = found
        return here, len(path)

    def walk(self) -> Iterator[Node]:
        """This node and all below it."""
        yield self
        if isinstance(self.value, dict | list):
            for each in self.value.values() if isinstance(self.value, dict) else self.value:
                yield from each.walk()

    def copy(self) -> Node:
        """The same with nodes of its own, which may be changed."""
        value = self.value
        if isinstance(value, dict):
            value = {key: each.copy() for key, each in value.items()}
        elif isinstance(value, list):
            value = [each.copy() for each in value]
        return Node(value, self.place, self.key, self.layer)

    def in_layer(self, layer: int) -> Node:
        """The same node, it and all below it marked as of `layer`."""
        for each in self.walk():
            each.layer = layer
        return self


def node_of(value: Plain, place: Place, layer: int = 0, depth: int = 0) -> Node:
    """Plain mappings, lists and values as nodes that share one place; raises ConfigError for what is too deep, or holds itself."""
    refuse_depth(depth, str(place))
    if isinstance(value, Node):
        return value
    if isinstance(value, Mapping):
        return Node({str(key): node_of(each, place, layer, depth + 1) for key, each in value.items()}, place, place, layer)
    if isinstance(value, list | tuple):
        return Node([node_of(each, place, layer, depth + 1) for each in value], place, place, layer)
    return Node(value, place, place, layer)


def spell_key(path: KeyPath) -> str:
    """`("columns", "a.b", 0)` → `columns."a.b".0`."""
    plain = (str(each) if re.fullmatch(r"[^\s.\"'=]+", str(each)) else json.dumps(str(each), ensure_ascii=False) for each in path)
    return ".".join(plain)


KEY = re.compile(r"\"((?:[^\"\\]|\\.)*)\"|'([^']*)'|([^.\"'=\s][^.=]*)")


def _unescape(quoted: str) -> str:
    try:
        return str(json.loads(f'"{quoted}"'))
    except ValueError as error:
        fix = "escapes are those of JSON; or write it in single quotes"
        raise ConfigError(f'"{quoted}" is not quoted text', why=str(error), fix=fix) from error


def parse_path(text: str) -> KeyPath:
    """`columns."a.b".0` → `("columns", "a.b", 0)`; raises ConfigError when it is no such path."""
    keys: list[str | int] = []
    position = 0
    while True:
        found = KEY.match(text, position)
        if found is None:
            raise ConfigError(f"'{text}' is not the name of an option", fix="write keys joined by dots, for example trainer.max_epochs")
        double, single, bare = found.groups()
        if bare is not None:
            bare = bare.strip()
            keys.append(int(bare) if keys and re.fullmatch(r"0|[1-9][0-9]{0,17}", bare) else bare)
        else:
            keys.append(_unescape(double) if double is not None else single)
        position = found.end()
        if position == len(text):
            return tuple(keys)
        if text[position] != ".":
            raise ConfigError(f"'{text}' is not the name of an option", fix="write keys joined by dots, for example trainer.max_epochs")
        position += 1
