"""Reading the pictures of a column: from a reference to uint8, and from pictures to a batch."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from trainwright.data.cache.samples import SampleCache
from trainwright.domains.images.reading.decoding import Picture
from trainwright.domains.images.reading.kinds import Kind, pack
from trainwright.domains.images.reading.reference import read_bytes
from trainwright.domains.images.reading.row_files import full_path
from trainwright.features.arrays import ArrayDecoder, apply_transforms
from trainwright.features.kept import count_still, is_own
from trainwright.features.npy import Unreadable

if TYPE_CHECKING:
    from trainwright.domains.images.feature import ImageFeature


class PictureDecoder(ArrayDecoder):
    """Reference → `(c, h, w)` of 0 to 255, uint8 unless finer levels are kept; a row without a picture has the mean of each channel."""

    def __init__(self, feature: ImageFeature, training: bool) -> None:
        super().__init__(feature, training)
        self.means = torch.tensor(feature.means or [0.0] * feature.depth)
        self.reader, self.counts, self.base = feature.reader, feature.counts, feature.files.base
        self.white = feature.white
        kept = 0 if self.cache is None else count_still(feature.in_workers)
        self.own = any(is_own(each) for each in feature.in_workers[:kept])
        """Whether code of a person's own makes what is kept, which may draw."""

    def _begun(self, reference: str, row: int, place: int) -> Tensor:
        """The picture after the transforms whose result is kept; what it was like is kept with it, and counted. Raises Unreadable."""

        path = full_path(reference, self.base)
        try:
            packed, found = self._made(path, row) if self.cache is None else self._kept(self.cache, path, row)
        except Unreadable:
            self.note(row, pack(Kind.UNREADABLE, 0, 0))
            raise
        self.note(row, packed)
        kept: Tensor = found
        return kept

    def _kept(self, cache: SampleCache, path: str, row: int) -> tuple[int, Tensor]:
        """What the cache has of a picture, which is made where it has nothing; files whose rows are pixels are read as a whole."""
        files, part = self.kept_files(path)  # type: ignore[misc] # every picture is worth keeping
        if self.own or "#row=" in part:
            found = cache.of_files(files, part, lambda: as_kept(*self._made(path, row)))
        else:
            read: Any = partial(read_bytes, path)  # of no row, whose pixels it would give
            found = cache.of_content(
                files[0], part, read, lambda held: as_kept(*self._transformed(self.reader.of_content(held, path), row, path))
            )
        packed, picture = found
        return packed, picture

    def _made(self, path: str, row: int) -> tuple[int, Tensor]:
        return self._transformed(self.reader.read_picture(path), row, path)

    def _transformed(self, picture: Picture, row: int, path: str) -> tuple[int, Tensor]:
        """What it was like, and its pixels after the transforms whose result is kept."""
        return picture.packed, apply_transforms(self.first, torch.from_numpy(picture.pixels), self.name, row, path)

    def note(self, row: int, packed: int) -> None:
        """Count what the picture of a row of the source is like."""
        held = self.counts.packed
        if row < len(held):
            held[row] = packed

    def numbers(self, found: Tensor, row: int, path: str) -> Tensor:
        """Pixels of 0 to 255, in bytes unless finer levels are kept: they are normalised with the batch."""
        if found.is_floating_point():
            return (found.float() * self.white).contiguous()
        return (found if found.dtype == torch.uint8 and self.white == 1 else found.float()).contiguous()

    def join(self, samples: list[Tensor | None], rows: list[int]) -> dict[str, Tensor]:
        """`value` (b, 1, c, h, w), with `missing` (b, 1)."""
        dtype = next((each.dtype for each in samples if each is not None), torch.uint8)
        empty = (self.means if dtype != torch.uint8 else self.means.round()).to(dtype).view(-1, 1, 1).expand(self.shape)
        parts = {"value": torch.stack([empty if each is None else each for each in samples]).unsqueeze(1)}
        if self.indicator:
            parts["missing"] = torch.tensor([[float(each is None)] for each in samples])
        return parts


def as_kept(packed: int, picture: Tensor) -> tuple[int, Tensor]:
    """A picture as it lies in a batch, so that it need not be laid out anew each time it is read."""
    return packed, picture.contiguous()
