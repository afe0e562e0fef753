"""Values that are no numbers, and leads of which nothing can be learned: found, and mended where it is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from trainwright.domains.signals.reading.facts import Floats

CLIPPED_RUN = 5
"""Samples in a row at the largest or smallest value from which they count as cut off there."""
CLIPPED_SHARE = 0.01
"""Share of such samples from which a lead is clipped."""


@dataclass(frozen=True)
class LeadFault:
    """What is wrong with a lead."""

    number: int
    kind: Literal["invalid", "flat", "clipped"]
    share: float
    """Of its samples: all of an invalid or a flat one, those at the limits of a clipped one."""


def find_faulty_leads(values: Floats) -> list[LeadFault]:
    """Leads of `(channels, time)` that are not valid anywhere, constant, or cut off at a limit for 1 % of their samples or more."""
    found = (_fault(number, lead) for number, lead in enumerate(values))
    return [each for each in found if each is not None]


def _fault(number: int, lead: Floats) -> LeadFault | None:
    valid = lead[np.isfinite(lead)]
    if not len(valid):
        return LeadFault(number, "invalid", 1.0)
    low, high = valid.min(), valid.max()
    if low == high:
        return LeadFault(number, "flat", 1.0)
    share = (_in_runs(valid == high) + _in_runs(valid == low)) / len(valid)
    return LeadFault(number, "clipped", share) if share >= CLIPPED_SHARE else None


def _in_runs(at_limit: np.ndarray) -> int:
    """How many samples stand in runs that are long enough."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], at_limit, [False]]).astype(np.int8)))
    lengths = edges[1::2] - edges[::2]
    return int(lengths[lengths >= CLIPPED_RUN].sum())


def invalid_share(values: Floats) -> list[float]:
    """Of each lead of `(channels, time)`, the share of samples that are NaN or infinite."""
    return (1 - np.isfinite(values).mean(axis=-1)).tolist() if values.shape[-1] else [0.0] * len(values)


def fill_invalid(values: Floats, how: Literal["interpolate", "clamp", "zero"] = "interpolate") -> Floats:
    """`(channels, time)` with numbers in place of NaN and infinity; a lead that has none becomes 0.

    `interpolate` draws a line between the valid samples on both sides; `clamp` sets infinity to the lead's largest or smallest value and
    holds the last valid one for NaN; before the first and after the last valid sample both hold that one.
    """
    valid = np.isfinite(values)
    if valid.all():
        return values
    out = values.copy()
    for lead, good in zip(out, valid, strict=True):
        if how == "zero" or not good.any():
            lead[~good] = 0
        elif not good.all():
            _fill(lead, good, how)
    return out


def _fill(lead: Floats, good: np.ndarray, how: str) -> None:
    places = np.flatnonzero(good)
    if how == "interpolate":
        lead[~good] = np.interp(np.flatnonzero(~good), places, lead[places])
        return
    low, high = lead[places].min(), lead[places].max()
    before = np.maximum.accumulate(np.where(good, np.arange(len(lead)), places[0]))
    held = lead[before]
    lead[:] = np.where(good, lead, np.where(lead == np.inf, high, np.where(lead == -np.inf, low, held)))
