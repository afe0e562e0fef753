"""Reading the pictures of a column: from a reference to uint8, and from pictures to a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from trainwright.domains.images.reading.kinds import Kind, pack
from trainwright.domains.images.reading.row_files import full_path
from trainwright.features.arrays import ArrayDecoder, apply_transforms
from trainwright.features.npy import Unreadable

if TYPE_CHECKING:
    from trainwright.domains.images.feature import ImageFeature


class PictureDecoder(ArrayDecoder):
    """Reference → uint8 `(c, h, w)`; a row without a picture has the mean of each channel."""

    def __init__(self, feature: ImageFeature, training: bool) -> None:
        super().__init__(feature, training)
        self.means = torch.tensor(feature.means or [0.0] * feature.depth)
        self.reader, self.counts, self.base = feature.reader, feature.counts, feature.files.base

    def _begun(self, reference: str, row: int, place: int) -> Tensor:
        """The picture after the transforms whose result is kept; what it was like is kept with it, and counted. Raises Unreadable."""

        path = full_path(reference, self.base)

        def make() -> tuple[int, Tensor]:
            picture = self.reader.read_picture(path)
            return picture.packed, apply_transforms(self.first, torch.from_numpy(picture.pixels), self.name, row, reference)

        try:
            kept_as = None if self.cache is None else self.kept_files(path)
            packed, found = make() if self.cache is None or kept_as is None else self.cache.of_files(*kept_as, make)
        except Unreadable:
            self.note(row, pack(Kind.UNREADABLE, 0, 0))
            raise
        self.note(row, packed)
        kept: Tensor = found
        return kept

    def note(self, row: int, packed: int) -> None:
        """Count what the picture of a row of the source is like."""
        if row < len(self.counts.held):
            self.counts.note(row, packed)

    def numbers(self, found: Tensor, row: int, path: str) -> Tensor:
        """Pixels as they are: they are normalised with the batch."""
        return (found if found.dtype == torch.uint8 else found.float()).contiguous()

    def join(self, samples: list[Tensor | None], rows: list[int]) -> dict[str, Tensor]:
        """`value` (b, 1, c, h, w), with `missing` (b, 1)."""
        dtype = next((each.dtype for each in samples if each is not None), torch.uint8)
        empty = (self.means if dtype != torch.uint8 else self.means.round()).to(dtype).view(-1, 1, 1).expand(self.shape)
        parts = {"value": torch.stack([empty if each is None else each for each in samples]).unsqueeze(1)}
        if self.indicator:
            parts["missing"] = torch.tensor([[float(each is None)] for each in samples])
        return parts
