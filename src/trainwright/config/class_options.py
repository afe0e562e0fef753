"""The options of a class or function that is no part of the program: those it names itself, else those of its signature."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Mapping
from functools import lru_cache, reduce
from operator import or_
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import ConfigDict, Field, create_model

from trainwright.config.model import PartConfig
from trainwright.config.nested import MadeOptions

CONTEXT: dict[str, tuple[str, ...]] = {
    "source": ("memory_limit",),
    "feature": ("name",),
    "encoder": ("group",),
    "combiner": ("shapes", "rows"),
    "decoder": ("width", "members", "target"),
    "loss": ("target",),
    "optimizer": ("params", "parameters", "groups"),
    "schedule": ("extent", "higher_is_better", "optimizer"),
    "tracker": ("folder",),
    "backbone": ("shape",),
    "denoiser": ("network", "sigma_data", "weighting"),
    "noise_density": ("sigma_data", "size"),
    "loss_weighting": ("sigma", "sigma_data"),
    "sampler": ("denoiser", "model", "x", "sigmas", "extra_args", "callback", "disable", "noise_sampler"),
    "sigma_schedule": ("n", "sigma_min", "sigma_max", "table", "device", "dtype"),
}
"""Kind → parameters that the program fills in, and that are no options."""

OFFERED: dict[str, tuple[str, ...]] = {"dataset": ("seed", "memory_limit")}
"""Kind → names that the program gives where the configuration does not."""
PLAIN = (bool, int, float, str, type(None))
NOT_WRITTEN = object()
"""A default that no file shows."""


def own_options(made_from: Any) -> type[PartConfig] | None:
    """The options class of a class whose first parameter is annotated with one, as the parts here are written.

    A nested Config that is a kind of those options goes before: the constructor may be that of the class it is derived from.
    """
    first = next(iter(_parameters(made_from)), None)
    annotation = _hints(made_from).get(first.name) if first else None
    if not isinstance(annotation, type) or not issubclass(annotation, PartConfig):
        return None
    nested = getattr(made_from, "Config", None)
    return nested if isinstance(nested, type) and issubclass(nested, annotation) else annotation


def context_names(made_from: Any, context: Mapping[str, Any]) -> list[str]:
    """The names of `context` that the signature takes, or `configure` where the constructor of a class with a Config hands all on to it."""
    parameters = _parameters(made_from)
    if hasattr(made_from, "Config") and any(each.kind is each.VAR_KEYWORD for each in parameters):
        parameters += _parameters(getattr(made_from, "configure", None))
    named = {each.name for each in parameters}
    return [name for name in context if name in named]


def is_loss_function(made_from: Any) -> bool:
    """Whether it is the loss itself, called with output and target, and no class or function that makes one."""
    if isinstance(made_from, type):
        return False
    first = [each for each in _parameters(made_from) if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)][:2]
    return len(first) == 2 and all(each.default is each.empty for each in first) and first[0].name not in CONTEXT["loss"]


@lru_cache(maxsize=256)
def options_from_signature(made_from: Any, path: str, kind: str) -> type[PartConfig]:
    """Options with the names, types and defaults of a signature; what the program fills in is left out."""
    hints = _hints(made_from)
    fields: dict[str, Any] = {}
    parameters = _parameters(made_from)[2 if kind == "loss" and is_loss_function(made_from) else 0 :]
    for each in parameters:
        if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD, each.POSITIONAL_ONLY) or each.name in (*CONTEXT.get(kind, ()), "type"):
            continue
        if each.name.startswith("_") or hasattr(PartConfig, each.name):
            continue
        offered = each.name in OFFERED.get(kind, ())
        fields[each.name] = _field(hints.get(each.name, Any), NOT_WRITTEN if offered else each.default)
    if kind == "schedule" and "every" not in fields and hasattr(made_from, "get_last_lr"):
        fields["every"] = (Literal["step", "epoch"], "step")
    takes_all = any(each.kind is each.VAR_KEYWORD for each in parameters)
    summary = (inspect.getdoc(made_from) or f"Options of {path}.").partition("\n\n")[0]
    base = _Open if takes_all else PartConfig
    name = f"{getattr(made_from, '__name__', 'Part')}Options"
    fields["type"] = (str, path)
    make: Any = create_model
    options: type[PartConfig] = make(name, __base__=(MadeOptions, base), __doc__=summary, **fields)
    options.__made_by__ = (options_from_signature, made_from, path, kind)
    return options


class _Open(PartConfig):
    """For signatures with `**kwargs`: any option is passed on."""

    model_config = ConfigDict(extra="allow")


def _field(annotation: Any, default: Any) -> tuple[Any, Any]:
    allowed = _writable(annotation)
    if default is inspect.Parameter.empty:
        return allowed, ...
    if not _is_plain(default):
        return Annotated[allowed | None if allowed is not Any else Any, Field(exclude_if=_is_none)], None
    if default is None and allowed is not Any:
        allowed = allowed | None
    return allowed, list(default) if isinstance(default, tuple) and not _has_tuple(allowed) else default


def _is_none(value: Any) -> bool:
    return value is None


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(each) for each in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(each) for key, each in value.items())
    return isinstance(value, PLAIN)


def _has_tuple(annotation: Any) -> bool:
    return get_origin(annotation) is tuple or any(_has_tuple(each) for each in get_args(annotation))


def _writable(annotation: Any) -> Any:
    """The part of a type that can be written in YAML; Any when nothing of it can."""
    origin, inside = get_origin(annotation), get_args(annotation)
    if annotation in PLAIN or annotation is None or origin is Literal:
        return annotation
    if origin is Annotated:
        return _writable(inside[0])
    if origin in (Union, types.UnionType):
        kept = [each for each in (_writable(part) for part in inside) if each is not Any]
        return reduce(or_, kept) if any(each is not type(None) for each in kept) else Any
    if origin in (list, tuple, dict) and all(each is Ellipsis or _writable(each) is not Any for each in inside):
        return origin[tuple(each if each is Ellipsis else _writable(each) for each in inside)]
    return annotation if annotation in (list, dict) else Any


def _parameters(made_from: Any) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(made_from).parameters.values())
    except (TypeError, ValueError):
        return []


def _hints(made_from: Any) -> dict[str, Any]:
    function = inspect.getattr_static(made_from, "__init__") if isinstance(made_from, type) else made_from
    try:
        return typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError, AttributeError):  # annotations that need names the module does not have at run time
        return {}
