"""Mixup and cutmix in turn, with the semantics of timm's flags, over the batch of a whole step."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from trainwright.config.errors import DataError
from trainwright.data.transforms.joining import Blocks, Drawn, Joining, Shares, along_rows
from trainwright.data.transforms.joining_options import MixOptions
from trainwright.data.transforms.pieces import box_in, inside_of
from trainwright.data.transforms.place import BatchPlace


class Mix(Joining):
    """λ ~ Beta(α, α); mixup: x ← λ·x + (1 − λ)·x[partner] (Zhang et al. 2018); cutmix: a box of side √(1 − λ) about a uniform middle, cut
    off at the edges, is the partner's, and λ is what is left (Yun et al. 2019).

    Partners are the next rows of a random order of the step, so that they are others in batches of any size, odd ones too; in `pair`s two
    rows of it are each other's. A batch of one row is left as it is.
    """

    cuts_positions = True

    def __init__(self, options: MixOptions) -> None:
        super().__init__(options)
        self.options = options
        self.cuts = bool(options.cuts)
        self.on = True

    def tell_place(self, place: BatchPlace) -> None:
        """Mixing ends at `until`."""
        until = self.options.until
        self.on = until is None or place.part_of(until, "data.transform") < 1

    def draw(self, rows: int, device: torch.device) -> Drawn | None:
        """The same numbers of draws whatever comes out; None once mixing has ended."""
        if not self.on:
            return None
        order = torch.randperm(rows, generator=torch.default_generator)
        partners, group = self._partners(order)
        count = int(group.max()) + 1 if rows else 0
        cut, share, places = self._draw_groups(count)
        found = (each.index_select(-1, group).to(device, non_blocking=True) for each in (share, cut, places))
        return Drawn(partners.to(device, non_blocking=True), *found)

    def _partners(self, order: Tensor) -> tuple[Tensor, Tensor]:
        """The partner of each row, and the number of what has draws in common with it."""
        rows, partners, group = len(order), torch.empty_like(order), torch.zeros_like(order)
        if self.options.per != "pair":
            partners[order] = order.roll(1)
            return partners, torch.arange(rows) if self.options.per == "sample" else group
        mate = torch.arange(rows) ^ 1  # 0 and 1, 2 and 3, …
        if rows % 2:
            mate[-1] = rows - 1
        partners[order], group[order] = order[mate], torch.arange(rows) // 2
        return partners, group

    def _draw_groups(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Whether each is cut, its share, and the numbers of its box; the share is 1 where nothing is mixed."""
        options, random = self.options, np.random
        mixing, cutting = options.mixup, options.cuts
        cut = random.random(count) < (options.switch if mixing and cutting else float(bool(cutting)))
        of_mixup, of_cutmix = (random.beta(alpha or 1.0, alpha or 1.0, count) for alpha in (mixing, cutting))
        share = np.where(random.random(count) < options.p, np.where(cut, of_cutmix, of_mixup), 1.0)
        return torch.from_numpy(cut & (share < 1)), torch.from_numpy(share), torch.from_numpy(random.random((4, count)))

    def join(self, blocks: Blocks, drawn: Drawn) -> tuple[Blocks, Shares]:
        """Pictures cut or mixed, and the rest mixed in the shares that are left. Raises DataError where nothing can be cut."""
        if not isinstance(drawn.share, Tensor) or drawn.cut is None:
            raise TypeError("mix draws a share for every row")
        dims = self._dims(blocks)
        if not dims and self.cuts:
            fix = "leave cutmix out, or add a column of pictures or recordings"
            raise DataError("mix has nothing to cut", where="data.transform", why="no input has places in a picture or in time", fix=fix)
        found, left = dict(blocks), []
        for name, along in dims.items():
            inside, kept = self._inside(blocks[name], along, drawn)
            pasted = torch.where(inside, blocks[name].index_select(0, drawn.partners), blocks[name])
            mixed = self.mix(name, blocks[name], drawn.partners, torch.where(drawn.cut, 1.0, drawn.share))
            found[name] = torch.where(along_rows(drawn.cut, mixed), pasted, mixed)
            left.append(kept)
        share = torch.where(drawn.cut, torch.stack(left).mean(dim=0), drawn.share) if left and self.options.correct else drawn.share
        share = share.float()
        others = {name: self.mix(name, block, drawn.partners, share) for name, block in blocks.items() if name not in dims}
        return found | others, share

    def truths(self, name: str, truth: Tensor, drawn: Drawn, share: Tensor) -> tuple[Tensor, Tensor]:
        """As they are; where there is a class at every place and the row was cut, both are the truth with the same piece replaced."""
        own, other = super().truths(name, truth, drawn, share)
        if name not in self.pictures or drawn.cut is None:
            return own, other
        inside, _ = self._inside(truth, [truth.dim() - 2, truth.dim() - 1], drawn)
        pasted = torch.where(inside, truth.index_select(0, drawn.partners), truth)
        cut = along_rows(drawn.cut, truth)
        return torch.where(cut, pasted, own), torch.where(cut, pasted, other)

    def _dims(self, blocks: Blocks) -> dict[str, list[int]]:
        """The dimensions that are cut of each block: both of pictures, time of recordings."""
        if self.classes is None:
            numbers = {name: each for name, each in blocks.items() if isinstance(each, Tensor) and each.is_floating_point()}
            return {name: [each.dim() - 2, each.dim() - 1] for name, each in numbers.items() if name != self.target and each.dim() > 2}
        found = {name: [blocks[name].dim() - 2, blocks[name].dim() - 1] for name in blocks if name in self.pictures}
        return found | {name: [axis % blocks[name].dim()] for name, axis in self.axes.items() if name in blocks and name not in found}

    def _inside(self, block: Tensor, dims: list[int], drawn: Drawn) -> tuple[Tensor, Tensor]:
        """Where a block is its partner's (bool, as many dimensions as it has), and the share that is left of each row (float64, b)."""
        if not isinstance(drawn.share, Tensor) or drawn.places is None:
            raise TypeError("mix draws the places of boxes")
        sizes = [block.shape[dim] for dim in dims]
        spans = box_in(sizes, drawn.share, drawn.places, self.options.minmax)
        return inside_of(block, dims, spans)

    def shares_of(self, classes: Tensor) -> Tensor:
        """Smoothed: 1 - s + s/C of its own class, s/C of the others."""
        smoothing = self.options.smoothing
        return classes * (1 - smoothing) + smoothing / classes.shape[1] if smoothing else classes
