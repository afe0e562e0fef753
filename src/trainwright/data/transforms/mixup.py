"""Rows mixed with others of their step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from trainwright.config.errors import DataError
from trainwright.data.rows import as_blocks
from trainwright.data.transforms import MixupOptions
from trainwright.data.transforms.parts import device_of, rows_of

PARTNER = "partner."
"""Before the name of a block of classes: those of the rows that were mixed in."""
SHARE = "mixup.share"
"""The block with the share of each row that is its own (b)."""


class Mixup:
    """x ← λ·x + (1 − λ)·x[partners], λ ~ Beta(α, α), for every block of a batch (Zhang et al. 2018, equation 1).

    Blocks of classes stay as they are, the partners' beside them: a loss of both, in these shares, is right whatever the loss is.
    """

    def __init__(self, options: MixupOptions) -> None:
        self.alpha, self.number, self.target = options.alpha, options.classes, options.target
        self.classes: frozenset[str] | None = None
        """Names of the blocks that are classes; None for data of one's own, which do not say."""

    def tell_classes(self, names: Iterable[str]) -> None:
        """Let these blocks be classes, which cannot be mixed as numbers."""
        self.classes = frozenset(names)

    def __call__(self, batch: Any) -> Any:
        """The batch mixed, in the form that it has. Draws from the default generators of numpy and torch (CPU), on any device the same."""
        device, rows = device_of(batch), rows_of(batch) or 0
        drawn = float(np.random.beta(self.alpha, self.alpha))
        share = max(drawn, 1 - drawn)
        partners = torch.randperm(rows, generator=torch.default_generator).to(device, non_blocking=True)
        if self.classes is None:
            mixed = {name: mix(name, self._soft(name, block), partners, share) for name, block in as_blocks(batch).items()}
            return mixed if isinstance(batch, Mapping) else mixed["input"] if isinstance(batch, Tensor) else type(batch)(mixed.values())
        mixed = {name: block if name in self.classes else mix(name, block, partners, share) for name, block in batch.items()}
        mixed |= {f"{PARTNER}{name}": batch[name].index_select(0, partners) for name in self.classes if name in batch}
        return {**mixed, SHARE: torch.full((rows,), share, device=device)}

    def _soft(self, name: str, block: Any) -> Any:
        """The classes of data of one's own as the share of each class (b, c), where their number was given."""
        if name != self.target or not isinstance(block, Tensor) or block.is_floating_point():
            return block
        if self.number is None:
            what = f"mixup cannot mix '{name}', which is the number of a class"
            raise DataError(what, where="data.transform", fix="say how many classes there are: {mixup: {classes: 10}}")
        return functional.one_hot(block.long(), self.number).float()


def mix(name: str, block: Any, partners: Tensor, share: float) -> Tensor:
    """`share` of each row and the rest of its partner's. Raises DataError for what is no numbers with a fraction."""
    if not isinstance(block, Tensor) or not block.is_floating_point():
        kind = str(block.dtype).removeprefix("torch.") if isinstance(block, Tensor) else type(block).__name__
        why = "rows are mixed by their numbers; what stands for a word or a class has no middle"
        fix = "leave out what is no number, or the transform; a class is mixed by {mixup: {classes: 10, target: NAME}}"
        raise DataError(f"mixup cannot mix '{name}', which is {kind}", where="data.transform", why=why, fix=fix)
    return torch.lerp(block.index_select(0, partners), block, share)
