"""Free text, split by a tokenizer that is fitted on the training rows."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from trainwright.features.base import Counts, Feature, PartLayout
from trainwright.features.lists import Lists, pad_rows
from trainwright.features.options import TextOptions
from trainwright.features.statistics import Reblocked, Sample
from trainwright.features.words import text_array

PADDING, UNKNOWN = "[PAD]", "[UNK]"
TEXTS, FEWER = 1 << 18, 1 << 16
"""The tokenizer is fitted on all training texts up to the first number, and on a sample of at most the second above it."""


class TextFeature(Feature):
    """Free text; part `tokens` holds indices (0 padding, 1 unknown), padded at the right, and `length` how many there are."""

    kind = "text"
    config: TextOptions
    remembers: ClassVar[tuple[str, ...]] = ("tokenizer", "longest")

    def __init__(self, config: TextOptions, name: str, target: bool = False) -> None:
        super().__init__(config, name, target)
        self.blocks, self.sample = Reblocked(), Sample(TEXTS, FEWER)
        self.tokenizer = ""
        """The tokenizer as JSON, as the `tokenizers` library writes it."""
        self.longest = 1

    def observe(self, values: pa.Array, rows: np.ndarray) -> None:
        absent = self.absent(values, rows)
        self.note_missing(absent, rows)
        self.fitted_rows += len(values)
        self.missing_in_training += 0 if absent is None else int(absent.sum())
        texts = np.array(self.texts(values), dtype=object)
        for block in self.blocks.add(texts):
            self.sample.add(block)

    def texts(self, values: pa.Array) -> list[str]:
        """The texts, missing ones empty or as `fill` says."""
        fill = str(self.config.fill) if self.policy == "constant" else ""
        return text_array(values, self.name).fill_null(fill).to_pylist()

    def finish(self) -> None:
        for block in self.blocks.rest():
            self.sample.add(block)
        texts: list[str] = np.concatenate(self.sample.values).tolist() if self.sample.values else []
        fitted = fit_tokenizer(texts, self.config)
        self.tokenizer = fitted.to_str()
        self.longest = max([1, *(len(each.ids) for each in fitted.encode_batch(texts, add_special_tokens=False))])
        del self.blocks, self.sample
        self.prepare()

    def prepare(self) -> None:
        from tokenizers import Tokenizer

        self.split = Tokenizer.from_str(self.tokenizer)
        self.unknown = self.split.token_to_id(UNKNOWN)

    @property
    def width(self) -> int:
        """Tokens of the longest training text, at most `max_length`."""
        return min(self.longest, self.config.max_length)

    def sizes(self) -> list[int]:
        return [self.split.get_vocab_size()]

    def layout(self) -> dict[str, PartLayout]:
        return {"tokens": PartLayout((self.width,), np.int32), "length": PartLayout((), np.int64)}

    def encode(self, values: pa.Array, rows: np.ndarray, counts: Counts | None = None) -> dict[str, np.ndarray]:
        self.note_missing(self.absent(values, rows), rows, counts)
        ids = [each.ids for each in self.split.encode_batch(self.texts(values), add_special_tokens=False)]
        offsets = np.concatenate([[0], np.cumsum([len(row) for row in ids])]).astype(np.int64)
        flat = np.fromiter((token for row in ids for token in row), np.int32, int(offsets[-1]))
        if counts is not None:
            counts.unknown += int((flat == self.unknown).sum())
        tokens, length = pad_rows(Lists(offsets, pa.nulls(0), None), flat, self.width, keep_last=False)
        return {"tokens": tokens, "length": length}


def fit_tokenizer(texts: list[str], options: TextOptions) -> Any:
    """A `tokenizers.Tokenizer` fitted on the texts: index 0 is padding, 1 unknown."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    special = [PADDING, UNKNOWN]
    shared: dict[str, Any] = {"special_tokens": special, "vocab_size": options.vocabulary, "show_progress": False}
    if options.tokenizer == "bpe":
        tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        trainer: Any = trainers.BpeTrainer(min_frequency=max(options.min_count, 2), initial_alphabet=alphabet, **shared)
    else:
        tokenizer = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
        characters = pre_tokenizers.Split("", "isolated")
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace() if options.tokenizer == "word" else characters
        trainer = trainers.WordLevelTrainer(min_frequency=options.min_count, **shared)
    lower = [normalizers.Lowercase()] if options.lowercase else []
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), *lower])
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer
