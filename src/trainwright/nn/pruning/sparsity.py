"""How many weights are zero, by weight and in all."""

from __future__ import annotations

from typing import Any

from torch import nn

from trainwright.nn.pruning.choosing import ChosenWeights

FILE = "pruning.json"
"""In a run: the method, and what `record` says of the model that was kept."""


def record(model: nn.Module, chosen: ChosenWeights) -> dict[str, Any]:
    """Zeros and sizes of the weights that are pruned, the rows of padding aside, and what was left out with the reason."""
    params = dict(model.named_parameters())
    layers = []
    for name, each in chosen.weights.items():
        weight = each.taken(params[name].detach())
        zeros = int((weight == 0).sum())
        shape = list(params[name].shape)
        layers.append({"name": name, "also": list(each.also), "shape": shape, "weights": weight.numel(), "zeros": zeros})
    weights, zeros = (sum(int(str(layer[key])) for layer in layers) for key in ("weights", "zeros"))
    parameters = sum(each.numel() for each in params.values())
    return {
        "sparsity": zeros / weights if weights else 0.0,
        "weights": weights,
        "zeros": zeros,
        "parameters": parameters,
        "layers": layers,
        "left_out": chosen.left_out,
    }


def describe(found: dict[str, Any], step: int) -> str:
    """A line for the log."""
    return f"pruned at step {step}: {found['zeros']:,} of {found['weights']:,} weights are zero ({100 * found['sparsity']:.4g} %)"
