"""Tensors and arrays as NumPy arrays, and images as 8-bit pixels; a shape, type, range or NaN that cannot be meant is named."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from trainwright.config.errors import ConfigError

DATA_FORMATS = ("HWC", "CHW")
UNIT = (0.0, 1.0)
ROUNDING = 1e-3
"""How far outside its range a value may lie, as a share of the range, without a word."""
_saving: ContextVar[tuple[str, set[str]] | None] = ContextVar("saving", default=None)
log = logging.getLogger("trainwright.media")


@contextmanager
def saving(name: str, told: set[str]) -> Iterator[None]:
    """Tell once for this name of values outside the range; `told` keeps the names, with `steps/1` and `steps/2` as one."""
    token = _saving.set((name, told))
    try:
        yield
    finally:
        _saving.reset(token)


def convert_data(data: Any) -> Any:
    """Tensors in any nesting of lists, tuples and mappings as arrays on the CPU; None stays None."""
    if data is None or isinstance(data, np.ndarray):
        return data
    if isinstance(data, Mapping):
        return {key: convert_data(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [convert_data(each) for each in data]
    return to_array(data, "data")


def to_array(value: Any, what: str) -> np.ndarray:
    """A tensor (any device, with gradient or not), array, PIL image or list of numbers as an array; raises ConfigError for others."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().resolve_conj().resolve_neg()
        value = (value.float() if "bfloat16" in str(value.dtype) or "float8" in str(value.dtype) else value).numpy()
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ConfigError(f"{what} is no array", why=str(error), fix="give a tensor, or an array of numbers") from error
    if array.dtype.kind not in "biufc":
        raise ConfigError(f"{what} is no array of numbers but {_kind(value, array)}", fix="give a tensor, or an array of numbers")
    return array


def _kind(value: Any, array: np.ndarray) -> str:
    return type(value).__name__ if array.ndim == 0 else f"an array of {array.dtype}"


def image_array(img: Any, what: str, channels: Sequence[int], data_format: str = "HWC") -> np.ndarray:
    """An image as (H, W, C); raises ConfigError naming the shape that is wanted and the one that came."""
    if data_format not in DATA_FORMATS:
        raise ConfigError(f"'{data_format}' is no order of an image's dimensions", where=what, fix="data_format='HWC' or 'CHW'")
    array = to_array(img, what)
    wanted = " or ".join(f"({', '.join(str(size) for size in _order_axes(('H', 'W', count), data_format))})" for count in channels)
    place = 2 if data_format == "HWC" else 0
    if array.ndim != 3 or array.shape[place] not in channels or 0 in array.shape:
        raise ConfigError(f"{what} wants {wanted}, and got {array.shape}", fix=_shape_fix(array, channels, data_format))
    refuse_values(array, what)
    return array if data_format == "HWC" else array.transpose(1, 2, 0)


def _order_axes(sizes: tuple[Any, Any, Any], data_format: str) -> tuple[Any, Any, Any]:
    return sizes if data_format == "HWC" else (sizes[2], sizes[0], sizes[1])


def _shape_fix(array: np.ndarray, channels: Sequence[int], data_format: str) -> str:
    other, place = ("CHW", 0) if data_format == "HWC" else ("HWC", 2)
    if array.ndim == 3 and array.shape[place] in channels:
        return f"say data_format='{other}', or permute the dimensions"
    if array.ndim == 4:
        return "save one image of the batch: img[0]"
    if array.ndim == 2:
        return "one channel is saved by save_grayscale_image"
    return "give one image"


def refuse_values(array: np.ndarray, what: str) -> None:
    """Raises ConfigError for complex numbers, NaN and infinities, with their number."""
    if array.dtype.kind == "c":
        raise ConfigError(f"{what} is complex", fix="save its abs() or angle()")
    wrong = array.size - int(np.isfinite(array).sum())
    if wrong:
        count = int(np.isnan(array).sum())
        named = " and ".join([*([f"{count} NaN"] if count else []), *([f"{wrong - count} infinite values"] if wrong > count else [])])
        raise ConfigError(f"{what} has {named} among {array.size} values", fix="look where they come from, or torch.nan_to_num(img)")


def scale_values(array: np.ndarray, data_range: tuple[float, float] | None, what: str) -> np.ndarray:
    """Values as float64 from 0 to 1, `data_range` (of the data itself when None) mapped onto it, what is outside cut off and told.

    Raises ConfigError for a range that is none, or whole numbers that cannot be of that range.
    """
    if data_range is None:
        low, high = float(array.min()), float(array.max())
        return np.zeros(array.shape) if low == high else (array.astype(np.float64) - low) / (high - low)
    low, high = _range(data_range, what)
    if array.dtype.kind in "iu" and (low, high) == UNIT and (array.max(initial=0) > 1 or array.min(initial=0) < 0):
        fix = "say data_range=(0, 255), or divide by 255"
        raise ConfigError(f"{what} is {array.dtype} up to {array.max()}, which is not within the range 0 to 1", fix=fix)
    values = (array.astype(np.float64) - low) / (high - low)
    outside = np.count_nonzero((values < -ROUNDING) | (values > 1 + ROUNDING)) / values.size
    if outside:
        found = f"{array.min():.4g} to {array.max():.4g}"
        _tell_outside(what, f"{100 * outside:.3g} % of the values lie outside data_range {low:g} to {high:g} (they go from {found})")
    return values.clip(0, 1)


def _tell_outside(what: str, said: str) -> None:
    name, told = _saving.get() or ("", set())
    series = re.sub(r"\d+", "0", name)
    if series not in told:
        log.warning("%s%s: %s and are cut off at its ends", what, f" '{name}'" if name else "", said)
    told.add(series)


def _range(data_range: tuple[float, float], what: str) -> tuple[float, float]:
    try:
        low, high = (float(each) for each in data_range)
    except (TypeError, ValueError):
        low, high = 0.0, 0.0
    if not (np.isfinite([low, high]).all() and low < high):
        raise ConfigError(f"{data_range!r} is no range of data", where=what, fix="give two numbers, the lower first: data_range=(0, 1)")
    return low, high


def to_bytes(values: np.ndarray) -> np.ndarray:
    """Values from 0 to 1 as 8-bit ones, rounded to the nearest."""
    return np.rint(values * 255).astype(np.uint8)
