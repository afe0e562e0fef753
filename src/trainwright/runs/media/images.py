"""Pictures as 8-bit pixels: colours, UV maps, single numbers, grids of them, cube maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.runs.media.arrays import image_array, refuse_values, scale_values, to_array, to_bytes
from trainwright.runs.media.colormaps import apply_colormap
from trainwright.runs.media.optional import import_needed

Range = tuple[float, float]
RGB: dict[str, Any] = {"data_format": "HWC", "data_range": (0, 1)}
UV: dict[str, Any] = {"data_format": "HWC", "data_range": (0, 1), "cmap": "checkerboard"}
GRAYSCALE: dict[str, Any] = {"data_range": None, "cmap": "jet"}
SQUARES = 64
"""Squares of the checkerboard along each side of the UV plane."""
MAGENTA, WHITE = (255, 0, 255), (255, 255, 255)
Align = str | int | tuple[int, int]


def rgb_image(img: Any, data_format: str = "HWC", data_range: Range = (0, 1)) -> np.ndarray:
    """Colours as pixels (h w 3), or (h w 4) with transparency; one channel is repeated."""
    array = image_array(img, "an RGB image", (3, 4, 1), data_format)
    pixels = to_bytes(scale_values(array, data_range, "an RGB image"))
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels


def uv_image(img: Any, data_format: str = "HWC", data_range: Range = (0, 1), cmap: str = "checkerboard") -> np.ndarray:
    """Texture coordinates as pixels (h w 3): a checkerboard laid over them, or with cmap 'color' u as red and v as green."""
    if cmap not in ("checkerboard", "color"):
        raise ConfigError(f"there is no UV map '{cmap}'", fix=did_you_mean(cmap, ("checkerboard", "color")))
    values = scale_values(image_array(img, "a UV image", (2,), data_format), data_range, "a UV image")
    pixels = np.zeros((*values.shape[:2], 3), np.uint8)
    if cmap == "color":
        pixels[..., :2] = to_bytes(values)
        return pixels
    squares = (values * SQUARES).astype(np.int64).sum(axis=2)
    pixels[:] = WHITE
    pixels[squares % 2 == 0] = MAGENTA
    return pixels


def grayscale_image(img: Any, data_range: Range | None = None, cmap: str | None = "jet") -> np.ndarray:
    """Single numbers (h w) as pixels (h w 3) in the colours of `cmap`; without `data_range` the least is 0 and the largest 1."""
    array = to_array(img, "a grayscale image")
    if array.ndim == 3 and 1 in (array.shape[0], array.shape[2]):
        array = array[..., 0] if array.shape[2] == 1 else array[0]
    if array.ndim != 2 or 0 in array.shape:
        fix = "colours are saved by save_rgb_image" if array.ndim == 3 else "give one image of one channel"
        raise ConfigError(f"a grayscale image wants (H, W), and got {array.shape}", fix=fix)
    refuse_values(array, "a grayscale image")
    return apply_colormap(scale_values(array, data_range, "a grayscale image"), cmap)


def plain_image(img: Any) -> np.ndarray:
    """An image that is ready: uint8 of (h w), (h w 3) or (h w 4), or uint16 of (h w)."""
    array = to_array(img, "an image")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    shape = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    if not shape or 0 in array.shape:
        raise ConfigError(f"an image wants (H, W), (H, W, 3) or (H, W, 4), and got {array.shape}", fix="permute it, or take one of a batch")
    if not (array.dtype == np.uint8 or (array.dtype == np.uint16 and array.ndim == 2)):
        fix = "save_rgb_image takes other values with their data_range"
        raise ConfigError(f"an image wants uint8 (or uint16 of one channel), and got {array.dtype}", fix=fix)
    return array


def cubemap_image(img: Any, data_range: Range = (0, 1)) -> np.ndarray:
    """Six faces (6 s s c: +x, -x, +y, -y, +z, -z; c a multiple of 3) as a cross of pixels (3s 4s 3), one beside the other for each 3."""
    array = to_array(img, "a cube map")
    if array.ndim != 4 or array.shape[0] != 6 or array.shape[1] != array.shape[2] or array.shape[3] % 3 or 0 in array.shape:
        raise ConfigError(f"a cube map wants (6, S, S, 3), and got {array.shape}", fix="stack the faces +x, -x, +y, -y, +z, -z")
    refuse_values(array, "a cube map")
    faces = to_bytes(scale_values(array, data_range, "a cube map"))
    return np.concatenate([_cross(faces[..., start : start + 3]) for start in range(0, faces.shape[3], 3)], axis=1)


def _cross(faces: np.ndarray) -> np.ndarray:
    right, left, top, bottom, front, back = faces
    empty = np.zeros_like(front)
    rows = ((empty, top, empty, empty), (left, front, right, back), (empty, bottom, empty, empty))
    return np.concatenate([np.concatenate(row, axis=1) for row in rows], axis=0)


MAKERS: dict[str, tuple[Callable[..., np.ndarray], dict[str, Any]]] = {
    "rgb": (rgb_image, RGB),
    "uv": (uv_image, UV),
    "grayscale": (grayscale_image, GRAYSCALE),
}


def image_grid(imgs: Sequence[Any], align: Align = "max", texts: Sequence[Any] | None = None) -> np.ndarray:
    """Rows of typed images as pixels (h w 3), each resized to one size; `texts` is a caption for each row, or a list of them for each row.

    An image is {"type": "rgb|uv|grayscale|empty", "img": …, "kwargs": {…}}. `align` is 'max' or 'min' of the sizes, a number, or (h, w).
    """
    rows = [imgs] if imgs and isinstance(imgs[0], Mapping) else list(imgs)
    if not rows or not all(len(row) for row in rows):
        raise ConfigError("a grid of images is empty", fix="give rows of images: [[{'type': 'rgb', 'img': img}]]")
    cells = [[_cell(each, at, number) for number, each in enumerate(row)] for at, row in enumerate(rows)]
    height, width = _size([each for row in cells for each in row if each is not None], align)
    columns = max(len(row) for row in cells)
    grid = np.zeros((len(rows) * height, columns * width, 3), np.uint8)
    for at, row in enumerate(cells):
        for number, pixels in enumerate(row):
            if pixels is not None:
                grid[at * height : (at + 1) * height, number * width : (number + 1) * width] = _resize(pixels, height, width)
    return grid if texts is None else _add_caption(grid, texts, height, width, len(rows))


def _cell(each: Mapping[str, Any], row: int, column: int) -> np.ndarray | None:
    where = f"row {row}, column {column} of the grid"
    kind = each.get("type") if isinstance(each, Mapping) else None
    if kind == "empty":
        return None
    if kind not in MAKERS:
        names = [*MAKERS, "empty"]
        raise ConfigError(f"there is no image of type {kind!r}", where=where, fix=did_you_mean(str(kind), names))
    maker, defaults = MAKERS[kind]
    options = {**defaults, **(each.get("kwargs") or {})}
    unknown = sorted(options.keys() - defaults.keys())
    if unknown:
        raise ConfigError(f"an image of type '{kind}' takes no '{unknown[0]}'", where=where, fix=did_you_mean(unknown[0], defaults))
    try:
        pixels = maker(each.get("img"), **options)
    except ConfigError as error:
        raise ConfigError(error.what, where=where, why=error.why, fix=error.fix) from error
    return pixels if pixels.shape[2] == 3 else _on_black(pixels)


def _on_black(pixels: np.ndarray) -> np.ndarray:
    return np.rint(pixels[..., :3] * (pixels[..., 3:] / 255.0)).astype(np.uint8)


def _size(cells: Sequence[np.ndarray], align: Align) -> tuple[int, int]:
    if align in ("max", "min"):
        if not cells:
            raise ConfigError("a grid of empty images has no size", fix="say align=(height, width)")
        chosen = max if align == "max" else min
        return chosen(each.shape[0] for each in cells), chosen(each.shape[1] for each in cells)
    size = (align, align) if isinstance(align, int) else align
    if not (isinstance(size, (tuple, list)) and len(size) == 2 and all(isinstance(each, int) and each > 0 for each in size)):
        raise ConfigError(f"{align!r} is no size of a grid's images", fix="align='max', 'min', a number of pixels, or (height, width)")
    return int(size[0]), int(size[1])


def _resize(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    if pixels.shape[:2] == (height, width):
        return pixels
    library = import_needed("PIL.Image", "resizing images")
    return np.asarray(library.fromarray(pixels).resize((width, height), library.Resampling.BILINEAR))


def _add_caption(grid: np.ndarray, texts: Sequence[Any], height: int, width: int, rows: int) -> np.ndarray:
    """The grid with its captions, white with a black edge, in the upper left corner of a row or of each image."""
    if isinstance(texts, str) or len(texts) != rows:
        count = 1 if isinstance(texts, str) else len(texts)
        raise ConfigError(f"{count} captions for {rows} rows", fix="give one caption, or a list of them, for each row")
    image, draw, font = (import_needed(f"PIL.{name}", "captions") for name in ("Image", "ImageDraw", "ImageFont"))
    picture = image.fromarray(grid)
    pen, size = draw.Draw(picture), max(8, min(height // 8, 24))
    style = {"fill": WHITE, "stroke_width": 1, "stroke_fill": (0, 0, 0), "font": font.load_default(size)}
    for row, line in enumerate(texts):
        for column, text in enumerate([line] if isinstance(line, str) else line):
            pen.text((column * width + 3, row * height + 2), str(text), **style)
    return np.asarray(picture)
