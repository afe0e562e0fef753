"""The Lovász-softmax loss of masks."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from trainwright.losses.activations import Takes
from trainwright.losses.base import Criterion, Reduction, reduce_items
from trainwright.losses.checks import misfit
from trainwright.losses.classes import NONE_IGNORED, check_classes, check_index, check_range
from trainwright.losses.options import LovaszOptions


class Lovasz(Criterion):
    """The Lovász extension of the Jaccard loss over the errors of the pixels (Berman et al. 2018, eq. 8 and 12), of each row.

    Output of logits (b, c, …), target of class indices (b, …). The mean over the classes that are there in the row, which is the item.
    """

    options: LovaszOptions
    counts = "rows"
    of_pixels = True

    def read_expected(self, *arguments: Any) -> Takes:
        """Logits of classes."""
        return "class logits"

    def compute(self, reduction: Reduction, output: Tensor, target: Tensor) -> Tensor:
        """The loss of every row, or their sum; a row without a pixel that counts costs 0."""
        ignored = self.options.ignore_index
        flat, truth = output.flatten(2), target.long().flatten(1)
        kept = torch.ones_like(truth, dtype=torch.bool) if ignored is None else truth != ignored
        p = flat.softmax(dim=1).float()
        t = torch.zeros_like(p).scatter_(1, truth.where(kept, 0).unsqueeze(1), 1.0) * kept.unsqueeze(1)
        rows = self._lovasz(p, t, kept)
        if self.options.cross_entropy:
            left_out = NONE_IGNORED if ignored is None else ignored
            each = functional.cross_entropy(flat, truth, ignore_index=left_out, reduction="none").sum(dim=1)
            rows = rows + self.options.cross_entropy * each / kept.sum(dim=1).clamp_min(1)
        return reduce_items(rows, reduction)

    def _lovasz(self, p: Tensor, t: Tensor, kept: Tensor) -> Tensor:
        errors, order = ((t - p).abs() * kept.unsqueeze(1)).sort(dim=2, descending=True)  # those left out have no error
        found = t.gather(2, order).cumsum(dim=2)
        whole = t.sum(dim=2, keepdim=True)
        counted = kept.unsqueeze(1).expand_as(t).float().gather(2, order).cumsum(dim=2)
        jaccard = 1 - (whole - found) / (whole + counted - found).clamp_min(1)
        steps = torch.cat([jaccard[..., :1], jaccard[..., 1:] - jaccard[..., :-1]], dim=2)
        there = (whole.squeeze(2) > 0).float()
        return ((errors * steps).sum(dim=2) * there).sum(dim=1) / there.sum(dim=1).clamp_min(1)

    def check_arguments(self, output: Tensor, target: Tensor) -> None:
        """Refuses outputs without pixels, and targets that are no class index of each."""
        if output.dim() < 3:
            fix = "give (rows, classes, pixels …); for one class per row use cross_entropy"
            raise misfit(self.name, "it measures the overlap of masks, and there are no pixels", fix, output=output, target=target)
        check_classes(self.name, output)
        check_index(self.name, output, target, (torch.int64, torch.uint8))

    def check_targets(self, output: Tensor, target: Tensor) -> None:
        """Refuses classes that do not exist."""
        check_range(self.name, output, target, NONE_IGNORED if self.options.ignore_index is None else self.options.ignore_index)
