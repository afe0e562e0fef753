"""What the transforms of batches make of a column of arrays: the shape that the model is given."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from trainwright.config.errors import ConfigError
from trainwright.config.model import PartConfig
from trainwright.data.draws import keep_draws
from trainwright.data.transforms.batches import BatchChain


def shape_in_batches(name: str, transforms: Sequence[PartConfig], shape: Sequence[int], sequence: bool, axis: int = 0) -> list[int]:
    """The shape of a row after what always applies to batches, found with two rows of zeros.

    Raises ConfigError where that is no tensor of floats, or a sequence of another length; DataError for what the transforms raise.
    """
    where = f"columns.{name}.transform"
    with keep_draws():
        found = BatchChain(transforms, where)(torch.zeros(2, *(shape or [1])), None)
    if not found.is_floating_point():
        kind = str(found.dtype).removeprefix("torch.")
        raise ConfigError(f"the transforms give {kind}", where=where, why="the encoder takes float32", fix="end with cast: float32")
    given = list(found.shape[1:])
    if sequence and (not given or given[axis] != shape[axis]):
        what = f"the transforms give sequences of length {given[axis] if given else 0} where {shape[axis]} is read"
        why = "each length stands beside the sequence as it was read"
        raise ConfigError(what, where=where, why=why, fix="change lengths where arrays are read: runs_on: worker")
    return given
