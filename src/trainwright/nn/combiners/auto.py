"""The combiner when none is named."""

from __future__ import annotations

from trainwright.nn.combiners import AutoCombinerOptions, TabMOptions
from trainwright.nn.combiners.base import Shapes
from trainwright.nn.combiners.tabm import TabM


def choose(rows: int) -> TabMOptions:
    """TabM; measured in `docs/decisions/0002-default-network.md`."""
    return TabMOptions()


def automatic(options: AutoCombinerOptions, shapes: Shapes, rows: int) -> TabM:
    """TabM, sized by the number of training rows."""
    return TabM(choose(rows), shapes, rows)
