"""Pictures of class folders as a dataset of (picture, class), for a loop or a model of one's own."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from trainwright.config.errors import DataError, did_you_mean
from trainwright.domains.images.reading.decoding import read_picture
from trainwright.domains.images.reading.options import Decoding
from trainwright.domains.images.sources.image_folder import ImageFolder
from trainwright.domains.images.sources.options import ImageFolderOptions
from trainwright.domains.images.transforms.fit import Fit
from trainwright.domains.images.transforms.options import FitOptions
from trainwright.features.npy import Unreadable

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
MEMORY = 1 << 32
"""Bytes that a table of metadata may take."""


class LabelledPictures(Dataset[tuple[Tensor, int]]):
    """`FOLDER/CLASS/*.jpg`, or below folders for splits, as pairs of a picture, float32 `(c, size, size)`, and its class.

    `classes` are the names in order. `split` takes one of the folder's own; `transform` is done to the uint8 picture `(c, h, w)` before it
    is resized. Raises DataError for a folder without classes, or a picture that cannot be read.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        size: int = 224,
        *,
        split: str = "",
        channels: Literal[1, 3, 4] = 3,
        mean: Sequence[float] = IMAGENET[0],
        std: Sequence[float] = IMAGENET[1],
        resize: Any = "crop",
        crop_pct: float = 1.0,
        interpolation: Any = "bilinear",
        transform: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        source = ImageFolder(ImageFolderOptions(path=os.fspath(folder)), MEMORY)
        names = source.schema.names
        if "label" not in names:
            raise DataError(f"'{folder}' has no folder for each class", where="LabelledPictures", fix="lay them out as FOLDER/CLASS/*.jpg")
        table = source.read(columns=[each for each in ("image", "label", "split") if each in names])
        labels = table["label"].to_pylist()
        self.classes: list[str] = sorted(set(labels))
        kept = _of_split(table["split"].to_pylist() if "split" in names else [], split, len(labels))
        numbers = {name: number for number, name in enumerate(self.classes)}
        self.root = str(source.root)
        self.paths = table["image"].take(kept).combine_chunks()
        self.targets = [numbers[labels[each]] for each in kept]
        self.decoding, self.fit = (
            Decoding(channels=channels),
            Fit(FitOptions(size=size, resize=resize, crop_pct=crop_pct, interpolation=interpolation)),
        )
        self.mean, self.std = (torch.tensor(each[:channels]).mul(255).view(-1, 1, 1) for each in (list(mean), list(std)))
        self.transform = transform

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        path = os.path.join(self.root, self.paths[index].as_py())
        try:
            picture = torch.from_numpy(np.ascontiguousarray(read_picture(path, self.decoding).pixels))
        except Unreadable as error:
            raise DataError("a picture cannot be read", where=path, why=str(error), fix="write it again, or take it out") from error
        picture = self.fit(picture if self.transform is None else self.transform(picture))
        return (picture.float() - self.mean) / self.std, self.targets[index]


def _of_split(splits: list[Any], wanted: str, count: int) -> list[int]:
    if not wanted:
        return list(range(count))
    there = sorted({str(each) for each in splits if each})
    if wanted not in there:
        fix = did_you_mean(wanted, there) if there else "leave it out"
        raise DataError(f"the folder has no split '{wanted}'", where="LabelledPictures", fix=fix)
    return [place for place, each in enumerate(splits) if each == wanted]
