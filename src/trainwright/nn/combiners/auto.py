"""The combiner when none is named."""

from __future__ import annotations

from collections.abc import Sequence

from trainwright.config.domains import column_kind
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
"""Up to so many columns beside recordings or pictures, such as age and sex, these are what is read; with more it is a table."""
JOINED = 64
"""Width of the layer that joins pictures and the columns beside them."""


def reads_deeply(inputs: Sequence[InputGroup]) -> bool:
    """Whether most of what is read goes through deep networks: recordings, pictures."""
    others = sum(len(group.columns) for group in inputs if not _is_deep(group))
    return others <= BESIDE and any(map(_is_deep, inputs))


def choose_beside_deep(inputs: Sequence[InputGroup]) -> ConcatOptions:
    """Groups side by side: deep networks learn faster without members, or more layers, after them.

    One layer joins pictures with columns beside them, so that what a number says may depend on what is seen.
    """
    joins = len(inputs) > 1 and any(column_kind(group.kind).deep for group in inputs)
    return ConcatOptions(depth=1, width=JOINED) if joins else ConcatOptions(depth=0)


def _is_deep(group: InputGroup) -> bool:
    return group.time_last or column_kind(group.kind).deep


def automatic(options: AutoCombinerOptions, shapes: Shapes, rows: int) -> TabM:
    """TabM, sized by the number of training rows."""
    return TabM(choose(rows), shapes, rows)
