"""`choice(kind)`: the type of a config field that picks a part, written as a name or as a mapping with `type`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from pydantic import BeforeValidator, SerializeAsAny
from pydantic_core import PydanticCustomError

from trainwright.config.errors import ConfigError
from trainwright.config.model import PartConfig
from trainwright.config.registry import options_class, parts


@dataclass(frozen=True)
class PartOf:
    """Marks a field as picking a part of `kind`; help, schema and docs read it."""

    kind: str


def choose(kind: str, value: Any) -> Any:
    """`"mlp"` or `{"type": "mlp", …}` → the options of that part, validated; other values are left for pydantic to refuse."""
    if isinstance(value, str):
        value = {"type": value}
    if isinstance(value, dict) and "type" not in value and "auto" in parts(kind):
        value = {"type": "auto", **value}
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        return value
    try:
        options = options_class(kind, value["type"])
    except ConfigError as error:
        raise PydanticCustomError("unknown_part", "{what}", {"what": error.what, "fix": error.fix, "why": error.why}) from error
    return options.model_validate(value)


def choice(kind: str) -> Any:
    """The annotation of a field that picks a part of `kind`."""
    return Annotated[SerializeAsAny[PartConfig], BeforeValidator(partial(choose, kind)), PartOf(kind)]
