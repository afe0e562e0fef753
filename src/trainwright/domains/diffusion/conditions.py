"""What says which one is made, as a network is given it: a class, numbers, or something place by place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from trainwright.domains.diffusion.layout import Layout

Given = dict[str, Tensor]
"""The arguments of a network by name."""


@dataclass(frozen=True)
class Conditions:
    """How the conditions of rows, and of samples, become the arguments of a network."""

    layout: Layout

    def of_rows(self, batch: Mapping[str, Tensor], dropped: Tensor | None = None) -> Given:
        """Those of rows; `dropped` (bool, b) are not told theirs."""
        return self.given(self.layout.read_class(batch), self.layout.read_told(batch), self.layout.read_beside(batch), dropped)

    def given(self, classes: Tensor | None, told: Tensor | None, beside: Tensor | None, dropped: Tensor | None = None) -> Given:
        """Classes (int64, b), numbers (b, k) and arrays (b, c, …) as arguments; numbers get one more, which says that they are told."""
        found: Given = {}
        if classes is not None:
            found["class_cond"] = classes if dropped is None else classes.masked_fill(dropped, len(self.layout.classes))
        if told is not None:
            numbers = torch.cat([told, torch.ones_like(told[:, :1])], dim=1)
            found["mapping_cond"] = numbers if dropped is None else numbers.masked_fill(dropped[:, None], 0.0)
        if beside is not None:
            shown = dropped is None
            found["unet_cond"] = beside if shown else beside.masked_fill(dropped.reshape(-1, *[1] * (beside.dim() - 1)), 0.0)  # type: ignore[union-attr]
        return found

    def none(self, count: int, device: torch.device) -> Given:
        """What a network is given where nothing is told, for `count` samples."""
        layout = self.layout
        found: Given = {}
        if layout.label is not None:
            found["class_cond"] = torch.full((count,), len(layout.classes), device=device)
        if layout.told:
            found["mapping_cond"] = torch.zeros(count, sum(layout.widths) + 1, device=device)
        if layout.beside:
            channels = layout.backbone_shape().concat
            found["unet_cond"] = torch.zeros(count, channels, *layout.shape[1:], device=device)
        return found
