"""Arrays in files: read and transformed by the host, scaled here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from trainwright.features.traced.base import Raw, TracedColumn


class FileColumn(TracedColumn):
    """float32 `[b, …]`, with `length` `[b]` of sequences, or `missing` `[b]` → the parts of a batch, scaled."""

    def __init__(self, feature: Any) -> None:
        super().__init__(feature)
        self.sequence, self.axis = feature.is_sequence, feature.axis
        self.shape = list(feature.shape) or [1]
        self.center, self.spread = float(feature.center), float(feature.spread)

    def read(self, feature: Any, values: pa.Array, rows: np.ndarray) -> dict[str, np.ndarray]:
        decoder = feature.decoder(False)
        decoder.center, decoder.spread = 0.0, 1.0  # which changes no bit
        samples = [decoder.sample(path, int(row)) for path, row in zip(feature.refer(values, rows).places.to_pylist(), rows, strict=True)]
        parts = {name: each[:, 0].numpy() for name, each in decoder.join(samples, rows.tolist()).items()}
        return {"": parts.pop("value"), **parts}

    def describe(self, feature: Any) -> dict[str, Any]:
        transforms = [each.model_dump(mode="json") for each in feature.transforms]
        return {"gives": "the array of the file after these transforms", "transform": transforms, "shape": list(feature.shape)}

    def example(self) -> Raw:
        more = (
            {"length": torch.tensor([self.shape[self.axis], 1])} if self.sequence else {"missing": torch.zeros(2)} if self.indicator else {}
        )
        return {"": torch.zeros(2, *self.shape), **more}

    @property
    def place(self) -> int:
        """The dimension of a batch along which sequences differ."""
        return 1 if self.axis == 0 else len(self.shape)

    def forward(self, raw: Raw) -> dict[str, Tensor]:
        value = (raw[""] - self.center) / self.spread
        if self.sequence:
            inside = torch.arange(value.shape[self.place], device=value.device) < raw["length"].unsqueeze(1)
            inside = inside.reshape(-1, *[1] * (self.place - 1), value.shape[self.place], *[1] * (value.dim() - 1 - self.place))
            return {"value": torch.where(inside, value, 0.0), "length": raw["length"]}
        if not self.indicator:
            return {"value": value}
        absent = (raw["missing"] > 0).reshape(-1, *[1] * (value.dim() - 1))
        return {"value": torch.where(absent, 0.0, value), "missing": raw["missing"]}
