"""What a `type` names: a class of torch.nn, a block, a listed function of torch, code of the user's own, or one of our words."""

from __future__ import annotations

import inspect
import sys
import typing
from functools import lru_cache, reduce
from typing import Any

import torch
from torch import nn

from trainwright.config.errors import RequestError, nearest
from trainwright.config.foreign import found_at, why_not_own
from trainwright.config.registry import load
from trainwright.config.torch_names import NODES
from trainwright.nn.extensions import registered_namespaces
from trainwright.tools.graph.plan import Here
from trainwright.tools.graph.registered import block_named, block_names
from trainwright.tools.graph.writing import NESTED, WORDS

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
        if name := block_named(kind):
            return load("block", name)
        raise here.error(f"unknown layer type '{kind}'", fix=_nearest(kind))
    return by_path(full_name(kind), here)


def by_path(path: str, here: Here) -> Any:
    """What a path names: a listed name of torch that computes, or code of one's own; raises ConfigError for anything else.

    A graph says what is computed, and comes from anywhere: what loads, saves, compiles or runs something is out of its reach.
    """
    if _of_extension(path):  # `torch.ops` is no module that can be looked for
        return reduce(getattr, path.split(".")[1:], torch)
    own = "" if path in NODES else why_not_own(path)
    if own:
        raise here.error(f"'{path}' is nothing that a node may name", why=own, fix=_fix(path))
    try:
        found = found_at(path)[0]
    except RequestError as error:
        raise here.error(error.what, why=error.why, fix=error.fix) from error
    if path not in NODES and _is_pythons(found):
        raise here.error(f"'{path}' is nothing that a node may name", why=f"it is {found.__module__}.{found.__name__}", fix=_fix(path))
    return found


def _of_extension(path: str) -> bool:
    """Whether a path names an operator that an extension of the configuration has registered."""
    keys = path.split(".")
    return len(keys) == 4 and path.startswith("torch.ops.") and keys[2] in registered_namespaces()


def _is_pythons(found: Any) -> bool:
    """Whether a function or a class is one of Python's own library, however it was reached: a file of one's own may import os."""
    of = getattr(found, "__module__", "") if inspect.isclass(found) or inspect.isroutine(found) else ""
    return isinstance(of, str) and of != "__main__" and of.partition(".")[0] in sys.stdlib_module_names


def _fix(path: str) -> str:
    close = nearest(path, NODES)
    near = f"did you mean '{close}'? " if close.rpartition(".")[0] == path.rpartition(".")[0] else ""
    return f"{near}docs/graph.md lists what can be named; code of your own is a file: ./net.py:function"


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
    close = nearest(kind, [*layer_names(), *block_names(), *WORDS, *NESTED])
    hint = "a class of torch.nn, a block (trainwright list block), a path such as torch.cat, or ./net.py:Net"
    return f"did you mean '{close}'?" if close else f"write {hint}"
