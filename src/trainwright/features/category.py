"""A column with a limited number of values."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pyarrow as pa

from trainwright.config.errors import DataError
from trainwright.data.spelling import choose_joins, groups_alike
from trainwright.features.base import Counts, PartLayout
from trainwright.features.classes import ClassFeature, class_weights, probabilities
from trainwright.features.options import CategoryOptions
from trainwright.features.spec import TargetSpec
from trainwright.features.vocabulary import prune
from trainwright.features.words import as_text, class_values, code_words, lookup_codes, sorted_classes

NAMED_RARE = 10_000
"""Rare values are remembered by name up to this many, so that at prediction they are not reported as unknown."""


class CategoryFeature(ClassFeature):
    """A limited number of values; part `index`: 0 is unknown or rare, 1 is missing where that is its own class, then the classes."""

    kind = "category"
    grouped = True
    predictable = True
    config: CategoryOptions
    remembers: ClassVar[tuple[str, ...]] = ("classes", "tally", "rare", "missing_class", "returns")

    def __init__(self, config: CategoryOptions, name: str, target: bool = False) -> None:
        super().__init__(config, name, target)
        self.tally: list[int] = []
        self.rare: list[str] = []
        self.missing_class = False

    def observe(self, values: pa.Array, rows: np.ndarray) -> None:
        self.count_values(values, rows)
        prune(self.seen)

    def finish(self) -> None:
        words = self.join_seen()
        if self.target:
            kept = words
        else:
            frequent = [word for word in words if self.seen[word] >= self.config.min_count]
            kept = sorted_classes(sorted(frequent, key=lambda word: -self.seen[word])[: self.config.max_categories])
        chosen = set(kept)
        self.classes, self.tally = kept, [self.seen[word] for word in kept]
        self.rare = [word for word in words if word not in chosen][:NAMED_RARE]
        self.missing_class = self.has_indicator
        del self.seen
        self.prepare()

    def prepare(self) -> None:
        first = 0 if self.target else 1 + self.missing_class
        index = {self.key(word): position for position, word in enumerate(self.classes, start=first)}
        self.known = index if self.target else {**{self.key(word): 0 for word in self.rare}, **index}

    def encode_words(self, values: pa.Array) -> tuple[np.ndarray, list[str | None]]:
        """Codes per row, and what the spellings of each code have in common."""
        codes, words = code_words(values, self.name)
        return codes, [None if word is None else self.key(word) for word in words] if self.config.join else words

    def known_values(self) -> list[str]:
        return list(self.known)

    def typical(self) -> str | None:
        """The most frequent value of training."""
        return self.classes[int(np.argmax(self.tally))] if self.classes else None

    def sizes(self) -> list[int]:
        return [1 + self.missing_class + len(self.classes)]

    def layout(self) -> dict[str, PartLayout]:
        return {"index": PartLayout((), np.int64)}

    def missing_index(self) -> int:
        """The index that stands for a missing value."""
        if self.policy in ("constant", "mode"):
            fill = self.classes[int(np.argmax(self.tally))] if self.policy == "mode" and self.classes else self.fill_text()
            return self.known.get(self.key(fill), 0)
        return 1 if self.missing_class else 0

    def fill_text(self) -> str:
        """The option `fill` written as the column's values are."""
        fill = self.config.fill
        return as_text(pa.array([fill]))[0] or ""

    def encode(self, values: pa.Array, rows: np.ndarray, counts: Counts | None = None) -> dict[str, np.ndarray]:
        codes, words = self.encode_words(values)
        indices, unknown, missing = lookup_codes(codes, words, self.known, 0, self.missing_index())
        if missing:
            self.note_missing(self.absent(values, rows), rows, counts)
        if counts is not None:
            counts.unknown += unknown
        return {"index": indices}

    def check_target(self) -> None:
        super().check_target()
        if len(self.classes) < 2:
            raise DataError(f"target '{self.name}' is constant: every training row has {self.classes[0]!r}", fix="choose another target")

    def dropped(self, values: pa.Array, rows: np.ndarray) -> np.ndarray | None:
        absent = super().dropped(values, rows)
        if not (self.target and self.classes and self.config.unseen == "drop"):
            return absent
        codes, words = self.encode_words(values)
        strange = lookup_codes(codes, words, self.known, -1, -2)[0] == -1
        if not strange.any():
            return absent
        return strange if absent is None else absent | strange

    def target_layout(self) -> PartLayout:
        return PartLayout((), np.int64)

    def target_spec(self) -> TargetSpec:
        options = self.config
        weights = class_weights(options.class_weights, self.classes, self.tally, self.name)
        shared = (options.weight, options.loss, options.decoder, options.metrics)
        return TargetSpec(self.name, self.kind, len(self.classes), list(self.classes), *shared, weights)

    def encode_target(self, values: pa.Array, rows: np.ndarray, counts: Counts | None = None) -> np.ndarray:
        codes, words = self.encode_words(values)
        indices, unknown, missing = lookup_codes(codes, words, self.known, -1, -1)
        if missing:
            self.note_missing(self.absent(values, rows), rows, counts)
            absent = self.absent(values, rows)
            if absent is not None and self.policy in ("mode", "constant"):
                indices = np.where(absent, self.missing_index(), indices)
        if (indices < 0).any():
            self.refuse(values, indices < 0, rows, unknown)
        return indices

    def refuse(self, values: pa.Array, strange: np.ndarray, rows: np.ndarray, unknown: int) -> None:
        """Raises DataError for target values that are in no training row, or missing."""
        shown = as_text(values.take(pa.array(np.flatnonzero(strange)[:5])))
        what = "has classes that no training row has" if unknown else "has missing values"
        raise DataError(
            f"target '{self.name}' {what}: {self.listed(rows[strange], shown)}",
            why="a class is learnt from training rows only" if unknown else "",
            fix=self.fix_of_unseen(shown) if unknown else "leave such rows out",
        )

    def fix_of_unseen(self, shown: list[str | None]) -> str:
        """What can be done about classes that training did not have; joining, where they are known ones in another spelling."""
        words = [word for word in shown if word is not None]
        other = any(each in group for group in groups_alike([*words, *self.classes]) for each in words)
        joining = f"join spellings: columns.{self.name}.join=[{', '.join(choose_joins([*words, *self.classes]))}]; or " if other else ""
        return f"{joining}use a stratified split, leave such rows out, or write columns.{self.name}.unseen=drop"

    def decode(self, outputs: dict[str, np.ndarray]) -> dict[str, pa.Array]:
        scores = outputs["scores"]
        chosen = class_values(self.classes, self.returns).take(pa.array(scores.argmax(axis=1)))
        return {f"{self.name}_prediction": chosen, **probabilities(self.name, self.classes, scores)}
