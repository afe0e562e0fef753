"""Arguments as YAML has them → as torch wants them: tuples, data types by name, infinities, functions by path, layers in layers."""

from __future__ import annotations

import inspect
import math
import typing
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from trainwright.config.errors import did_you_mean
from trainwright.tools.graph.naming import by_path
from trainwright.tools.graph.plan import Here
from trainwright.tools.graph.writing import is_layer

INFINITE = {"inf": math.inf, "+inf": math.inf, "-inf": -math.inf, "nan": math.nan}


def dtype_of(name: Any, here: Here) -> torch.dtype:
    """`float16` or `torch.float16` as torch has it; raises ConfigError with the nearest name."""
    found = getattr(torch, str(name).removeprefix("torch."), None)
    if isinstance(found, torch.dtype):
        return found
    known = [key for key, each in vars(torch).items() if isinstance(each, torch.dtype)]
    raise here.error(f"unknown data type '{name}'", fix=did_you_mean(str(name), known))


def plain(value: Any, key: str, here: Here) -> Any:
    """A constant as torch takes it: lists become tuples, names of data types and paths become what they name."""
    if isinstance(value, str):
        if key.endswith("dtype"):
            return dtype_of(value, here)
        return INFINITE[value] if value in INFINITE else _by_path(value, here)
    if isinstance(value, list | tuple):
        return tuple(plain(each, "", here) for each in value)
    if isinstance(value, Mapping):
        return {name: plain(each, str(name), here) for name, each in value.items()}
    return value


def _by_path(value: str, here: Here) -> Any:
    """`torch.float16`, `torch.nn.functional.gelu`, `./net.py:distance`; any other text is text."""
    if not (value.startswith("torch.") or (":" in value and value.partition(":")[0].endswith(".py"))):
        return value
    found = getattr(torch, value.removeprefix("torch."), None)
    if isinstance(found, torch.dtype | torch.memory_format | torch.layout):
        return found
    return by_path(value, here)


def source_of(value: Any, key: str, here: Here) -> str:
    """A constant as Python text for the forward of a graph; raises ConfigError for what cannot be written so."""
    if isinstance(value, list | tuple):
        return "(" + "".join(f"{source_of(each, '', here)}, " for each in value) + ")"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name!r}: {source_of(each, str(name), here)}" for name, each in value.items()) + "}"
    found = plain(value, key, here)
    if isinstance(found, float) and not math.isfinite(found):
        return f"float({str(found)!r})"
    if found is None or isinstance(found, bool | int | float | str):
        return repr(found)
    if isinstance(found, torch.dtype | torch.memory_format | torch.layout):
        return str(found)
    if isinstance(value, str) and value.startswith("torch.") and ":" not in value:
        return value
    raise here.error(f"{value!r} cannot be given here", fix="make it a node, and name that node in inputs")


class LayerArguments:
    """Turns the arguments of one layer into what its class takes; `make_layer` makes the layers among them."""

    def __init__(self, made_from: Any, here: Here, make_layer: Any) -> None:
        self.here, self.make_layer = here, make_layer
        self.hints = _hints(made_from)

    def value(self, value: Any, key: str) -> Any:
        """One argument."""
        if is_layer(value):
            return self.make_layer(value, self.here)
        wanted = self.hints.get(key)
        if isinstance(value, list | tuple) and _takes(wanted, Tensor):
            return torch.tensor(value)
        if isinstance(value, list | tuple) and any(is_layer(each) for each in value):
            return [self.value(each, "") for each in value]
        found = plain(value, key, self.here)
        return list(found) if isinstance(found, tuple) and _takes(wanted, list) and not _takes(wanted, tuple) else found


def _takes(annotation: Any, kind: type) -> bool:
    """Whether an annotation, or a member of it, is `kind`."""
    if annotation is kind or typing.get_origin(annotation) is kind:
        return True
    return any(_takes(each, kind) for each in typing.get_args(annotation) if typing.get_origin(annotation) not in (list, tuple, dict))


def _hints(made_from: Any) -> dict[str, Any]:
    function = inspect.getattr_static(made_from, "__init__") if isinstance(made_from, type) else made_from
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError, AttributeError):  # annotations that need names the module does not have at run time
        return {}
