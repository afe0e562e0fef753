"""Occlusion through a served model (Zeiler and Fergus 2014): raw arrays of a row with a column, or a window of one, made usual."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

Raw = dict[str, np.ndarray]
"""What a model takes, by input (`age`, `sound`, `sound.length`), rows first."""
SIDE = 8
"""Windows along each side of a picture."""
SPANS = 32
"""Windows along the time of a recording."""


def of_column(raw: Mapping[str, np.ndarray], column: str) -> list[str]:
    """The inputs that a column is given as: names of columns may have dots themselves."""
    return [name for name in raw if name in (column, f"{column}.length", f"{column}.missing")]


def repeat_row(raw: Raw, count: int) -> Raw:
    """One row as many times."""
    return {name: np.repeat(each, count, axis=0) for name, each in raw.items()}


def make_usual(raw: Raw, typical: Raw, columns: Sequence[str]) -> Raw:
    """A row (1, …) as len(columns) + 1 rows: as it is, and with each column in turn as in the typical row."""
    made = {name: _fitted(each, _widest(each, typical.get(name))) for name, each in repeat_row(raw, len(columns) + 1).items()}
    for place, column in enumerate(columns, start=1):
        for name in of_column(raw, column):
            made[name][place : place + 1] = _fitted(typical[name], made[name].shape[1:])
    return made


def _widest(array: np.ndarray, other: np.ndarray | None) -> tuple[int, ...]:
    """The size of each dimension after the rows that holds both arrays."""
    return array.shape[1:] if other is None else tuple(map(max, array.shape[1:], other.shape[1:]))


def _fitted(array: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """An array (b, …) as (b, *shape), with zeros, of texts nothing, at the end of each dimension."""
    made = np.full((len(array), *shape), "" if array.dtype == object else 0, array.dtype)
    made[tuple(slice(0, each) for each in array.shape)] = array
    return made


def hide_squares(picture: np.ndarray, axes: tuple[int, int]) -> np.ndarray:
    """A picture (…) as SIDE² pictures, each with one square in the mean colour; `axes` are those of height and width."""
    mean = picture.mean(axis=axes, keepdims=True)
    filling = np.broadcast_to(np.rint(mean) if picture.dtype.kind in "iu" else mean, picture.shape).astype(picture.dtype)
    made = []
    for rows in _spans(picture.shape[axes[0]], SIDE):
        for columns in _spans(picture.shape[axes[1]], SIDE):
            made.append(_hide(picture, filling, {axes[0]: rows, axes[1]: columns}))
    return np.stack(made)


def hide_spans(recording: np.ndarray, axis: int, length: int) -> np.ndarray:
    """A recording (…) as SPANS recordings, each with one span of its `length` samples at the mean of its channel."""
    told = np.take(recording, np.arange(length), axis=axis)
    filling = np.broadcast_to(told.mean(axis=axis, keepdims=True), recording.shape).astype(recording.dtype)
    return np.stack([_hide(recording, filling, {axis: span}) for span in _spans(length, SPANS)])


def _hide(array: np.ndarray, filling: np.ndarray, windows: Mapping[int, slice]) -> np.ndarray:
    made = array.copy()
    place = tuple(windows.get(axis, slice(None)) for axis in range(array.ndim))
    made[place] = filling[place]
    return made


def _spans(size: int, count: int) -> list[slice]:
    """`count` windows (fewer of what is shorter) that cover 0 … size."""
    edges = np.linspace(0, size, min(count, size) + 1).round().astype(int)
    return [slice(int(start), int(end)) for start, end in pairwise(edges)]


def sides_of(shape: Sequence[int], axes: tuple[int, int]) -> tuple[int, int]:
    """How many squares `hide_squares` makes along height and width."""
    return min(SIDE, shape[axes[0]]), min(SIDE, shape[axes[1]])
