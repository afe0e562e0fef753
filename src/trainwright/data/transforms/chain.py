"""Transforms one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainwright.config.errors import FOREIGN, DataError, TrainwrightError
from trainwright.config.model import PartConfig
from trainwright.config.own_code import at_own_line
from trainwright.config.registry import build
from trainwright.data.samples import own_words
from trainwright.data.transforms import applies_always, show_transform


class Chain:
    """Transforms of a sample in order; those that apply in training alone are passed over elsewhere.

    Another process is sent the options and makes the transforms again, since what is made need not be such that it can be sent.
    """

    def __init__(self, options: Sequence[PartConfig], training: bool) -> None:
        self.options, self.training = list(options), training
        self.steps = [(show_transform(each), build("transform", each)) for each in options if training or applies_always(each)]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.options, self.training)

    def __call__(self, sample: Tensor) -> Tensor:
        """The sample transformed. Raises DataError naming the transform that fails or gives no tensor."""
        for name, step in self.steps:
            try:
                found = step(sample)
            except TrainwrightError:
                raise
            except FOREIGN as error:
                raise DataError(
                    f"transform {name} failed", why=own_words(error), fix=f"{at_own_line(error)}, or leave {name} out"
                ) from error
            sample = as_sample(found, name)
        return sample


def as_sample(found: Any, name: str) -> Tensor:
    """What a transform gave as a tensor; raises DataError for anything else."""
    if isinstance(found, np.ndarray) and found.dtype.kind in "biuf":
        found = torch.from_numpy(np.ascontiguousarray(found))
    if isinstance(found, Tensor):
        return found
    given = "nothing" if found is None else f"a {type(found).__name__}"
    raise DataError(f"transform {name} gives {given}", why="a transform gives the sample that goes on", fix="let it return a tensor")
