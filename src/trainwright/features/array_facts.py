"""What is known of the arrays of a column before the first step: shape, mean and deviation, found in a sample of the training rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor

from trainwright.config.errors import ConfigError, DataError, TrainwrightError
from trainwright.data.counters import fold
from trainwright.data.draws import GENERATORS, keep_draws
from trainwright.data.samples import alike
from trainwright.data.transforms import on_device
from trainwright.data.transforms.chain import Chain
from trainwright.data.window_options import WindowConfig
from trainwright.data.windows import count_windows, cut_window, without_length
from trainwright.features.arrays import apply_transforms
from trainwright.features.base import Place, row_list
from trainwright.features.npy import Unreadable, how_to_mend
from trainwright.features.options import FileOptions

TRIED = 2
"""Rows whose transforms are applied twice, to see that they give the same."""


@dataclass
class Facts:
    """Shape of the files and of what the model is given, and the scale."""

    raw_shape: list[Any]
    shape: list[int]
    ragged: bool
    center: float
    spread: float
    sampled: int
    whole: int | None = None
    """The largest number where all are whole; None where one is not."""


class ArrayFiles(Protocol):
    """How the files of a column are read; each raises Unreadable."""

    axis: ClassVar[int]
    """The dimension along which windows are cut: 0 or -1."""

    @property
    def read_array(self) -> Callable[[str], np.ndarray]:
        """Path → the whole array."""

    @property
    def read_piece(self) -> Callable[[str, int, int], tuple[np.ndarray, tuple[int, ...]]]:
        """Path, first entry, count → that piece along `axis`, and the shape of the whole."""

    @property
    def read_shape(self) -> Callable[[str], tuple[int, ...]]:
        """Path → the shape of the whole."""


Found = tuple[int, str, tuple[int, ...], list[Tensor]]
"""Row, path, shape of the whole array, and it or the windows of it that are looked at."""


def find_facts(
    name: str, options: FileOptions, rows: list[tuple[int, str]], place: Place, files: ArrayFiles, window: WindowConfig | None = None
) -> Facts:
    """The facts of the arrays that `files` reads at some (row, path), or of windows of them: nothing else of a long array is read.

    Raises DataError or ConfigError for what does not go together.
    """
    axis = files.axis
    sampled = _readable(name, options, rows, place, lambda row, path: _look_at(name, files, window, row, path))
    if not sampled:
        raise DataError(f"column '{name}' has no readable file in the training rows", fix="name files there are, or leave the column out")
    raw = list(options.shape) if options.shape is not None else common_shape(name, [shape for _, _, shape, _ in sampled])
    raw = raw if window is None else without_length(raw, axis)
    arrays = [(row, path, each) for row, path, _, pieces in sampled for each in pieces]
    chain = [each for each in options.transform if not on_device(each)]
    if options.shape is None and raw and any(getattr(each, "makes_one_length", False) for each in chain):
        raw = without_length(raw, axis)
    always, training = Chain(chain, training=False), Chain(chain, training=True)
    with keep_draws():
        _ensure_repeatable(name, training, arrays[:TRIED])
        found = [(row, _transform_seeded(always, each, name, row, path)) for row, path, each in arrays]
        augmented = (
            [_transform_seeded(training, each, name, row, path) for row, path, each in arrays]
            if len(always.steps) != len(training.steps)
            else []
        )
    shapes = {tuple(each.shape) for _, each in found} | {tuple(each.shape) for each in augmented}
    shape, ragged = _joint_shape(name, shapes, {tuple(each.shape) for each in augmented}, axis)
    if window is not None and not ragged:
        ragged = any_length(always, window, arrays, shape, axis)
    if options.bucket is not None:
        seen = [lengths_of(each, axis) for each in ([each for _, each in found], augmented) if each]
        _ensure_lengths(name, lengths_of([each for *_, each in arrays], axis), seen, ragged)
    center, spread = _scale(options, [each for _, each in found])
    if not np.isfinite([center, spread]).all():
        raise _not_finite(name, found, place)
    if ragged and options.pad != "batch":
        shape[axis] = int(options.pad)
    return Facts(raw, shape, ragged, center, spread, len(sampled), _largest([each for _, each in found]))


def lengths_of(arrays: list[Tensor], axis: int = 0) -> list[int]:
    """How long arrays are along a dimension."""
    return [each.shape[axis] if each.dim() else 1 for each in arrays]


def _ensure_lengths(name: str, written: list[int], seen: list[list[int]], ragged: bool) -> None:
    """Raises ConfigError where batches cannot be made by length: all arrays have one, or transforms make it another than in the files."""
    where = f"columns.{name}.bucket"
    if not ragged:
        why = "all arrays have one length"
        raise ConfigError("there is nothing to make batches by", where=where, why=why, fix="leave bucket out")
    for lengths in seen:
        for before, after in zip(written, lengths, strict=True):
            if before != after:
                why = f"a transform makes {after:,} entries of {before:,}, and lengths are read from the headers of files"
                fix = "leave bucket out, or write files of the lengths that the model is given"
                raise ConfigError("the lengths of rows are not known before they are read", where=where, why=why, fix=fix)


def _look_at(name: str, files: ArrayFiles, window: WindowConfig | None, row: int, path: str) -> tuple[tuple[int, ...], list[Tensor]]:
    """The shape of an array, with itself or windows of it: one that is chosen by the number of its row, and the last where that may be
    shorter. Raises Unreadable."""
    if window is None:
        array = files.read_array(path)
        return array.shape, [torch.from_numpy(array)]
    shape = files.read_shape(path)
    if not shape:
        why = "its files hold single numbers"
        raise ConfigError(f"column '{name}' cannot be cut", where="data.window", why=why, fix="leave data.window out")
    count = int(count_windows(window, np.array([shape[files.axis]]))[0])  # 1 or more: rows without a window were left out
    chosen = {fold(0, "sampled windows", row) % count, *([count - 1] if window.rest == "short" else [])}
    pieces = [cut_window(window, files.read_piece(path, at * window.step, window.length)[0], files.axis) for at in sorted(chosen)]
    return shape, [torch.from_numpy(np.ascontiguousarray(each)) for each in pieces]


def any_length(chain: Chain, window: WindowConfig, arrays: list[tuple[int, str, Tensor]], shape: list[int], axis: int = 0) -> bool:
    """Whether a shorter window, which no sampled row happened to end with, keeps its own length through the transforms."""
    if window.rest != "short" or not shape:
        return False
    row, path, array = max(arrays, key=lambda each: each[2].shape[axis])
    length = array.shape[axis]
    try:
        return length > 1 and list(_transform_seeded(chain, array.narrow(axis, 0, length - 1), "", row, path).shape) != shape
    except TrainwrightError:
        return False  # such a window would be refused where it comes


def common_shape(name: str, shapes: list[tuple[int, ...]]) -> list[Any]:
    """What is common to some shapes, None where they differ; raises DataError for different numbers of dimensions."""
    if len({len(shape) for shape in shapes}) > 1:
        one, other = sorted({len(shape): shape for shape in shapes}.values(), key=len)[:2]
        what = f"column '{name}' has arrays of different numbers of dimensions: {one} and {other}"
        raise DataError(what, fix=f"say which are right: columns.{name}.shape=[…], with columns.{name}.unreadable=skip for the others")
    return [sizes[0] if len(set(sizes)) == 1 else None for sizes in zip(*shapes, strict=True)]


def _readable(
    name: str,
    options: FileOptions,
    rows: list[tuple[int, str]],
    place: Place,
    look: Callable[[int, str], tuple[tuple[int, ...], list[Tensor]]],
) -> list[Found]:
    found: list[Found] = []
    for row, path in rows:
        try:
            found.append((row, path, *look(row, path)))
        except Unreadable as error:
            if options.unreadable == "error":
                fix = how_to_mend(name, [str(error)], "it")
                raise DataError(
                    f"a file of column '{name}' cannot be read", where=f"{place(row)}: {path}", why=str(error), fix=fix
                ) from error
    wanted = options.shape
    if wanted is None:
        return found
    return [each for each in found if len(each[2]) == len(wanted) and all(w in (None, n) for w, n in zip(wanted, each[2], strict=True))]


def _transform_seeded(chain: Chain, array: Tensor, name: str, row: int, path: str) -> Tensor:
    """An array after its transforms, with all default generators seeded from its row."""
    for each in GENERATORS.values():
        each.seed(fold(0, f"look at column {name}", row))
    return apply_transforms(chain, array.clone(), name, row, path)


def _ensure_repeatable(name: str, chain: Chain, arrays: list[tuple[int, str, Tensor]]) -> None:
    """Raises ConfigError for transforms that give other numbers for the same array and seed."""
    for row, path, array in arrays:
        one, other = (_transform_seeded(chain, array, name, row, path) for _ in range(2))
        if not alike(one, other):
            why = f"{path} gave two results with one seed: a transform keeps randomness of its own"
            fix = "draw from torch's, numpy's or random's default generator, or take `generator`; all are seeded for every sample"
            raise ConfigError("a transform does not give the same for the same seed", where=f"columns.{name}.transform", why=why, fix=fix)


def _joint_shape(name: str, shapes: set[tuple[int, ...]], augmented: set[tuple[int, ...]], axis: int = 0) -> tuple[list[int], bool]:
    """The shape of what the model is given, and whether it differs along `axis`; raises ConfigError where others do."""
    if len(shapes) == 1:
        return list(next(iter(shapes))), False
    where = f"columns.{name}.transform"
    others = shapes - augmented
    if augmented and len(augmented) == 1 and others:
        (trained,) = augmented
        what = f"training rows have shape {trained} after the transforms, other rows {sorted(others)[0]}"
        fix = f"end with one that applies always, such as {{center_crop: {list(trained) if len(trained) > 1 else trained[0]}}}"
        raise ConfigError(what, where=where, why="what applies in training alone gives another shape", fix=fix)
    if not all(shapes) or len({tuple(without_length(shape, axis)) for shape in shapes}) > 1:
        listed = ", ".join(str(shape) for shape in sorted(shapes)[:3])
        what = f"the arrays of column '{name}' have different shapes: {listed}"
        raise ConfigError(
            what,
            where=where,
            why=f"only the {'first' if axis == 0 else 'last'} dimension may differ",
            fix="add a transform that makes them alike: center_crop",
        )
    joint = list(next(iter(shapes)))
    joint[axis] = max(shape[axis] for shape in shapes)
    return joint, True


def _scale(options: FileOptions, found: list[Tensor]) -> tuple[float, float]:
    """Mean and deviation of all numbers; 0 and 1 where they are not wanted."""
    if options.mean is not None and options.std is not None:
        return options.mean, options.std
    if options.scale == "none":
        return 0.0, 1.0
    count = sum(each.numel() for each in found)
    mean = sum(float(each.double().sum()) for each in found) / max(count, 1)
    variance = sum(float((each.double() - mean).square().sum()) for each in found) / max(count, 1)
    return mean, variance**0.5 or 1.0


def _not_finite(name: str, found: list[tuple[int, Tensor]], place: Place) -> DataError:
    """The error for arrays that have no mean: the rows in which a number is NaN or infinite, or numbers so large that their squares are."""
    rows = np.array([row for row, each in found if not bool(torch.isfinite(each).all())])
    what = f"column '{name}' has NaN or infinite values: {row_list(rows, place)}" if len(rows) else f"column '{name}' has numbers too large"
    fix = f"correct the files, leave such rows out with data.where, or name a transform that fills them: columns.{name}.transform"
    return DataError(what, why="the mean and the deviation of all numbers are not finite then", fix=fix)


def _largest(found: list[Tensor]) -> int | None:
    """The largest of whole numbers; None where a type has fractions."""
    if any(each.is_floating_point() for each in found):
        return None
    return max((int(each.max()) for each in found if each.numel()), default=0)
