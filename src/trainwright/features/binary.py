"""A column with two values, of any type."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pyarrow as pa

from trainwright.config.errors import DataError, did_you_mean
from trainwright.features.base import Counts, PartLayout
from trainwright.features.classes import ClassFeature, class_weights, probabilities
from trainwright.features.options import BinaryOptions
from trainwright.features.spec import TargetSpec
from trainwright.features.words import class_values, code_words, sorted_classes

KNOWN: dict[str, int] = {
    **dict.fromkeys(["true", "t", "yes", "y", "on", "1", "positive", "pos", "present"], 1),
    **dict.fromkeys(["false", "f", "no", "n", "off", "0", "-1", "negative", "neg", "absent"], 0),
}
"""Words whose side is known, compared without case."""


class BinaryFeature(ClassFeature):
    """Two values, of `classes` (negative, positive); part `value` is -1, 1 or 0 where missing or unknown, `missing` where values may be."""

    kind = "binary"
    grouped = True
    predictable = True
    config: BinaryOptions
    remembers: ClassVar[tuple[str, ...]] = ("classes", "sides", "tally", "returns")

    def __init__(self, config: BinaryOptions, name: str, target: bool = False) -> None:
        super().__init__(config, name, target)
        self.sides: dict[str, int] = {}
        self.tally = [0, 0]

    def observe(self, values: pa.Array, rows: np.ndarray) -> None:
        self.count_values(values, rows)
        found = set(map(self.key, self.seen)) if self.config.join else self.seen.keys()
        if len(found) > 2 and not set(map(str.casefold, found)) <= KNOWN.keys():
            shown = ", ".join(repr(word) for word in sorted_classes(list(self.seen))[:5])
            raise DataError(
                f"column '{self.name}' has more than two values: {shown}",
                why="it is of type binary",
                fix=f"write columns.{self.name}=category",
            )

    def finish(self) -> None:
        words = self.join_seen()
        known = all(word.casefold() in KNOWN for word in words) and len({KNOWN[word.casefold()] for word in words}) == min(len(words), 2)
        self.sides = {word: KNOWN[word.casefold()] if known else side for side, word in enumerate(words)}
        self.choose_positive()
        self.classes = [self.spelling(side) for side in (0, 1)]
        for word, count in self.seen.items():
            self.tally[self.sides[word]] += count
        del self.seen
        self.prepare()

    def prepare(self) -> None:
        self.spelt = {self.key(word): word for word in self.sides}

    def known_values(self) -> list[str]:
        return list(self.sides)

    def choose_positive(self) -> None:
        """Turns the sides around where the options name the positive value and it is on the negative side."""
        positive = self.config.positive
        if positive is None:
            return
        positive = next((word for word in self.sides if self.key(word) == self.key(positive)), positive)
        if positive not in self.sides:
            what = f"column '{self.name}' never has the value {positive!r} given as `positive`"
            raise DataError(what, fix=did_you_mean(positive, self.sides))
        if self.sides[positive] == 0:
            self.sides = {word: 1 - side for word, side in self.sides.items()}

    def spelling(self, side: int) -> str:
        """The most frequent way a side is written in training; a side never seen is named after the other."""
        words = [word for word, at in self.sides.items() if at == side]
        if not words:
            other = next(iter(self.sides), "true")
            opposites = {"true": "false", "false": "true", "1": "0", "0": "1", "yes": "no", "no": "yes"}
            return opposites.get(other, f"not {other}")
        return max(words, key=lambda word: self.seen[word])

    def side_of(self, word: str | None) -> int:
        """0, 1, -1 for a missing value, or -2 for a value that is neither."""
        if word is None:
            return -1
        word = self.spelt.get(self.key(word), word)
        if word in self.sides:
            return self.sides[word]
        spoken = {text.casefold(): side for text, side in self.sides.items()}
        if word.casefold() in spoken:
            return spoken[word.casefold()]
        if all(text in KNOWN for text in spoken) and word.casefold() in KNOWN:
            # Both are known words: the side is the same as in training, turned around if `positive` turned it.
            turned = any(KNOWN[text] != side for text, side in spoken.items())
            return KNOWN[word.casefold()] ^ int(turned)
        return -2

    def side(self, values: pa.Array, rows: np.ndarray, counts: Counts | None) -> np.ndarray:
        """Per row 0, 1, -1 (missing) or -2 (unknown)."""
        codes, words = code_words(values, self.name)
        table = np.array([self.side_of(word) for word in words] + [-1], np.int64)
        sides = table[codes]
        absent = sides == -1
        self.note_missing(absent, rows, counts)
        if counts is not None:
            counts.unknown += int((sides == -2).sum())
        if absent.any() and self.policy in ("mode", "constant"):
            fill = int(self.tally[1] > self.tally[0]) if self.policy == "mode" else self.fill_side()
            sides = np.where(absent, fill, sides)
        return sides

    def fill_side(self) -> int:
        """The side that `fill` names."""
        fill = self.config.fill
        text = f"{fill:g}" if isinstance(fill, float) else str(fill)
        side = self.side_of(text)
        if side < 0:
            raise DataError(f"column '{self.name}': `fill` {text!r} is not one of its values", fix=did_you_mean(text, self.sides))
        return side

    def typical(self) -> str:
        """The more frequent side of training."""
        return self.classes[int(np.argmax(self.tally))]

    def layout(self) -> dict[str, PartLayout]:
        return {"value": PartLayout((), np.float32), **({"missing": PartLayout((), np.float32)} if self.has_indicator else {})}

    def encode(self, values: pa.Array, rows: np.ndarray, counts: Counts | None = None) -> dict[str, np.ndarray]:
        sides = self.side(values, rows, counts)
        parts = {"value": np.array([-1, 1, 0, 0], np.float32)[sides]}
        if self.has_indicator:
            parts["missing"] = (sides == -1).astype(np.float32)
        return parts

    def check_target(self) -> None:
        super().check_target()
        if min(self.tally) == 0:
            only = self.classes[int(self.tally[1] > 0)]
            raise DataError(f"target '{self.name}' is constant: every training row has {only!r}", fix="choose another target")

    def target_layout(self) -> PartLayout:
        return PartLayout((), np.int64)

    def target_spec(self) -> TargetSpec:
        options = self.config
        weights = class_weights(options.class_weights, self.classes, self.tally, self.name)
        shared = (options.weight, options.loss, options.decoder, options.metrics)
        return TargetSpec(self.name, self.kind, 2, list(self.classes), *shared, weights, None, options.threshold)

    def encode_target(self, values: pa.Array, rows: np.ndarray, counts: Counts | None = None) -> np.ndarray:
        sides = self.side(values, rows, counts)
        if (sides < 0).any():
            strange = values.take(pa.array(np.flatnonzero(sides < 0)[:5])).to_pylist()
            raise DataError(
                f"target '{self.name}' has values beside {' and '.join(map(repr, self.classes))}: {self.listed(rows[sides < 0], strange)}",
                fix=f"correct them, or write columns.{self.name}=category",
            )
        return sides

    def decode(self, outputs: dict[str, np.ndarray]) -> dict[str, pa.Array]:
        scores = outputs["scores"]
        threshold = float(outputs.get("threshold", np.array(0.5)))
        # in float64: a threshold between two neighbouring scores in float32 is one of them there
        chosen = (scores[:, 1].astype(np.float64) >= threshold).astype(np.int64)
        labels = class_values(self.classes, self.returns).take(pa.array(chosen))
        return {f"{self.name}_prediction": labels, **probabilities(self.name, self.classes, scores)}
