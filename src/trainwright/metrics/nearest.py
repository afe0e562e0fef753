"""How near made rows lie to rows of training: whether samples are copies."""

from __future__ import annotations

import torch
from torch import Tensor

from trainwright.config.errors import ConfigError
from trainwright.metrics.extractor import Extractor, digest_of_state
from trainwright.metrics.feature_sets import MADE, REAL, StoringMetric
from trainwright.metrics.kernels import squared_distances
from trainwright.metrics.pair_options import NearestOptions


class NearestRow(Extractor):
    """The Euclidean distance of each row to the nearest of the training rows, by their values (rows, 1)."""

    fits = "rows"

    def __init__(self, options: NearestOptions | None = None) -> None:
        super().__init__(None, "distance to the nearest training row, by values")
        self.options = options or NearestOptions()
        self.training = torch.zeros(0, 0, dtype=torch.float64)

    def fit(self, rows: Tensor, classes: Tensor | None = None) -> None:
        """Keep the training rows."""
        self.training = rows.detach().cpu().flatten(1).double()
        self.name = f"distance to the nearest of {len(rows):,} training rows, by values"

    def features(self, rows: Tensor) -> Tensor:
        """The distances. Raises ConfigError before `fit`."""
        if not len(self.training):
            fix = "ask for it where samples are measured: trainer.sample_metrics"
            raise ConfigError("'nearest' has not seen training rows", where="metrics", fix=fix)
        found = squared_distances(rows.detach().cpu().flatten(1).double(), self.training)
        return found.min(1, keepdim=True).values.sqrt()

    def identity(self) -> str:
        """It follows from the training rows."""
        return f"nearest {digest_of_state({'rows': self.training})}"


class Nearest(StoringMetric):
    """The median distance of made rows to the nearest row of training; `nearest.real`: that of held-out rows, which a copy falls below."""

    kind, config, up = "nearest", NearestOptions, True
    gives = ("real", "n", "n_real")
    own_extractor = NearestRow
    options: NearestOptions

    def measure(self) -> dict[str, float]:
        """Both medians."""
        made, real = (float(self.sides[side].rows.median()) for side in (MADE, REAL))
        return {"": made, "real": real}

    def higher_is_better(self, name: str) -> bool | None:
        """Not known: far from all training rows is no better than a copy of one."""
        return None
