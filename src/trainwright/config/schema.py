"""The JSON Schema of a configuration, with every registered part of every kind: for editors, and for any other checker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, get_args, get_origin

from pydantic.json_schema import GenerateJsonSchema

from trainwright.config.choice import PartOf
from trainwright.config.model import ConfigModel, PartConfig
from trainwright.config.registry import KINDS, OWN_KINDS, aliases, options_class, parts

DIALECT = "https://json-schema.org/draft/2020-12/schema"
PATH = r"^([A-Za-z_]\w*(\.[A-Za-z_]\w*)+|[A-Za-z_][\w.]*:[A-Za-z_]\w*|.+\.py:[A-Za-z_]\w*)$"
REFERENCE = {"type": "string", "pattern": r"^\$\{[^}]+\}$", "description": "A reference: ${key.sub} or ${env:NAME,default}."}

BASE = {
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
    "description": "Another configuration file (or several), relative to this one, that this one is merged onto.",
}

TYPED = {"anyOf": [{"type": "string"}, {"type": "object", "required": ["type"]}]}


def json_schema(model: type[ConfigModel]) -> dict[str, Any]:
    """The schema (draft 2020-12) of a configuration file: sections, and each kind of part as a choice by `type`.

    A model with short forms has one shape for each of its systems, so that an editor completes what fits the file.
    """
    definitions: dict[str, Any] = {"reference": REFERENCE}
    root = _schema_of(model, definitions)
    for kind in KINDS:
        definitions[kind] = _kind(kind, definitions)
    definitions["source"]["anyOf"].insert(0, {"type": "string", "description": "A path, a glob, an address, an archive, or builtin:NAME."})
    if model.short:
        shapes = {f"of-{system}": _shape(model, root, system, definitions) for system in model.short}
        definitions |= shapes
        root = _either(*shapes)
    for name, section in definitions.items():
        if "." not in name:
            section.pop("required", None)  # the rest may stand in a base file or on the command line; `validate` checks the whole
    return {
        "$schema": DIALECT,
        "$id": "trainwright.schema.json",
        **_finish_schema(root),
        "$defs": {key: _finish_schema(definitions[key]) for key in sorted(definitions)},
    }


def _shape(model: type[ConfigModel], root: dict[str, Any], system: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of a file of one system, or with its options at the top in place of `system:`; not with both."""
    words, options = options_class("system", system).other_words, definitions[f"system.{system}"]["properties"]
    short = {name: options[words.get(name, name)] for name in model.short[system]}
    properties = dict(root["properties"])
    first = system == next(iter(model.short))
    for name, field in model.model_fields.items():
        properties[name] = {"description": field.description, **properties[name]}
        if section := model.section_at(name, {"system": system}):
            definitions[section.__name__] = _schema_of(section, definitions)
            properties[name] = {"$ref": f"#/$defs/{section.__name__}", "description": field.description}
        kind, default = next(((each.kind, each.default) for each in _choices(field.annotation)), ("", ""))
        if default and first:  # its options may stand without a `type`
            untyped = {key: each for key, each in definitions[f"{kind}.{default}"].items() if key != "required"}
            if kind == "dataset":
                untyped = {**untyped, "properties": {**untyped["properties"], **_source_at_path(untyped["properties"]["type"])}}
            definitions[f"{name}-of-{system}"] = untyped
            properties[name] = {"$ref": f"#/$defs/{name}-of-{system}", "description": field.description}
    shape = {**root, "properties": {"base": BASE, **properties, **short}}
    needs = {"anyOf": [{"required": ["base"]}, {"required": ["data"]}]} if first else {}
    return {**shape, **needs, "if": {"required": ["system"]}, "then": {"properties": dict.fromkeys(short, False)}}


def _source_at_path(typed: dict[str, Any]) -> dict[str, Any]:
    """`data.type` may be a source that is at a path, and `data.path` the path, beside the options of the source in `data.source`."""
    sources = [name for name in parts("source") if "path" in options_class("source", name).model_fields]
    told = "Columns, or the source that they are of, whose other options are in `source`: `trainwright list source.NAME`."
    path = {"type": "string", "description": "Where the source finds its data; in place of `source.path`."}
    return {"type": {"anyOf": [typed, {"enum": sources}], "description": told}, "path": path}


def _choices(annotation: Any) -> list[PartOf]:
    """The choices of parts in an annotation and the members of its union."""
    found = [each for each in getattr(annotation, "__metadata__", ()) if isinstance(each, PartOf)]
    return found + [each for member in get_args(annotation) for each in _choices(member) if get_origin(annotation) is not Annotated]


def _either(first: str, other: str) -> dict[str, Any]:
    """The other shape where there is another `system`, or a model that is a text or has a `type`; on a base it may be either."""
    known = first.removeprefix("of-")
    default = {"properties": {"system": {"anyOf": [{"const": known}, {"properties": {"type": {"const": known}}, "type": "object"}]}}}
    named = {"required": ["system"], "not": default}
    there = [{"$ref": f"#/$defs/{each}"} for each in (first, other)]
    return {
        "type": "object",
        "if": {"anyOf": [named, {"required": ["model"], "properties": {"model": TYPED}, "not": {"required": ["system"]}}]},
        "then": there[1],
        "else": {"if": {"required": ["base"]}, "then": {"anyOf": there}, "else": there[0]},
    }


class _Generator(GenerateJsonSchema):
    """Defaults as they are written in YAML, and no titles that only repeat a name."""

    def encode_default(self, dft: Any) -> Any:
        if isinstance(dft, ConfigModel):
            return dft.model_dump(mode="json")
        if isinstance(dft, list | tuple):
            return [self.encode_default(each) for each in dft]
        if isinstance(dft, dict):
            return {key: self.encode_default(each) for key, each in dft.items()}
        return dft if isinstance(dft, bool | float | str | None) or type(dft) is int else str(dft)

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _schema_of(model: type[ConfigModel], definitions: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The schema of one model; the sections inside it go to `definitions`."""
    schema = model.model_json_schema(schema_generator=_Generator, ref_template="#/$defs/" + prefix + "{model}")
    for name, each in schema.pop("$defs", {}).items():
        each.pop("title", None)
        definitions[prefix + name] = each
    schema.pop("title", None)
    return schema


def _kind(kind: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """One kind: a name, a mapping with `type` and the options of that part, or a class named by path."""
    table = parts(kind)
    known = {"enum": [*table, *aliases(kind)], "description": f"The name of a registered {kind}; its options keep their defaults."}
    own = {"type": "string", "description": f"The name of a {kind} that a file under `imports` registers."}
    names = [*([known] if table else []), *([own] if kind in OWN_KINDS else [])]
    for name, part in table.items():
        definitions[f"{kind}.{name}"] = _part(name, part.config, part.summary, definitions, f"{kind}.{name}.")
    foreign = {
        "type": "object",
        "properties": {"type": _other_names(kind, table)},
        "required": ["type"],
        "description": "A class by path, with its options: package.module.Class, package.module:Class or ./file.py:Class.",
    }
    written = [{"$ref": f"#/$defs/{kind}.{name}"} for name in table]
    unnamed = {
        "type": "object",
        "not": {"required": ["type"]},
        "description": f"Options of the {kind} used by default, or of the one named in a base file.",
    }
    return {"anyOf": [*names, {"type": "string", "pattern": PATH}, {"oneOf": [*written, foreign]}, unnamed]}


def _other_names(kind: str, table: Mapping[str, Any]) -> dict[str, Any]:
    """A path, or, for kinds of which people register their own, any name that is none of Trainwright's."""
    if words := list(aliases(kind)):
        return {"anyOf": [{"enum": words}, {"type": "string", "pattern": PATH}]}
    if kind not in OWN_KINDS:
        return {"type": "string", "pattern": PATH}
    return {"type": "string", "not": {"enum": list(table)}} if table else {"type": "string"}


def _part(name: str, options: type[PartConfig], summary: str, definitions: dict[str, Any], prefix: str) -> dict[str, Any]:
    schema = _schema_of(options, definitions, prefix)
    description = schema.pop("description", summary)
    properties = {key: each for key, each in schema["properties"].items() if key != "type"}
    schema["properties"] = {"type": {"const": name, "description": summary or description}, **properties}
    schema["required"] = ["type", *(key for key in schema.get("required", []) if key != "type")]
    return {"description": description, **schema}


def _finish_schema(schema: Any, name: str = "") -> Any:
    """Parts as references to their kind, and a `${…}` reference allowed wherever a number, a truth value or one of some words is."""
    if isinstance(schema, list):
        return [_finish_schema(each) for each in schema]
    if not isinstance(schema, dict) or name == "default":
        return schema
    if "x-part" in schema:
        return {"$ref": f"#/$defs/{schema['x-part']}", **{key: schema[key] for key in ("description", "default") if key in schema}}
    if "$ref" in schema and isinstance(schema.get("default"), dict):
        schema = {key: each for key, each in schema.items() if key != "default"}  # a section tells its defaults itself
    if schema.get("type") in ("integer", "number", "boolean") or ("type" in schema and ("enum" in schema or "x-type" in schema)):
        kept = {key: schema[key] for key in ("description", "default") if key in schema}
        return {**kept, "anyOf": [{key: each for key, each in schema.items() if key not in kept}, {"$ref": "#/$defs/reference"}]}
    return {key: _finish_schema(each, key) for key, each in schema.items()}
