"""Files of masks: from a reference to the class of every pixel, and back to a PNG with a palette."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainwright.config.errors import DataError
from trainwright.domains.images.reading.libraries import pillow
from trainwright.domains.images.reading.orientation import SWAPS, orientation_of, turn
from trainwright.domains.images.reading.reference import read_bytes, split_reference
from trainwright.features.masks import IGNORED
from trainwright.features.npy import Unreadable, read_array, read_header

USUAL = 255
"""The value of pixels that are left out, where no class has it."""
SHOWN = 8
"""Values of a mask that are named."""
LEAVE_OUT = "ignore"
"""The name in a palette of what is no class."""
FOREIGN = (OSError, SyntaxError, ValueError, TypeError, KeyError, EOFError)
"""What Pillow raises for a broken file."""


@dataclass(frozen=True)
class MaskReader:
    """How the masks of a column are read, here or in a worker: values (or colours) of the classes in order, and what is left out."""

    column: str
    palette: tuple[tuple[str, int | tuple[int, int, int]], ...] = ()
    """Class, and its value or colour; empty where the numbers in the files are those of the classes."""
    ignored: int | None = USUAL
    """The value of pixels that are left out."""
    upright: bool = True
    """Whether a mask is turned as its EXIF data say."""

    @property
    def names(self) -> list[str]:
        """The classes of the palette."""
        return [name for name, _ in self.palette if name != LEAVE_OUT]

    def read(self, reference: str) -> np.ndarray:
        """The classes (height, width) in int16 or int32, −100 for pixels left out. Raises Unreadable, and DataError for other values."""
        values = self._values(reference)
        if values.ndim == 3:
            return self._of_colours(values, reference)
        return self._of_numbers(values, reference)

    def read_shape(self, reference: str) -> tuple[int, ...]:
        """(height, width) from the head of the file. Raises Unreadable."""
        if _is_array(reference):
            return _flat_shape(read_header(reference).shape)
        content = read_bytes(reference)
        if isinstance(content, np.ndarray):
            return _flat_shape(content.shape)
        picture = _open(content)
        width, height = picture.size
        return (width, height) if self.upright and orientation_of(picture) in SWAPS else (height, width)

    def _values(self, reference: str) -> np.ndarray:
        """Numbers (h, w), or colours (h, w, 3)."""
        if _is_array(reference):
            return self._whole(read_array(reference), reference)
        content = read_bytes(reference)
        if isinstance(content, np.ndarray):
            return self._whole(content, reference)
        return self._decode(content, reference)

    def _whole(self, array: np.ndarray, reference: str) -> np.ndarray:
        if array.dtype.kind == "f" and (array != np.floor(array)).any():
            raise DataError(
                f"the mask {reference} has numbers with a fraction",
                why="each pixel has the number of a class",
                fix="save whole numbers: array.astype('uint8')",
            )
        array = array.reshape(_flat_shape(array.shape))
        return array if array.dtype.kind in "iub" else array.astype(np.int32)

    def _decode(self, content: bytes, reference: str) -> np.ndarray:
        picture = _open(content)
        if picture.format == "JPEG":
            why = "JPEG blurs the edges between classes"
            raise DataError(f"the mask {reference} is a JPEG", why=why, fix="write masks as PNG")
        orientation = orientation_of(picture) if self.upright else 1
        in_colours = bool(self.palette) and isinstance(self.palette[0][1], tuple)
        try:
            if (picture.mode == "P" and in_colours) or picture.mode in ("RGBA", "CMYK", "YCbCr", "LAB", "HSV", "PA"):
                picture = picture.convert("RGB")
            elif picture.mode == "LA":
                picture = picture.getchannel(0)
            array = np.array(picture)
        except FOREIGN as error:
            raise Unreadable(f"it is damaged: {str(error).splitlines()[0] if str(error) else type(error).__name__}") from error
        return turn(array.astype(np.uint8) if array.dtype == bool else array, orientation)

    def _of_colours(self, colours: np.ndarray, reference: str) -> np.ndarray:
        codes = colours.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
        if not self.palette or not isinstance(self.palette[0][1], tuple):
            if bool((colours == colours[..., :1]).all()):  # numbers that were saved three times
                return self._of_numbers(colours[..., 0], reference)
            raise self._without_palette(codes, reference)
        return self._look_up(codes, [_code(value) for _, value in self.palette], reference, as_colours=True)

    def _of_numbers(self, values: np.ndarray, reference: str) -> np.ndarray:
        if not self.palette:
            found = values.astype(np.int16 if values.max(initial=0) < 1 << 15 else np.int32)
            if self.ignored is not None:
                found[values == self.ignored] = IGNORED
            return found
        wide = values.astype(np.int32)
        if isinstance(self.palette[0][1], tuple):  # a gray level is a colour
            return self._look_up(wide * _code((1, 1, 1)), [_code(value) for _, value in self.palette], reference, as_colours=True)
        return self._look_up(wide, [int(value) for _, value in self.palette], reference, as_colours=False)  # type: ignore[arg-type]

    def _look_up(self, values: np.ndarray, known: Sequence[int], reference: str, *, as_colours: bool) -> np.ndarray:
        names = [name for name, _ in self.palette]
        numbers = {name: number for number, name in enumerate(self.names)}
        order = np.argsort(np.array(known))
        ordered = np.array(known)[order]
        classes = np.array([numbers.get(names[place], IGNORED) for place in order], np.int16)
        at = np.searchsorted(ordered, values).clip(max=len(ordered) - 1)
        found = classes[at]
        strange = ordered[at] != values
        if self.ignored is not None and not as_colours:
            strange &= values != self.ignored
            found = np.where(values == self.ignored, np.int16(IGNORED), found) if self.ignored not in known else found
        if strange.any():
            what = f"the mask {reference} has {'colours' if as_colours else 'values'} that the palette of '{self.column}' has not"
            fix = f"add them: columns.{self.column}.palette.NAME=VALUE; what is no class is named {LEAVE_OUT}"
            raise DataError(what, why=f"seen: {show_values(values[strange], as_colours)}", fix=fix)
        return found

    def _without_palette(self, codes: np.ndarray, reference: str) -> DataError:
        colours = np.unique(codes)
        examples = ", ".join(f"class_{number}: {list(_colour(int(each)))}" for number, each in enumerate(colours[:SHOWN]))
        more = ", …" if len(colours) > SHOWN else ""
        return DataError(
            f"the mask {reference} is coded in colours",
            why=f"seen: {show_values(codes, True)}",
            fix=f"say which class each is, by names of yours: columns.{self.column}.palette={{{examples}{more}}}",
        )


def show_values(values: np.ndarray, as_colours: bool = False) -> str:
    """The most frequent values of pixels, or colours as 0xRRGGBB numbers, with how many pixels have them."""
    found, counts = np.unique(values, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:SHOWN]
    said = [f"{_colour(int(found[at])) if as_colours else int(found[at])} ×{int(counts[at]):,}" for at in order]
    return ", ".join(said) + (f" and {len(found) - SHOWN} more" if len(found) > SHOWN else "")


def _colour(code: int) -> tuple[int, int, int]:
    return code >> 16, code >> 8 & 255, code & 255


def _code(colour: Any) -> int:
    red, green, blue = colour
    return int(red << 16 | green << 8 | blue)


def _is_array(reference: str) -> bool:
    place = split_reference(reference)
    return place.whole and place.path.lower().endswith(".npy")


def _flat_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """(height, width) of an array that may have one channel more; raises Unreadable for any other."""
    flat = tuple(each for each in shape if each != 1) if len(shape) == 3 else shape
    if len(flat) != 2:
        raise Unreadable(f"its shape is {shape}, and a mask is (height, width)")
    return flat


def _open(content: bytes) -> Any:
    try:
        return pillow().open(io.BytesIO(content))
    except FOREIGN as error:
        kind = "it is empty" if not content else "it is no picture that can be read"
        raise Unreadable(kind) from error


def read_palette(reference: str) -> list[tuple[int, int, int]]:
    """The colours of a PNG with a palette, by number; empty where it has none. Raises Unreadable."""
    if _is_array(reference):
        return []
    content = read_bytes(reference)
    picture = None if isinstance(content, np.ndarray) else _open(content)
    if picture is None or picture.mode != "P":
        return []
    flat = picture.getpalette("RGB") or []
    return [(flat[at], flat[at + 1], flat[at + 2]) for at in range(0, len(flat) - 2, 3)]


def write_mask(path: Path, mask: np.ndarray, palette: Sequence[Sequence[int]]) -> None:
    """Write classes (height, width), 0 to 255, as a PNG with a palette (colours of 0 to 255 in the order of the classes)."""
    picture = pillow().fromarray(np.ascontiguousarray(mask.astype(np.uint8)), mode="P")
    picture.putpalette([level for colour in palette for level in colour])
    picture.save(path, format="PNG")


def spread_colours(count: int) -> list[tuple[int, int, int]]:
    """A colour for each class as PASCAL VOC numbers them: bits of the number, from the highest level down."""
    found = []
    for number in range(count):
        colour, left = [0, 0, 0], number
        for shift in range(7, -1, -1):
            for channel in range(3):
                colour[channel] |= (left >> channel & 1) << shift
            left >>= 3
        found.append((colour[0], colour[1], colour[2]))
    return found


def reader_of(column: str, palette: Mapping[str, Any] | None, ignored: int | None, classes: int | None) -> MaskReader:
    """The reader that options mean: 255 is left out unless it is a class."""
    given = tuple((name, tuple(value) if isinstance(value, list) else value) for name, value in (palette or {}).items())
    values = {value for name, value in given if name != LEAVE_OUT}
    if ignored is None and USUAL not in values and (classes is None or classes <= USUAL):
        ignored = USUAL
    return MaskReader(column, given, ignored)
