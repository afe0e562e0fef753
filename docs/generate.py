"""An mkdocs hook: replaces `<!-- parts: KIND -->`, `<!-- part: KIND.NAME -->` and `<!-- options: MODULE:Class -->` by tables.

The tables come from the registry and the schema, as `trainwright list` and `--help` do, so no name or default on a page is written by hand.
No torch is imported.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Collection, Iterator
from importlib import import_module
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from trainwright.config.choice import PartOf
from trainwright.config.durations import Duration
from trainwright.config.registry import Part, parts
from trainwright.config.sizes import Bytes

MARKER = re.compile(r"^<!-- (parts|part|options): ([\w.:]+)(?: without ([\w, ]+))? -->$", re.MULTILINE)
SIMPLE = {
    int: "integer",
    float: "number",
    str: "text",
    bool: "true or false",
    dict: "mapping",
    Duration: "duration",
    Bytes: "size",
    Any: "anything",
}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """The page with every marker replaced; called by mkdocs for each page."""
    makers = {"parts": parts_of, "part": part_named, "options": options_of}

    def made(match: re.Match[str]) -> str:
        return options_of(match[2], without=match[3].split(", ")) if match[3] else makers[match[1]](match[2])

    return MARKER.sub(made, markdown)


def parts_of(kind: str) -> str:
    """The parts of a kind, one folded section each."""
    return "\n".join(part_section(kind, name, part) for name, part in parts(kind).items())


def part_named(address: str) -> str:
    """One part, written `kind.name`, with its options."""
    kind, _, name = address.partition(".")
    return part_section(kind, name, parts(kind)[name])


def part_section(kind: str, name: str, part: Part) -> str:
    """A part and its options, folded until it is opened or linked to as `#KIND-NAME`."""
    body = options_table(part.config) or "No options.\n"
    indented = "".join(f"    {line}\n" if line else "\n" for line in body.splitlines())
    title = f"`{name}`: {part.summary}".replace('"', "'")
    return f'??? part "{title}"\n\n    <span id="{anchor(kind, name)}"></span>\n\n{indented}'


def options_of(address: str, without: Collection[str] = ()) -> str:
    """The options of a config class, written `module:Class`, and of the sections inside it."""
    module, _, name = address.partition(":")
    return options_table(getattr(import_module(module), name), without)


def options_table(config: type[BaseModel], without: Collection[str] = ()) -> str:
    """A table of key, type, default and meaning; an empty text when there are no options."""
    found = [row for row in described(config) if row[0].partition(".")[0] not in without]
    rows = [f"| `{key}` | {cell(kind)} | {cell(default)} | {cell(meaning)} |" for key, kind, default, meaning in found]
    return "\n".join(["| key | type | default | meaning |", "|---|---|---|---|", *rows, ""]) if rows else ""


def described(config: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Key, type, default and meaning of each option, sections unfolded as `section.key`."""
    for key, field in config.model_fields.items():
        if key == "type":
            continue
        section = section_of(field)
        if section is None:
            yield prefix + key, type_of(field), default_of(field), field.description or ""
            continue
        if type(None) in typing.get_args(field.annotation):
            given = field.get_default(call_default_factory=True) is not None
            yield prefix + key, "section or null", "the next lines" if given else "null", field.description or ""
        yield from described(section, f"{prefix}{key}.")


def section_of(field: FieldInfo) -> type[BaseModel] | None:
    """The config class of a field that holds a section, else None."""
    for each in (field.annotation, *typing.get_args(field.annotation)):
        if isinstance(each, type) and issubclass(each, BaseModel) and not any(isinstance(mark, PartOf) for mark in field.metadata):
            return each
    return None


def type_of(field: FieldInfo) -> str:
    """The type of a field in words, with its bounds."""
    marks = [mark for mark in field.metadata if isinstance(mark, PartOf)]
    words = f"{marks[0].kind}" if marks else spelled(field.annotation)
    bounds = [bound(mark) for mark in field.metadata]
    pattern = next((mark.pattern for mark in field.metadata if getattr(mark, "pattern", None)), "")
    options = re.fullmatch(r"\^\((.*)\)\$", pattern)
    if options:
        return " \\| ".join(f"`{each}`" for each in options[1].split("|"))
    return " ".join([words, *filter(None, bounds)])


def spelled(annotation: Any) -> str:
    """A Python type in the words of a YAML file."""
    origin, inside = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is type(None):
        return "null"
    if origin is typing.Annotated:
        marks = [mark for mark in inside[1:] if isinstance(mark, PartOf)]
        return marks[0].kind if marks else spelled(inside[0])
    if origin is typing.Literal:
        return " \\| ".join(f"`{each}`" for each in inside)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(spelled(each) for each in inside)
    if origin in (list, tuple):
        return "list of " + " or ".join(dict.fromkeys(spelled(each) for each in inside if each is not Ellipsis))
    if origin is dict:
        return f"mapping to {spelled(inside[1])}"
    return SIMPLE.get(annotation, getattr(annotation, "__name__", str(annotation)))


def bound(mark: Any) -> str:
    """A bound of a number in signs."""
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    return next((f"{sign} {getattr(mark, name)}" for name, sign in signs.items() if getattr(mark, name, None) is not None), "")


def default_of(field: FieldInfo) -> str:
    """The default of a field as it would be written in YAML."""
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "required"
    return f"`{written(value)}`"


def written(value: Any) -> str:
    """A value as it would be written in YAML, on one line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value or '""'
    if isinstance(value, list | tuple):
        return "[" + ", ".join(written(each) for each in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {written(each)}" for key, each in value.items()) + "}"
    if isinstance(value, BaseModel):
        return getattr(value, "type", type(value).__name__)
    return str(value)


def cell(text: str) -> str:
    """A text that fits into a table cell."""
    return re.sub(r"(?<!\\)\|", r"\\|", " ".join(text.split()))


def anchor(kind: str, name: str) -> str:
    """The anchor of a part on its page."""
    return f"{kind}-{name}".replace("_", "-")
