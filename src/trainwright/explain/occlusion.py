"""Occlusion (Zeiler and Fergus 2014): the answer without a column, or without a window of an array."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainwright.config.errors import RequestError
from trainwright.explain import OcclusionOptions
from trainwright.explain.batches import answers, mixed, replaced, rows_in
from trainwright.explain.explanation import Collector, Explanation, Rows, begin
from trainwright.explain.integrated_gradients import arrays_of, lengths_of
from trainwright.explain.study import Study
from trainwright.explain.subject import Column, Tensors

PARTS = 8
"""Windows along each dimension, unless a size is given."""
CHANNELS = 4
"""A first or last dimension of an array of three or more that is no longer than this holds channels, which go together."""


class Occlusion:
    """f(x) - f(x with the column, or a window of it, at the baseline)."""

    def __init__(self, options: OcclusionOptions) -> None:
        self.options = options

    def explain(self, study: Study) -> Explanation:
        """Attributions of every row that is looked at, with maps of arrays. Raises RequestError for windows that do not fit."""
        self._ensure_used(study)
        found = begin(study, self.options.of == "logit", baseline=True)
        collector = Collector(study, found)
        for places, tensors in study.batches():
            collector.add(*self._batch(study, tensors, study.indices[places]), lengths_of(study, tensors))
        return collector.finish()

    def _ensure_used(self, study: Study) -> None:
        arrays = any(column.array for player in study.players for column in player)
        for option in ("window", "stride"):
            if getattr(self.options, option) and not arrays:
                raise RequestError(
                    f"--{option} has no effect here", where=f"--{option}", why="none of the columns holds arrays", fix="leave it out"
                )

    def _batch(self, study: Study, tensors: Tensors, indices: np.ndarray) -> tuple[Rows, dict[str, np.ndarray], dict[str, np.ndarray]]:
        chosen, logit = study.chosen(tensors), self.options.of == "logit"
        tensors, compared = study.with_baseline(tensors)
        count = len(study.players)
        keep = torch.cat([torch.ones(1, count, dtype=torch.bool), ~torch.eye(count, dtype=torch.bool)])
        given = answers(study.subject, mixed(tensors, compared, study.players, keep), logit).reshape(len(chosen), count + 1, -1)
        explained = given.gather(2, chosen[:, None, None].expand(-1, count + 1, 1))[:, :, 0].numpy()
        arrays = {column.name: column for player in study.players for column in player if column.array}
        maps = {name: self._map(study, tensors, compared, column, chosen, explained[:, 0]) for name, column in arrays.items()}
        rows = Rows(indices, chosen.numpy(), explained[:, 0], None, explained[:, :1] - explained[:, 1:])
        return rows, maps, arrays_of(study, tensors, set(arrays))

    def _map(self, study: Study, tensors: Tensors, compared: Tensors, column: Column, chosen: Tensor, whole: np.ndarray) -> np.ndarray:
        """What each place of an array matters (b, …): the mean over the windows that hide it."""
        name, position = column.places[0]
        shape = tuple(tensors[name].shape[1:] if position is None else tensors[name].shape[2:])
        total, times = np.zeros((len(chosen), *shape)), np.zeros(shape)
        for window in windows(shape, self.options.window, self.options.stride):
            hidden = dict(tensors)
            hidden[name] = tensors[name].clone()
            place: Any = (slice(None), *window) if position is None else (slice(None), position, *window)
            hidden[name][place] = compared[name][place]
            given = answers(study.subject, hidden, self.options.of == "logit").gather(1, chosen[:, None])[:, 0].numpy()
            total[(slice(None), *window)] += (whole - given).reshape(-1, *[1] * len(shape))
            times[window] += 1
        return total / np.maximum(times, 1)


def windows(shape: Sequence[int], size: Sequence[int], stride: Sequence[int]) -> list[tuple[slice, ...]]:
    """Where the window stands, in order: every place is under at least one. Raises RequestError for sizes that do not fit the array."""
    sizes = _sizes(shape, size, "--window") if size else usual_window(shape)
    steps = _sizes(shape, stride, "--stride") if stride else sizes
    over = next((place for place, (step, length) in enumerate(zip(steps, sizes, strict=True)) if step > length), None)
    if over is not None:
        what = f"a stride of {steps[over]} leaves places between windows of {sizes[over]} unseen"
        raise RequestError(what, where="--stride", fix=f"write {sizes[over]} or less")
    starts = [
        sorted({*range(0, max(whole - length, 0) + 1, step), max(whole - length, 0)})
        for whole, length, step in zip(shape, sizes, steps, strict=True)
    ]
    return [tuple(slice(start, start + length) for start, length in zip(each, sizes, strict=True)) for each in itertools.product(*starts)]


def usual_window(shape: Sequence[int]) -> list[int]:
    """An eighth of each dimension, and the whole of one that holds channels."""
    sizes = [max(1, math.ceil(each / PARTS)) for each in shape]
    if len(shape) > 2:
        for place in (0, len(shape) - 1):
            if shape[place] <= CHANNELS:
                sizes[place] = shape[place]
                break
    return sizes


def _sizes(shape: Sequence[int], given: Sequence[int], where: str) -> list[int]:
    if len(given) != len(shape):
        written = ",".join(map(str, usual_window(shape)))
        why = f"the array has {len(shape)} dimensions: {'×'.join(map(str, shape))}"
        raise RequestError(f"{len(given)} sizes were given", where=where, why=why, fix=f"{where} {written}, 0 for a whole dimension")
    wrong = next((place for place, each in enumerate(given) if each < 0 or each > shape[place]), None)
    if wrong is not None:
        raise RequestError(
            f"a size of {given[wrong]} does not fit",
            where=where,
            why=f"dimension {wrong + 1} has {shape[wrong]}",
            fix="write 0 for all of it",
        )
    return [whole if each == 0 else each for each, whole in zip(given, shape, strict=True)]


__all__ = ["Occlusion", "replaced", "rows_in", "usual_window", "windows"]
