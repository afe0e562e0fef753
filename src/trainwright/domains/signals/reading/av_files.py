"""Sound and pictures of mp4, m4a and others, by PyAV, or sound by torchcodec, where these are installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainwright.domains.signals.reading.facts import Facts, Floats, channel_names
from trainwright.domains.signals.reading.files import readable_at, size_of
from trainwright.domains.signals.reading.libraries import optional
from trainwright.features.npy import Unreadable

ENDINGS = (".mp4", ".m4a", ".m4v", ".mov", ".mkv", ".mka", ".webm", ".avi", ".aac", ".wma", ".amr", ".3gp")
ADVICE = "pip install av, or write it as wav or flac"
BEFORE = 0.5
"""Seconds before a window from which is decoded: codecs need what came before to be right."""


@dataclass(frozen=True)
class Frames:
    """Pictures of a film."""

    values: np.ndarray
    """`(time, height, width, 3)`, red, green and blue as bytes."""
    seconds: np.ndarray
    """When each is shown, from the beginning of the film."""
    rate: float | None
    """Pictures a second, the mean."""


def probe_after(path: str, fault: str) -> Facts:
    """What PyAV or torchcodec say of a file that soundfile refused for `fault`. Raises Unreadable, telling what was tried."""
    return _try_all(path, fault, _facts_of_av, _facts_of_torchcodec)


def read_after(path: str, start: int, stop: int, fault: str) -> Floats:
    """Samples by PyAV or torchcodec of a file that soundfile refused for `fault`. Raises Unreadable, telling what was tried."""
    return _try_all(path, fault, lambda each: _sound_of_av(each, start, stop), lambda each: _sound_of_torchcodec(each, start, stop))


def _try_all(path: str, fault: str, by_av: Any, by_torchcodec: Any) -> Any:
    if size_of(path) == 0:
        raise Unreadable("it is empty")
    tried = [fault] if fault else []
    for name, module, read in (("av", "av", by_av), ("torchcodec", "torchcodec.decoders", by_torchcodec)):
        if optional(module) is None:
            tried.append(f"{name} is not installed")
            continue
        try:
            return read(path)
        except Unreadable as error:
            tried.append(f"{name}: {error}")
    raise Unreadable("; ".join(tried) + ("" if fault else f"; {ADVICE}"))


@contextmanager
def _opened(path: str) -> Iterator[Any]:
    """A file as PyAV has it; what it raises becomes Unreadable."""
    av = optional("av")
    if av is None:
        raise Unreadable(f"films are read by the library av, which is not installed; {ADVICE}")
    try:
        with av.open(readable_at(path)) as container:
            yield container
    except (av.FFmpegError, ValueError, IndexError) as error:
        raise Unreadable(f"{getattr(error, 'strerror', None) or error}") from error


def _stream(container: Any) -> Any:
    if not container.streams.audio:
        raise Unreadable("it has no sound")
    return container.streams.audio[0]


def _says_places(container: Any) -> bool:
    """Whether its frames say at which sample they are: mp4 and its kin; others round to milliseconds, or guess from the number of bytes."""
    return "mp4" in container.format.name.split(",")


def _facts_of_av(path: str) -> Facts:

    with _opened(path) as container:
        stream = _stream(container)
        if _says_places(container) and stream.duration is not None:
            length = round(stream.duration * stream.time_base * stream.rate)
        else:
            length = sum(frame.samples for frame in container.decode(stream))
        kind = Path(path).suffix.removeprefix(".").upper() or container.format.name
        return Facts(f"{kind} ({stream.codec_context.name})", float(stream.rate), channel_names(stream.channels), length, files=(path,))


def _sound_of_av(path: str, start: int, stop: int) -> Floats:
    with _opened(path) as container:
        stream = _stream(container)
        out = np.zeros((stream.channels, stop - start), np.float32)
        reached = start
        for first, values in _placed_frames(container, stream, start):
            a, b = max(first, start), min(first + values.shape[1], stop)
            if a < b:
                out[:, a - start : b - start] = values[:, a - first : b - first]
                reached = b
            if first + values.shape[1] >= stop:
                break
    if reached < stop:
        raise Unreadable(f"it ends after {reached:,} samples, its header says {stop:,}")
    return out


def _placed_frames(container: Any, stream: Any, start: int) -> Iterator[tuple[int, Floats]]:
    """The first sample of each frame and its values, from before `start`."""
    rate, origin, place = stream.rate, stream.start_time or 0, 0
    says = _says_places(container)
    if says and start / rate > BEFORE:
        container.seek(int((start / rate - BEFORE) / stream.time_base) + origin, stream=stream)
    for frame in container.decode(stream):
        values = _as_floats(frame)
        place = round(float((frame.pts - origin) * stream.time_base) * rate) if says else place
        yield place, values
        place += values.shape[1]


def _as_floats(frame: Any) -> Floats:
    """`(channels, time)` between −1 and 1 of a frame of any format of samples."""
    values = frame.to_ndarray()
    if not frame.format.is_planar:
        values = values.reshape(-1, len(frame.layout.channels)).T
    if values.dtype.kind == "f":
        return values.astype(np.float32)
    if values.dtype == np.uint8:
        return (values.astype(np.float32) - 128) / 128
    return (values / float(1 << 8 * values.dtype.itemsize - 1)).astype(np.float32)


def _facts_of_torchcodec(path: str) -> Facts:

    decoder = _torchcodec(path)
    found = decoder.metadata
    length = round((found.duration_seconds or 0) * found.sample_rate)
    return Facts(f"{found.codec}", float(found.sample_rate), channel_names(found.num_channels), length, files=(path,))


def _sound_of_torchcodec(path: str, start: int, stop: int) -> Floats:
    decoder = _torchcodec(path)
    rate = decoder.metadata.sample_rate
    found: Floats = decoder.get_samples_played_in_range(start / rate, stop / rate).data.numpy()[:, : stop - start]
    if found.shape[1] < stop - start:
        raise Unreadable(f"it ends after {start + found.shape[1]:,} samples, its header says {stop:,}")
    return found


def _torchcodec(path: str) -> Any:
    decoders = optional("torchcodec.decoders")
    try:
        return decoders.AudioDecoder(path) if decoders is not None else None
    except (RuntimeError, ValueError) as error:
        raise Unreadable(" ".join(str(error).split())[:200]) from error


def read_frames(path: str, start: float = 0, stop: float | None = None) -> Frames:
    """The pictures of a film that are shown from second `start` to before second `stop`. Raises Unreadable."""
    with _opened(path) as container:
        if not container.streams.video:
            raise Unreadable("it has no pictures")
        stream = container.streams.video[0]
        origin = stream.start_time or 0
        if start > 0:
            container.seek(int(start / stream.time_base) + origin, stream=stream)
        pictures, seconds = [], []
        for frame in container.decode(stream):
            second = float((frame.pts - origin) * stream.time_base)
            if stop is not None and second >= stop:
                break
            if second >= start:
                pictures.append(frame.to_ndarray(format="rgb24"))
                seconds.append(second)
        height, width = stream.codec_context.height, stream.codec_context.width
        rate = float(stream.average_rate) if stream.average_rate else None
    values = np.stack(pictures) if pictures else np.empty((0, height, width, 3), np.uint8)
    return Frames(values, np.array(seconds), rate)
