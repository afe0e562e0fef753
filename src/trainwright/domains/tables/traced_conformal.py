"""Conformal intervals and sets of a table's model as traceable modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

from trainwright.calibration.conformal import Conformal
from trainwright.calibration.fitted import Calibrated
from trainwright.config.errors import RequestError
from trainwright.domains.tables.conformal_columns import bound_columns, set_column


class TracedInterval(nn.Module):
    """Values `[b]` or `[b, d]` → `low` and `high` of the same shape, float64."""

    quantile: Tensor

    def __init__(self, fitted: Conformal) -> None:
        super().__init__()
        self.register_buffer("quantile", torch.as_tensor(fitted.quantile))

    def forward(self, scores: Tensor) -> dict[str, Tensor]:
        values = scores.double()
        reach = self.quantile if values.dim() == 2 else self.quantile[0]
        return {"low": values - reach, "high": values + reach}


class TracedSet(nn.Module):
    """Probabilities `[b, c]` → `set`, bool `[b, c]`: which classes are inside."""

    def __init__(self, fitted: Conformal) -> None:
        super().__init__()
        self.adds_up, self.quantile = fitted.score == "aps", float(fitted.quantile[0])

    def forward(self, scores: Tensor) -> dict[str, Tensor]:
        p = scores.double()
        if not self.adds_up:
            return {"set": 1.0 - p <= self.quantile}
        ordered, order = p.sort(dim=1, descending=True, stable=True)
        return {"set": torch.zeros_like(p).scatter(1, order, ordered.cumsum(dim=1)) <= self.quantile}


def traced_conformal(calibrated: Mapping[str, Calibrated]) -> dict[str, nn.Module]:
    """Target → its module; raises RequestError for sets that are drawn, which are no function of a row."""
    found: dict[str, nn.Module] = {}
    for name, each in calibrated.items():
        fitted = each.conformal
        if fitted is None:
            continue
        if fitted.randomised:
            why = "what is in a set depends on draws, which an exported network does not make"
            fix = "calibrate it again without randomised, or export the model as it is, without --to"
            raise RequestError(f"the sets of '{name}' cannot be traced", where="--to torch", why=why, fix=fix)
        found[name] = TracedSet(fitted) if fitted.score in ("lac", "aps") else TracedInterval(fitted)
    return found


def traced_columns(name: str, feature: Any, outputs: Mapping[str, np.ndarray]) -> dict[str, pa.Array]:
    """The columns that `conformal_columns` gives, of what the modules gave."""
    if "set" in outputs:
        return set_column(name, feature, outputs["set"])
    return bound_columns(name, outputs["low"], outputs["high"]) if "low" in outputs else {}


def describe_conformal(fitted: Conformal) -> dict[str, Any]:
    """What the numbers stand for, in plain JSON."""
    if fitted.score in ("lac", "aps"):
        return {"set": "which of `classes` are in the set", "alpha": fitted.alpha}
    return {"low": "lowest value, in the units of the column", "high": "highest value", "alpha": fitted.alpha}
