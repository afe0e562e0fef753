"""Rows with a piece of others of their step in place of their own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from trainwright.config.errors import DataError
from trainwright.data.transforms.joining import Blocks, Drawn, Shares, Sharing, along_rows
from trainwright.data.transforms.joining_options import CutmixOptions


class Cutmix(Sharing):
    """A stretch of time, or a box of the last two dimensions, replaced by that of a partner (Yun et al. 2019, equation 1).

    The share of a row is what is left of it, counted in samples; numbers without a time are mixed in these shares.
    """

    cuts = True

    def __init__(self, options: CutmixOptions) -> None:
        super().__init__(options)
        self.along = options.along

    def join(self, blocks: Blocks, drawn: Drawn) -> tuple[Blocks, Shares]:
        """Pieces exchanged, the rest mixed, and the shares that the rows really keep. Raises DataError where nothing can be cut."""
        axes = self.axes if self.classes is not None else self._own_axes(blocks)
        if not axes:
            fix = "use mixup, or add a column of recordings or of files"
            raise DataError("cutmix has nothing to cut", where="data.transform", why="no input has a dimension of time", fix=fix)
        partners, share = drawn.partners, drawn.share
        rows, device = len(partners), partners.device
        wanted = share if isinstance(share, Tensor) else torch.full((rows,), share, device=device)
        places = torch.rand(2, rows, generator=torch.default_generator).to(device, non_blocking=True)
        found, kept = dict(blocks), []
        for name, axis in axes.items():
            length = blocks.get(self.lengths.get(name, ""))
            found[name], left = self._cut(blocks[name], self._dims(blocks[name], axis), partners, 1 - wanted, places, length)
            kept.append(left)
        real = torch.stack(kept).mean(dim=0)
        lengths = set(self.lengths.values())
        others = {name: self.mix(name, block, partners, real) for name, block in blocks.items() if name not in axes and name not in lengths}
        return found | others, real

    def _own_axes(self, blocks: Blocks) -> dict[str, int]:
        """Of data of one's own: the last dimension of every input that has one beside the rows."""
        numbers = {name: each for name, each in blocks.items() if isinstance(each, Tensor) and each.is_floating_point()}
        return {name: -1 for name, each in numbers.items() if name != self.target and each.dim() > 1}

    def _dims(self, block: Tensor, axis: int) -> list[int]:
        axis %= block.dim()
        return [axis - 1, axis] if self.along == "box" and block.dim() > 3 else [axis]

    def _cut(
        self, block: Tensor, dims: Sequence[int], partners: Tensor, part: Tensor, places: Tensor, length: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """A block with the pieces of partners, and the share that each row keeps. A piece lies within what both rows have."""
        inside, taken = torch.ones((), dtype=torch.bool, device=block.device), torch.ones_like(part)
        for place, dim in zip(places, dims, strict=False):
            whole = torch.full_like(part, block.shape[dim])
            if length is not None and dim == dims[-1]:
                whole = length.reshape(len(part)).to(part.dtype)
            common = torch.minimum(whole, whole.index_select(0, partners))
            count = torch.minimum((part ** (1 / len(dims)) * whole).round(), common)
            begin = (place * (common - count + 1)).floor().clamp_max(common - count)
            shape = [1] * block.dim()
            shape[dim] = -1
            at = torch.arange(block.shape[dim], device=block.device).view(shape)
            inside = inside & (at >= along_rows(begin, block)) & (at < along_rows(begin + count, block))
            taken = taken * count / whole.clamp_min(1)
        return torch.where(inside, block.index_select(0, partners), block), 1 - taken
