"""Precision and recall, density and coverage of made rows by balls around nearest neighbours of features."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from trainwright.metrics.feature_sets import MADE, REAL, StoringMetric
from trainwright.metrics.kernels import blocks, squared_distances
from trainwright.metrics.pair_options import NeighbourOptions

NAMES = ("precision", "recall", "density", "coverage")


class PRDC(StoringMetric):
    """Precision, recall, density and coverage by balls that reach to the k-th neighbour of the same side.

    Precision: share of made rows within a ball of a real one; recall: of real rows within a ball of a made one (Kynkäänniemi et al.
    2019). Density: balls of real rows that hold a made one, of k; coverage: share of real balls that hold one (Naeem et al. 2020).
    """

    kind, config, up = "prdc", NeighbourOptions, True
    gives = (*NAMES[1:], *(f"floor_{each}" for each in NAMES), "n", "n_real")
    options: NeighbourOptions

    def measure(self) -> dict[str, float]:
        """The four numbers, and those between halves of the reference."""
        found = measure_neighbours(self.sides[MADE].rows, self.sides[REAL].rows, self.options.k)
        floor = measure_neighbours(*self.sides[REAL].halves(), self.options.k)
        return found | {f"floor_{name}": value for name, value in floor.items()}

    def names(self) -> list[str]:
        """The names of its numbers: none is without one of its own."""
        return [] if self._off else [f"{self.name}.{each}" for each in (NAMES[0], *self.gives)]

    def higher_is_better(self, name: str) -> bool | None:
        """All four are better when they are higher."""
        return True if name.rpartition(".")[2] in NAMES else None


def measure_neighbours(made: Tensor, real: Tensor, k: int) -> dict[str, float]:
    """Precision, recall, density and coverage of rows (n, d) against (m, d); NaN where a side has no k-th neighbour."""
    if min(len(made), len(real)) <= k:
        return dict.fromkeys(NAMES, math.nan)
    of_real, of_made = radii(real, k), radii(made, k)
    inside, held, nearest = [], torch.zeros(len(real), dtype=torch.bool), torch.zeros(len(real), dtype=torch.bool)
    for part, radius in zip(blocks(made), blocks(of_made), strict=True):
        apart = squared_distances(part, real)
        inside.append((apart <= of_real[None]).sum(1))
        nearest |= (apart <= of_real[None]).any(0)
        held |= (apart <= radius[:, None]).any(0)
    balls = torch.cat(inside).double()
    return {
        "precision": float((balls > 0).double().mean()),
        "recall": float(held.double().mean()),
        "density": float(balls.mean()) / k,
        "coverage": float(nearest.double().mean()),
    }


def radii(rows: Tensor, k: int) -> Tensor:
    """The squared distance of each row to its k-th nearest other one, [n]."""
    return torch.cat([squared_distances(part, rows).kthvalue(k + 1, dim=1).values for part in blocks(rows)])
