"""Metrics of two sets of rows, made and real, compared by features: what all have in common, and the rows that are kept for some."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from trainwright.config.errors import DataError
from trainwright.config.model import PartConfig
from trainwright.metrics.base import Metric
from trainwright.metrics.extractor import Extractor, make_extractor
from trainwright.metrics.pair_options import FeaturesOptions
from trainwright.metrics.pairs import Pair, find_pair

log = logging.getLogger("trainwright.metrics")

MADE, REAL = "made", "real"
SIDES = (MADE, REAL)


class FeatureMetric(Metric):
    """A distance of made rows from real ones by features; `update(made, real)` from Python, or `add_made` and `add_real` by themselves.

    Beside it stand n and n_real, and the floor: the same between two halves of the reference, of half the rows. Training rows are not
    measured by it.
    """

    kind: ClassVar[str] = ""
    config: ClassVar[type[PartConfig]] = FeaturesOptions
    gives: ClassVar[tuple[str, ...]] = ("floor", "n", "n_real")
    """What it gives beside the number that has its name."""
    may_be_nan: ClassVar[tuple[str, ...]] = ()
    """What of it is not there for some numbers of rows, however many."""
    up = False
    own_extractor: ClassVar[Any] = None
    """What makes its features of training rows, called with its options, where it takes no others."""
    loud = True
    """Whether numbers are told in the log with what they are measured by; else for debugging alone."""

    def __init__(self, options: Any = None, *, features: Any = None, name: str = "", pair: Pair | None = None, **values: Any) -> None:
        """`features`: the module or function itself. Raises ConfigError where there is none."""
        super().__init__(self.config(type=self.kind, **values) if options is None else options)
        self.name, self.pair, self._off = name or self.kind, pair, False
        if (features is None or (isinstance(features, str) and not features)) and self.own_extractor is None:
            features = self.options.features
        self.extractor: Extractor = make_extractor(self.own_extractor(self.options) if features is None else features, self.kind)
        self.width: int | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> FeatureMetric:
        made = type(self)(self.options, features=self.extractor, name=self.name, pair=self.pair)  # one network serves all copies
        made.load(self.tensors())
        made._off = self._off
        return made

    def update(self, outputs: Mapping[str, Tensor] | Tensor, batch: Any = None) -> None:
        """Take in made rows and the real ones beside them; sides may be of different length. Raises DataError."""
        if self._off:
            return
        if isinstance(outputs, Tensor):
            found: tuple[Tensor, Tensor] | None = (outputs, batch)
        else:
            found = find_pair(self.name, outputs) if self.pair is None else self.pair(outputs)
        if found is not None and len(found[0]):
            self.add_made(found[0])
            self.add_real(found[1])

    def add_made(self, rows: Tensor) -> None:
        """Take in rows that were made."""
        self._add(MADE, rows)

    def add_real(self, rows: Tensor) -> None:
        """Take in rows of the reference."""
        self._add(REAL, rows)

    def _add(self, side: str, rows: Tensor) -> None:
        self.take_in(side, self.fit_width(self.extractor(rows)))

    def fit_width(self, features: Tensor) -> Tensor:
        """Features as they are; raises DataError for those of another length than before."""
        if self.width not in (None, features.shape[1]):
            why = f"rows of {features.shape[1]} numbers come after rows of {self.width}"
            raise DataError(f"'{self.name}' compares features of one length", where=self.name, why=why)
        self.width = features.shape[1]
        return features

    def take_in(self, side: str, features: Tensor, keys: np.ndarray | None = None) -> None:
        """Take in features (rows, numbers) in float64, on the CPU; `keys` as `number_keys`, where rows are known by numbers."""
        raise NotImplementedError

    def keys_of(self, features: Tensor, keys: np.ndarray | None) -> np.ndarray:
        """16 bytes for each row (rows, 16) by which it is put into halves and subsets: of its number, else of its content."""
        found = row_keys(features) if keys is None else keys
        return np.frombuffer(found.tobytes(), np.uint8).reshape(-1, 16)

    def side_tensors(self, side: str) -> dict[str, Tensor]:
        """What is kept of a side, for another metric of the same options to `load`."""
        return {name: each for name, each in self.tensors().items() if name.startswith(side)}

    def for_training(self, budget: int) -> None:
        """Training rows are not measured."""
        self._off = True

    def counts(self) -> tuple[int, int]:
        """How many made and real rows were seen."""
        raise NotImplementedError

    def measure(self) -> dict[str, float]:
        """The numbers by what they are called after its name; the one without a name first, `floor` among them."""
        raise NotImplementedError

    def compute(self) -> dict[str, float]:
        """The numbers by name, which are printed too. NaN where a side has fewer than two rows."""
        if self._off:
            return {}
        made, real = self.counts()
        if min(made, real) < 2:
            log.warning(
                "%s: undefined for %d made and %d real rows; it needs two of each, and many more to mean something", self.name, made, real
            )
            return dict.fromkeys(self.names(), math.nan) | {f"{self.name}.n": float(made), f"{self.name}.n_real": float(real)}
        found = {**self.measure(), "n": float(made), "n_real": float(real)}
        absent = {name for name, value in found.items() if math.isnan(value) and name in self.may_be_nan}
        shown = ", ".join(f"{name} {value:.6g}".strip() for name, value in found.items() if name not in {"n", "n_real", *absent})
        level, by = logging.INFO if self.loud else logging.DEBUG, f"{self.extractor.name}, {self.width} numbers"
        log.log(level, "%s: %s; n %d made, %d real; features: %s", self.name, shown, made, real, by)
        if undefined := [name or self.name for name, value in found.items() if math.isnan(value) and name not in absent]:
            log.warning("%s: undefined for so few rows: %s", self.name, ", ".join(undefined))
        return {f"{self.name}.{name}" if name else self.name: value for name, value in found.items()}

    def names(self) -> list[str]:
        """The names of its numbers."""
        return [] if self._off else [self.name, *(f"{self.name}.{each}" for each in self.gives)]

    def higher_is_better(self, name: str) -> bool | None:
        """Which way it is better; not known of what stands beside it."""
        return self.up if name == self.name else None


class StoredFeatures:
    """Features of up to `limit` rows, in an order that their content decides, as is which rows are kept of more: none of it follows from
    batches or from the number of processes."""

    def __init__(self, limit: int) -> None:
        self.limit, self.seen = limit, 0
        self.keys, self.rows = np.zeros(0, "S16"), torch.zeros(0, 0, dtype=torch.float64)

    def add(self, features: Tensor, seen: int | None = None, keys: np.ndarray | None = None) -> None:
        """Take in rows (rows, numbers) in float64; `seen`: how many they are drawn from, where they were drawn; `keys`: their order."""
        self.seen += len(features) if seen is None else seen
        keys = np.concatenate([self.keys, row_keys(features) if keys is None else keys])
        rows = torch.cat([self.rows, features]) if len(self.rows) else features
        order = np.argsort(keys, kind="stable")[: self.limit]
        self.keys, self.rows = keys[order], rows[torch.from_numpy(order)]

    def halves(self) -> tuple[Tensor, Tensor]:
        """Two halves of what is kept, as many rows in each."""
        half = len(self.rows) // 2
        return self.rows[:half], self.rows[half : 2 * half]


class StoringMetric(FeatureMetric):
    """One that needs the features of all rows, of which no more than `limit` of each side are kept."""

    holds_rows = True
    emptied_by_load = True

    def __init__(self, *arguments: Any, **values: Any) -> None:
        super().__init__(*arguments, **values)
        self.sides = {side: StoredFeatures(self.options.limit) for side in (MADE, REAL)}

    @property
    def holds(self) -> str:  # type: ignore[override]
        """What is kept of the rows."""
        return f"features of up to {self.options.limit:,} rows of each side"

    def take_in(self, side: str, features: Tensor, keys: np.ndarray | None = None) -> None:
        """Keep them."""
        self.sides[side].add(features, keys=keys)

    def counts(self) -> tuple[int, int]:
        """How many made and real rows were seen."""
        return self.sides[MADE].seen, self.sides[REAL].seen

    def merge(self, others: Iterable[Metric]) -> None:
        """Take in what others keep. Raises DataError for features of another length."""
        for other in others:
            if isinstance(other, StoringMetric):
                for side, held in other.sides.items():
                    if len(held.rows):
                        self.fit_width(held.rows)
                        self.sides[side].add(held.rows, held.seen, held.keys)

    def tensors(self) -> dict[str, Tensor]:
        """The features, and how many rows were seen."""
        found: dict[str, Tensor] = {}
        for side, each in self.sides.items():
            if len(each.rows):
                keys = torch.from_numpy(self.keys_of(each.rows, each.keys).copy())
                found |= {f"{side}/rows": each.rows, f"{side}/seen": torch.tensor(each.seen), f"{side}/keys": keys}
        return found

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the features back; begin anew from nothing."""
        self.width = None
        self.sides = {side: StoredFeatures(self.options.limit) for side in (MADE, REAL)}
        for side, held in self.sides.items():
            if f"{side}/rows" in tensors:
                rows = tensors[f"{side}/rows"].cpu()
                self.fit_width(rows)
                held.add(rows, int(tensors[f"{side}/seen"]), np.frombuffer(tensors[f"{side}/keys"].cpu().numpy().tobytes(), "S16"))

    def memory_of(self, rows: int) -> str:
        """What it will hold of so many rows."""
        size = min(rows, self.options.limit) * (self.width or 0) * 16
        return f"'{self.name}' holds {size / 1e6:.3g} MB of features for {rows} rows" if size else ""


def row_keys(features: Tensor) -> np.ndarray:
    """16 bytes for each row that follow from its numbers."""
    held = np.ascontiguousarray(features.numpy())
    return np.array([hashlib.blake2b(each.tobytes(), digest_size=16).digest()[:15] + b"\1" for each in held], "S16")


def number_keys(side: str, first: int, count: int) -> np.ndarray:
    """16 bytes for each of the rows number `first` and on of a side, that follow from the number and look drawn.

    Halves and subsets of rows that are known by a number are the same rows whatever rounding makes of their features.
    """
    names = (f"{side} {number}".encode() for number in range(first, first + count))
    return np.array([hashlib.blake2b(each, digest_size=16).digest()[:15] + b"\1" for each in names], "S16")
