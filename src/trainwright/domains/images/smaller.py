"""Pictures that are smaller than they are given to a network: how many, and which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trainwright.features.base import one_array
from trainwright.features.words import text_array
from trainwright.report.figures import plural

if TYPE_CHECKING:
    from trainwright.domains.images.feature import ImageFeature

NAMED = 3


def smaller_rows(feature: ImageFeature) -> np.ndarray:
    """Rows (int64, ascending) of the pictures that have to be enlarged, of those that were decoded."""
    height, width = feature.sides or (0, 0)
    return feature.counts.smaller(height, width, both=feature.chosen("resize") == "pad")


def describe_smaller(feature: ImageFeature, source: Any) -> list[str]:
    """One line of how many pictures are enlarged, with the first of them and their sizes; none where none is."""
    rows = smaller_rows(feature)
    if not len(rows):
        return []
    height, width = feature.sides
    which = ", ".join(_named(feature, source, rows[:NAMED])) + (", …" if len(rows) > NAMED else "")
    said = f"{plural(len(rows), 'picture')} smaller than {width}×{height}, enlarged"
    return [f"column '{feature.name}': {said}: {which} (columns.{feature.name}.size is what they are given as)"]


def _named(feature: ImageFeature, source: Any, rows: np.ndarray) -> list[str]:
    """The paths of rows as they are written, or their numbers where the source is gone, with their sizes."""
    names = [f"row {row + 1}" for row in rows.tolist()]
    if source is not None:
        names = text_array(one_array(source.read(rows, [feature.name])[feature.name]), feature.name).to_pylist()
    sizes = [feature.counts.size_of(row) for row in rows.tolist()]
    return [f"{name} ({wide}×{tall})" for name, (tall, wide) in zip(names, sizes, strict=True)]
