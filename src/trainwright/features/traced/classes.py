"""Columns of classes: texts become numbers by a table on the host, and numbers become what the network reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from trainwright.features.binary import KNOWN
from trainwright.features.classes import probabilities
from trainwright.features.traced.base import MISSING, UNKNOWN, Raw, TracedColumn, TracedTarget
from trainwright.features.words import class_values, code_words, lookup_codes


class BinaryColumn(TracedColumn):
    """int64 `[b]`: 0 or 1, the side of the value → `value` (-1, 1, or 0 where there is none), and `missing`."""

    values: Tensor

    def __init__(self, feature: Any) -> None:
        super().__init__(feature)
        fill = {"mode": lambda: int(feature.tally[1] > feature.tally[0]), "constant": feature.fill_side}
        side = fill[feature.policy]() if feature.policy in fill else None
        self.register_buffer("values", torch.tensor([0.0, 0.0 if side is None else (-1.0, 1.0)[side], -1.0, 1.0]))

    def read(self, feature: Any, values: pa.Array, rows: np.ndarray) -> dict[str, np.ndarray]:
        codes, words = code_words(values, feature.name)
        feature.note_missing(feature.absent(values, rows), rows)
        return {"": np.array([*(feature.side_of(word) for word in words), MISSING], np.int64)[codes]}

    def describe(self, feature: Any) -> dict[str, Any]:
        spoken = {word.casefold(): side for word, side in feature.sides.items()}
        known = {word: feature.side_of(word) for word in KNOWN} if all(word in KNOWN for word in spoken) else {}
        table = {"exact": dict(feature.sides), "without_case": {**known, **spoken}, "join": list(feature.config.join)}
        return {"gives": "the number of the text in the table", "table": table, "missing": MISSING, "unknown": UNKNOWN}

    def example(self, rows: int, steps: int) -> Raw:
        return {"": torch.zeros(rows, dtype=torch.int64)}

    def forward(self, raw: Raw) -> dict[str, Tensor]:
        return self.with_indicator({"value": self.values[raw[""] + 2]}, raw[""] == MISSING)


class CategoryColumn(TracedColumn):
    """int64 `[b]`: the place of the value among the classes → `index`."""

    places: Tensor

    def __init__(self, feature: Any) -> None:
        super().__init__(feature)
        first = 1 + int(feature.missing_class)
        self.indicator = False  # it is a class of its own
        self.register_buffer("places", torch.tensor([0, feature.missing_index(), *range(first, first + len(feature.classes))]))

    def read(self, feature: Any, values: pa.Array, rows: np.ndarray) -> dict[str, np.ndarray]:
        codes, words = feature.encode_words(values)
        known = {feature.key(word): place for place, word in enumerate(feature.classes)}
        feature.note_missing(feature.absent(values, rows), rows)
        return {"": lookup_codes(codes, words, known, UNKNOWN, MISSING)[0]}

    def describe(self, feature: Any) -> dict[str, Any]:
        exact = {feature.key(word): place for place, word in enumerate(feature.classes)}
        table = {"exact": exact, "without_case": {}, "join": list(feature.config.join)}
        return {
            "gives": "the number of the text in the table",
            "table": table,
            "missing": MISSING,
            "unknown": UNKNOWN,
            "words": list(feature.classes),
        }

    def example(self, rows: int, steps: int) -> Raw:
        return {"": torch.zeros(rows, dtype=torch.int64)}

    def forward(self, raw: Raw) -> dict[str, Tensor]:
        return {"index": self.places[raw[""] + 2]}


class CategoryTarget(TracedTarget):
    """The place of the most probable class, and the probability of each."""

    def __init__(self, feature: Any, threshold: float) -> None:
        super().__init__()

    def forward(self, scores: Tensor) -> dict[str, Tensor]:
        return {"prediction": scores.argmax(dim=1), "probability": scores}

    def describe(self, feature: Any) -> dict[str, Any]:
        return {"prediction": "the place of the class in `classes`", "classes": list(feature.classes)}

    def columns(self, feature: Any, outputs: dict[str, np.ndarray]) -> dict[str, pa.Array]:
        chosen = class_values(feature.classes, feature.returns).take(pa.array(outputs["prediction"]))
        return {f"{feature.name}_prediction": chosen, **probabilities(feature.name, feature.classes, outputs["probability"])}


class BinaryTarget(CategoryTarget):
    """1 where the second class is as probable as the threshold."""

    def __init__(self, feature: Any, threshold: float) -> None:
        super().__init__(feature, threshold)
        self.threshold = threshold

    def forward(self, scores: Tensor) -> dict[str, Tensor]:
        return {"prediction": (scores[:, 1].double() >= self.threshold).long(), "probability": scores}
