"""What is done to batches of a supervised system: to single columns, and to whole rows with their targets."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from trainwright.config.errors import ConfigError
from trainwright.config.model import PartConfig
from trainwright.data.transforms.batches import BatchChain, BatchTransforms, Seed
from trainwright.data.transforms.mixup import Mixup
from trainwright.features.spec import DataSpec

CLASSES = ("binary", "category", "set")
"""Kinds of target that are classes, or labels that are there or not."""


class SupervisedTransforms(BatchTransforms):
    """The chains of columns first, in the order of the groups; then, on training rows, that of the data."""

    in_network = True

    def __init__(self, spec: DataSpec, whole: Sequence[PartConfig] = ()) -> None:
        self.spec = spec
        self.columns = {
            f"{group.name}.value": BatchChain(group.extras["transform"][0], f"columns.{group.columns[0]}.transform")
            for group in spec.inputs
            if "transform" in group.extras
        }
        self.whole = BatchChain(whole, "data.transform")

    @property
    def any(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.columns or self.whole)

    def in_training(self, batch: dict[str, Tensor], seed: Seed) -> dict[str, Tensor]:
        """The batch of a step, its columns and then its rows transformed."""
        batch = self._columns(batch, seed)
        if not self.whole:
            return batch
        for *_, call in self.whole.steps:
            if isinstance(call, Mixup):
                call.tell_classes(f"target.{target.name}" for target in self.spec.targets if target.kind in CLASSES)
        mixed: dict[str, Tensor] = self.whole(batch, seed)
        return mixed

    def always(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The columns under what always applies to them."""
        return self._columns(batch, None)

    def _columns(self, batch: dict[str, Tensor], seed: Seed | None) -> dict[str, Tensor]:
        changed = {key: chain(batch[key][:, 0], seed).unsqueeze(1) for key, chain in self.columns.items()}
        return {**batch, **changed} if changed else batch

    def ensure_mixable(self, batch: dict[str, Tensor]) -> None:
        """Raise ConfigError, naming the columns, for inputs that rows cannot be mixed by."""
        if not any(isinstance(call, Mixup) for *_, call in self.whole.steps):
            return
        for group in self.spec.inputs:
            if all(batch[f"{group.name}.{part}"].is_floating_point() for part in group.parts):
                continue
            names = ", ".join(f"'{name}'" for name in group.columns[:5]) + (" and others" if len(group.columns) > 5 else "")
            why = "words, classes and sequences of any length have no middle"
            fix = f"leave them out (ignore: [{', '.join(group.columns[:5])}]), or leave mixup out"
            raise ConfigError(f"mixup cannot mix inputs of type {group.kind}: {names}", where="data.transform", why=why, fix=fix)

    def ensure_fits(self, before: dict[str, Tensor], after: dict[str, Tensor]) -> None:
        """Raise ConfigError for a batch that its transforms leave in another shape or type than the encoders are made for."""
        for group in self.spec.inputs:
            for part, shape in group.parts.items():
                key = f"{group.name}.{part}"
                found, as_read = after[key], before[key]
                wanted = list(shape) if key in self.columns else list(as_read.shape[1:])
                if key in self.columns and "length" in group.parts:
                    wanted[1] = as_read.shape[2]  # as long as the longest of the batch
                if list(found.shape[1:]) != wanted or found.dtype != as_read.dtype:
                    raise _misfit(group.columns, found, wanted, as_read, key in self.columns)


def _misfit(columns: list[str], found: Tensor, wanted: list[int], as_read: Tensor, own: bool) -> ConfigError:
    kinds = [str(each.dtype).removeprefix("torch.") for each in (found, as_read)]
    what = f"training rows are {kinds[0]} of shape {tuple(found.shape[2:])} after the transforms of batches"
    why = f"the network takes {kinds[1]} of shape {tuple(wanted[1:])}"
    fix = "let what applies in training alone keep shape and type, or end with one that always applies"
    return ConfigError(what, where=f"columns.{columns[0]}.transform" if own else "data.transform", why=why, fix=fix)
