"""`key = value` files as configargparse reads them (`.ini`, `.txt`), with the place of every value kept."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainwright.config.errors import ConfigError, ManyErrors, RequestError
from trainwright.config.old_forms.objects import nested_keys
from trainwright.config.places import Node, Place, spell_key
from trainwright.config.reading import literal
from trainwright.config.text_files import read_text

LINE = re.compile(
    r"^(?P<key>[^:=;#\s]+)\s*"
    r"(?:(?P<equal>[:=\s])\s*(?P<quote>['\"]?)(?P<value>.+?)?(?P=quote))?"
    r"\s*(?:\s[;#]\s*(?P<comment>.*?)\s*)?$"
)
"""configargparse's own pattern: `key = value`, `key: value`, `key value`, `key`; a comment follows a blank and `#` or `;`."""
SECTION = re.compile(r"^\[(?P<name>[^\[\]=,]+)\]\s*(?:[;#].*)?$")
NONE = ("none", "null", "~")


@dataclass(frozen=True)
class KeyValueLine:
    """One option of a file: its keys, its text (a list for `[a, b]`), whether it was quoted, and where it stands."""

    keys: tuple[str, ...]
    value: str | list[Any]
    quoted: bool
    key_place: Place
    place: Place


def read_lines(path: Path, sections: bool = True) -> list[KeyValueLine]:
    """The options of a file in order; raises ConfigError (ManyErrors for several) with file, line and column of what is none.

    Keys under `[name]` lie in that section; without `sections` such lines are only headings, as for configargparse.
    """
    text = read_text(path)
    section: tuple[str, ...] = ()
    found: list[KeyValueLine] = []
    problems: list[RequestError] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line[0] in "#;" or line.startswith("---"):
            continue
        heading = SECTION.match(line)
        if heading:
            section = nested_keys(heading["name"].strip()) if sections else ()
            continue
        try:
            found.append(_line(raw, line, Place(str(path), number, len(raw) - len(raw.lstrip()) + 1), section))
        except ConfigError as error:
            problems.append(error)
    if problems:
        raise problems[0] if len(problems) == 1 else ManyErrors(problems)
    return found


def _line(raw: str, line: str, place: Place, section: tuple[str, ...]) -> KeyValueLine:
    match = LINE.match(line)
    if match is None or line.startswith("["):
        raise ConfigError(f"'{line}' is not an option", where=str(place), fix="write `key = value`; a comment begins with #")
    written, equal = match["value"], match["equal"]
    text = written if written is not None else "" if equal not in (None, " ") else "true"
    column = raw.find(written, place.column + len(match["key"]) - 1) + 1 if written else place.column
    quoted = bool(match["quote"])
    value = _list(text) if not quoted and text.startswith("[") and text.endswith("]") else text
    return KeyValueLine((*section, *nested_keys(match["key"].lstrip("-"))), value, quoted, place, Place(place.name, place.line, column))


def _list(text: str) -> list[Any]:
    """`[a, b]`, as JSON where it is JSON, else split at the commas."""
    try:
        found = json.loads(text)
    except ValueError:
        found = [each.strip() for each in text[1:-1].split(",")]
    return list(found) if found != [""] else []


def read_key_values(path: Path, problems: list[RequestError] | None = None) -> Node:
    """The options of a file as nodes with their places, numbers, truth values and lists typed as in YAML.

    Of a key given twice the first is taken; the other is added to `problems`, or raised where there are none.
    """
    twice: list[RequestError] = []
    root = Node({}, Place(str(path), 1, 1))
    for each in read_lines(path):
        here, last = _around(root, each), each.keys[-1]
        if last in here.value:
            why = f"it was given before at {here.value[last].key}"
            what = f"'{spell_key(each.keys)}' is given twice"
            twice.append(ConfigError(what, where=str(each.key_place), why=why, fix="keep one of them"))
            continue
        here.value[last] = _node(each)
    if problems is not None:
        problems += twice
    elif twice:
        raise twice[0] if len(twice) == 1 else ManyErrors(twice)
    return root


def _around(root: Node, line: KeyValueLine) -> Node:
    here = root
    for depth, key in enumerate(line.keys[:-1]):
        here = here.value.setdefault(key, Node({}, line.key_place, line.key_place))
        if not isinstance(here.value, dict):
            inside = spell_key(line.keys[: depth + 1])
            why = f"{inside} has a value at {here.place}"
            raise ConfigError(
                f"'{spell_key(line.keys)}' lies inside a plain value", where=str(line.key_place), why=why, fix="keep one of them"
            )
    return here


def _node(line: KeyValueLine) -> Node:
    value = [_read_value(each, line.place) for each in line.value] if isinstance(line.value, list) else line.value
    if isinstance(value, list):
        return Node(value, line.place, line.key_place)
    typed = Node(value, line.place) if line.quoted else _read_value(value, line.place)
    return Node(typed.value, line.place, line.key_place)


def _read_value(value: Any, place: Place) -> Node:
    """Text as YAML types it, `True` and `None` as Python writes them; lists inside lists; JSON's own values as they are."""
    if isinstance(value, list):
        return Node([_read_value(each, place) for each in value], place)
    if not isinstance(value, str):
        return (
            Node(value, place)
            if not isinstance(value, dict)
            else Node({str(key): _read_value(each, place) for key, each in value.items()}, place)
        )
    if value.lower() in NONE:
        return Node(None, place)
    return literal(value, place) if value else Node("", place)
