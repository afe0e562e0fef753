"""The nodes of YAML text, each with its place: by libyaml where that gives the very nodes of PyYAML's own parser, else by that."""

from __future__ import annotations

import re
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from trainwright.config.limits import MOST_DEPTH, MOST_VALUES, refuse_count, refuse_depth

try:
    from yaml._yaml import CParser
except ImportError:  # PyYAML was built without libyaml
    CParser = None  # type: ignore[assignment,misc]

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

UNLIKE = re.compile(
    r"[^\n -~\xa1-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
    r"|(?<!['\w])\?|[|>][-+0-9]*#|:\s*(?:\]|#)"
)
"""What libyaml reads or places otherwise than PyYAML: tabs, marks of byte order, keys after `?`, `|#`, `[a: ]`."""


class _Composer(Composer, BaseResolver):
    """Resolves plain scalars by the core schema of YAML 1.2 instead of 1.1, and refuses what is too deep or too much while it reads."""

    yaml_implicit_resolvers: dict[str, list[Any]] = {}

    def __init__(self) -> None:
        Composer.__init__(self)
        BaseResolver.__init__(self)
        self.depth = self.count = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """As PyYAML does it, counting."""
        self.depth += 1
        self.count += 1
        try:
            if self.depth > MOST_DEPTH or self.count > MOST_VALUES:  # to ask each node for its place would cost as much as the node
                self.refuse()
            made: yaml.Node | None = super().compose_node(parent, index)
        finally:
            self.depth -= 1
        return made

    def refuse(self) -> None:
        """Raise ConfigError at the place of the next node."""
        mark = self.peek_event().start_mark  # type: ignore[attr-defined]
        refuse_depth(self.depth, where := f"{mark.line + 1}:{mark.column + 1}")
        refuse_count(self.count, where)


for _tag, _pattern, _first in SCALARS:
    _Composer.add_implicit_resolver(CORE + _tag, re.compile(rf"(?:{_pattern.pattern})\Z"), _first)


class OwnLoader(Reader, Scanner, Parser, _Composer):
    """PyYAML's own parser, whose words and places our messages are made of."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        _Composer.__init__(self)


if CParser is not None:

    class FastLoader(_Composer, CParser):
        """Events of libyaml. Their nodes are made here: libyaml's own function for them has no limit to its depth."""

        def __init__(self, text: str) -> None:
            CParser.__init__(self, text)
            _Composer.__init__(self)


def compose(text: str) -> yaml.Node | None:
    """The root of one document, or None of an empty one; raises yaml.YAMLError, and ConfigError for what is too deep or too much."""
    if CParser is not None and text.endswith("\n") and not UNLIKE.search(text):  # the end of a last line without one is elsewhere too
        try:
            return _root(FastLoader(text))
        except yaml.YAMLError:
            pass  # said below, in the words of PyYAML's own parser
    return _root(OwnLoader(text))


def _root(loader: Any) -> yaml.Node | None:
    try:
        found: yaml.Node | None = loader.get_single_node()
        return found
    finally:
        loader.dispose()
