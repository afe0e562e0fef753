"""How near the pictures of one folder are to those of another, as sets, by features."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainwright.config.errors import ConfigError, DataError, did_you_mean
from trainwright.config.registry import build
from trainwright.metrics import PARTS, options
from trainwright.metrics.extractor import Extractor, make_extractor, spread_over
from trainwright.metrics.feature_sets import FeatureMetric
from trainwright.runs.media.optional import import_needed

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".npy")
MEASURES = ("fid", "kid", "mmd", "prdc", "inception_score")
BATCH = 64
LEARNT = 20_000
"""Pictures of the reference that features are learnt from, where they are."""


def measure_fidelity(
    made: str | os.PathLike[str],
    real: str | os.PathLike[str],
    features: Any,
    measures: Sequence[str] = ("fid", "kid", "prdc"),
    channels: int = 3,
    **given: Any,
) -> dict[str, Any]:
    """The numbers of two folders of pictures by name, with n, the floor, and `features`: what made the features, and of what size.

    Pictures are given to `features` as (b, channels, h, w) in 0 … 1, `.npy` files as they are; none is resized. `given`: options of the
    measures, such as `k` or `subset_size`. Raises ConfigError and DataError, naming the file, for what cannot be measured.
    """
    wrong = next((each for each in measures if each not in MEASURES), None)
    if wrong is not None or not measures:
        raise ConfigError(f"'{wrong or ''}' does not compare two sets", where="measures", fix=did_you_mean(wrong or "", MEASURES))
    extractor = make_extractor(features, measures[0])
    if extractor.fits:
        learn_from_folder(extractor, Path(real), channels)
    found = {name: _make_metric(name, extractor, given) for name in dict.fromkeys(measures)}
    _refuse_left(given, found)
    shape: tuple[int, ...] = ()
    for folder, side in ((made, "made"), (real, "real")):
        for batch, path in read_batches(Path(folder), channels):
            if shape and tuple(batch.shape[1:]) != shape:
                why = f"it is {tuple(batch.shape[1:])}, those before are {shape}; features of pictures of other sizes are no comparison"
                raise DataError("pictures have different sizes", where=str(path), why=why, fix="make all of one size first, in one way")
            shape = tuple(batch.shape[1:])
            rows = extractor(batch)
            for metric in found.values():
                metric.take_in(side, metric.fit_width(rows))
    numbers = {name: value for metric in found.values() for name, value in metric.compute().items()}
    width = next(iter(found.values())).width
    return {"metrics": numbers, "features": f"{extractor.name}, {width} numbers of pictures {'×'.join(map(str, shape))}"}


def learn_from_folder(extractor: Extractor, real: Path, channels: int) -> None:
    """Let an extractor learn from up to `LEARNT` pictures of the reference, whose classes are the folders they lie in. Raises DataError."""
    ensure_folder(real)
    paths = pictures_in(real)
    chosen = [paths[place] for place in spread_over(len(paths), LEARNT)]
    folders = [str(each.parent) for each in chosen]
    names = {name: number for number, name in enumerate(sorted(set(folders)))}
    pictures = [read_picture(each, channels) for each in chosen]
    other = next((path for path, each in zip(chosen, pictures, strict=True) if each.shape != pictures[0].shape), None)
    if other is not None:
        raise DataError("pictures have different sizes", where=str(other), fix="make all of one size first, in one way")
    extractor.fit(torch.stack(pictures), torch.tensor([names[each] for each in folders]) if len(names) > 1 else None)


def _make_metric(name: str, extractor: Any, given: dict[str, Any]) -> FeatureMetric:
    known = {option: value for option, value in given.items() if option in PARTS[name].config.model_fields}
    metric: FeatureMetric = build("metric", options(name, **known), features=extractor)
    return metric


def _refuse_left(given: dict[str, Any], found: dict[str, FeatureMetric]) -> None:
    taken = {option for name in found for option in PARTS[name].config.model_fields} - {"type", "features"}
    left = next((option for option in given if option not in taken), None)
    if left is not None:
        raise ConfigError(f"none of {', '.join(found)} has an option '{left}'", where=left, fix=did_you_mean(left, sorted(taken)))


def read_batches(folder: Path, channels: int) -> Iterator[tuple[Tensor, Path]]:
    """The pictures of a folder and those below it, by name, in batches of one shape, with the first file of each."""
    ensure_folder(folder)
    paths = pictures_in(folder)
    if len(paths) < 2:
        what = f"'{folder}' has {'one picture' if paths else 'no pictures'}"
        raise DataError(what, why=f"looked for {', '.join(ENDINGS)}", fix="name a folder with two or more")
    batch: list[Tensor] = []
    first = paths[0]
    for path in paths:
        picture = read_picture(path, channels)
        if batch and (len(batch) == BATCH or picture.shape != batch[0].shape):
            yield torch.stack(batch), first
            batch = []
        first = first if batch else path
        batch.append(picture)
    yield torch.stack(batch), first


def ensure_folder(folder: Path) -> None:
    """Raise DataError for what is no folder."""
    if not folder.is_dir():
        raise DataError(f"'{folder}' is no folder", fix="name a folder of pictures")


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder and those below it, by name."""
    return sorted(each for each in folder.rglob("*") if each.suffix.lower() in ENDINGS and each.is_file())


def read_picture(path: Path, channels: int) -> Tensor:
    """A picture (channels, h, w) in 0 … 1, or the array of an `.npy` file. Raises DataError naming the file."""
    try:
        if path.suffix.lower() == ".npy":
            return torch.from_numpy(np.load(path, allow_pickle=False)).float()
        library = import_needed("PIL.Image", "reading pictures")
        with library.open(path) as opened:
            held = np.array(opened.convert("L" if channels == 1 else "RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError("a picture cannot be read", where=str(path), why=str(error), fix="write it again, or take it away") from error
    made = torch.from_numpy(held).float() / 255
    return made[None] if channels == 1 else made.permute(2, 0, 1).contiguous()
