"""What a `type` names: a class of torch.nn, a function of torch, a class or function of the user's own, or one of our words."""

from __future__ import annotations

import inspect
import typing
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from trainwright.config.errors import RequestError, nearest
from trainwright.config.foreign import found_at
from trainwright.nn.graph.plan import Here
from trainwright.nn.graph.writing import NESTED, WORDS

SHORT = {"F.": "torch.nn.functional.", "Tensor.": "torch.Tensor.", "nn.": "torch.nn."}
HELD = (nn.Parameter, nn.Buffer, nn.ParameterDict, nn.ParameterList)
"""Kept in the graph and read, not called."""


def thing(kind: str, here: Here) -> Any:
    """The class or function that a `type` names, or the word itself; raises ConfigError with the nearest name."""
    if kind in WORDS or kind in NESTED:
        return kind
    if "." not in kind and ":" not in kind:
        found = getattr(nn, kind, None)
        if isinstance(found, type) and (issubclass(found, nn.Module) or found in HELD):
            return found
        raise here.error(f"unknown layer type '{kind}'", fix=_nearest(kind))
    try:
        return found_at(full_name(kind))[0]
    except RequestError as error:
        raise here.error(error.what, why=error.why, fix=error.fix) from error


def full_name(kind: str) -> str:
    """`F.relu` → `torch.nn.functional.relu`."""
    for short, full in SHORT.items():
        if kind.startswith(short):
            return full + kind.removeprefix(short)
    return kind


def is_made(found: Any) -> bool:
    """Whether a layer is made of it (a module class, or a function that says it returns a module) rather than called with the inputs."""
    if isinstance(found, type):
        return issubclass(found, nn.Module) or found in HELD
    return found in NESTED or (not isinstance(found, str) and _returns_module(found))


def _returns_module(function: Any) -> bool:
    if not inspect.isfunction(function):
        return False
    try:
        returned = typing.get_type_hints(function).get("return")
    except (NameError, TypeError, AttributeError):  # annotations that need names the module does not have at run time
        return False
    return isinstance(returned, type) and issubclass(returned, nn.Module)


@lru_cache(maxsize=1)
def layer_names() -> tuple[str, ...]:
    """The classes of torch.nn that can be nodes."""
    found = {name: each for name, each in vars(nn).items() if isinstance(each, type) and not name.startswith("_")}
    return tuple(name for name, each in found.items() if each is not nn.Module and (issubclass(each, nn.Module) or each in HELD))


def _nearest(kind: str) -> str:
    places = {"torch.nn.functional": nn.functional, "torch": torch, "torch.Tensor": torch.Tensor}
    holder = next((place for place, each in places.items() if kind.islower() and callable(getattr(each, kind, None))), "")
    if holder:
        return f"a function is written with its path: did you mean '{holder}.{kind}'?"
    close = nearest(kind, [*layer_names(), *WORDS, *NESTED])
    hint = "a class of torch.nn, a path such as torch.cat, or ./net.py:Net"
    return f"did you mean '{close}'?" if close else f"write {hint}"
