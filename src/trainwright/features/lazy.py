"""What a column can that is decoded batch by batch: the up-front pass keeps a reference for each row, workers decode it."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from trainwright.features.base import Counts, Feature

if TYPE_CHECKING:
    from torch import Tensor


class LazyFeature(Feature):
    """A column whose values are references; `layout` says what batches hold, and nothing of it is kept in blocks.

    Fitted on declared facts, or on a sample of the training rows that is chosen by their numbers and therefore the same each time.
    """

    lazy = True

    @abstractmethod
    def refer(self, values: pa.Array, rows: np.ndarray, counts: Counts | None = None) -> pa.Array:
        """A reference for each row (text), null where there is none; raises DataError for those that lead nowhere."""

    @abstractmethod
    def decoder(self, training: bool) -> Decoder:
        """What decodes references; with `training` under the transforms that apply to training rows alone."""

    def observe(self, values: pa.Array, rows: np.ndarray) -> None:
        """Takes the next training values into account."""
        raise NotImplementedError

    def encode(self, values: pa.Array, rows: np.ndarray, counts: Counts | None = None) -> dict[str, np.ndarray]:
        """A lazy column is never encoded up front."""
        raise NotImplementedError


class Decoder:
    """References → samples → the parts of a batch; sent to worker processes, so that it holds the fitted facts and no table."""

    draws: bool = True
    """Whether anything in a sample can be random."""

    def sample(self, reference: str | None, row: int) -> Any:
        """The sample of a reference, transformed; None where there is none. Raises DataError naming row and reference."""
        raise NotImplementedError

    def join(self, samples: list[Any], rows: list[int]) -> dict[str, Tensor]:
        """The parts of a batch, rows first and then the column. Raises DataError for samples that do not go together."""
        raise NotImplementedError
