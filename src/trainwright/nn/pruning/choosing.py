"""Which weights of a model are pruned, and why others are not."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from trainwright.config.errors import ConfigError
from trainwright.config.name_patterns import REGULAR, matcher, other_spelling
from trainwright.nn.module_names import Weight, find_weights, weights_of
from trainwright.nn.pruning.base import PruningMethod

NORMS = ("BatchNorm", "LayerNorm", "GroupNorm", "InstanceNorm", "RMSNorm")
"""What classes of normalization have in their names."""
EMBEDDINGS = (nn.Embedding, nn.EmbeddingBag)


@dataclass(frozen=True)
class Prunable:
    """A weight that is pruned."""

    path: str
    also: tuple[str, ...] = ()
    """Other names of it: tied weights count once."""
    padding: int | None = None
    """The row of an embedding that stands for padding: it is no weight, and neither counted nor masked."""

    def taken(self, tensor: Tensor) -> Tensor:
        """What of a tensor shaped as the weight is pruned or not."""
        return tensor if self.padding is None else torch.cat([tensor[: self.padding], tensor[self.padding + 1 :]])

    def mask(self, taken: Tensor) -> Tensor:
        """A mask of the whole weight from that of what is taken."""
        if self.padding is None:
            return taken
        return torch.cat([taken[: self.padding], torch.ones_like(taken[:1]), taken[self.padding :]])


@dataclass
class ChosenWeights:
    """The weights that are pruned by name, and those left out with the reason."""

    weights: dict[str, Prunable] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def choose_weights(
    model: nn.Module, names: Sequence[str] = (), exclude: Sequence[str] = (), method: PruningMethod | None = None, where: str = "names"
) -> ChosenWeights:
    """The weights that the patterns name, by full name or by a module that they are in; without patterns all.

    Left out are normalization, weights that parametrizations give, what the method cannot prune, and, where no pattern names them
    themselves, vectors and what is not called `weight` or alike (`in_proj_weight`, `weight_ih_l0`). Raises ConfigError, with the nearest
    name, for a pattern that names nothing, and where nothing is left.
    """
    every = weights_of(model)
    found = ChosenWeights()
    named = find_weights(every, names, where)
    not_these = {each.path for each in find_weights(every, exclude, where)} if exclude else set()
    for weight in named:
        if weight.path in not_these:
            continue
        why = _why_not(weight, any(_names_itself(each, weight) for each in names)) or (
            "" if method is None else method.refusal(weight.value)
        )
        if why:
            found.left_out[weight.path] = why
        else:
            padding = weight.module.padding_idx if isinstance(weight.module, EMBEDDINGS) else None
            found.weights[weight.path] = Prunable(weight.path, weight.aliases[1:], padding)
    if not found.weights:
        raise _nothing(found.left_out, not_these, exclude, where)
    return found


def _nothing(left_out: dict[str, str], not_these: Collection[str], exclude: Sequence[str], where: str) -> ConfigError:
    reasons = [f"{name}: {reason}" for name, reason in list(left_out.items())[:4]]
    reasons += [f"exclude ({', '.join(exclude)}) takes {', '.join(sorted(not_these)[:4])} out"] if not_these else []
    fix = "exclude less" if not_these else "name weights of linear layers or convolutions, or another method"
    return ConfigError("there is nothing to prune", where=where, why="; ".join(reasons) or "the model has no weights", fix=fix)


def _names_itself(pattern: str, weight: Weight) -> bool:
    """Whether a pattern names a weight by its own name, and not as one of all that are in a module."""
    means = matcher(pattern)
    own = pattern.startswith(REGULAR) or pattern.rpartition(".")[2].strip("*") != ""
    return own and any(means(each) or means(other_spelling(each)) for each in weight.aliases)


def _why_not(weight: Weight, named: bool) -> str:
    """Why a weight is not pruned; empty where it is. `named`: whether somebody asks for it by its name."""
    value = weight.value
    if weight.parametrised:
        return "a parametrization gives it"
    if not isinstance(value, nn.Parameter) or isinstance(value, nn.UninitializedParameter) or not value.is_floating_point():
        return f"it is {getattr(value, 'dtype', type(value).__name__)}"
    if value.numel() == 0:
        return "it is empty"
    if any(part in type(weight.module).__name__ for part in NORMS):
        return "it scales or shifts a normalization"
    if named:
        return ""
    if value.dim() < 2:
        return "it is a vector, pruned only where a pattern names it"
    if "weight" not in weight.name:
        return "it is not called a weight, pruned only where a pattern names it"
    return "" if value.requires_grad else "it is frozen, pruned only where a pattern names it"
