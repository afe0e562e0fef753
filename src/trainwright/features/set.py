"""Several labels per row, without order."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from trainwright.config.errors import DataError
from trainwright.data.spelling import joined_counts, key_of
from trainwright.features.base import Counts, PartLayout
from trainwright.features.classes import class_weights
from trainwright.features.options import SetOptions
from trainwright.features.spec import TargetSpec
from trainwright.features.tokens import WordsFeature
from trainwright.features.words import count_words


class SetFeature(WordsFeature):
    """Several labels; part `value` has a 1 per label present (first place: any unknown one), and `missing` where rows may be missing."""

    kind = "set"
    predictable = True
    config: SetOptions

    def __init__(self, config: SetOptions, name: str, target: bool = False) -> None:
        super().__init__(config, name, target)
        self.key = key_of(config.join)
        self.spellings: dict[str, int] = {}

    def encode_words(self, flat: pa.Array) -> tuple[np.ndarray, list[str | None]]:
        codes, words = super().encode_words(flat)
        if not self.config.join:
            return codes, words
        keys = [None if word is None else self.key(word) for word in words]
        places = {key: place for place, key in enumerate(dict.fromkeys(keys))}
        return np.array([*(places[key] for key in keys), -1], np.int64)[codes], list(places)

    def count(self, values: pa.Array) -> None:
        super().count(values)
        if self.config.join:
            count_words(*super().encode_words(self.lists(values).flat), self.spellings)

    def finish(self) -> None:
        super().finish()
        names = {self.key(word): word for word in joined_counts(self.spellings, self.config.join)}
        self.vocabulary = [names.get(word, word) for word in self.vocabulary]
        del self.spellings

    def prepare(self) -> None:
        self.index = {self.key(word): position for position, word in enumerate(self.vocabulary, start=self.reserved)}

    def limit(self) -> int:
        return self.config.max_labels

    def layout(self) -> dict[str, PartLayout]:
        parts = {"value": PartLayout((self.sizes()[0],), np.float32)}
        return parts | ({"missing": PartLayout((), np.float32)} if self.has_indicator else {})

    def multi_hot(self, values: pa.Array, rows: np.ndarray, counts: Counts | None) -> np.ndarray:
        """A float32 array (rows, 1 + labels) of zeros and ones."""
        lists, flat = self.indices(values, rows, counts, 0)
        result = np.zeros((len(values), self.sizes()[0]), np.float32)
        result[lists.owners, flat] = 1
        return result

    def encode(self, values: pa.Array, rows: np.ndarray, counts: Counts | None = None) -> dict[str, np.ndarray]:
        parts = {"value": self.multi_hot(values, rows, counts)}
        if self.has_indicator:
            absent = self.absent(values, rows)
            parts["missing"] = np.zeros(len(values), np.float32) if absent is None else absent.astype(np.float32)
        return parts

    def check_target(self) -> None:
        super().check_target()
        if not self.vocabulary:
            fix = f"set columns.{self.name}.delimiter to what stands between its labels, or choose another target"
            raise DataError(f"target '{self.name}' has no label in the training rows", fix=fix)

    def target_layout(self) -> PartLayout:
        return PartLayout((len(self.vocabulary),), np.float32)

    def target_spec(self) -> TargetSpec:
        options = self.config
        wanted = options.class_weights
        if wanted == "auto":
            # A label that is present in few rows weighs (absent rows / present rows), as BCEWithLogitsLoss's pos_weight.
            wanted = [(self.fitted_rows - count) / max(count, 1) for count in self.tally]
        weights = class_weights(wanted, self.vocabulary, self.tally, self.name)
        shared = (options.weight, options.loss, options.decoder, options.metrics)
        return TargetSpec(self.name, self.kind, len(self.vocabulary), list(self.vocabulary), *shared, weights)

    def encode_target(self, values: pa.Array, rows: np.ndarray, counts: Counts | None = None) -> np.ndarray:
        return self.multi_hot(values, rows, counts)[:, 1:]

    def decode(self, outputs: dict[str, np.ndarray]) -> dict[str, pa.Array]:
        scores = outputs["scores"]
        chosen = scores >= np.asarray(outputs.get("threshold", 0.5))
        offsets = np.concatenate([[0], np.cumsum(chosen.sum(axis=1))]).astype(np.int32)
        labels = pa.array(self.vocabulary, pa.string()).take(pa.array(np.nonzero(chosen)[1]))
        columns = {f"{self.name}_prediction": pa.ListArray.from_arrays(pa.array(offsets), labels)}
        for position, label in enumerate(self.vocabulary):
            columns[f"{self.name}_probability_{label}"] = pa.array(np.ascontiguousarray(scores[:, position]))
        return columns
