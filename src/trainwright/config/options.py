"""The options of a configuration or of a part as flat lines (path, type, default, meaning), for help and listings."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from trainwright.config.choice import PartOf
from trainwright.config.dump import dump_values
from trainwright.config.durations import Duration
from trainwright.config.model import ConfigModel
from trainwright.config.registry import options_class
from trainwright.config.scheduled import Scheduled
from trainwright.config.sizes import Bytes
from trainwright.config.structure import PartHere, Section, Structure, field_structure, short_fields

WORDS: dict[Any, str] = {
    int: "integer",
    float: "number",
    str: "text",
    bool: "true|false",
    dict: "mapping",
    list: "list",
    type(None): "null",
    Any: "any",
}
WORDS |= {Duration: "duration", Bytes: "size", Scheduled: "scheduled number"}
SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


@dataclass(frozen=True)
class Option:
    """One option: its path, its type in words, its default as YAML (empty when required), and what it means."""

    path: str
    type: str
    default: str
    meaning: str
    required: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The option as plain values."""
        return asdict(self)


def options_of(model: type[ConfigModel], prefix: str = "") -> list[Option]:
    """Every option of a section, those of the sections in it with their path; `type` of a part is left out."""
    return list(_walk(model, prefix))


def part_options(kind: str, name: str) -> list[Option]:
    """The options of one part; raises ConfigError when there is no such part."""
    return options_of(options_class(kind, name))


def by_section(model: type[ConfigModel]) -> dict[str, list[Option]]:
    """The options under the top-level section they belong to; options of the top level itself under an empty name."""
    sections: dict[str, list[Option]] = {"": []}
    for option in options_of(model):
        section, dot, _ = option.path.partition(".")
        sections.setdefault(section if dot else "", []).append(option)
    return sections


def _walk(model: type[ConfigModel], prefix: str) -> Iterator[Option]:
    for name, field in _written_fields(model).items():
        if name == "type" and _is_part(model):
            continue
        inner = _open_field(model, name, field)
        if isinstance(inner, Section):
            if _optional(field.annotation) and not model.short:
                yield _option(f"{prefix}{name}", field, "mapping or null")
            yield from _walk(inner.model, f"{prefix}{name}.")
        else:
            yield _option(f"{prefix}{name}", field, in_words(field.annotation, field.metadata))


def _written_fields(model: type[ConfigModel]) -> dict[str, FieldInfo]:
    """The fields in the order in which people write them: the options of the default system after its data."""
    fields = dict(model.model_fields)
    if not model.short:
        return fields
    words = options_class("system", next(iter(model.short))).other_words  # said once, by the option's own name
    return {"data": fields["data"], **{name: each for name, each in short_fields(model).items() if name not in words}, **fields}


def _open_field(model: type[ConfigModel], name: str, field: FieldInfo) -> Structure:
    """What a field holds; at the top of a configuration, the section that the default system makes of it."""
    inner = field_structure(field)
    if not model.short:
        return inner
    if found := model.section_at(name, None):
        return Section(found)
    opened = isinstance(inner, PartHere) and inner.default and inner.default not in model.short
    return Section(options_class(inner.kind, inner.default)) if isinstance(inner, PartHere) and opened else inner


def _is_part(model: type[ConfigModel]) -> bool:
    return any(each.__name__ == "PartConfig" for each in model.__mro__)


def _optional(annotation: Any) -> bool:
    return type(None) in get_args(annotation)


def _option(path: str, field: FieldInfo, words: str) -> Option:
    default = field.get_default(call_default_factory=True)
    required = default is PydanticUndefined
    meaning = " ".join((field.description or "").split())
    return Option(path, words, "" if required else as_yaml(default), meaning, required)


def as_yaml(value: Any) -> str:
    """A default as it would be written, on one line; parts with only their defaults by their name."""
    if isinstance(value, ConfigModel):
        name = getattr(value, "type", "")
        return name or "{" + ", ".join(f"{key}: {as_yaml(getattr(value, key))}" for key in type(value).model_fields) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(as_yaml(each) for each in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {as_yaml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, str):
        return dump_values(value).removesuffix("\n...\n").strip() or '""'
    if value is None or isinstance(value, bool | int | float):
        return (
            str(value)
            if isinstance(value, Bytes)
            else "null"
            if value is None
            else str(value).lower()
            if isinstance(value, bool)
            else f"{value:g}"
        )
    return str(value)


def in_words(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    """A type in the words of a config: `integer ≥ 1`, `text or null`, `list of metric`, `relu|gelu`."""
    metadata = list(metadata)
    marks = [each.kind for each in metadata if isinstance(each, PartOf)]
    if marks:
        return marks[0]
    bounds = "".join(
        f" {sign} {getattr(each, name):g}" for each in metadata for name, sign in SIGNS.items() if getattr(each, name, None) is not None
    )
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return in_words(inside[0], inside[1:]) + bounds
    if origin is Literal:
        return "|".join(as_yaml(each) for each in inside)
    if origin in (Union, types.UnionType):
        words = [in_words(each) + ("" if each is type(None) else bounds) for each in inside]
        return " or ".join(words)
    if origin in (list, tuple, set, frozenset):
        items = " and ".join(dict.fromkeys(in_words(each) for each in inside if each is not Ellipsis))
        return f"list of {items}"
    if origin is dict:
        return f"mapping to {in_words(inside[1])}"
    return WORDS.get(annotation, getattr(annotation, "__name__", str(annotation))) + bounds


__all__ = ["Option", "as_yaml", "by_section", "in_words", "options_of", "part_options"]
