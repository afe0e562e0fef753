"""Columns of pictures: a reference for each row, decoded batch by batch to uint8 `(channels, height, width)`, normalised with the batch."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from trainwright.config.errors import DataError
from trainwright.config.model import PartConfig
from trainwright.data.transforms import NormalizeOptions, on_device
from trainwright.data.transforms.chain import Chain
from trainwright.domains.images.augmentation import default_augmentation, of_column
from trainwright.domains.images.options import ChannelScaleConfig, ImageOptions
from trainwright.domains.images.preprocessing import Preprocessing
from trainwright.domains.images.reading.decoding import Reader, probe
from trainwright.domains.images.transforms.options import FitOptions, StoreOptions
from trainwright.features.arrays import ArrayDecoder, apply_transforms
from trainwright.features.file import FileFeature
from trainwright.features.npy import Unreadable

LARGEST = 224
"""The largest size that `size: auto` chooses."""
SMALL = 64
"""Pictures of one size with sides of at most so many pixels keep it."""
NEARLY = 0.25
"""A side that is so much of a doubling short of a power of two is taken to it: 28 to 32, and 100 to 64."""
SCALES = {"imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), "inception": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))}
"""Mean and deviation of each channel, of values of 0 to 1, that networks were trained with."""
FULL = 255.0
"""The largest value of a channel in a file."""


class ImageFeature(FileFeature):
    """Pictures of one size; size, channels, mean and deviation are found in a sample of the training rows where they are not given."""

    kind = "image"
    predictable = False
    traced_as = "file"
    config: ImageOptions
    remembers: ClassVar[tuple[str, ...]] = (*FileFeature.remembers, "sides", "depth", "means", "deviations")

    def __init__(self, config: ImageOptions, name: str, target: bool = False) -> None:
        if target:
            fix = "name the column with the labels as the target; this one is an input"
            raise DataError(f"target '{name}' is a column of pictures, which cannot be predicted", fix=fix)
        super().__init__(config, name, target)
        self.sides: list[int] = []
        """Height and width that the model is given."""
        self.depth = 0
        """Channels."""
        self.means: list[float] = []
        self.deviations: list[float] = []
        """Of each channel, of values as they are in a batch."""

    @property
    def reader(self) -> Reader:
        """How its pictures are read, here or in a worker."""
        return Reader(self.depth or 3, self.config.exif)

    @property
    def read_array(self) -> Callable[[str], np.ndarray]:  # type: ignore[override]
        """Reference → `(channels, height, width)`, as large as it is; raises Unreadable."""
        return self.reader.read

    @property
    def read_shape(self) -> Callable[[str], tuple[int, ...]]:  # type: ignore[override]
        """Reference → its shape from the head of the file; raises Unreadable."""
        return self.reader.read_shape

    def reading(self) -> dict[str, Any]:
        return asdict(self.reader)

    @property
    def preprocessing(self) -> Preprocessing | None:
        """How pictures were prepared for the weights that the encoder begins with; None where it begins with none, or does not say."""
        find = getattr(self.config.encoder, "preprocessing", None)
        return None if find is None else find()

    def chosen(self, option: str) -> Any:
        """An option as it was written, else as the encoder's weights want it, else its default."""
        known = self.preprocessing
        written = option in self.config.model_fields_set or known is None
        return getattr(self.config, option) if written else getattr(known, option)

    @property
    def transforms(self) -> list[PartConfig]:
        """At one size first, unless what is done in training makes it; then what is done in training, and what the person asks for.

        Of what is done with batches, pictures of 0 to 255 come before those that are normalised.
        """
        asked = [*self.augmentation, *of_column(self.config.transform, self.sides)]
        makes = any(getattr(each, "makes_size", False) for each in asked)
        fit = FitOptions(size=self.sides, resize=self.chosen("resize"), crop_pct=self.chosen("crop_pct"), interpolation=self.interpolation)
        before, after = (self.stored(), [fit]) if makes else ([fit], [])
        scale = [self.normalization()] if self.means else []
        normalized = [each for each in asked if getattr(each, "of_normalized", False)]
        devices = [each for each in asked if on_device(each) and each not in normalized]
        return [*before, *(each for each in asked if not on_device(each)), *after, *devices, *scale, *normalized]

    @property
    def interpolation(self) -> Any:
        """How pictures are resized."""
        return self.chosen("interpolation")

    @property
    def augmentation(self) -> list[PartConfig]:
        """What is done in training alone."""
        given = self.config.augment
        if given == "none":
            return []
        chosen = default_augmentation(self.sides) if given == "default" else list(given)
        return [each.model_copy(update={"applies_in": "train"}) for each in of_column(chosen, self.sides)]

    def stored(self) -> list[PartConfig]:
        """What gives pictures the size at which they are kept, where they are made smaller."""
        size = self.config.store
        return [] if size is None else [StoreOptions(size=size, interpolation=self.interpolation)]

    def normalization(self) -> NormalizeOptions:
        """What is done with a batch of uint8 on the device."""
        return NormalizeOptions(mean=self.means, std=self.deviations, dim=0, runs_on="device")

    def finish(self) -> None:
        sampled = [found for _, _, path in self.found if (found := _probed(path)) is not None]
        given = self.config.channels
        self.depth = given if given != "auto" else 1 if sampled and all(channels == 1 for channels, _, _ in sampled) else 3
        known = self.preprocessing
        usual = choose_sides([(height, width) for _, height, width in sampled])
        self.sides = list(self.config.sides or (usual if known is None else known.size))
        paths = [(row, path) for _, row, path in self.found]
        self.means, self.deviations = [], []
        super().finish()
        self.center, self.spread = 0.0, 1.0
        self.means, self.deviations = self._scales(paths)
        self.prepare()

    def _scales(self, sampled: list[tuple[int, str]]) -> tuple[list[float], list[float]]:
        """Mean and deviation of each channel, as values are in a batch."""
        chosen = self.config.normalize
        if chosen == "none":
            return [0.0] * self.depth, [FULL] * self.depth
        if isinstance(chosen, ChannelScaleConfig):
            return _in_bytes(chosen.mean, self.depth), _in_bytes(chosen.std, self.depth)
        if chosen != "auto":
            return _in_bytes(SCALES[chosen][0], self.depth), _in_bytes(SCALES[chosen][1], self.depth)
        if (known := self.preprocessing) is not None:
            return _in_bytes(known.mean, self.depth), _in_bytes(known.std, self.depth)
        chain = Chain([each for each in self.transforms if not on_device(each)], training=False)
        count, total, squares = 0, np.zeros(self.depth), np.zeros(self.depth)
        for row, path in sampled:
            try:
                pixels = apply_transforms(chain, torch.from_numpy(self.read_array(path)), self.name, row, path).double().flatten(1)
            except Unreadable:
                continue
            count += pixels.shape[1]
            total += pixels.sum(1).numpy()
            squares += pixels.square().sum(1).numpy()
        mean = total / max(count, 1)
        deviation = np.sqrt(np.maximum(squares / max(count, 1) - mean**2, 0))
        return mean.tolist(), np.where(deviation > 0, deviation, 1.0).tolist()

    def look(self, path: str) -> tuple[int, str]:
        """Whether there is such a file; what is in it is seen when it is decoded."""
        return 1, "" if "#" in path or os.path.isfile(path) else "there is no such file"

    @property
    def is_sequence(self) -> bool:
        return False

    def decoder(self, training: bool) -> PictureDecoder:
        return PictureDecoder(self, training)


class PictureDecoder(ArrayDecoder):
    """Reference → uint8 `(c, h, w)`; a row without a picture has the mean of each channel."""

    def __init__(self, feature: ImageFeature, training: bool) -> None:
        super().__init__(feature, training)
        self.means = torch.tensor(feature.means or [0.0] * feature.depth)

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


def choose_sides(sizes: list[tuple[int, int]]) -> tuple[int, int]:
    """Height and width for pictures of some sizes: small ones that are all alike keep theirs; else the power of two that most have, at most
    224 (by the square root of the median area)."""
    if len(set(sizes)) == 1 and max(sizes[0]) <= SMALL:
        return sizes[0]
    side = float(np.sqrt(np.median([height * width for height, width in sizes]))) if sizes else SMALL
    found = min(1 << max(int(np.log2(max(side, 1)) + NEARLY), 3), LARGEST)
    return found, found


def _in_bytes(numbers: Sequence[float], depth: int) -> list[float]:
    """Numbers of values of 0 to 1 as those of 0 to 255, for so many channels: of gray pictures their mean."""
    found = [FULL * each for each in numbers]
    if depth == 1:
        return [sum(found) / len(found)]
    return [*found, FULL / 2][:depth] if len(found) < depth else found[:depth]


def _probed(path: str) -> tuple[int, int, int] | None:
    try:
        return probe(path)
    except Unreadable:
        return None  # told by what reads it next, as the column wants it
