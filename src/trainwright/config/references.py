"""Text with `${…}` taken apart: the words between, the names that are referred to, the resolvers and what they are given."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from trainwright.config.errors import ConfigError
from trainwright.config.limits import MOST_DEPTH

RESOLVER = re.compile(r"\s*([A-Za-z_][\w.]*):")
"""`mul:` at the beginning of a reference; a key with a colon in it is quoted."""
MARK = re.compile(r"[$\\]\$\{|\$\{")
"""`${`, or `$${` and `\\${`, which stand for the characters themselves."""
VARIABLES = ("env", "oc.env")
"""Resolvers that read the environment; what follows the name of the variable is its default as it stands."""
OPENING, CLOSING = "[{(", "]})"


@dataclass(frozen=True)
class Reference:
    """One `${…}`: the name of an option, or a resolver with its values; each may hold references of its own."""

    text: str
    resolver: str = ""
    name: list[Piece] = field(default_factory=list)
    arguments: list[list[Piece]] = field(default_factory=list)


Piece = str | Reference


def pieces_of(text: str, where: str, depth: int = 0) -> list[Piece]:
    """Words and references in order. Raises ConfigError for one that is not closed, and for too many within each other."""
    if depth > MOST_DEPTH:
        raise ConfigError(f"references lie more than {MOST_DEPTH} deep in each other", where=where, fix="refer to less")
    pieces: list[Piece] = []
    end = 0
    while found := MARK.search(text, end):
        pieces += [text[end : found.start()]] if found.start() > end else []
        if len(found[0]) == 3:
            pieces.append("${")
            end = found.end()
            continue
        close = _close_of(text, found.end(), where)
        pieces.append(_reference(text[found.end() : close], where, depth + 1))
        end = close + 1
    return [*pieces, text[end:]] if end < len(text) else pieces


def _close_of(text: str, begin: int, where: str) -> int:
    """Where the brace that closes a reference stands; braces within it come in pairs."""
    open_braces = 1
    for place in range(begin, len(text)):
        open_braces += {"{": 1, "}": -1}.get(text[place], 0)
        if not open_braces:
            return place
    fix = "close it with '}', or write $${ for the characters themselves"
    raise ConfigError(f"'${{' is never closed in '{text}'", where=where, fix=fix)


def _reference(text: str, where: str, depth: int) -> Reference:
    resolver = RESOLVER.match(text)
    if resolver is None:
        return Reference(text, name=pieces_of(text, where, depth))
    rest = text[resolver.end() :]
    parts = _split(rest, 1 if resolver[1] in VARIABLES else len(rest)) if rest.strip() else []
    arguments = [pieces_of(each.strip(), where, depth) or [""] for each in parts]
    return Reference(text, resolver[1], arguments=arguments)


def _split(text: str, most: int) -> list[str]:
    """At the first commas outside of brackets, quotes and references."""
    parts: list[str] = []
    begin, depth, quote = 0, 0, ""
    for place, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"" and text[begin:place].strip() in ("", "[", "{", "("):
            quote = character
        elif character in OPENING + CLOSING:
            depth += 1 if character in OPENING else -1
        elif character == "," and not depth and len(parts) < most:
            parts.append(text[begin:place])
            begin = place + 1
    return [*parts, text[begin:]]
