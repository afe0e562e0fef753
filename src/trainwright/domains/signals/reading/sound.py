"""Sound files: wav, flac, ogg and mp3 by soundfile, a window by seeking; others by torchcodec or av where they are installed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from trainwright.domains.signals.reading import av_files
from trainwright.domains.signals.reading.facts import Facts, Floats
from trainwright.domains.signals.reading.files import HANDLES, read_bytes, readable_at, size_of
from trainwright.domains.signals.reading.libraries import need
from trainwright.domains.signals.reading.standard_error import caught_standard_error
from trainwright.features.npy import Unreadable

ENDINGS = (
    ".wav",
    ".flac",
    ".ogg",
    ".oga",
    ".opus",
    ".mp3",
    ".aif",
    ".aiff",
    ".aifc",
    ".au",
    ".snd",
    ".w64",
    ".caf",
    ".rf64",
    ".nist",
    ".sph",
)
BLOCK = 1 << 14
"""Samples that are read at a time where the end of what is whole is looked for."""


def open_sound(path: str) -> Any:
    """A file open for reading. Raises Unreadable."""
    soundfile = need("soundfile", "sound files")
    if size_of(path) == 0:
        raise Unreadable("it is empty")
    try:
        with caught_standard_error():
            return soundfile.SoundFile(readable_at(path))
    except (soundfile.LibsndfileError, RuntimeError, TypeError) as error:
        head = read_bytes(path, 0, 4)
        what = f"soundfile cannot read it: {_words(error)}; it begins with {head!r}, and wav, flac, ogg, mp3, aiff and au are readable"
        raise Unreadable(what) from error


def _words(error: Exception) -> str:
    text = str(getattr(error, "error_string", "") or error)
    return " ".join(text.split()).rstrip(".") or type(error).__name__


def channel_names(count: int) -> tuple[str, ...]:
    """What the channels of a sound are called."""
    known = {1: ("mono",), 2: ("left", "right")}
    return known.get(count, tuple(f"channel_{number}" for number in range(1, count + 1)))


def probe_sound(path: str) -> Facts:
    """What the head of a sound file says. Raises Unreadable."""
    try:
        with HANDLES.use(path, open_sound) as file:
            rate, channels, length, kind = file.samplerate, file.channels, file.frames, file.format
    except Unreadable as error:
        return av_files.probe_after(path, str(error))
    declared = _declared_frames(path) if kind in ("WAV", "WAVEX", "RF64") else None
    said: tuple[str, ...] = ()
    if declared is not None and declared > length:
        said = (f"its header says {declared:,} samples, {length:,} are there: it was cut off",)
    return Facts(kind, float(rate), channel_names(channels), length, warnings=said, files=(path,))


def _declared_frames(path: str) -> int | None:
    """How many samples the header of a wav file says that it has; None where it does not, as that of a stream."""
    head = read_bytes(path, 0, 4096)
    place, width = 12, 0
    while place + 8 <= len(head):
        name, size = head[place : place + 4], int.from_bytes(head[place + 4 : place + 8], "little")
        if name == b"fmt ":
            width = int.from_bytes(head[place + 20 : place + 22], "little")
        if name == b"data":
            return size // width if width and size < 0xFFFFFFF0 else None
        place += 8 + size + size % 2
    return None


def read_sound(path: str, start: int, stop: int, repair: bool = False) -> Floats:
    """Samples `start` to `stop` of all channels, −1 to 1; with `repair` what lies before damage. Raises Unreadable."""
    try:
        with HANDLES.use(path, open_sound) as file:
            if not file.seekable():
                raise Unreadable("it cannot be read at a place of its own")
            found, fault = _window(file, start, stop)
    except Unreadable as error:
        return av_files.read_after(path, start, stop, str(error))
    if fault and not repair:
        raise Unreadable(fault)
    return found


def _window(file: Any, start: int, stop: int) -> tuple[Floats, str]:
    """The samples, and what is wrong with them."""
    soundfile = need("soundfile", "sound files")
    with caught_standard_error() as said:
        try:
            _seek(file, start)
            found = file.read(stop - start, dtype="float32", always_2d=True)
            fault = ""
        except (soundfile.LibsndfileError, RuntimeError) as error:
            found, fault = _before_damage(file, start, stop), _words(error)
    values = np.ascontiguousarray(found.T)
    if fault:
        return values, f"it is damaged: {fault}; {values.shape[1]:,} of {stop - start:,} samples come before that"
    if len(found) < stop - start:
        return values, f"its header says {file.frames:,} samples, it ends after {start + len(found):,}"
    if said.text and file.format in ("MP3", "MPEG") and _is_damage(said.text):
        return values, f"it is damaged: {' '.join(said.text.split())[:120]}"
    return values, ""


def _seek(file: Any, start: int) -> None:
    """Go to a sample. The decoder of mp3 that goes on a little leaves frames out that the next one needs, and gives a wrong window
    without an error; from the beginning it goes right."""
    if file.format in ("MP3", "MPEG"):
        file.seek(0)
    file.seek(start)


def _is_damage(text: str) -> bool:
    """Whether the decoder's words are of damage: those of a window that begins between frames come with every seek."""
    return (
        any(word in text for word in ("resync", "Illegal", "illegal", "invalid", "missing", "Frankenstein", "header"))
        and "part2_3_length" not in text
    )


def _before_damage(file: Any, start: int, stop: int) -> Floats:
    soundfile = need("soundfile", "sound files")
    pieces = [np.empty((0, file.channels), np.float32)]
    try:
        _seek(file, start)
        while (wanted := min(BLOCK, stop - start - sum(map(len, pieces)))) > 0:
            pieces.append(file.read(wanted, dtype="float32", always_2d=True))
            if len(pieces[-1]) < wanted:
                break
    except (soundfile.LibsndfileError, RuntimeError):
        pass  # what was read before is what is whole
    return np.concatenate(pieces)


def is_sound(path: str) -> bool:
    """Whether a file has the ending of one that soundfile reads."""
    return Path(path).suffix.lower() in ENDINGS and not os.path.isdir(path)
