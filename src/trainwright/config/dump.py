"""A resolved configuration as YAML text with every default, which read again gives the same configuration."""

from __future__ import annotations

import re
import sys
from typing import Any

import yaml

from trainwright.config.model import ConfigModel
from trainwright.config.reading import CORE, SCALARS


class _Dumper(yaml.SafeDumper):
    """Quotes text that YAML 1.1 or 1.2 would read as something else, and writes lists of plain values on one line."""

    yaml_implicit_resolvers = {first: list(each) for first, each in yaml.SafeDumper.yaml_implicit_resolvers.items()}

    def ignore_aliases(self, data: Any) -> bool:
        """Equal values are written out, not referred to."""
        return True

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        """In one line when no item is itself a list or a mapping."""
        flat = not any(isinstance(each, list | dict) for each in sequence)
        return super().represent_sequence(tag, sequence, flow_style=flat)


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


def dump_values(values: Any) -> str:
    """Plain mappings, lists and values as YAML that `reading` reads back the same; `${` is escaped."""
    return str(yaml.dump(_escape(values), Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=sys.maxsize))


def _escape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _escape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_escape(each) for each in value]
    return value.replace("${", "$${") if isinstance(value, str) else value
