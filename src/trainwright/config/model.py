"""The base of every config class: unknown keys forbidden, no silent coercion, frozen, `-` read as `_`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from trainwright.config.errors import ConfigError


class ConfigModel(BaseModel):
    """A section of the configuration; give every field a type, a default where there is one, and a description."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, validate_default=False, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _dashes_are_underscores(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        fields = cls.model_fields
        return {key.replace("-", "_") if isinstance(key, str) and key.replace("-", "_") in fields else key: value for key, value in data.items()}


class PartConfig(ConfigModel):
    """The options of one registered part; `type` is its registry name, a dotted path or `file.py:Class`."""

    type: str


def refused(error: ConfigError) -> PydanticCustomError:
    """The same refusal as pydantic collects it: its what, why and fix come out again with the place in the file."""
    return PydanticCustomError("refused", "{what}", {"what": error.what, "why": error.why, "fix": error.fix})


def refusal[T](parse: Callable[[Any], T]) -> Callable[[Any], T]:
    """`parse` as a pydantic validator: a ConfigError it raises is collected with all the others."""

    @wraps(parse)
    def validate(value: Any) -> T:
        try:
            return parse(value)
        except ConfigError as error:
            raise refused(error) from error

    return validate
