"""Numbers and vectors: filled and scaled in float64, then float32."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

from trainwright.features.scales import Quantile
from trainwright.features.statistics import CENTRE, FAR, MIDDLE
from trainwright.features.traced.base import Raw, TracedColumn, TracedTarget


def float64(value: Any) -> Tensor:
    """A buffer of the numbers that statistics are kept in."""
    return torch.as_tensor(value, dtype=torch.float64)


class AffineScale(nn.Module):
    """(x - center) / spread, after sign(x)·log(1 + |x|) where that is the scale."""

    center: Tensor
    spread: Tensor

    def __init__(self, center: Any, spread: Any, logs: bool = False) -> None:
        super().__init__()
        self.logs = logs
        self.register_buffer("center", float64(center))
        self.register_buffer("spread", float64(spread))

    def forward(self, x: Tensor) -> Tensor:
        if self.logs:
            x = torch.copysign(torch.log1p(x.abs()), x)
        return (x - self.center) / self.spread


class Quantiles(nn.Module):
    """The share of training values below, uniform or as a normal score; see `features.scales.Quantile`."""

    knots: Tensor
    middle: Tensor
    above: Tensor
    slope: Tensor

    def __init__(self, fitted: dict[str, Any]) -> None:
        super().__init__()
        scale = Quantile(fitted)
        self.normal, self.bound = scale.normal, float(scale.bound)
        for name in ("knots", "middle", "above", "slope"):
            self.register_buffer(name, float64(getattr(scale, name)))

    def forward(self, x: Tensor) -> Tensor:
        inside = torch.minimum(torch.maximum(x, self.knots[0]), self.knots[-1])
        at = torch.searchsorted(self.knots, inside.contiguous(), right=True) - 1
        distance = inside - self.knots[at]
        shares = torch.where(distance == 0, self.middle[at], self.above[at] + distance * self.slope[at])
        return normal_quantile(shares.clamp(self.bound, 1 - self.bound)) if self.normal else shares


def normal_quantile(p: Tensor) -> Tensor:
    """The inverse of the normal distribution function (Wichura 1988, AS 241), as `features.statistics` has it."""
    q = p - 0.5
    centre = q * ratio(CENTRE, 0.180625 - q * q)
    r = torch.sqrt(-torch.log(torch.where(q < 0, p, 1 - p)))
    far = torch.where(r <= 5, ratio(MIDDLE, r - 1.6), ratio(FAR, r - 5))
    return torch.where(q.abs() > 0.425, torch.where(q < 0, -far, far), centre)


def ratio(coefficients: tuple[tuple[float, ...], tuple[float, ...]], r: Tensor) -> Tensor:
    """A ratio of two polynomials, coefficients from the highest power down."""
    above, below = (polynomial(each, r) for each in coefficients)
    return above / below


def polynomial(coefficients: tuple[float, ...], r: Tensor) -> Tensor:
    """Horner's rule, in the order of numpy's `polyval`."""
    value = torch.zeros_like(r)
    for each in coefficients:
        value = value * r + each
    return value


def scale_of(fitted: dict[str, Any]) -> nn.Module:
    """The module of a fitted scale."""
    return Quantiles(fitted) if fitted["kind"] == "quantile" else AffineScale(fitted["center"], fitted["spread"], fitted["kind"] == "log")


class NumberColumn(TracedColumn):
    """float64 `[b]`, NaN where missing → `value`, and `missing`."""

    filling: Tensor

    def __init__(self, feature: Any) -> None:
        super().__init__(feature)
        self.scale = scale_of(feature.scaling)
        self.register_buffer("filling", float64(feature.filling))

    def read(self, feature: Any, values: pa.Array, rows: np.ndarray) -> dict[str, np.ndarray]:
        numbers, absent = feature.numbers(values, rows)
        feature.note_missing(absent, rows)
        return {"": numbers if absent is None else np.where(absent, np.nan, numbers)}

    def describe(self, feature: Any) -> dict[str, Any]:
        seen = {"low": float(feature.edges[0]), "high": float(feature.edges[-1])} if feature.edges else {}
        return {"gives": "numbers, NaN where missing", **seen}

    def example(self, rows: int, steps: int) -> Raw:
        return {"": torch.zeros(rows, dtype=torch.float64)}

    def forward(self, raw: Raw) -> dict[str, Tensor]:
        absent = ~raw[""].isfinite()
        value = self.scale(torch.where(absent, self.filling, raw[""])).float()
        return self.with_indicator({"value": value}, absent)


class VectorColumn(TracedColumn):
    """float64 `[b, width]`, NaN where missing → `value`, and `missing` for rows that lack a component."""

    fill: Tensor

    def __init__(self, feature: Any) -> None:
        super().__init__(feature)
        self.width = feature.width
        self.scale = AffineScale(feature.center, feature.spread)
        constant = feature.policy == "constant"
        self.register_buffer("fill", float64(feature.fill_vector().tolist()) if constant else float64(feature.center))

    def read(self, feature: Any, values: pa.Array, rows: np.ndarray) -> dict[str, np.ndarray]:
        vectors, absent = feature.vectors(values, rows)
        feature.note_missing(absent, rows)
        return {"": vectors}

    def describe(self, feature: Any) -> dict[str, Any]:
        return {"gives": f"{self.width} numbers, NaN where missing", "length": self.width}

    def example(self, rows: int, steps: int) -> Raw:
        return {"": torch.zeros(rows, self.width, dtype=torch.float64)}

    def forward(self, raw: Raw) -> dict[str, Tensor]:
        lacking = raw[""].isnan()
        value = self.scale(torch.where(lacking, self.fill, raw[""])).float()
        return self.with_indicator({"value": value}, lacking.any(dim=1))


class NumberTarget(TracedTarget):
    """Values in original units, float64 `[b]`, or `[b, width]` of a vector."""

    def __init__(self, feature: Any, threshold: float) -> None:
        super().__init__()
        self.width = int(getattr(feature, "width", 0))

    def forward(self, scores: Tensor) -> dict[str, Tensor]:
        return {"prediction": scores.double().reshape(-1, self.width) if self.width else scores.double().reshape(-1)}

    def describe(self, feature: Any) -> dict[str, Any]:
        return {"prediction": "in the units of the column"}

    def columns(self, feature: Any, outputs: dict[str, np.ndarray]) -> dict[str, pa.Array]:
        found: dict[str, pa.Array] = feature.decode({"scores": outputs["prediction"]})
        return found
