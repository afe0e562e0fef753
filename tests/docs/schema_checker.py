"""A small checker for the keywords of JSON Schema that trainwright.schema.json uses."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

TYPES: dict[str, Any] = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
KNOWN = """$schema $id $defs $ref title description default examples type enum const anyOf oneOf allOf not if then else properties required
    additionalProperties propertyNames items prefixItems minItems maxItems minProperties pattern minLength minimum maximum exclusiveMinimum
    exclusiveMaximum uniqueItems x-type x-part"""


class Checker:
    """Whether a value fits a schema; raises KeyError for a keyword it does not know."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema = schema

    def fits(self, value: Any, schema: Any = None) -> bool:
        """Whether `value` fits `schema`, the whole one unless another is given."""
        schema = self.schema if schema is None else schema
        if isinstance(schema, bool):
            return schema
        unknown = set(schema) - set(KNOWN.split())
        if unknown:
            raise KeyError(unknown)
        if "$ref" in schema and not self.fits(value, self.schema["$defs"][schema["$ref"].removeprefix("#/$defs/")]):
            return False
        return self._alone(value, schema) and self._joined(value, schema) and self._inside(value, schema)

    def _alone(self, value: Any, schema: Mapping[str, Any]) -> bool:
        names = schema.get("type", [])
        if names and not any(_is(value, name) for name in ([names] if isinstance(names, str) else names)):
            return False
        if ("enum" in schema and value not in schema["enum"]) or ("const" in schema and value != schema["const"]):
            return False
        if isinstance(value, str):
            return re.search(schema.get("pattern", ""), value) is not None and len(value) >= schema.get("minLength", 0)
        if isinstance(value, int | float) and not isinstance(value, bool):
            low, high = schema.get("minimum", value), schema.get("maximum", value)
            above = "exclusiveMinimum" not in schema or value > schema["exclusiveMinimum"]
            return low <= value <= high and above and ("exclusiveMaximum" not in schema or value < schema["exclusiveMaximum"])
        return True

    def _joined(self, value: Any, schema: Mapping[str, Any]) -> bool:
        if "anyOf" in schema and not any(self.fits(value, each) for each in schema["anyOf"]):
            return False
        if "oneOf" in schema and sum(self.fits(value, each) for each in schema["oneOf"]) != 1:
            return False
        if not all(self.fits(value, each) for each in schema.get("allOf", [])) or ("not" in schema and self.fits(value, schema["not"])):
            return False
        return "if" not in schema or self.fits(value, schema.get("then" if self.fits(value, schema["if"]) else "else", True))

    def _inside(self, value: Any, schema: Mapping[str, Any]) -> bool:
        if isinstance(value, dict):
            return self._mapping(value, schema)
        return not isinstance(value, list) or self._list(value, schema)

    def _mapping(self, value: Mapping[str, Any], schema: Mapping[str, Any]) -> bool:
        known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        if set(schema.get("required", [])) - set(value) or len(value) < schema.get("minProperties", 0):
            return False
        names = schema.get("propertyNames", True)
        return all(self.fits(each, known.get(key, others)) and self.fits(key, names) for key, each in value.items())

    def _list(self, value: Sequence[Any], schema: Mapping[str, Any]) -> bool:
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            return False
        first = schema.get("prefixItems", [])
        pairs = [*zip(value, first, strict=False), *((each, schema.get("items", True)) for each in value[len(first) :])]
        return all(self.fits(each, kind) for each, kind in pairs)


def _is(value: Any, name: str) -> bool:
    if name in ("integer", "number"):
        return isinstance(value, int if name == "integer" else int | float) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])
