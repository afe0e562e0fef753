"""A measured quantity: filled, scaled and, as a target, transformed and standardised."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from trainwright.config.errors import DataError
from trainwright.features.base import Counts, Feature, PartLayout
from trainwright.features.floats import infinite, invalid_count, to_floats, too_large
from trainwright.features.options import NumberOptions
from trainwright.features.scales import heavy, scaler
from trainwright.features.spec import TargetSpec
from trainwright.features.statistics import Moments, Reblocked, Sample, distinct_edges, mode, quantiles, skewness, thin

EDGES = 49
"""Edges handed to piecewise-linear encoders: 48 pieces."""
SKEWED = 1.5
"""A target this skewed (third standardised moment) is log-transformed where that at least halves the skew."""


class NumberFeature(Feature):
    """A measured quantity; parts `value` (standardised float32) and, where values may be missing, `missing` (0 or 1)."""

    kind = "number"
    grouped = True
    predictable = True
    config: NumberOptions
    remembers: ClassVar[tuple[str, ...]] = ("scaling", "filling", "edges", "transform", "center", "spread")

    def __init__(self, config: NumberOptions, name: str, target: bool = False) -> None:
        super().__init__(config, name, target)
        self.blocks, self.sample, self.moments = Reblocked(), Sample(), Moments()
        self.scaling: dict[str, Any] = {}
        self.filling, self.transform, self.center, self.spread = 0.0, "none", 0.0, 1.0
        self.edges: list[float] = []
        if config.missing == "constant" and isinstance(config.fill, str):
            raise DataError(f"column '{name}': `fill` must be a number, not {config.fill!r}")

    def observe(self, values: pa.Array, rows: np.ndarray) -> None:
        numbers, absent = self.numbers(values, rows)
        self.note_missing(absent, rows)
        self.fitted_rows += len(numbers)
        if absent is not None:
            self.missing_in_training += int(absent.sum())
            numbers = numbers[~absent]
        self.take(self.blocks.add(numbers))

    def take(self, blocks: list[np.ndarray]) -> None:
        """Adds whole blocks to the statistics."""
        for block in blocks:
            self.moments.add(block)
            self.sample.add(block)

    def finish(self) -> None:
        self.take(self.blocks.rest())
        if not np.isfinite(self.moments.squares):
            largest = max(abs(float(self.moments.low)), abs(float(self.moments.high)))
            raise too_large(self.name, largest, self.target)
        ordered = self.sample.sort_kept()
        mean = float(self.moments.mean)
        fills = {"mean": lambda: mean, "mode": lambda: mode(ordered), "constant": lambda: float(self.config.fill or 0.0)}  # type: ignore[arg-type]  # a list is refused
        self.filling = fills.get(self.policy, lambda: float(quantiles(ordered, np.array([0.5]))[0]))()
        self.edges = distinct_edges(ordered, EDGES).tolist()
        if self.target:
            self.fit_target(ordered)
        else:
            kind = self.config.scale
            if kind == "auto":
                kind = "quantile" if heavy(ordered) else "standard"
            self.scaling = scaler(kind).fit(ordered, self.moments, self.config.output)
        del self.blocks, self.sample
        self.prepare()

    def fit_target(self, ordered: np.ndarray) -> None:
        """Chooses the transform from the skew of the training values, and the scale after it."""
        positive = len(ordered) > 0 and ordered[0] >= 0
        if self.config.transform == "log" and not positive:
            raise DataError(
                f"target '{self.name}' has negative values, which transform=log cannot take",
                fix=f"write columns.{self.name}.transform=none",
            )
        wanted = self.config.transform == "log" or (self.config.transform == "auto" and positive and log_helps(ordered))
        self.transform = "log" if wanted else "none"
        self.center, self.spread = float(self.moments.mean), float(self.moments.deviation)
        if wanted:
            self.center, self.spread = float(np.log1p(ordered).mean()), float(np.log1p(ordered).std())
        self.spread = self.spread if self.spread > 0 else 1.0

    def prepare(self) -> None:
        if self.scaling:
            self.scale = scaler(self.scaling["kind"])(self.scaling)

    def numbers(self, values: pa.Array, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """The values as float64 and which of them are missing; raises DataError for infinities and text unless they count so."""
        numbers = to_floats(values, self.name, rows, self.place, self.config.invalid == "missing")
        finite = np.isfinite(numbers)
        if finite.all():
            return numbers, None
        absent = ~finite
        if self.config.infinity == "error" and np.isinf(numbers).any():
            at = rows[np.isinf(numbers)]
            raise infinite(self.name, self.listed(at), self.target).of_rows(f"column '{self.name}' is infinite", at)
        return numbers, absent

    def absent(self, values: pa.Array, rows: np.ndarray) -> np.ndarray | None:
        return self.numbers(values, rows)[1]

    def typical(self) -> float:
        """What missing values are filled with: the median of training, unless the column asks for something else."""
        return self.filling

    def layout(self) -> dict[str, PartLayout]:
        return {"value": PartLayout((), np.float32), **({"missing": PartLayout((), np.float32)} if self.has_indicator else {})}

    def extras(self) -> dict[str, Any]:
        return {"quantiles": self.scale(np.array(self.edges)).astype(np.float32).astype(float).tolist()}

    def fill_missing(self, values: pa.Array, rows: np.ndarray, counts: Counts | None) -> tuple[np.ndarray, np.ndarray | None]:
        """The values as float64 with missing ones filled, and which these are; they are counted in `counts`."""
        numbers, absent = self.numbers(values, rows)
        self.note_missing(absent, rows, counts)
        if counts is not None and absent is not None and self.config.invalid == "missing":
            counts.invalid += invalid_count(values)
        if absent is not None:
            numbers = np.where(absent, self.filling, numbers)
        return numbers, absent

    def encode(self, values: pa.Array, rows: np.ndarray, counts: Counts | None = None) -> dict[str, np.ndarray]:
        numbers, absent = self.fill_missing(values, rows, counts)
        parts = {"value": self.single(self.scale(numbers), rows)}
        if self.has_indicator:
            parts["missing"] = np.zeros(len(numbers), np.float32) if absent is None else absent.astype(np.float32)
        return parts

    def single(self, encoded: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """As float32; raises DataError where a value is too large for it."""
        with np.errstate(over="ignore"):
            result = encoded.astype(np.float32)
        if not np.isfinite(result).all():
            raise DataError(
                f"column '{self.name}' has values beyond the range of float32: {self.listed(rows[~np.isfinite(result)])}",
                fix=f"correct them, or choose columns.{self.name}.scale=quantile (or log)",
            )
        return result

    def check_target(self) -> None:
        super().check_target()
        if self.moments.count and self.moments.low == self.moments.high:
            only = f"{float(self.moments.low):g}"
            raise DataError(f"target '{self.name}' is constant: every training row has {only}", fix="choose another target")

    def target_layout(self) -> PartLayout:
        return PartLayout((), np.float32)

    def target_spec(self) -> TargetSpec:
        options = self.config
        scale = {"mean": self.center, "std": self.spread, "transform": self.transform}
        return TargetSpec(self.name, self.kind, 1, None, options.weight, options.loss, options.decoder, options.metrics, None, scale)

    def encode_target(self, values: pa.Array, rows: np.ndarray, counts: Counts | None = None) -> np.ndarray:
        numbers, _ = self.fill_missing(values, rows, counts)
        if self.transform == "log":
            # Values below the training range have no logarithm: log1p is continued by its tangent at 0.
            numbers = np.where(numbers < 0, numbers, np.log1p(np.maximum(numbers, 0)))
        return self.single((numbers - self.center) / self.spread, rows)

    def decode_values(self, encoded: np.ndarray) -> np.ndarray:
        """Encoded target values in original units, float64."""
        numbers = encoded.astype(np.float64) * self.spread + self.center
        return np.where(numbers < 0, numbers, np.expm1(np.maximum(numbers, 0))) if self.transform == "log" else numbers

    def decode(self, outputs: dict[str, np.ndarray]) -> dict[str, pa.Array]:
        return {f"{self.name}_prediction": pa.array(np.asarray(outputs["scores"], np.float64).reshape(-1))}


def log_helps(ordered: np.ndarray) -> bool:
    """Whether the values are heavily skewed and their log(1 + y) is at most half as skewed."""
    values = thin(ordered)
    skew = skewness(values)
    return skew > SKEWED and abs(skewness(np.log1p(values))) <= skew / 2
