"""A resolved configuration as YAML text with every default, which read again gives the same configuration."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

import yaml

from trainwright.config.model import ConfigModel
from trainwright.config.yaml_nodes import CORE, SCALARS


class _Dumper(yaml.SafeDumper):
    """Quotes text that YAML 1.1 or 1.2 would read as something else, and writes lists of plain values on one line."""

    yaml_implicit_resolvers = {first: list(each) for first, each in yaml.SafeDumper.yaml_implicit_resolvers.items()}

    def ignore_aliases(self, data: Any) -> bool:
        """Equal values are written out, not referred to."""
        return True

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        """In one line when no item is itself a list or a mapping."""
        return super().represent_sequence(tag, sequence, flow_style=_is_flat(sequence))


def _is_flat(items: Any) -> bool:
    return not any(isinstance(each, list | dict) for each in items)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Text with any kind of line break in double quotes, where it is escaped."""
    return dumper.represent_scalar(CORE + "str", text, style='"' if len(f"{text}.".splitlines()) > 1 else None)


_Dumper.add_representer(str, _text)
for _tag, _pattern, _first in SCALARS:
    _Dumper.add_implicit_resolver(CORE + _tag, re.compile(rf"(?:{_pattern.pattern})\Z"), _first)


def dump(config: ConfigModel, schema: str = "") -> str:
    """The configuration in full as YAML; `schema`, a path or an address, is named in the first line for editors."""
    first = f"# yaml-language-server: $schema={schema}\n" if schema else ""
    return first + dump_values(config.model_dump(mode="json"))


def dump_asked(config: ConfigModel) -> str:
    """What was given of a configuration as YAML, without defaults: what the data say of themselves may still take their place."""
    return dump_values(config.model_dump(mode="json", exclude_unset=True))


def dump_values(values: Any) -> str:
    """Plain mappings, lists and values as YAML that `reading` reads back the same; `${` is escaped."""
    escaped = _escape(values)
    try:
        return _Lines().document(escaped)
    except _Unusual:
        return dump_by_pyyaml(escaped)


def dump_by_pyyaml(values: Any) -> str:
    """The text as PyYAML writes it."""
    return str(yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=sys.maxsize))


def _escape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _escape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_escape(each) for each in value]
    return value.replace("${", "$${") if isinstance(value, str) else value


class _Unusual(Exception):
    """Not written here: no mapping, or a key that has no room on the line of its value."""


_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}")
_AROUND: dict[str, tuple[Callable[[Any], Any], str, str]] = {
    "key": (lambda value: {value: 0}, "", ": 0\n"),
    "value": (lambda value: {"k": value}, "k: ", "\n"),
    "item": (lambda value: [value], "[", "]\n"),
}
"""How PyYAML is asked for a single value in each place, and what it writes before and after it."""


class _Lines:
    """The lines that PyYAML would write, of which it is asked for each single value once: a wide table has the same few for each column."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, type, str], str] = {}

    def document(self, values: Any) -> str:
        """The whole text."""
        if type(values) is not dict or not values:
            raise _Unusual
        return "\n".join([*self.mapping(values, ""), ""])

    def mapping(self, values: dict[Any, Any], indent: str) -> list[str]:
        """`key: value` for every key."""
        return [line for key, value in values.items() for line in self.after(f"{indent}{self.single(key, 'key')}:", value, indent)]

    def sequence(self, values: list[Any], indent: str) -> list[str]:
        """`- value` for every item; a mapping or list begins on the line of its dash."""
        found: list[str] = []
        for value in values:
            if type(value) is list and not _is_flat(value):
                inner = self.sequence(value, indent + "  ")
            elif type(value) is dict and value:
                inner = self.mapping(value, indent + "  ")
            else:
                inner = self.after(f"{indent}  ", value, indent)
            found += [f"{indent}- {inner[0].lstrip(' ')}", *inner[1:]]
        return found

    def after(self, head: str, value: Any, indent: str) -> list[str]:
        """A value on the line of `head`, or below it."""
        if type(value) is dict and value:
            return [head, *self.mapping(value, indent + "  ")]
        if type(value) is list:
            if not _is_flat(value):
                return [head, *self.sequence(value, indent)]
            return [f"{head} [{', '.join([self.single(each, 'item') for each in value])}]"]
        return [f"{head} {self.single(value, 'value')}"]

    def single(self, value: Any, place: str) -> str:
        """One value as it is written in a place."""
        if type(value) is str and _WORD.fullmatch(value) and not _is_read_otherwise(value):
            return value
        key = (place, type(value), repr(value))
        if key not in self.known:
            put, before, behind = _AROUND[place]
            text = dump_by_pyyaml(put(value))
            if not (text.startswith(before) and text.endswith(behind)) or text.count("\n") > 1 or text.startswith("? "):
                raise _Unusual
            self.known[key] = text[len(before) : len(text) - len(behind)]
        return self.known[key]


def _is_read_otherwise(word: str) -> bool:
    """Whether a word would be read as something else than text."""
    return any(pattern.match(word) for _, pattern in _Dumper.yaml_implicit_resolvers.get(word[0], ()))
