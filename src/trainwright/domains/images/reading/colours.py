"""From the modes of Pillow to 8 bits of gray, RGB or RGB with alpha."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from trainwright.domains.images.reading.kinds import Kind
from trainwright.domains.images.reading.libraries import pillow
from trainwright.domains.images.reading.options import Decoding
from trainwright.features.npy import Unreadable

GRAY = ("1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N", "F")
DEEP = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")
WITH_ALPHA = ("RGBA", "LA", "RGBa", "La", "PA")
DIRECT = ("L", "RGB", "RGBA")
SCALES = (1.0, 255.0, 65535.0)
"""What is white in floating and 32-bit numbers: the least of these that no value is above."""


class Pixels(NamedTuple):
    """Pixels `(height, width, channels)`, uint8 or float32 in 0 to 255, and what was done."""

    values: np.ndarray
    kind: Kind


def convert(picture: Any, options: Decoding) -> Pixels:
    """The pixels of a loaded picture of Pillow in the channels that are wanted. Raises Unreadable."""
    if picture.mode in DEEP:
        sixteen = picture.mode.startswith("I;16") or (picture.mode == "I" and picture.format == "PPM")
        return fit_channels(*_scale(np.asarray(picture)[:, :, None], sixteen, options), options)
    kind = Kind.BINARY if picture.mode == "1" else Kind.PLAIN
    if picture.mode in ("P", "PA"):
        kind |= Kind.PALETTE
    if picture.mode in WITH_ALPHA or "transparency" in picture.info:
        return _with_alpha(picture, kind, options)
    return _without_alpha(picture, kind, options)


def _without_alpha(picture: Any, kind: Kind, options: Decoding) -> Pixels:
    if picture.mode == "P":
        picture = picture.convert("RGB")
    elif picture.mode in ("CMYK",):
        kind, picture = kind | Kind.CMYK, picture.convert("RGB")
    elif picture.mode == "1":
        picture = picture.convert("L")
    elif picture.mode not in DIRECT:
        kind, picture = kind | Kind.OTHER_COLOURS, _to_rgb(picture)
    wanted = options.channels or (1 if picture.mode == "L" else 3)
    if wanted == 1 and picture.mode != "L":
        return Pixels(_array(picture.convert("L")), kind | Kind.TO_GRAY)
    return fit_channels(_array(picture), kind, options)


def _to_rgb(picture: Any) -> Any:
    try:
        return picture.convert("RGB")
    except ValueError as error:
        raise Unreadable(f"its colours are {picture.mode}, which Pillow does not convert to RGB") from error


def _with_alpha(picture: Any, kind: Kind, options: Decoding) -> Pixels:
    gray = picture.mode in ("LA", "La", "L", "1")
    full = (picture.convert("LA") if picture.mode == "La" else picture).convert("RGBA")
    transparent = full.getextrema()[3][0] < 255
    wanted = options.channels or (4 if options.alpha == "keep" else 1 if gray else 3)
    if wanted == 4:
        return Pixels(np.asarray(full), kind | (Kind.ALPHA if transparent else Kind.PLAIN))
    if transparent:
        kind |= Kind.ALPHA
        if options.alpha != "drop":
            full = pillow().alpha_composite(pillow().new("RGBA", full.size, _background(options)), full)
    colour = full.convert("RGB")
    if gray and wanted == 1:
        return Pixels(np.asarray(colour)[:, :, :1], kind)
    if wanted == 1:
        return Pixels(_array(colour.convert("L")), kind | Kind.TO_GRAY)
    return Pixels(np.asarray(colour), kind | (Kind.TO_COLOUR if gray else Kind.PLAIN))


def _background(options: Decoding) -> tuple[int, int, int, int]:
    colours = {"black": (0, 0, 0), "mean": options.mean}
    return (*colours.get(options.alpha, (255, 255, 255)), 255)


def _array(picture: Any) -> np.ndarray:
    values = np.asarray(picture)
    return values if values.ndim == 3 else values[:, :, None]


def _scale(values: np.ndarray, sixteen: bool, options: Decoding) -> tuple[np.ndarray, Kind]:
    """Numbers finer than 8 bits in 0 to 255."""
    kind = Kind.DEEP_GRAY if sixteen else Kind.FLOAT
    low, high = options.value_range or ((0.0, 65535.0) if sixteen else _range_of(values))
    scaled = (values.astype(np.float64) - low) * (255.0 / (high - low))
    if not np.isfinite(scaled).all():
        raise Unreadable("it holds values that are no numbers")
    return np.clip(scaled, 0, 255).astype(np.float32), kind


def _range_of(values: np.ndarray) -> tuple[float, float]:
    least, most = (float(np.nanmin(values)), float(np.nanmax(values))) if values.size else (0.0, 1.0)
    white = next((each for each in SCALES if most <= each), None)
    if least < 0 or white is None:
        raise Unreadable(f"its values go from {least:g} to {most:g}, and it does not say which are black and white: `value_range` does")
    return 0.0, white


def fit_channels(values: np.ndarray, kind: Kind, options: Decoding) -> Pixels:
    """Pixels of 1, 3 or 4 channels in as many as are wanted; those that are finer than 8 bits rounded, unless they are kept."""
    if values.dtype != np.uint8 and options.levels == "uint8":
        values = np.rint(values).astype(np.uint8)
    there, wanted = values.shape[2], options.channels
    if wanted is None or there == wanted:
        return Pixels(values, kind)
    if there == 1:
        kind |= Kind.TO_COLOUR
        values = np.repeat(values, 3, axis=2)
    if wanted == 4 and values.shape[2] == 3:
        opaque = np.full((*values.shape[:2], 1), 255, values.dtype)
        values = np.concatenate([values, opaque], axis=2)
    return Pixels(values[:, :, :wanted], kind)


def from_numbers(values: np.ndarray, options: Decoding) -> Pixels:
    """Pixels that stand in an array (height, width[, 1, 3 or 4 channels]) of truth, whole or floating numbers. Raises Unreadable."""
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] not in (1, 3, 4)) or not values.size:
        raise Unreadable(f"its shape is {values.shape}, and pixels are (height, width) or (height, width, 1, 3 or 4)")
    if values.ndim == 2:
        values = values[:, :, None]
    if values.dtype == np.uint8:
        if values.shape[2] == 1 and options.channels in (None, 1):
            return Pixels(values, Kind.PLAIN)
        return convert(pillow().fromarray(values[:, :, 0] if values.shape[2] == 1 else values), options)
    if values.dtype == bool:
        return fit_channels(values.astype(np.uint8) * 255, Kind.BINARY, options)
    scaled, kind = _scale(values, values.dtype == np.uint16, options)
    if options.channels == 1 and scaled.shape[2] > 1:
        weights = np.array([0.299, 0.587, 0.114], np.float32)
        return fit_channels((scaled[:, :, :3] @ weights)[..., None], kind | Kind.TO_GRAY, options)
    return fit_channels(scaled, kind, options)
