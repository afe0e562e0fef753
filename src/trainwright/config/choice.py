"""`choice(kind)`: the type of a config field that picks a part, written as a name or as a mapping with `type`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from pydantic import BeforeValidator, GetJsonSchemaHandler, SerializeAsAny
from pydantic_core import CoreSchema, PydanticCustomError

from trainwright.config.errors import ConfigError
from trainwright.config.model import PartConfig
from trainwright.config.registry import canonical_name, divide_member, options_class, tell_alias


@dataclass(frozen=True)
class PartOf:
    """Marks a field as picking a part of `kind`; help, schema and docs read it."""

    kind: str
    default: str = ""
    """The part that options without a `type` are of."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"x-part": self.kind}  # becomes a `$ref` once every kind has its definition (schema.py)


def choose(kind: str, value: Any) -> Any:
    """`"mlp"` or `{"type": "mlp", …}` → the options of that part, validated; other values are left for pydantic to refuse."""
    if isinstance(value, PartConfig):
        value.model_fields_set.add("type")  # whatever else was given, this was
        return value
    if isinstance(value, str):
        value = {"type": value}
    if not isinstance(value, dict):
        raise PydanticCustomError("no_part", "{what}", {"what": "", "kind": kind})
    if "type" not in value and kind == "feature":
        value = {"type": "auto", **value}  # a column may be given single options and keep the type its data show
    if not isinstance(value.get("type"), str):
        raise PydanticCustomError("no_type", "{what}", {"what": "", "kind": kind, "given": value.get("type")})
    try:
        member = divide_member(kind, value["type"])[1]
        options = options_class(kind, value["type"])
        name = canonical_name(kind, value["type"])
        tell_alias(kind, value["type"])
    except ConfigError as error:
        raise PydanticCustomError("unknown_part", "{what}", {"what": error.what, "fix": error.fix, "why": error.why}) from error
    return options.model_validate({_as_option(key): each for key, each in {**member, **value, "type": name}.items()})


def _as_option(key: Any) -> Any:
    return key.replace("-", "_") if isinstance(key, str) else key


def choice(kind: str, default: str = "") -> Any:
    """The annotation of a field that picks a part of `kind`; options without a `type` are shown and merged as those of `default`."""
    return Annotated[SerializeAsAny[PartConfig], BeforeValidator(partial(choose, kind)), PartOf(kind, default)]
