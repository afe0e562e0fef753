"""Arrays in files: read and transformed by the host, scaled here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from trainwright.features.traced.base import Raw, TracedColumn, TracedTarget


class FileColumn(TracedColumn):
    """float32 `[b, …]`, with `length` `[b]` of sequences, or `missing` `[b]` → the parts of a batch, scaled."""

    def __init__(self, feature: Any) -> None:
        super().__init__(feature)
        self.sequence, self.along = feature.is_sequence, feature.axis
        self.shape = list(feature.shape) or [1]
        self.center, self.spread = float(feature.center), float(feature.spread)
        padded = None if feature.config.pad == "batch" else int(feature.config.pad)
        if self.sequence and feature.ragged:
            self.shape[self.along] = padded or self.shape[self.along]
        self.axis = self.place if self.sequence and feature.ragged and padded is None else 0
        self.usual = self.shape[self.along]

    def read(self, feature: Any, values: pa.Array, rows: np.ndarray) -> dict[str, np.ndarray]:
        decoder = feature.decoder(False)
        decoder.center, decoder.spread = 0.0, 1.0  # which changes no bit
        samples = [decoder.sample(path, int(row)) for path, row in zip(feature.refer(values, rows).places.to_pylist(), rows, strict=True)]
        parts = {name: each[:, 0].numpy() for name, each in decoder.join(samples, rows.tolist()).items()}
        return {"": parts.pop("value"), **parts}

    def describe(self, feature: Any) -> dict[str, Any]:
        transforms = [each.model_dump(mode="json") for each in feature.in_workers]
        about = {name: each for name, each in feature.extras().items() if name in ("rate", "channels")}
        gives = {"gives": "the array of the file after these transforms", "transform": transforms, "reading": feature.reading()}
        shape: list[int | None] = list(self.shape)
        if self.axis:
            shape[self.along] = None
        joined = {"axis": self.along, "center": self.center, "pad": feature.config.pad}
        return {**gives, "shape": shape, **joined, **about}

    def example(self, rows: int, steps: int) -> Raw:
        shape = list(self.shape)
        if self.axis:
            shape[self.along] = steps
        return {"": torch.zeros(rows, *shape), **self.beside(rows, shape[self.along])}

    def beside(self, rows: int, steps: int) -> Raw:
        """What comes with the values: how long each is, or whether it is there."""
        if self.sequence:
            return {"length": torch.full((rows,), steps)}
        return {"missing": torch.zeros(rows)} if self.indicator else {}

    @property
    def place(self) -> int:
        """The dimension of a batch along which sequences differ."""
        return 1 if self.along == 0 else len(self.shape)

    def forward(self, raw: Raw) -> dict[str, Tensor]:
        value = (raw[""] - self.center) / self.spread
        if self.sequence:
            inside = torch.arange(value.shape[self.place], device=value.device) < raw["length"].unsqueeze(1)
            inside = inside.reshape(-1, *[1] * (self.place - 1), value.shape[self.place], *[1] * (value.dim() - 1 - self.place))
            return {"value": torch.where(inside, value, 0.0), "length": raw["length"]}
        if not self.indicator:
            return {"value": value}
        return {"value": torch.where(is_absent(raw, value), 0.0, value), "missing": raw["missing"]}


def is_absent(raw: Raw, value: Tensor) -> Tensor:
    """True for rows that have no array, with the dimensions of the values."""
    return (raw["missing"] > 0).reshape(-1, *[1] * (value.dim() - 1))


class PositionTarget(TracedTarget):
    """The likeliest class at every position, int64 `[b, …]`."""

    def __init__(self, feature: Any, threshold: Any) -> None:
        super().__init__()

    def forward(self, scores: Tensor) -> dict[str, Tensor]:
        return {"prediction": scores}

    def describe(self, feature: Any) -> dict[str, Any]:
        return {"prediction": "the place of the class in `classes` at every position", "classes": feature.target_spec().classes}

    def columns(self, feature: Any, outputs: dict[str, np.ndarray]) -> dict[str, pa.Array]:
        found: dict[str, pa.Array] = feature.decode({"scores": outputs["prediction"]})
        return found
