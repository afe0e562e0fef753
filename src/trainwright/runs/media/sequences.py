"""Frames one after the other as GIF or MP4."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.runs.media.files import FORMATS, whole
from trainwright.runs.media.images import Range, rgb_image
from trainwright.runs.media.optional import import_needed

KINDS = ("mp4", "gif")
CODECS = ("libx264", "mpeg4")
"""The first one that the installed PyAV has is taken."""


def kind_of_sequence(filename: str, save_format: str | None) -> tuple[str, str]:
    """The file's name and its kind, `mp4` or `gif`; the name gets the ending of its kind."""
    ending = filename.rpartition(".")[2].lower()
    kind = save_format or (ending if ending in KINDS else KINDS[0])
    if kind not in KINDS:
        raise ConfigError(f"a sequence cannot be saved as '{kind}'", fix=did_you_mean(kind, KINDS))
    return (filename if ending == kind else f"{filename}.{kind}"), kind


def files_of(folder: Path, matcher: str | None) -> list[Path]:
    """The images in a folder whose names the regular expression finds, ordered by the number in its first group, else by their names."""
    try:
        pattern = re.compile(matcher or "")
    except re.error as error:
        raise ConfigError(f"'{matcher}' is no regular expression", why=str(error), fix=r"for example r'(\d+)\.png'") from error
    if not folder.is_dir():
        raise ConfigError("there is no such folder of frames", where=str(folder), fix="give a folder below media/, or a list of frames")
    images = [each for each in folder.iterdir() if each.suffix.lower() in FORMATS and not each.name.startswith(".")]
    found = [each for each in images if pattern.search(each.name)]
    if not found:
        why = f"of {len(images)} images" + (f", such as {min(images).name}" if images else "")
        raise ConfigError(f"no image here matches '{matcher}'", where=str(folder), why=why, fix=r"for example r'(\d+)\.png'")
    return sorted(found, key=lambda each: (_number(pattern, each.name), _natural(each.name)))


def _number(pattern: re.Pattern[str], name: str) -> float:
    match = pattern.search(name)
    text = match[1] if match and pattern.groups else None
    return float(text) if text and text.isdecimal() else -1.0


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(each), "") if each.isdecimal() else (-1, each) for each in re.split(r"(\d+)", name)]


def frames_of(frames: Iterable[Any], data_format: str, data_range: Range) -> Iterator[np.ndarray]:
    """Each frame as pixels (h w 3): paths are read, images taken as rgb; raises ConfigError naming the first of another size."""
    first: tuple[int, ...] | None = None
    for number, frame in enumerate(frames):
        pixels = _read(frame) if isinstance(frame, Path) else _pixels(frame, number, data_format, data_range)
        first = first or pixels.shape
        if pixels.shape != first:
            sizes = f"{pixels.shape[:2]}, the first {first[:2]}"
            raise ConfigError(f"frame {number} has another size: {sizes}", fix="give all frames one size (height, width)")
        yield pixels
    if first is None:
        raise ConfigError("a sequence without frames", fix="give at least one frame")


def _read(path: Path) -> np.ndarray:
    with import_needed("PIL.Image", "reading frames").open(path) as image:
        return np.asarray(image.convert("RGB"))


def _pixels(frame: Any, number: int, data_format: str, data_range: Range) -> np.ndarray:
    ready = str(getattr(frame, "dtype", "")).endswith("uint8")
    try:
        return rgb_image(frame, data_format, (0, 255) if ready else data_range)[..., :3]
    except ConfigError as error:
        raise ConfigError(error.what, where=f"frame {number}", why=error.why, fix=error.fix) from error


def write_sequence(path: Path, frames: Iterator[np.ndarray], kind: str, fps: float) -> Path:
    """Write frames (h w 3) as a GIF or MP4 of `fps` frames a second."""
    if isinstance(fps, bool) or not isinstance(fps, (int, float)) or not 0 < fps <= 1000:
        raise ConfigError(f"{fps!r} frames a second cannot be shown", fix="fps=30")
    if kind == "gif":
        return _write_gif(path, frames, fps)
    return _write_mp4(path, frames, fps)


def _write_gif(path: Path, frames: Iterator[np.ndarray], fps: float) -> Path:
    library = import_needed("PIL.Image", "saving a GIF")
    images = (library.fromarray(each) for each in frames)
    first = next(images)
    milliseconds = max(round(100 / fps), 1) * 10  # GIF counts hundredths of a second
    with whole(path) as temporary:
        first.save(temporary, format="GIF", save_all=True, append_images=images, duration=milliseconds, loop=0)
    return path


def _write_mp4(path: Path, frames: Iterator[np.ndarray], fps: float) -> Path:
    av = import_needed("av", "saving an MP4")
    codec = next((each for each in CODECS if each in av.codecs_available), CODECS[-1])
    first = next(frames)
    with whole(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1001))
        stream.height, stream.width = _even(first).shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "18"} if codec == "libx264" else {"q": "3"}
        for pixels in _chain_frames(first, frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(_even(pixels), format="rgb24")))
        container.mux(stream.encode(None))
    return path


def _chain_frames(first: np.ndarray, rest: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    yield first
    yield from rest


def _even(pixels: np.ndarray) -> np.ndarray:
    """Even height and width, which the format needs: the last row and column are repeated."""
    odd: Sequence[int] = (pixels.shape[0] % 2, pixels.shape[1] % 2)
    padded = np.pad(pixels, ((0, odd[0]), (0, odd[1]), (0, 0)), mode="edge") if any(odd) else pixels
    return np.ascontiguousarray(padded)
