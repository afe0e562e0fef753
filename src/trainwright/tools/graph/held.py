"""Parameters and buffers as nodes: a shape and how it starts, or the values themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from trainwright.config.errors import did_you_mean
from trainwright.tools.graph.plan import Here
from trainwright.tools.graph.values import dtype_of, plain

OF_PARAMETER = ("shape", "value", "init", "dtype", "requires_grad")
OF_BUFFER = ("shape", "value", "init", "dtype", "persistent")


def make_parameter(given: Mapping[str, Any], here: Here) -> nn.Parameter:
    """A free parameter; raises ConfigError for options that do not fit."""
    _only(given, OF_PARAMETER, "Parameter", here)
    return nn.Parameter(_tensor(given, here), requires_grad=bool(given.get("requires_grad", True)))


def make_buffer(given: Mapping[str, Any], here: Here) -> nn.Buffer:
    """A buffer, saved with the weights unless `persistent: false`; raises ConfigError for options that do not fit."""
    _only(given, OF_BUFFER, "Buffer", here)
    return nn.Buffer(_tensor(given, here), persistent=bool(given.get("persistent", True)))


def make_parameters(kind: type, args: tuple[Any, ...], kwargs: Mapping[str, Any], here: Here) -> nn.Module:
    """A ParameterDict or ParameterList of parameters given as mappings."""
    if kind is nn.ParameterDict:
        given = dict(kwargs)
        return nn.ParameterDict({name: make_parameter(_describe(each, here), here.under(name)) for name, each in given.items()})
    return nn.ParameterList([make_parameter(_describe(each, here), here.under(number)) for number, each in enumerate(args)])


def _describe(value: Any, here: Here) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    raise here.error(f"a parameter is described by {value!r}", fix="write {shape: [3, 4]} or {value: [1.0, 2.0]}")


def _only(given: Mapping[str, Any], known: tuple[str, ...], kind: str, here: Here) -> None:
    unknown = next((key for key in given if key not in known), None)
    if unknown is not None:
        raise here.error(f"unknown option '{unknown}' of a {kind}", fix=did_you_mean(unknown, known))
    if ("shape" in given) == ("value" in given):
        raise here.error(f"a {kind} needs a shape or a value, and not both", fix="write shape: [3, 4] or value: [1.0, 2.0]")
    if "value" in given and "init" in given:
        raise here.error(f"a {kind} with a value needs no init", fix="remove one of them")


def _tensor(given: Mapping[str, Any], here: Here) -> Tensor:
    dtype = dtype_of(given["dtype"], here) if given.get("dtype") is not None else None
    if "value" in given:
        try:
            return torch.tensor(plain(given["value"], "", here), dtype=dtype)
        except (ValueError, TypeError, RuntimeError) as error:
            raise here.error("the value is no tensor", why=str(error), fix="write numbers, in lists of equal length") from error
    shape = given["shape"]
    if not isinstance(shape, list | tuple) or not all(isinstance(each, int) and each >= 0 for each in shape):
        raise here.error(f"the shape is {shape!r}", fix="write whole numbers, for example [3, 4]")
    return _start(torch.zeros(tuple(shape), dtype=dtype), given.get("init", "zeros"), here)


def _start(tensor: Tensor, init: Any, here: Here) -> Tensor:
    """`zeros`, `normal` or `{normal: {std: 0.02}}`: a function of torch.nn.init."""
    name, options = next(iter(init.items())) if isinstance(init, Mapping) and len(init) == 1 else (init, {})
    functions = {each.removesuffix("_"): function for each, function in vars(nn.init).items() if each.endswith("_") and each[0] != "_"}
    function = functions.get(str(name).removesuffix("_"))
    if function is None or not isinstance(options, Mapping):
        raise here.error(f"unknown init {init!r}", fix=did_you_mean(str(name), functions))
    try:
        function(tensor, **plain(options, "", here))
    except (TypeError, ValueError) as error:
        raise here.error(f"'{name}' cannot fill this tensor", why=str(error), fix=f"its shape is {tuple(tensor.shape)}") from error
    return tensor
