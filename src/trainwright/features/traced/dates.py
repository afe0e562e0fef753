"""Dates and times: from microseconds since 1970 to the year and points on circles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from trainwright.features.traced.base import Raw, TracedColumn
from trainwright.features.traced.numbers import AffineScale

DAY = 86_400_000_000
NOTHING = -(1 << 63)
"""What stands for a time that is missing: numpy's NaT."""


class DateColumn(TracedColumn):
    """int64 `[b]`: microseconds since 1970 without a zone, the smallest int64 where missing → `value`."""

    def __init__(self, feature: Any) -> None:
        super().__init__(feature)
        self.components = list(feature.components)
        self.scale = AffineScale(feature.center, feature.spread)
        constant = feature.policy == "constant"
        filled = feature.times(pa.array([str(feature.config.fill)]), np.zeros(1, np.int64)) if constant else None
        self.fill = None if filled is None else int(filled.astype(np.int64)[0])

    def read(self, feature: Any, values: pa.Array, rows: np.ndarray) -> dict[str, np.ndarray]:
        times = feature.times(values, rows)
        feature.note_missing(np.isnat(times) if np.isnat(times).any() else None, rows)
        return {"": times.astype(np.int64)}

    def describe(self, feature: Any) -> dict[str, Any]:
        rule = {"formats": feature.patterns, "order": feature.order, "timezone": feature.config.timezone, "times": bool(feature.has_times)}
        return {"gives": "microseconds since 1970, of local times", "missing": NOTHING, **rule}

    def example(self, rows: int, steps: int) -> Raw:
        return {"": torch.zeros(rows, dtype=torch.int64)}

    def forward(self, raw: Raw) -> dict[str, Tensor]:
        times = raw[""]
        absent = times == NOTHING
        if self.fill is not None:
            times, absent = torch.where(absent, self.fill, times), torch.zeros_like(absent)
        encoded = self._components(torch.where(absent, 0, times))
        encoded = torch.where(absent.unsqueeze(1), 0.0, encoded)
        if self.indicator:
            encoded = torch.cat([encoded, absent.double().unsqueeze(1)], dim=1)
        return {"value": encoded.float()}

    def _components(self, times: Tensor) -> Tensor:
        days = times.div(DAY, rounding_mode="floor")
        year, month, day = civil(days)
        columns: list[Tensor] = []
        for each in self.components:
            if each == "year":
                columns.append(self.scale(self._years(times, year)))
                continue
            share = {
                "month": lambda: (month - 1).double() / 12,
                "day": lambda: (day - 1).double() / 31,
                "weekday": lambda: torch.remainder(days + 3, 7).double() / 7,
                "hour": lambda: (times - days * DAY).double() / 86_400e6,
            }[each]()
            turn = 2 * math.pi * share
            columns += [turn.sin(), turn.cos()]
        return torch.stack(columns, dim=1)

    def _years(self, times: Tensor, year: Tensor) -> Tensor:
        start, end = days_before(year) * DAY, days_before(year + 1) * DAY
        return year + (times - start).double() / (end - start).double()


def civil(days: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Year, month and day of days since 1970, int64, by the proleptic Gregorian calendar (H. Hinnant)."""
    z = days + 719_468
    era = z.div(146_097, rounding_mode="floor")
    of_era = z - era * 146_097
    years = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * years + years // 4 - years // 100)
    shifted = (5 * of_year + 2) // 153
    day = of_year - (153 * shifted + 2) // 5 + 1
    month = torch.where(shifted < 10, shifted + 3, shifted - 9)
    return years + era * 400 + (month <= 2).long(), month, day


def days_before(year: Tensor) -> Tensor:
    """Days from 1970 to the first of January of a year, int64."""
    past = year - 1
    leaps = past.div(4, rounding_mode="floor") - past.div(100, rounding_mode="floor") + past.div(400, rounding_mode="floor")
    return (year - 1970) * 365 + leaps - 477
