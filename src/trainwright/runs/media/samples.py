"""Samples of a generative model as files: pictures, sounds, texts and arrays, told apart by what they are."""

from __future__ import annotations

import math
import re
import wave
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainwright.config.errors import ConfigError
from trainwright.runs.media.arrays import refuse_values, scale_values, to_array, to_bytes
from trainwright.runs.media.files import whole
from trainwright.runs.media.saver import Media

CHANNELS = (1, 3, 4)
SMALLEST = 64
"""Pixels of a side below which pictures of a grid are shown enlarged, by a whole number of times."""
GAP = 2
GRID = "grid.png"
"""All pictures side by side."""
GIVES = "give a tensor, rows first (pictures: n c h w), a list of texts, or a mapping of these by name"


@dataclass(frozen=True)
class SampleForm:
    """How samples are to be read."""

    range: tuple[float, float] | None = (0.0, 1.0)
    """The values of pictures that are black and white, of whole numbers 0 and 255; None for numbers that are no pictures."""
    rate: int = 0
    """Hz of sounds; 0 for samples that are none."""


def write_together(media: Media, stem: str, given: Any, form: SampleForm, tag: str = "") -> list[Path]:
    """Write samples to be looked at: pictures in one grid, also for trackers under `tag`, texts in one file, sounds each; the paths.

    Raises ConfigError for what cannot be saved, naming it.
    """
    return _each(given, form, stem, lambda name, kind, values: _TOGETHER[kind](media, name, values, form, tag + name[len(stem) :]))


def write_apart(media: Media, given: Any, form: SampleForm) -> list[Path]:
    """Write each sample to a file of its own, `0000.png` and so on, arrays in one `.npy`; the paths. Raises as `write_together`."""
    return _each(given, form, "", lambda name, kind, values: _APART[kind](media, name, values, form))


def write_grid(media: Media, given: Any, form: SampleForm) -> list[Path]:
    """Pictures side by side in `grid.png`, where the samples are several pictures; the path, or nothing for other samples."""
    named = {name_of(key): each for key, each in given.items()} if isinstance(given, Mapping) else {"": given}
    found: list[Path] = []
    for key, each in named.items():
        kind, values = read_samples(each, form, "sample")
        if kind == "images" and len(values) > 1:
            found += _grid(media, f"{key}/{Path(GRID).stem}" if key else Path(GRID).stem, values, form, "")
    return found


def name_of(key: object) -> str:
    """A key of a mapping as the name of a file or a folder."""
    return re.sub(r"[^\w+=-]+", "-", str(key)).strip("-") or "samples"


def _each(given: Any, form: SampleForm, stem: str, write: Callable[[str, str, Any], list[Path]]) -> list[Path]:
    if not isinstance(given, Mapping):
        return write(stem, *read_samples(given, form, "sample"))
    if not given:
        raise ConfigError("sample gave an empty mapping", fix=GIVES)
    found: list[Path] = []
    for key, each in given.items():
        name = name_of(key)
        found += write(f"{stem}/{name}" if stem else name, *read_samples(each, form, f"'{key}' of sample"))
    return found


def read_samples(given: Any, form: SampleForm, what: str) -> tuple[str, Any]:
    """`images` (uint8, n h w c), `audio` (n channels time, -1 to 1), `text` (texts) or `arrays`, and the samples as such.

    Raises ConfigError for what is none of these, or no samples at all.
    """
    if isinstance(given, str):
        return "text", [given]
    if isinstance(given, list | tuple):
        if given and all(isinstance(each, str) for each in given):
            return "text", list(given)
        given = _stacked(given, what)
    if given is None or not (hasattr(given, "detach") or isinstance(given, np.ndarray)):
        kind = "nothing" if given is None else f"'{type(given).__name__}'"
        raise ConfigError(f"{what} gave {kind}, which cannot be saved", fix=GIVES)
    array = to_array(given, what)
    if array.ndim == 0 or 0 in array.shape:
        raise ConfigError(f"{what} gave no samples: its shape is {array.shape}", fix=GIVES)
    if form.rate and array.ndim in (2, 3):
        refuse_values(array, what)
        return "audio", array if array.ndim == 3 else array[:, None]
    pixels = _pixels(array, form, what)
    return ("arrays", array) if pixels is None else ("images", pixels)


def _stacked(given: Sequence[Any], what: str) -> Any:
    arrays = [to_array(each, f"{what}[{place}]") for place, each in enumerate(given)]
    shapes = {each.shape for each in arrays}
    if len(shapes) != 1:
        why = f"their shapes are {', '.join(map(str, sorted(shapes)[:3]))}" if shapes else "it is empty"
        raise ConfigError(f"{what} gave a list that is no batch", why=why, fix=GIVES)
    return np.stack(arrays)


def _pixels(array: np.ndarray, form: SampleForm, what: str) -> np.ndarray | None:
    """The pictures (n h w c) of 8 bits; None for what are none: pictures have four dimensions, or three of bytes."""
    if form.range is None:
        return None
    if array.ndim == 3 and array.dtype == np.uint8:
        array = array[:, None]
    if array.ndim != 4:
        return None
    if array.shape[1] in CHANNELS:
        array = array.transpose(0, 2, 3, 1)
    elif array.shape[3] not in CHANNELS:
        return None
    refuse_values(array, what)
    if array.dtype == np.uint8:
        return array
    return to_bytes(scale_values(array.astype(np.float64) if array.dtype == bool else array, form.range, what))


def grid_of(pixels: np.ndarray) -> np.ndarray:
    """Pictures (n h w c) side by side in a square of them, small ones enlarged; the last row may be shorter."""
    times = max(1, SMALLEST // max(pixels.shape[1:3]))
    pixels = pixels.repeat(times, axis=1).repeat(times, axis=2)
    count, height, width, channels = pixels.shape
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    made = np.zeros((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, channels), np.uint8)
    for place, each in enumerate(pixels):
        top, left = (place // columns) * (height + GAP), (place % columns) * (width + GAP)
        made[top : top + height, left : left + width] = each
    return made


def _plain(picture: np.ndarray) -> np.ndarray:
    """A picture as files have it: (h w) for one channel."""
    return picture[..., 0] if picture.shape[2] == 1 else picture


def _grid(media: Media, name: str, pixels: np.ndarray, form: SampleForm, tag: str) -> list[Path]:
    return [media.save_image(f"{name}.png", _plain(grid_of(pixels)), name=tag)]


def _texts(media: Media, name: str, texts: list[str], form: SampleForm, tag: str) -> list[Path]:
    joined = "\n".join(f"── {place} ──\n{text}" for place, text in enumerate(texts)) + "\n"
    media.kinds.give("text", tag, "\n\n---\n\n".join(texts), media.step)
    return [_write_text(media, f"{name}.txt", joined)]


def _sounds(media: Media, name: str, sounds: np.ndarray, form: SampleForm, tag: str = "") -> list[Path]:
    return [
        _write_wave(media, f"{name}/{place:04d}.wav" if name else f"{place:04d}.wav", each, form.rate) for place, each in enumerate(sounds)
    ]


def _arrays(media: Media, name: str, array: np.ndarray, form: SampleForm, tag: str = "") -> list[Path]:
    return [media.save_data(f"{name or 'samples'}.npy", array)]


def _pictures(media: Media, name: str, pixels: np.ndarray, form: SampleForm) -> list[Path]:
    start = f"{name}/" if name else ""
    return [media.save_image(f"{start}{place:04d}.png", _plain(each)) for place, each in enumerate(pixels)]


def _text_files(media: Media, name: str, texts: list[str], form: SampleForm) -> list[Path]:
    start = f"{name}/" if name else ""
    return [_write_text(media, f"{start}{place:04d}.txt", text) for place, text in enumerate(texts)]


_TOGETHER: dict[str, Callable[..., list[Path]]] = {"images": _grid, "text": _texts, "audio": _sounds, "arrays": _arrays}
_APART: dict[str, Callable[..., list[Path]]] = {"images": _pictures, "text": _text_files, "audio": _sounds, "arrays": _arrays}


def _write_text(media: Media, filename: str, text: str) -> Path:
    path = media.get_save_path(filename)
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def _write_wave(media: Media, filename: str, sound: np.ndarray, rate: int) -> Path:
    """A sound (channels time) of -1 to 1 as WAV of 16 bits."""
    values = np.rint(scale_values(sound, (-1.0, 1.0), "sample") * 65534 - 32767).astype("<i2")
    path = media.get_save_path(filename)
    with whole(path) as temporary, wave.open(str(temporary), "wb") as file:
        file.setnchannels(values.shape[0])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(values.T.tobytes())
    return path
