"""Windows of a text, and the character after each of theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainwright.config.errors import DataError
from trainwright.config.received import ensure_right
from trainwright.data.datasets import MEMORY_LIMIT, TextOptions
from trainwright.data.readable import name_beside

UNKNOWN = "\N{REPLACEMENT CHARACTER}"
"""Stands, as symbol 0, for characters that the training part does not have."""


class TextDataset:
    """Reads the whole text. Raises DataError when it is missing, not UTF-8, or a part of it is shorter than one window."""

    def __init__(self, options: TextOptions, *, seed: int = 0, memory_limit: int = MEMORY_LIMIT) -> None:
        self.options = options
        text = _read(options.path)
        first = len(text) - round(len(text) * (options.validation + options.test))
        second = len(text) - round(len(text) * options.test)
        parts = {"train": text[:first], "validation": text[first:second], "test": text[second:]}
        self.vocabulary = [UNKNOWN, *sorted(set(parts["train"]) - {UNKNOWN})]
        codes = {split: encode_text(part, self.vocabulary) for split, part in parts.items() if part}
        self._splits = {split: self._windows(each, split) for split, each in codes.items()}
        self.spec: dict[str, Any] = {
            "vocabulary": self.vocabulary,
            "classes": len(self.vocabulary),
            "context": options.context,
            "rows": {split: len(blocks["input"]) for split, blocks in self._splits.items()},
            "unknown": {split: int((each == 0).sum()) for split, each in codes.items()},
        }

    def splits(self) -> dict[str, dict[str, Tensor]]:
        """`input` and `target` (int64, n × t) of each part: views of one text, so that overlap takes no memory."""
        return self._splits

    def _windows(self, codes: Tensor, split: str) -> dict[str, Tensor]:
        length, stride = self.options.context + 1, self.options.stride or self.options.context
        if len(codes) < length:
            why = f"it has {len(codes)} characters, and a window with the character after it {length}"
            raise DataError(f"the {split} part is too short", where=self.options.path, why=why, fix="give more text, or a smaller context")
        windows = codes.unfold(0, length, stride)
        return {"input": windows[:, :-1], "target": windows[:, 1:]}


def encode_text(text: str, vocabulary: list[str]) -> Tensor:
    """The number of each character in a sorted vocabulary after its first, 0 for those it does not have (int64, n)."""
    known = np.array([ord(each) for each in vocabulary[1:]], np.uint32)
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    places = np.searchsorted(known, points).clip(max=max(len(known) - 1, 0))
    found = known[places] == points if len(known) else np.zeros(len(points), bool)
    return torch.from_numpy(np.where(found, places + 1, 0).astype(np.int64))


def _read(path: str) -> str:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError("the text is not UTF-8", where=path, why=str(error), fix="convert it: iconv -f latin1 -t utf-8") from error
    except OSError as error:
        ensure_right(error, Path(path))
        raise DataError("the text cannot be read", where=path, why=error.strerror or str(error), fix=name_beside(Path(path))) from error
    if not text:
        raise DataError("the text is empty", where=path)
    return text
