"""The combiner when none is named."""

from __future__ import annotations

from collections.abc import Sequence

from trainwright.features.spec import InputGroup
from trainwright.nn.combiners import AutoCombinerOptions, ConcatOptions, TabMOptions
from trainwright.nn.combiners.base import Shapes
from trainwright.nn.combiners.tabm import TabM

FEW_ROWS = 1_000
"""With fewer training rows than this, layers are half as wide: a larger network learns such a table by heart sooner, and slower."""
MANY_ROWS = 20_000
"""With more training rows than this, members bring less and cost more: half as many are used."""


def choose(rows: int) -> TabMOptions:
    """TabM with two layers; its width and members follow the training rows. Measured in `docs/decisions/0002-default-network.md`."""
    return TabMOptions(members=8 if rows > MANY_ROWS else 16, width=64 if rows < FEW_ROWS else 128)


BESIDE = 4
"""Up to so many columns beside recordings, such as age and sex, the recordings are what is read; with more it is a table."""


def reads_recordings(inputs: Sequence[InputGroup]) -> bool:
    """Whether recordings are most of what is read."""
    others = sum(len(group.columns) for group in inputs if not group.time_last)
    return others <= BESIDE and any(group.time_last for group in inputs)


def choose_beside_recordings() -> ConcatOptions:
    """Groups side by side, and no layer more: networks of recordings are deep themselves, and learn faster without members after them."""
    return ConcatOptions(depth=0)


def automatic(options: AutoCombinerOptions, shapes: Shapes, rows: int) -> TabM:
    """TabM, sized by the number of training rows."""
    return TabM(choose(rows), shapes, rows)
