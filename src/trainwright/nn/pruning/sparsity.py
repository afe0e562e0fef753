"""How many weights are pruned, by weight and in all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from trainwright.nn.pruning.choosing import ChosenWeights

FILE = "pruning.json"
"""In a run: the method, and what `record` says of the model that was kept."""


def record(model: nn.Module, chosen: ChosenWeights, kept: Mapping[str, Tensor]) -> dict[str, Any]:
    """Sizes of the weights that are pruned, rows of padding aside, how many of them are masked and how many zero, and what was left out.

    A weight may be zero that is not masked: that of a layer which begins with zeros.
    """
    params = dict(model.named_parameters())
    layers: list[dict[str, Any]] = []
    for name, each in chosen.weights.items():
        weight = each.taken(params[name].detach())
        pruned = int((~each.taken(kept[name])).sum()) if name in kept else 0
        zeros = int((weight == 0).sum())
        layers.append(
            {
                "name": name,
                "also": list(each.also),
                "shape": list(params[name].shape),
                "weights": weight.numel(),
                "pruned": pruned,
                "zeros": zeros,
            }
        )
    totals = {key: sum(layer[key] for layer in layers) for key in ("weights", "pruned", "zeros")}
    parameters = sum(each.numel() for each in params.values())
    sparsity = totals["pruned"] / totals["weights"] if totals["weights"] else 0.0
    return {"sparsity": sparsity, **totals, "parameters": parameters, "layers": layers, "left_out": chosen.left_out}


def sparsity(model: nn.Module, chosen: ChosenWeights, kept: Mapping[str, Tensor]) -> Tensor | float:
    """The share of the weights that are masked, as `record` has it, left on the device until somebody reads it."""
    params = dict(model.named_parameters())
    weights = sum(each.taken(params[name].detach()).numel() for name, each in chosen.weights.items())
    pruned = [(~each.taken(kept[name])).sum() for name, each in chosen.weights.items() if name in kept]
    return sum(pruned[1:], pruned[0]).double() / weights if pruned and weights else 0.0


def describe(found: dict[str, Any], step: int) -> str:
    """A line for the log."""
    return f"pruned at step {step}: {found['pruned']:,} of {found['weights']:,} weights are held at zero ({100 * found['sparsity']:.4g} %)"
