"""What sets, bags and sequences share: the words of a column, counted in training and given an index."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, cast

import numpy as np
import pyarrow as pa

from trainwright.features.base import Counts, Feature
from trainwright.features.floats import is_list
from trainwright.features.lists import LOOKED_AT, Lists, find_delimiter, with_lists, word_lists
from trainwright.features.vocabulary import frequent, prune
from trainwright.features.words import code_words, text_array


class DelimitedOptions(Protocol):
    """The options that columns of words have in common."""

    delimiter: str | None
    min_count: int


class WordsFeature(Feature):
    """A column of words per row, with a fitted vocabulary; the first `reserved` indices have a meaning of their own."""

    reserved: ClassVar[int] = 1
    several = True
    remembers: ClassVar[tuple[str, ...]] = ("vocabulary", "tally", "delimiter")

    def __init__(self, config: Any, name: str, target: bool = False) -> None:
        super().__init__(config, name, target)
        self.delimiter: str = config.delimiter or ""
        self.waiting: list[tuple[pa.Array, np.ndarray]] = []
        self.texts: list[str] = []
        self.seen: dict[str, int] = {}
        self.vocabulary: list[str] = []
        self.tally: list[int] = []

    def limit(self) -> int:
        """How many words are kept at most."""
        raise NotImplementedError

    def observe(self, values: pa.Array, rows: np.ndarray) -> None:
        absent = self.absent(values, rows)
        self.note_missing(absent, rows)
        self.fitted_rows += len(values)
        self.missing_in_training += 0 if absent is None else int(absent.sum())
        if self.delimiter or is_list(values.type):
            self.count(values)
            return
        # The delimiter is chosen from the first values, however they are cut into chunks.
        self.waiting.append((values, rows))
        self.texts += [text for text in text_array(values, self.name).to_pylist() if text is not None][: LOOKED_AT - len(self.texts)]
        if len(self.texts) >= LOOKED_AT:
            self.choose_delimiter()

    def choose_delimiter(self) -> None:
        """Fixes the delimiter and counts the values that waited for it."""
        self.delimiter = self.delimiter or find_delimiter(self.texts)
        for values, _ in self.waiting:
            self.count(values)
        self.waiting, self.texts = [], []

    def count(self, values: pa.Array) -> None:
        """Counts the words of training rows."""
        self.count_lists(self.lists(values))

    def count_lists(self, lists: Lists) -> None:
        """Counts in how many rows each word occurs."""
        codes, words = self.encode_words(lists.flat)
        if len(codes):
            pairs = np.unique(lists.owners * max(len(words), 1) + codes)
            for word, count in zip(words, np.bincount(pairs % len(words), minlength=len(words)).tolist(), strict=True):
                if word is not None:
                    self.seen[word] = self.seen.get(word, 0) + count
        prune(self.seen)

    def encode_words(self, flat: pa.Array) -> tuple[np.ndarray, list[str | None]]:
        """A code for each word, and the word of each code."""
        return code_words(flat, self.name)

    def lists(self, values: pa.Array) -> Lists:
        """The words of each row."""
        return word_lists(values, self.delimiter or " ", self.name)

    def finish(self) -> None:
        self.choose_delimiter()
        options = cast(DelimitedOptions, self.config)
        self.vocabulary = frequent(self.seen, options.min_count, self.limit())
        self.tally = [self.seen[word] for word in self.vocabulary]
        del self.seen, self.waiting, self.texts
        self.prepare()

    def prepare(self) -> None:
        self.index = {word: position for position, word in enumerate(self.vocabulary, start=self.reserved)}

    @property
    def row_shape(self) -> tuple[int | None, ...]:
        return (None,)

    def sizes(self) -> list[int]:
        return [self.reserved + len(self.vocabulary)]

    def fill_missing(self, values: pa.Array) -> pa.Array:
        """Missing values replaced by `fill` under `missing: constant`."""
        if self.policy != "constant":
            return values
        listed = values if is_list(values.type) else text_array(values, self.name)
        return with_lists(listed, self.config.fill, self.delimiter or " ")

    def indices(self, values: pa.Array, rows: np.ndarray, counts: Counts | None, unknown: int) -> tuple[Lists, np.ndarray]:
        """The words of each row and their indices, flat; counts missing rows and unknown words."""
        self.note_missing(self.absent(values, rows), rows, counts)
        lists = self.lists(self.fill_missing(values))
        codes, words = self.encode_words(lists.flat)
        table = np.array([self.index.get(word, unknown) if word is not None else unknown for word in words] + [unknown], np.int64)
        flat = table[codes]
        if counts is not None:
            counts.unknown += int((flat == unknown).sum())
        return lists, flat
