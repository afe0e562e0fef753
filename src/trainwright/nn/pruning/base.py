"""What a pruning method is, and the lowest of some scores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from trainwright.config.errors import ConfigError
from trainwright.nn.pruning.amounts import units_due

Tensors = Mapping[str, Tensor]


class PruningMethod(ABC):
    """Makes masks: of the weights by name, and of which of their entries are kept so far, which are kept from now on.

    What is pruned stays pruned: a mask never keeps what the one before it does not.
    """

    follows_schedule = True
    """Whether a share of what it prunes can be pruned first, and the rest later."""

    def refusal(self, weight: Tensor) -> str:
        """Why a weight cannot be pruned so, in words; empty where it can."""
        return ""

    @abstractmethod
    def masks(self, weights: Tensors, kept: Tensors, share: float, generator: torch.Generator) -> dict[str, Tensor]:
        """Name → what is kept (bool, shaped as the weight), when `share` (0 to 1) of the amount is due; draws come from
        `generator`, on the CPU.

        Raises ConfigError for an amount that is more than there is.
        """


class ScoredMethod(PruningMethod):
    """Prunes what has the lowest score; derive from it, and write `scores`, for a criterion of your own."""

    together = False
    """Whether the scores of all weights are compared with each other, or those of each weight by itself."""

    def __init__(self, options: Any = None, amount: int | float = 0.5) -> None:
        """`options`: those with the `amount`, where they come from a configuration."""
        self.options = options
        self.amount: int | float = getattr(options, "amount", amount)

    @abstractmethod
    def scores(self, weight: Tensor, generator: torch.Generator) -> Tensor:
        """How much each entry of a weight is worth, shaped as it."""

    def masks(self, weights: Tensors, kept: Tensors, share: float, generator: torch.Generator) -> dict[str, Tensor]:
        """The entries whose scores are not among the lowest."""
        scores = {name: self._scored(name, weights[name], kept[name], generator) for name in weights}
        if not self.together:
            return {name: self._keep(name, each, kept[name], share) for name, each in scores.items()}
        flat = torch.cat([each.flatten() for each in scores.values()])
        chosen = self._keep("all weights together", flat, torch.cat([kept[name].flatten() for name in weights]), share)
        sizes = [each.numel() for each in scores.values()]
        return {name: part.view_as(scores[name]) for name, part in zip(scores, torch.split(chosen, sizes), strict=True)}

    def _scored(self, name: str, weight: Tensor, kept: Tensor, generator: torch.Generator) -> Tensor:
        """The scores, those of what is pruned already below all others."""
        found = self.scores(weight, generator)
        if not isinstance(found, Tensor) or found.shape != weight.shape:
            given = f"of shape {tuple(found.shape)}" if isinstance(found, Tensor) else f"a {type(found).__name__}"
            what = f"{type(self).__name__}.scores gave {given} for '{name}'"
            raise ConfigError(what, why=f"the weight has shape {tuple(weight.shape)}", fix="return a score for each of its entries")
        return found.masked_fill(~kept, -torch.inf)

    def _keep(self, name: str, scores: Tensor, kept: Tensor, share: float) -> Tensor:
        gone = scores.numel() - int(kept.sum())
        return ~lowest(scores, max(due(name, self.amount, scores.numel(), share), gone))


def due(name: str, amount: int | float, units: int, share: float) -> int:
    """`units_due`, with the weight in what is raised."""
    try:
        return units_due(amount, units, share)
    except ConfigError as error:
        raise ConfigError(error.what, where=name, why=error.why, fix=error.fix) from error


def lowest(scores: Tensor, count: int) -> Tensor:
    """True at the `count` lowest scores, NaN counted as the highest; of equal ones at the limit the last are taken."""
    flat = scores.detach().flatten().nan_to_num(nan=torch.inf, posinf=torch.inf, neginf=-torch.inf)
    if count == 0:
        return torch.zeros_like(scores, dtype=torch.bool)
    limit = flat.kthvalue(count).values
    found = flat < limit
    ties = (flat == limit).nonzero().flatten()
    found[ties[len(ties) - (count - int(found.sum())) :]] = True
    return found.view_as(scores)
