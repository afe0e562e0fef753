"""Dense layers that train as if their weights and inputs were whole numbers already."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.config.name_patterns import fits
from trainwright.nn.quantization.library import need

QAT = "torchao.quantization.qat"


@dataclass(frozen=True)
class Rounding:
    """To what: weights of `weights` with a scale per output, or per `group` of inputs; `inputs` too, with a range per row."""

    weights: Literal["int8", "int4"] = "int8"
    group: int | None = None
    inputs: bool = True


class RoundedLinear(nn.Linear):
    """A dense layer that rounds in training steps while `rounding` is on, with gradients passed straight through (Bengio et al. 2013).

    Its parameters, its name in a state dict and its answers in evaluation are those of the layer that it was.
    """

    rounding: bool
    round_weight: Any
    round_input: Any

    def forward(self, input: Tensor) -> Tensor:
        if not (self.rounding and self.training):
            return super().forward(input)
        given = input if self.round_input is None else self.round_input(input)
        return functional.linear(given, self.round_weight(self.weight), self.bias)


def round_layers(module: nn.Module, rounding: Rounding, skip: Collection[str] = (), where: str = "rounding") -> dict[str, RoundedLinear]:
    """Make the dense layers of a module rounded ones, in place; those that `skip` names, and parts of other layers, are left.

    Raises ConfigError where there is none, for a pattern that names none, and for a width that is no multiple of the group.
    """
    chosen = choose_layers(module, rounding, skip, where)
    for each in chosen.values():
        _round(each, rounding, where)
    return chosen  # type: ignore[return-value] # what each of them is now


def choose_layers(module: nn.Module, rounding: Rounding, skip: Collection[str] = (), where: str = "rounding") -> dict[str, nn.Linear]:
    """The dense layers by name that `round_layers` would round; raises ConfigError as it does, also where torchao is not installed."""
    found = {name: each for name, each in module.named_modules() if type(each) is nn.Linear}
    for pattern in skip:
        if not any(fits(name, pattern) for name in found):
            raise ConfigError(f"'{pattern}' names no dense layer", where=where, fix=did_you_mean(pattern, found))
    chosen = {name: each for name, each in found.items() if not any(fits(name, pattern) for pattern in skip)}
    _ensure_layers(chosen, rounding, where)
    need(QAT, where)
    return chosen


def _ensure_layers(layers: dict[str, nn.Linear], rounding: Rounding, where: str) -> None:
    if not layers:
        why = "convolutions and recurrent layers are not rounded in training; int8 files of them lose little without"
        raise ConfigError("the model has no dense layer to round", where=where, why=why, fix="leave it out, and export with int8: static")
    for name, each in layers.items():
        if rounding.group is not None and each.in_features % rounding.group:
            why = f"it has {each.in_features} inputs"
            fix = "choose a group that divides it, or name the layer in skip"
            raise ConfigError(f"groups of {rounding.group} do not fit the layer {name}", where=where, why=why, fix=fix)


def _round(layer: nn.Linear, rounding: Rounding, where: str) -> None:
    qat = need(QAT, where)
    dtype = getattr(torch, rounding.weights)
    grained = {"granularity": "per_channel"} if rounding.group is None else {"group_size": rounding.group}
    weight = qat.IntxFakeQuantizeConfig(dtype, is_symmetric=True, **grained)
    inputs = qat.IntxFakeQuantizeConfig(torch.int8, "per_token", is_symmetric=False) if rounding.inputs else None
    layer.__class__ = RoundedLinear  # the same object: what others hold of it, its hooks and its parameters stay
    vars(layer).update(
        rounding=True,
        round_weight=qat.FakeQuantizerBase.from_config(weight),
        round_input=None if inputs is None else qat.FakeQuantizerBase.from_config(inputs),
    )


def unround_layers(layers: Mapping[str, nn.Linear]) -> None:
    """Make them dense layers again."""
    for each in layers.values():
        for name in ("rounding", "round_weight", "round_input"):
            vars(each).pop(name, None)
        each.__class__ = nn.Linear
