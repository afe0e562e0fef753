"""A fixed number of numbers per row."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pyarrow as pa

from trainwright.config.errors import DataError
from trainwright.features.base import Counts, Feature, PartLayout
from trainwright.features.lists import number_lists
from trainwright.features.options import VectorOptions
from trainwright.features.spec import TargetSpec
from trainwright.features.statistics import Moments, Reblocked


class VectorFeature(Feature):
    """A fixed number of numbers; part `value` is scaled by component (0 where missing), and `missing` where rows may be missing."""

    kind = "vector"
    several = True
    predictable = True
    config: VectorOptions
    remembers: ClassVar[tuple[str, ...]] = ("width", "center", "spread")

    def __init__(self, config: VectorOptions, name: str, target: bool = False) -> None:
        super().__init__(config, name, target)
        self.blocks, self.moments = Reblocked(), Moments()
        self.width = 0
        self.center: list[float] = []
        self.spread: list[float] = []

    def observe(self, values: pa.Array, rows: np.ndarray) -> None:
        vectors, absent = self.vectors(values, rows)
        self.note_missing(absent, rows)
        self.fitted_rows += len(values)
        if absent is not None:
            self.missing_in_training += int(absent.sum())
            vectors = vectors[~absent]
        if len(vectors):
            for block in self.blocks.add(vectors):
                self.moments.add(block)

    def finish(self) -> None:
        for block in self.blocks.rest():
            self.moments.add(block)
        if not self.width:
            raise DataError(f"column '{self.name}' has no vector in the training rows", fix="leave the column out")
        zeros, ones = np.zeros(self.width), np.ones(self.width)
        center, spread = zeros, ones
        if self.config.scale == "minmax" and not self.target:
            center, spread = zeros + self.moments.low, np.asarray(self.moments.high) - self.moments.low
        elif self.config.scale != "none" or self.target:
            center, spread = zeros + self.moments.mean, ones * self.moments.deviation
        self.center, self.spread = center.tolist(), np.where(spread > 0, spread, 1.0).tolist()
        del self.blocks
        self.prepare()

    def vectors(self, values: pa.Array, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """The vectors (rows, width) as float64 and which rows lack one or parts of it; raises DataError for other widths, infinities."""
        lists, flat = number_lists(values, self.name, rows, self.place)
        lengths = lists.lengths
        present = lengths > 0
        self.width = self.width or (int(lengths[present][0]) if present.any() else 0)
        wrong = present & (lengths != self.width)
        if wrong.any():
            raise DataError(
                f"column '{self.name}' has vectors of different lengths: {self.listed(rows[wrong], lengths[wrong].tolist())}",
                why=f"the first has {self.width} numbers",
                fix=f"correct them, or write columns.{self.name}=timeseries",
            ).of_rows(f"column '{self.name}' has a vector of another length than {self.width}", rows[wrong], lengths[wrong].tolist())
        infinite = np.isinf(flat)
        if infinite.any() and self.config.infinity == "error":
            at = np.unique(rows[lists.owners[infinite]])
            raise DataError(
                f"column '{self.name}' has infinite values: {self.listed(at)}",
                fix=f"correct them, or count them as missing: columns.{self.name}.infinity=missing",
            ).of_rows(f"column '{self.name}' has infinite values", at)
        vectors = np.full((len(values), self.width), np.nan)
        vectors[present] = np.where(infinite, np.nan, flat).reshape(-1, self.width) if self.width else 0
        absent = np.isnan(vectors).any(axis=1) if self.width else np.ones(len(values), bool)
        return vectors, absent if absent.any() else None

    def absent(self, values: pa.Array, rows: np.ndarray) -> np.ndarray | None:
        return self.vectors(values, rows)[1]

    @property
    def row_shape(self) -> tuple[int | None, ...]:
        return (self.width,)

    def layout(self) -> dict[str, PartLayout]:
        parts = {"value": PartLayout((self.width,), np.float32)}
        return parts | ({"missing": PartLayout((), np.float32)} if self.has_indicator else {})

    def scale_vectors(self, values: pa.Array, rows: np.ndarray, counts: Counts | None) -> tuple[np.ndarray, np.ndarray | None]:
        """The scaled vectors, filled, and which rows were missing or had missing components."""
        vectors, absent = self.vectors(values, rows)
        self.note_missing(absent, rows, counts)
        if absent is not None:
            fill = self.fill_vector() if self.policy == "constant" else np.array(self.center)
            vectors = np.where(np.isnan(vectors), fill, vectors)
        return ((vectors - self.center) / self.spread).astype(np.float32), absent

    def fill_vector(self) -> np.ndarray:
        """`fill` as a vector: one number for all places, or one for each; raises DataError for any other number of them."""
        given = self.config.fill
        texts = pa.array([" ".join(map(str, given)) if isinstance(given, list) else str(given)])
        flat = number_lists(texts, self.name, np.zeros(1, np.int64), lambda _: "`fill`")[1]
        if len(flat) not in (1, self.width):
            what = f"column '{self.name}': `fill` has {len(flat)} numbers, and the vectors have {self.width}"
            raise DataError(what, fix=f"give one number for all, or {self.width}: columns.{self.name}.fill=[…]")
        return np.broadcast_to(flat, (self.width,))

    def encode(self, values: pa.Array, rows: np.ndarray, counts: Counts | None = None) -> dict[str, np.ndarray]:
        scaled, absent = self.scale_vectors(values, rows, counts)
        parts = {"value": scaled}
        if self.has_indicator:
            parts["missing"] = np.zeros(len(values), np.float32) if absent is None else absent.astype(np.float32)
        return parts

    def check_target(self) -> None:
        super().check_target()
        if np.array_equal(self.moments.low, self.moments.high):
            raise DataError(f"target '{self.name}' is constant: every training row has the same vector", fix="choose another target")

    def target_layout(self) -> PartLayout:
        return PartLayout((self.width,), np.float32)

    def target_spec(self) -> TargetSpec:
        options = self.config
        scale = {"mean": self.center, "std": self.spread, "transform": "none"}
        return TargetSpec(
            self.name, self.kind, self.width, None, options.weight, options.loss, options.decoder, options.metrics, None, scale
        )

    def encode_target(self, values: pa.Array, rows: np.ndarray, counts: Counts | None = None) -> np.ndarray:
        return self.scale_vectors(values, rows, counts)[0]

    def decode(self, outputs: dict[str, np.ndarray]) -> dict[str, pa.Array]:
        scores = np.asarray(outputs["scores"], np.float64).reshape(-1)
        return {f"{self.name}_prediction": pa.FixedSizeListArray.from_arrays(pa.array(scores), self.width)}
