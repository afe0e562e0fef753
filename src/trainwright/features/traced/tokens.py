"""Sequences: tokens and numbers in order, cut to the length that training had, and padded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from trainwright.features.lists import Lists
from trainwright.features.sequence import UNKNOWN
from trainwright.features.traced.base import Raw, TracedColumn
from trainwright.features.traced.numbers import AffineScale
from trainwright.features.traced.words import pad_lists


class CutColumn(TracedColumn):
    """`[b, l]` of any length and `length` `[b]` → the same, `width` long, and the length."""

    axis = 1

    def __init__(self, feature: Any, keep_last: bool) -> None:
        super().__init__(feature)
        self.indicator = False  # an empty sequence says it
        self.width, self.keep_last = int(feature.width), keep_last
        self.usual = self.width

    def example(self, rows: int, steps: int) -> Raw:
        return {"": torch.zeros(rows, steps, dtype=torch.int64), "length": torch.full((rows,), steps)}

    def cut(self, values: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of `width`, the last or the first of each, and 0 where there is nothing."""
        length = length.clamp_min(0)
        kept = length.clamp_max(self.width)
        start = length - kept if self.keep_last else torch.zeros_like(length)
        at = torch.arange(self.width, device=values.device)
        found = values.gather(1, (start.unsqueeze(1) + at).clamp_max(values.shape[1] - 1))
        return torch.where(at < kept.unsqueeze(1), found, torch.zeros((), dtype=values.dtype, device=values.device)), kept


class SequenceColumn(CutColumn):
    """Indices of tokens, 1 unknown → `tokens` and `length`."""

    def __init__(self, feature: Any) -> None:
        super().__init__(feature, feature.config.keep == "last")

    def read(self, feature: Any, values: pa.Array, rows: np.ndarray) -> dict[str, np.ndarray]:
        lists, flat = feature.indices(values, rows, None, UNKNOWN)
        return pad_lists(lists, flat, 1, feature.absent(values, rows))

    def describe(self, feature: Any) -> dict[str, Any]:
        rule = {"delimiter": feature.delimiter, "fill": feature.config.fill if feature.policy == "constant" else None}
        table = {"exact": dict(feature.index), "join": []}
        gives = "the indices of the words of the text, padded at the right"
        return {"gives": gives, "table": table, "unknown": UNKNOWN, "missing": -1, **rule}

    def forward(self, raw: Raw) -> dict[str, Tensor]:
        tokens, length = self.cut(raw[""], raw["length"])
        return {"tokens": tokens.int(), "length": length}


class TextColumn(SequenceColumn):
    """Indices of the tokenizer's tokens → `tokens` and `length`."""

    def __init__(self, feature: Any) -> None:
        CutColumn.__init__(self, feature, False)

    def read(self, feature: Any, values: pa.Array, rows: np.ndarray) -> dict[str, np.ndarray]:
        absent = feature.absent(values, rows)
        feature.note_missing(absent, rows)
        ids = [each.ids for each in feature.split.encode_batch(feature.texts(values), add_special_tokens=False)]
        offsets = np.concatenate([[0], np.cumsum([len(row) for row in ids])]).astype(np.int64)
        flat = np.fromiter((token for row in ids for token in row), np.int64, int(offsets[-1]))
        return pad_lists(Lists(offsets, pa.nulls(0), None), flat, 1, None)

    def describe(self, feature: Any) -> dict[str, Any]:
        fill = str(feature.config.fill) if feature.policy == "constant" else ""
        gives = "the indices of the tokenizer's tokens (no special ones), padded at the right"
        return {"gives": gives, "tokenizer": feature.tokenizer, "fill": fill}


class TimeseriesColumn(CutColumn):
    """float64 `[b, l]`, NaN where missing → `value`, standardised, and `length`."""

    def __init__(self, feature: Any) -> None:
        super().__init__(feature, feature.config.keep == "last")
        self.scale = AffineScale(feature.center, feature.spread)

    def read(self, feature: Any, values: pa.Array, rows: np.ndarray) -> dict[str, np.ndarray]:
        lists, flat = feature.series(values, rows)
        feature.note_missing(lists.absent, rows)
        return pad_lists(lists, flat, 1, lists.absent)

    def describe(self, feature: Any) -> dict[str, Any]:
        fill = feature.config.fill if feature.policy == "constant" else None
        return {"gives": "numbers in order, NaN where missing, padded at the right", "missing": -1, "fill": fill}

    def example(self, rows: int, steps: int) -> Raw:
        found = super().example(rows, steps)
        return {**found, "": found[""].double()}

    def forward(self, raw: Raw) -> dict[str, Tensor]:
        filled = torch.where(raw[""].isnan(), self.scale.center, raw[""])
        value, length = self.cut(self.scale(filled).float(), raw["length"])
        return {"value": value, "length": length}
