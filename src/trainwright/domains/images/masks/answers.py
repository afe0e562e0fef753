"""Predicted masks as files: PNGs with the palette of the classes, each as large as its picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePath

import numpy as np

from trainwright.domains.images.masks.files import USUAL, spread_colours, write_mask
from trainwright.domains.images.reading.reference import split_reference
from trainwright.domains.images.resizing import Plan

MOST = 256
"""Classes that a PNG with a palette can have."""


def unfit(mask: np.ndarray, size: tuple[int, int], plan: Plan) -> np.ndarray:
    """A mask (h, w) of a picture that was fitted, as large as the picture was: by the nearest pixel, 255 where it was cut off."""
    canvas = np.full(plan.resized, USUAL, mask.dtype)
    canvas_rows, mask_rows = _overlap(plan.resized[0], plan.final[0])
    canvas_columns, mask_columns = _overlap(plan.resized[1], plan.final[1])
    canvas[canvas_rows, canvas_columns] = mask[mask_rows, mask_columns]
    down, across = (_nearest(there, wanted) for there, wanted in zip(plan.resized, size, strict=True))
    found: np.ndarray = canvas[down][:, across]
    return found


def _overlap(there: int, wanted: int) -> tuple[slice, slice]:
    """Where the middle of a line lies in it, and in what was cut out of it or filled up."""
    if there >= wanted:
        begin = round((there - wanted) / 2)
        return slice(begin, begin + wanted), slice(None)
    begin = (wanted - there) // 2
    return slice(None), slice(begin, begin + there)


def _nearest(there: int, wanted: int) -> np.ndarray:
    return np.minimum(((np.arange(wanted) + 0.5) * (there / wanted)).astype(np.int64), there - 1)


def name_files(references: Sequence[str | None]) -> list[str | None]:
    """A name for the mask of each picture: that of its file, with a number where several pictures have one name."""
    stems = [None if each is None else PurePath(split_reference(each).path).stem for each in references]
    counts = Counter(stems)
    return [None if stem is None else f"{stem}.png" if counts[stem] == 1 else f"{stem}_{place}.png" for place, stem in enumerate(stems)]


def write_masks(folder: Path, masks: Sequence[np.ndarray | None], names: Sequence[str | None], colours: Sequence[Sequence[int]]) -> None:
    """Write masks under their names; what was cut off of a picture has the last colour."""
    palette = [*colours, *spread_colours(MOST)[len(colours) :]]
    folder.mkdir(parents=True, exist_ok=True)
    for mask, name in zip(masks, names, strict=True):
        if mask is not None and name is not None:
            write_mask(folder / name, mask, palette)
