"""Rows joined with others of their step: whom with, in which shares, and what becomes of their classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from trainwright.config.errors import DataError
from trainwright.data.rows import as_blocks
from trainwright.data.transforms import JoiningOptions
from trainwright.data.transforms.parts import device_of, rows_of

PARTNER = "partner."
"""Before the name of a block of classes: those of the rows that were mixed in."""
SHARE = "mixup.share"
"""The block with the share of each row that is its own (b)."""

Shares = float | Tensor
"""One share for all rows, or one for each `(b)`."""
Blocks = dict[str, Any]


class Joining:
    """What mixup and cutmix have in common.

    Blocks of classes stay as they are, the partners' beside them: a loss of both, in these shares, is right whatever the loss is.
    """

    def __init__(self, options: JoiningOptions) -> None:
        self.options, self.name, self.number, self.target = options, str(options.type), options.classes, options.target
        self.classes: frozenset[str] | None = None
        """Names of the blocks that are classes; None for data of one's own, which do not say."""
        self.kept: frozenset[str] = frozenset()
        """Names of the blocks that stay a row's own."""
        self.lengths: dict[str, str] = {}
        """Block of values → that of their lengths."""
        self.axes: dict[str, int] = {}
        """Block of values → the dimension of their time."""

    def tell_blocks(
        self,
        classes: Iterable[str],
        kept: Iterable[str] = (),
        lengths: Mapping[str, str] | None = None,
        axes: Mapping[str, int] | None = None,
    ) -> None:
        """Say which blocks are classes, which stay a row's own, which length belongs to which values, and the dimension of their time."""
        self.classes, self.kept = frozenset(classes), frozenset(kept)
        self.lengths, self.axes = dict(lengths or {}), dict(axes or {})

    def __call__(self, batch: Any) -> Any:
        """The batch joined, in the form that it has. Draws from the default generators of numpy and torch (CPU), on any device the same."""
        device, rows = device_of(batch), rows_of(batch) or 0
        share = self._draw_shares(rows)
        share = share.to(device, non_blocking=True) if isinstance(share, Tensor) else share
        partners = torch.randperm(rows, generator=torch.default_generator).to(device, non_blocking=True)
        if self.classes is None:
            blocks = {name: self._soft(name, block) for name, block in as_blocks(batch).items()}
            mixed, _ = self.join(blocks, partners, share)
            return mixed if isinstance(batch, Mapping) else mixed["input"] if isinstance(batch, Tensor) else type(batch)(mixed.values())
        still = self.classes | self.kept
        mixed, share = self.join({name: block for name, block in batch.items() if name not in still}, partners, share)
        mixed = {name: mixed.get(name, block) for name, block in batch.items()}
        mixed |= {f"{PARTNER}{name}": batch[name].index_select(0, partners) for name in self.classes if name in batch}
        return {**mixed, SHARE: share if isinstance(share, Tensor) else torch.full((rows,), share, device=device)}

    def join(self, blocks: Blocks, partners: Tensor, share: Shares) -> tuple[Blocks, Shares]:
        """Blocks of each row and of its partner in one, and the share that is its own. Raises DataError for what cannot be joined."""
        raise NotImplementedError

    def _draw_shares(self, rows: int) -> Shares:
        """The larger share is a row's own; it is 1 for rows that are left alone."""
        alpha, probability = self.options.alpha, self.options.probability
        if self.options.shares == "step" and probability == 1:
            drawn = float(np.random.beta(alpha, alpha))
            return max(drawn, 1 - drawn)
        each = np.random.beta(alpha, alpha, rows if self.options.shares == "row" else 1)
        shares = np.broadcast_to(np.maximum(each, 1 - each), rows).copy()
        if probability < 1:
            shares[np.random.random(rows) >= probability] = 1
        return torch.from_numpy(shares).float()

    def _soft(self, name: str, block: Any) -> Any:
        """The classes of data of one's own as the share of each class (b, c), where their number was given."""
        if name != self.target or not isinstance(block, Tensor) or block.is_floating_point():
            return block
        if self.number is None:
            what = f"{self.name} cannot mix '{name}', which is the number of a class"
            raise DataError(what, where="data.transform", fix=f"say how many classes there are: {{{self.name}: {{classes: 10}}}}")
        return functional.one_hot(block.long(), self.number).float()

    def mix(self, name: str, block: Any, partners: Tensor, share: Shares) -> Tensor:
        """`share` of each row and the rest of its partner's. Raises DataError for what is no numbers with a fraction."""
        if not isinstance(block, Tensor) or not block.is_floating_point():
            kind = str(block.dtype).removeprefix("torch.") if isinstance(block, Tensor) else type(block).__name__
            why = "rows are mixed by their numbers; what stands for a word or a class has no middle"
            fix = f"leave out what is no number, or the transform; a class is mixed by {{{self.name}: {{classes: 10, target: NAME}}}}"
            raise DataError(f"{self.name} cannot mix '{name}', which is {kind}", where="data.transform", why=why, fix=fix)
        weight: Any = along_rows(share, block).to(block.dtype) if isinstance(share, Tensor) else share
        return torch.lerp(block.index_select(0, partners), block, weight)


def along_rows(numbers: Tensor, block: Tensor) -> Tensor:
    """Numbers of rows `(b)` in as many dimensions as a block has."""
    return numbers.view(-1, *[1] * (block.dim() - 1))
