"""Arrays as targets: a class at every position of a row, read with the row; what is known of them before the first step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from trainwright.config.errors import ConfigError, DataError
from trainwright.features.array_facts import Facts
from trainwright.features.arrays import ArrayDecoder

if TYPE_CHECKING:
    from trainwright.features.file import FileFeature

IGNORED = -100
"""The class of a position that counts neither in the loss nor in metrics, as torch has it."""


class MaskDecoder(ArrayDecoder):
    """Path → classes (int64) of the positions of a row, transformed as the options say."""

    def __init__(self, feature: FileFeature, training: bool) -> None:
        super().__init__(feature, training)
        self.count = feature.count

    def numbers(self, found: Tensor, row: int, path: str) -> Tensor:
        """The classes. Raises DataError, with row and path, for what are none."""
        if found.is_floating_point():
            kind = str(found.dtype).removeprefix("torch.")
            fix = "keep whole numbers: leave out transforms that make fractions of them, or end with cast: int64"
            raise self._wrong(f"a target has numbers of type {kind}", row, path, "each position has the number of a class", fix)
        classes = found.long()
        bad = ((classes < 0) & (classes != IGNORED)) | (classes >= self.count)
        if bool(bad.any()):
            worst = int(classes[bad][0])
            fix = f"write the file again, or say how many there are: columns.{self.name}.classes={max(worst + 1, self.count + 1)}"
            raise self._wrong(f"a target has class {worst} at a position", row, path, f"there are {self.count}, numbered from 0", fix)
        return classes

    def join(self, samples: list[Tensor | None], rows: list[int]) -> dict[str, Tensor]:
        """The classes of a batch (b, …), as the one part there is."""
        return {"": torch.stack([each for each in samples if each is not None])}


def check_mask(name: str, facts: Facts, classes: int | list[str] | None) -> int:
    """How many classes there are. Raises ConfigError or DataError for arrays that are no target."""
    if facts.whole is None:
        why = "each position has the number of a class"
        raise DataError(f"target '{name}' has numbers with a fraction", why=why, fix="save whole numbers: array.astype('uint8')")
    if facts.ragged or not facts.shape:
        why = "the network answers at the same positions in every row"
        fix = f"cut or fill the arrays to one shape, or add a crop: columns.{name}.transform=[{{center_crop: LENGTH}}]"
        raise ConfigError(f"the arrays of target '{name}' have different shapes, or none", where=f"columns.{name}", why=why, fix=fix)
    if classes is not None:
        count = classes if isinstance(classes, int) else len(classes)
        if facts.whole >= count:
            why = f"class {facts.whole} stands in the sampled training rows; they are numbered from 0"
            fix = f"name all: columns.{name}.classes={facts.whole + 1}"
            raise DataError(f"target '{name}' has more than the {count} classes that are given", why=why, fix=fix)
        return count
    if facts.whole < 1:
        fix = f"write files with both classes, or say how many classes there are: columns.{name}.classes=2"
        raise DataError(f"target '{name}' has one class alone in the sampled training rows", fix=fix)
    return facts.whole + 1


def answers(name: str, labels: np.ndarray, names: list[str] | None) -> dict[str, pa.Array]:
    """The predicted classes (n, …) as a column of lists, within lists for each further dimension; names where classes have them."""
    flat: pa.Array = pa.array(labels.reshape(-1))
    if names is not None:
        flat = pa.array(np.array(names, object)[labels.reshape(-1)], pa.string())
    for size in reversed(labels.shape[1:]):
        flat = pa.FixedSizeListArray.from_arrays(flat, size)
    return {f"{name}_prediction": flat}
