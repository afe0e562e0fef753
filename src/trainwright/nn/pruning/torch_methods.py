"""Pruning methods written for `torch.nn.utils.prune`, as methods here."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import prune

from trainwright.config.errors import ConfigError
from trainwright.nn.pruning.base import PruningMethod, Tensors


class TorchMethod(PruningMethod):
    """A `BasePruningMethod` of torch: its `compute_mask` is asked for each weight by itself, once."""

    follows_schedule = False

    def __init__(self, inner: prune.BasePruningMethod) -> None:
        self.inner: Any = inner

    def masks(self, weights: Tensors, kept: Tensors, share: float, generator: torch.Generator) -> dict[str, Tensor]:
        """What was kept, where `compute_mask` keeps it. Raises ConfigError for a mask of another shape."""
        return {name: self._mask(name, weight, kept[name]) for name, weight in weights.items()}

    def _mask(self, name: str, weight: Tensor, kept: Tensor) -> Tensor:
        found = self.inner.compute_mask(weight, default_mask=kept.to(weight.dtype))
        if not isinstance(found, Tensor) or found.shape != weight.shape:
            given = f"of shape {tuple(found.shape)}" if isinstance(found, Tensor) else f"a {type(found).__name__}"
            why = f"the weight has shape {tuple(weight.shape)}"
            raise ConfigError(
                f"compute_mask of {type(self.inner).__name__} gave {given} for '{name}'", why=why, fix="return a mask like it"
            )
        return kept & found.bool()


def as_method(made: Any) -> PruningMethod:
    """A method, those of torch taken in. Raises ConfigError for what is none."""
    if isinstance(made, PruningMethod):
        return made
    if isinstance(made, prune.BasePruningMethod):
        return TorchMethod(made)
    what = f"{type(made).__name__} is no pruning method"
    fix = "derive it from trainwright.nn.pruning.base.ScoredMethod, or from torch.nn.utils.prune.BasePruningMethod"
    raise ConfigError(what, where="trainer.callbacks.pruning.method", fix=fix)
