"""Rows joined with others of their step: whom with, in which shares, and what becomes of their classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from trainwright.config.errors import DataError
from trainwright.data.rows import as_blocks
from trainwright.data.transforms.joining_options import JoinedRowsOptions, JoiningOptions
from trainwright.data.transforms.parts import device_of, rows_of

PARTNER = "partner."
"""Before the name of a block of classes: those of the rows that were mixed in."""
SHARE = "mixup.share"
"""The block with the share of each row that is its own (b)."""

Shares = float | Tensor
"""One share for all rows, or one for each `(b)`."""
Blocks = dict[str, Any]


@dataclass(frozen=True)
class Drawn:
    """What was drawn for a batch, on its device."""

    partners: Tensor
    """The row that each row is joined with (int64, b); the row itself where there is no other."""
    share: Shares
    """Of each row, that is its own; 1 for rows that are left alone."""
    cut: Tensor | None = None
    """Rows of which a piece is replaced (bool, b), where others are mixed."""
    places: Tensor | None = None
    """Uniform numbers for the pieces (4, b)."""


class Joining:
    """What mixup and cutmix have in common.

    Blocks of classes stay as they are, the partners' beside them: a loss of both, in these shares, is right whatever the loss is.
    """

    cuts: bool = False
    """Whether it cuts pieces out of rows."""
    cuts_positions: bool = False
    """Whether it cuts pieces out of targets with a class at every position too."""

    def __init__(self, options: JoinedRowsOptions) -> None:
        self.name, self.number, self.target = str(options.type), options.classes, options.target
        self.keeps_others = options.others == "keep"
        self.classes: frozenset[str] | None = None
        """Names of the blocks that are classes; None for data of one's own, which do not say."""
        self.kept: frozenset[str] = frozenset()
        """Names of the blocks that stay a row's own."""
        self.lengths: dict[str, str] = {}
        """Block of values → that of their lengths."""
        self.axes: dict[str, int] = {}
        """Block of values → the dimension of their time."""
        self.pictures: frozenset[str] = frozenset()
        """Names of the blocks whose last two dimensions are places, classes at positions among them."""

    def tell_blocks(
        self,
        classes: Iterable[str],
        kept: Iterable[str] = (),
        lengths: Mapping[str, str] | None = None,
        axes: Mapping[str, int] | None = None,
        pictures: Iterable[str] = (),
    ) -> None:
        """Say which blocks are classes, which stay a row's own, which lengths values have, where time is, and what pictures are."""
        self.pictures = frozenset(pictures)
        self.classes, self.kept = frozenset(classes), frozenset(kept)
        self.lengths, self.axes = dict(lengths or {}), dict(axes or {})

    def __call__(self, batch: Any) -> Any:
        """The batch joined, in the form that it has. Draws from the default generators of numpy and torch (CPU), on any device the same."""
        rows = rows_of(batch) or 0
        drawn = self.draw(rows, device_of(batch))
        if drawn is None:
            return batch
        if self.classes is None:
            blocks = {name: self._soft(name, block) for name, block in as_blocks(batch).items()}
            mixed, _ = self.join(blocks, drawn)
            return mixed if isinstance(batch, Mapping) else mixed["input"] if isinstance(batch, Tensor) else type(batch)(mixed.values())
        still = self.classes | self.kept
        mixed, share = self.join({name: block for name, block in batch.items() if name not in still}, drawn)
        share = share if isinstance(share, Tensor) else torch.full((rows,), share, device=drawn.partners.device)
        mixed = {name: mixed.get(name, block) for name, block in batch.items()}
        for name in self.classes & batch.keys():
            mixed[name], mixed[f"{PARTNER}{name}"] = self.truths(name, batch[name], drawn, share)
        return {**mixed, SHARE: torch.maximum(share, 1 - share)}

    def draw(self, rows: int, device: torch.device) -> Drawn | None:
        """What is drawn for a batch of so many rows; None where nothing is joined."""
        raise NotImplementedError

    def join(self, blocks: Blocks, drawn: Drawn) -> tuple[Blocks, Shares]:
        """Blocks of each row and of its partner in one, and the share that is its own. Raises DataError for what cannot be joined."""
        raise NotImplementedError

    def truths(self, name: str, truth: Tensor, drawn: Drawn, share: Tensor) -> tuple[Tensor, Tensor]:
        """Of a target of classes those with the larger share, and the others."""
        other = truth.index_select(0, drawn.partners)
        own = along_rows(share >= 0.5, truth)
        return torch.where(own, truth, other), torch.where(own, other, truth)

    def _soft(self, name: str, block: Any) -> Any:
        """The classes of data of one's own as the share of each class (b, c), where their number was given."""
        if name != self.target or not isinstance(block, Tensor) or block.is_floating_point():
            return block
        if self.number is None:
            what = f"{self.name} cannot mix '{name}', which is the number of a class"
            raise DataError(what, where="data.transform", fix=f"say how many classes there are: {{{self.name}: {{classes: 10}}}}")
        return self.shares_of(functional.one_hot(block.long(), self.number).float())

    def shares_of(self, classes: Tensor) -> Tensor:
        """The shares (b, c) of classes of data of one's own."""
        return classes

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


class Sharing(Joining):
    """What mixup and cutmix alone have in common: the larger share of a row is its own."""

    def __init__(self, options: JoiningOptions) -> None:
        super().__init__(options)
        self.alpha, self.probability, self.by_row = options.alpha, options.probability, options.shares == "row"

    def draw(self, rows: int, device: torch.device) -> Drawn:
        """Shares and then partners."""
        share = self._draw_shares(rows)
        share = share.to(device, non_blocking=True) if isinstance(share, Tensor) else share
        return Drawn(torch.randperm(rows, generator=torch.default_generator).to(device, non_blocking=True), share)

    def _draw_shares(self, rows: int) -> Shares:
        """The larger share is a row's own; it is 1 for rows that are left alone."""
        if not self.by_row and self.probability == 1:
            drawn = float(np.random.beta(self.alpha, self.alpha))
            return max(drawn, 1 - drawn)
        each = np.random.beta(self.alpha, self.alpha, rows if self.by_row else 1)
        shares = np.broadcast_to(np.maximum(each, 1 - each), rows).copy()
        if self.probability < 1:
            shares[np.random.random(rows) >= self.probability] = 1
        return torch.from_numpy(shares).float()
