"""Class weights, given or balanced by the training targets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from trainwright.config.errors import ConfigError, DataError
from trainwright.losses.base import Criterion
from trainwright.losses.shared_options import CriterionOptions

NAMES = ("class_weight", "pos_weight")


class WeightedCriterion(Criterion):
    """A criterion with class weights, kept in buffers; `balanced` ones are saved with the run."""

    def __init__(self, options: CriterionOptions) -> None:
        super().__init__(options)
        self._balanced = [name for name in NAMES if getattr(options, name, None) == "balanced"]
        self._unfitted = bool(self._balanced)
        for name in NAMES:
            given = getattr(options, name, None)
            values = torch.tensor(given, dtype=torch.float32) if isinstance(given, list) else None
            self.register_buffer(name, values, persistent=name in self._balanced)

    @property
    def wants_targets(self) -> bool:
        """Whether `balanced` weights are still to be computed."""
        return self._unfitted

    def fit(self, targets: Tensor | Iterable[Tensor]) -> None:
        """Computes `balanced` weights from training targets, whole or in pieces; raises DataError when there are none."""
        counts: Tensor | None = None
        items = 0.0
        for piece in [targets] if isinstance(targets, Tensor) else targets:
            found, seen = self._count_classes(piece)
            counts = found if counts is None else _join_counts(counts, found)
            items += seen
        if counts is None or items == 0:
            raise DataError(f"the loss '{self.name}' cannot balance classes", where="loss", why="there are no training targets")
        for name in self._balanced:
            self._buffers[name] = _class_weights(counts) if name == "class_weight" else _pos_weights(counts, items)
        self._unfitted = False

    def _count_classes(self, target: Tensor) -> tuple[Tensor, float]:
        """How often each class is there, and in how many items."""
        if target.is_floating_point() and target.dim() < 2:
            return target.sum().double().view(1), float(target.numel())
        if target.is_floating_point():
            per_class = target.double().sum(dim=[each for each in range(target.dim()) if each != 1])
            return per_class, target.numel() / target.shape[1]
        kept = target[target != self._find_ignored(target)].flatten()
        return torch.bincount(kept).double(), float(kept.numel())

    def _find_ignored(self, target: Tensor) -> int:
        given = getattr(self.options, "ignore_index", None)
        return -100 if given is None else given

    def weight(self, name: str, output: Tensor, dim: int = 1) -> Tensor | None:
        """The weights for the channels of an output, in its dtype; None where there are none."""
        if self._unfitted:
            fix = "call fit(targets) of the loss with the training targets before the first step"
            raise ConfigError(f"the balanced weights of the loss '{self.name}' are not computed yet", where="loss", fix=fix)
        found = self._buffers[name]
        if found is None:
            return None
        channels = output.shape[dim] if output.dim() > dim else 1
        if len(found) < channels and name in self._balanced:  # classes that no training row has
            found = self._buffers[name] = torch.cat([found, found.new_ones(channels - len(found))])
        if len(found) != channels:
            what = f"{name} has {len(found)} values for {channels} classes"
            raise ConfigError(
                what, where=f"loss '{self.name}'", why=f"the model gives {tuple(output.shape)}", fix="give one for each class"
            )
        if found.device != output.device:
            found = self._buffers[name] = found.to(output.device)
        given = getattr(self.options, name)
        if output.dtype == torch.float64 and found.dtype == torch.float32 and isinstance(given, list):
            found = self._buffers[name] = torch.tensor(given, dtype=torch.float64, device=output.device)  # 0.2 with all its digits
        same = found.dtype == output.dtype or torch.is_autocast_enabled(output.device.type)
        return found if same else found.to(output.dtype)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name in self._balanced:  # saved weights need no training targets
            saved = state_dict.get(prefix + name)
            if saved is not None:
                self._buffers[name], self._unfitted = saved.clone(), False
        super()._load_from_state_dict(state_dict, prefix, *rest)


def along_channels(weight: Tensor, output: Tensor) -> Tensor:
    """Weights (c) shaped to dimension 1 of an output (b, c, …); torch alone would put them along its last dimension."""
    return weight.view(-1, *[1] * (output.dim() - 2)) if output.dim() > 2 else weight


def _join_counts(first: Tensor, second: Tensor) -> Tensor:
    longest = max(len(first), len(second))
    padded = [torch.cat([each, each.new_zeros(longest - len(each))]) for each in (first, second)]
    return padded[0] + padded[1]


def _class_weights(counts: Tensor) -> Tensor:
    """items / (classes present · items of the class); 1 for a class that is not there."""
    present = counts > 0
    share = counts.sum() / (present.sum() * counts.clamp_min(1e-12))
    return torch.where(present, share, 1.0).float()


def _pos_weights(counts: Tensor, items: float) -> Tensor:
    """negatives / positives of each label; 1 for a label without either."""
    mixed = (counts > 0) & (counts < items)
    return torch.where(mixed, (items - counts) / counts.clamp_min(1e-12), 1.0).float()
