"""A column of pictures as a traceable module: the host decodes a file and brings it to one size, all that follows is in the graph."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from trainwright.features.traced.arrays import FileColumn, is_absent
from trainwright.features.traced.base import Raw


class PictureColumn(FileColumn):
    """uint8 `[b, channels, height, width]` of 0 to 255 (float32 where finer levels are kept), and `missing` `[b]`."""

    empty: Tensor

    def __init__(self, feature: Any) -> None:
        super().__init__(feature)
        self.levels = torch.uint8 if feature.config.levels == 8 and feature.white == 1 else torch.float32
        means = torch.tensor(feature.means or [0.0] * feature.depth)
        self.register_buffer("empty", (means.round() if self.levels == torch.uint8 else means).view(-1, 1, 1))

    def example(self, rows: int, steps: int) -> Raw:
        return {"": torch.zeros(rows, *self.shape, dtype=self.levels), **self.beside(rows, 0)}

    def describe(self, feature: Any) -> dict[str, Any]:
        fit = {"size": list(feature.sides), "resize": feature.chosen("resize"), "interpolation": feature.interpolation}
        more = {"crop_pct": feature.chosen("crop_pct"), "exif": feature.config.exif, "alpha": feature.config.alpha}
        about = {"gives": "the picture of the file, 0 to 255", "channels": feature.depth, "mean": feature.means}
        return {**super().describe(feature), **about, **fit, **more}

    def forward(self, raw: Raw) -> dict[str, Tensor]:
        value = raw[""].float()
        if not self.indicator:
            return {"value": value}
        return {"value": torch.where(is_absent(raw, value), self.empty, value), "missing": raw["missing"]}
