"""What a column can that is decoded batch by batch: the up-front pass keeps a reference for each row, workers decode it."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from trainwright.data.cache import CachedData
from trainwright.data.window_options import WindowConfig
from trainwright.features.base import Counts, Feature

if TYPE_CHECKING:
    from torch import Tensor

    from trainwright.data.cache.samples import SampleCache

log = logging.getLogger(__name__)


class References(NamedTuple):
    """What rows are decoded from: text, null where there is nothing, and how long each is (int64; 0 for nothing)."""

    places: pa.Array
    lengths: np.ndarray

    @classmethod
    def joined(cls, pieces: Sequence[References]) -> References:
        """Those of pieces of a table one after the other."""
        places = pa.concat_arrays([pa.array([], pa.string()), *(each.places for each in pieces)])
        return cls(places, np.concatenate([np.zeros(0, np.int64), *(each.lengths for each in pieces)]))

    def take(self, positions: np.ndarray) -> References:
        """Those of some rows (int64, n)."""
        return References(self.places.take(pa.array(positions)), self.lengths[positions])


class LazyFeature(Feature):
    """A column whose values are references; `layout` says what batches hold, and nothing of it is kept in blocks.

    Fitted on declared facts, or on a sample of the training rows that is chosen by their numbers and therefore the same each time.
    """

    lazy = True
    window: WindowConfig | None = None
    """How rows of this column are cut into samples; None where each is one."""
    caching: CachedData | None = None
    """How its samples are kept once they were decoded, in training; None where they are not."""

    @abstractmethod
    def refer(self, values: pa.Array, rows: np.ndarray, counts: Counts | None = None) -> References:
        """A reference for each row, null where there is none; raises DataError for those that lead nowhere."""

    def check_rows(self, values: pa.Array, rows: np.ndarray, told: Callable[[int, int], None]) -> dict[int, str]:
        """Row → why what it names cannot be read, of rows that name something; all is read whole, also where training skips or repairs.

        `told` is called with how many of these rows were looked at, and how many are broken.
        """
        raise NotImplementedError

    def how_to_mend(self, faults: Sequence[str]) -> str:
        """What to do about files that cannot be read for these reasons."""
        return f"write these files again, or columns.{self.name}.unreadable=skip leaves such rows out of training"

    follows: str = ""
    """The column whose files those of this one go with, row by row."""

    def follow(self, others: Mapping[str, Feature], inputs: Sequence[str]) -> None:
        """Find the column among the inputs that it follows; that of most is none. Raises ConfigError where it could be several."""

    def unpaired(self, own: References, others: References, rows: np.ndarray) -> dict[int, str]:
        """Row → why its file does not go with that of the column it follows; nothing is asked of most."""
        return {}

    def ensure_pairs(self, own: References, others: References, rows: np.ndarray) -> None:
        """Raises DataError for rows whose file does not go with that of the column it follows; nothing is asked of most."""

    def record(self) -> dict[str, Any]:
        """What its files were like, for results.json, as far as they were decoded; nothing where there is nothing to tell."""
        return {}

    def early_remarks(self) -> list[str]:
        """What is to be said before training of those of its files that were decoded so far."""
        return []

    def last_remarks(self) -> list[str]:
        """What is known of its files once all were decoded, and is to be said after training."""
        return []

    def remarks(self) -> list[str]:
        """What is to be said of the references of the source that was read last."""
        return []

    def sample_cache(self) -> SampleCache | None:
        """What keeps its decoded samples; None where nothing does."""
        return None

    @abstractmethod
    def decoder(self, training: bool) -> Decoder:
        """What decodes references; with `training` under the transforms that apply to training rows alone."""

    def observe(self, values: pa.Array, rows: np.ndarray) -> None:
        """Takes the next training values into account."""
        raise NotImplementedError

    def encode(self, values: pa.Array, rows: np.ndarray, counts: Counts | None = None) -> dict[str, np.ndarray]:
        """A lazy column is never encoded up front."""
        raise NotImplementedError


def lazy_features(features: Mapping[str, Feature]) -> list[LazyFeature]:
    """Those of the columns that are decoded batch by batch."""
    return [each for each in features.values() if isinstance(each, LazyFeature)]


def describe_files(features: Mapping[str, Feature], said: Collection[str] = ()) -> dict[str, dict[str, Any]]:
    """Column → what its files were like, told too unless it was `said` before: in training, validation and test every one was decoded."""
    lazy = lazy_features(features)
    for line in [line for each in lazy for line in each.last_remarks() if line not in said]:
        log.info("note: %s", line)
    return {each.name: record for each in lazy if (record := each.record())}


class Decoder:
    """References → samples → the parts of a batch; sent to worker processes, so that it holds the fitted facts and no table."""

    draws: bool = True
    """Whether anything in a sample can be random."""
    padded: Sequence[tuple[str, str, int]] = ()
    """Parts whose samples are filled up to one length, the part that tells their own, and the dimension of a batch that differs."""

    def sample(self, reference: str | None, row: int, place: int = 0) -> Any:
        """The sample of a reference, transformed; None where there is none. Raises DataError naming row and reference.

        `place`: which window of the row, where it is cut.
        """
        raise NotImplementedError

    def join(self, samples: list[Any], rows: list[int]) -> dict[str, Tensor]:
        """The parts of a batch, rows first and then the column. Raises DataError for samples that do not go together."""
        raise NotImplementedError
