"""Transforms as functions: `bandpass(x, 0.5, 40, rate=500)` does to a tensor what the transform `bandpass` does in a configuration."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticUndefined
from torch import Tensor

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.config.model import PartConfig
from trainwright.config.registry import build, options_class
from trainwright.config.wording import Refusal, join_refusals

OF_CHAINS = ("type", "applies_in", "runs_on", "of")
"""What is said where a transform stands in a configuration, and means nothing where it is called."""

Transform = Callable[[Tensor], Tensor]


@cache
def function_of(name: str) -> Callable[..., Tensor]:
    """The function of a transform: a tensor `(…, channels, time)`, or what it is of, then its options by name.

    Options without a default may follow the tensor by place; where there is none, the main one. The function raises ConfigError for
    options that are refused, and what the transform raises.
    """
    options: Any = options_class("transform", name)
    signature = _signature(options)

    def apply(*given: Any, **named: Any) -> Tensor:
        values = _bound(name, signature, given, named)
        sample = values.pop("x")
        return _made(name, values)(sample)

    apply.__name__ = apply.__qualname__ = name
    apply.__doc__ = f"{options.__doc__}\n\n{_described(options)}"
    vars(apply)["__signature__"] = signature
    return apply


def transform_of(name: str, **options: Any) -> Transform:
    """The transform of a name, made once for as many tensors as are wanted. Raises ConfigError for options that are refused."""
    return _made(name, options)


def _made(name: str, values: dict[str, Any]) -> Transform:
    plain = {key: each.item() if hasattr(each, "item") else each for key, each in values.items()}  # a rate may be a number of numpy
    return _remembered(options_class("transform", name), name, _Options(plain))


class _Options(dict[str, Any]):
    """Options that a cache can tell apart: by what they look like, since 1 equals True and 1.0."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(repr(sorted(self.items())))

    def __eq__(self, other: object) -> bool:
        return repr(sorted(self.items())) == repr(sorted(other.items())) if isinstance(other, dict) else False


@lru_cache(maxsize=64)
def _remembered(config: type[PartConfig], name: str, values: _Options) -> Transform:
    """A transform with its design, which costs more than a short recording."""
    try:
        options = config.model_validate({"type": name, **values})
    except ValidationError as error:
        raise _refused(name, error) from error
    made: Transform = build("transform", options)
    return made


def _refused(name: str, error: ValidationError) -> ConfigError:
    """The first of the options that a transform does not take, in words."""
    first = error.errors(include_url=False)[0]
    if not first["loc"]:
        return ConfigError(str(first.get("ctx", {}).get("error", first["msg"])), where=name)
    what, fix = join_refusals([Refusal(first["type"], first.get("ctx", {}), first["input"])], str(first["loc"][0]))
    return ConfigError(what, where=name, fix=fix)


def _bound(name: str, signature: inspect.Signature, given: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """What a function was called with, by name. Raises ConfigError for what it does not take, and for what is lacking."""
    try:
        return dict(signature.bind(*given, **named).arguments)
    except TypeError as error:
        known = [each for each in signature.parameters if each != "x"]
        unknown = [each for each in named if each not in known]
        needed = ", ".join(each for each in signature.parameters if signature.parameters[each].default is inspect.Parameter.empty)
        fix = did_you_mean(unknown[0], known) if unknown else f"call it {name}({needed}, rate=…)"
        raise ConfigError(str(error), where=name, fix=fix) from error


def _signature(options: Any) -> inspect.Signature:
    fields = {key: each for key, each in options.model_fields.items() if key not in OF_CHAINS}
    needed = [key for key, each in fields.items() if each.is_required()]
    by_place = needed or [key for key in fields if key == options.main]
    kinds = inspect.Parameter
    found = [kinds("x", kinds.POSITIONAL_ONLY, annotation=Tensor)]
    for key in [*by_place, *(each for each in fields if each not in by_place)]:
        default = fields[key].get_default(call_default_factory=True)
        default = kinds.empty if default is PydanticUndefined else default
        kind = kinds.POSITIONAL_OR_KEYWORD if key in by_place else kinds.KEYWORD_ONLY
        found.append(kinds(key, kind, default=default, annotation=fields[key].annotation))
    return inspect.Signature(found, return_annotation=Tensor)


def _described(options: Any) -> str:
    lines = [f"{key}: {each.description}" for key, each in options.model_fields.items() if key not in OF_CHAINS]
    return "\n".join(lines)
