"""Sets and bags: indices of words become one number for each word."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from trainwright.features.lists import Lists, pad_rows
from trainwright.features.traced.base import Raw, TracedColumn, TracedTarget


def pad_lists(lists: Lists, flat: np.ndarray, least: int, absent: np.ndarray | None, padding: float = 0) -> dict[str, np.ndarray]:
    """Rows as long as the longest, at least `least`, and how long each is: -1 where it is missing."""
    width = max(int(lists.lengths.max(initial=0)), least)
    values, length = pad_rows(lists, flat, width, keep_last=False, padding=padding)
    return {"": values, "length": length if absent is None else np.where(absent, -1, length)}


def there(raw: Raw) -> Tensor:
    """True where a place of a padded row holds something, `[b, l]`."""
    return torch.arange(raw[""].shape[1], device=raw[""].device) < raw["length"].unsqueeze(1)


class WordsColumn(TracedColumn):
    """int64 `[b, l]`: indices of words, 0 unknown, and `length` `[b]` → `value` `[b, words]`, and `missing`."""

    axis = 1

    def __init__(self, feature: Any) -> None:
        super().__init__(feature)
        self.width = feature.sizes()[0]

    def read(self, feature: Any, values: pa.Array, rows: np.ndarray) -> dict[str, np.ndarray]:
        lists, flat = feature.indices(values, rows, None, 0)
        return pad_lists(lists, flat, 1, feature.absent(values, rows))

    def describe(self, feature: Any) -> dict[str, Any]:
        table = {"exact": dict(feature.index), "join": list(getattr(feature.config, "join", []))}
        rule = {"delimiter": feature.delimiter, "fill": feature.config.fill if feature.policy == "constant" else None}
        return {"gives": "the indices of the words of the text, padded at the right", "table": table, "unknown": 0, "missing": -1, **rule}

    def example(self, rows: int, steps: int) -> Raw:
        return {"": torch.zeros(rows, steps, dtype=torch.int64), "length": torch.full((rows,), steps)}

    def places(self, raw: Raw) -> Tensor:
        """The indices, those of padding beyond the last word."""
        return torch.where(there(raw), raw[""], self.width)

    def zeros(self, raw: Raw) -> Tensor:
        """One number for each word and one for padding."""
        return torch.zeros(raw[""].shape[0], self.width + 1, device=raw[""].device)


class SetColumn(WordsColumn):
    """1 for each label that is present."""

    def forward(self, raw: Raw) -> dict[str, Tensor]:
        value = self.zeros(raw).scatter(1, self.places(raw), 1.0)[:, : self.width]
        return self.with_indicator({"value": value}, raw["length"] < 0)


class BagColumn(WordsColumn):
    """How often each token occurs."""

    def forward(self, raw: Raw) -> dict[str, Tensor]:
        ones = torch.ones_like(raw[""], dtype=torch.float32)
        value = self.zeros(raw).scatter_add(1, self.places(raw), ones)[:, : self.width]
        return self.with_indicator({"value": value}, raw["length"] < 0)


class SetTarget(TracedTarget):
    """True for each label that is as probable as the threshold, or as its own."""

    thresholds: Tensor

    def __init__(self, feature: Any, threshold: Any) -> None:
        super().__init__()
        self.register_buffer("thresholds", torch.as_tensor(threshold, dtype=torch.float64))

    def forward(self, scores: Tensor) -> dict[str, Tensor]:
        return {"prediction": scores.double() >= self.thresholds, "probability": scores}

    def describe(self, feature: Any) -> dict[str, Any]:
        return {"prediction": "which of `classes` are present", "classes": list(feature.vocabulary)}

    def columns(self, feature: Any, outputs: dict[str, np.ndarray]) -> dict[str, pa.Array]:
        found: dict[str, pa.Array] = feature.decode({"scores": outputs["probability"], "threshold": self.thresholds.numpy()})
        return found
