"""The combiner when none is named."""

from __future__ import annotations

from trainwright.nn.combiners import AutoCombinerOptions, TabMOptions
from trainwright.nn.combiners.base import Shapes
from trainwright.nn.combiners.tabm import TabM

MANY_ROWS = 20_000
"""With more training rows than this, members bring less and cost more: half as many are used."""


def choose(rows: int) -> TabMOptions:
    """TabM with 16 members of two layers of 128; 8 members for many rows. Measured in `docs/decisions/0002-default-network.md`."""
    return TabMOptions(members=8 if rows > MANY_ROWS else 16)


def automatic(options: AutoCombinerOptions, shapes: Shapes, rows: int) -> TabM:
    """TabM, sized by the number of training rows."""
    return TabM(choose(rows), shapes, rows)
