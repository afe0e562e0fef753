"""Sound files: wav, flac, ogg and mp3 by soundfile, a window by seeking; others by torchcodec or av where they are installed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from trainwright.domains.signals.reading import av_files
from trainwright.domains.signals.reading.facts import Facts, Floats, channel_names
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
BLOCK = 1 << 10
"""Samples that are read at a time where the end of what is whole is looked for."""
MPEG = ("MP3", "MPEG")
DECODED = ("FLAC", *MPEG)
"""Kinds whose header may promise more than can be decoded."""
OGG_PAGE = 1 << 16
"""More than the bytes of the longest page."""
OGG_END = 4
"""Bit of a page that says that it is the last one (RFC 3533)."""


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
    text = " ".join(str(getattr(error, "error_string", "") or error).split()).rstrip(".").removeprefix("Error : ")
    return "Format not recognised" if "not a regular file" in text else text or type(error).__name__


def probe_sound(path: str, repair: bool = False) -> Facts:
    """What the head of a sound file says; with `repair` the length is what can be decoded before damage. Raises Unreadable."""
    try:
        with HANDLES.use(path, open_sound) as file:
            rate, channels, length, kind = file.samplerate, file.channels, file.frames, file.format
    except Unreadable as error:
        return av_files.probe_after(path, str(error))
    said = _said_of_length(path, kind, length)
    if repair and kind in DECODED:
        whole = _before_damage(path, 0, length).shape[0]
        said += (f"it is damaged after {whole:,} of {length:,} samples",) if whole < length else ()
        length = whole
    return Facts(kind, float(rate), channel_names(channels), length, warnings=said, files=(path,))


def _said_of_length(path: str, kind: str, length: int) -> tuple[str, ...]:
    """What is to be said of a file that was cut off, where that shows without decoding it."""
    if kind in ("WAV", "WAVEX", "RF64"):
        declared = _declared_frames(path)
        if declared is not None and declared > length:
            return (f"its header says {declared:,} samples, {length:,} are there: it was cut off",)
    if kind == "OGG":
        end = read_bytes(path, max(size_of(path) - OGG_PAGE, 0))
        last = end.rfind(b"OggS")
        if last >= 0 and len(end) > last + 5 and not end[last + 5] & OGG_END:
            return (f"its last page is missing: {length:,} samples are there, it was cut off",)
    return ()


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
        found, fault = _window(path, start, stop)
    except Unreadable as error:
        return av_files.read_after(path, start, stop, str(error))
    if fault and not repair:
        raise Unreadable(fault)
    return found


def _window(path: str, start: int, stop: int) -> tuple[Floats, str]:
    """The samples, and what is wrong with them."""
    soundfile = need("soundfile", "sound files")
    try:
        with HANDLES.use(path, open_sound) as file, caught_standard_error() as said:
            _seek(file, start)
            found = file.read(stop - start, dtype="float32", always_2d=True)
            kind, frames = file.format, file.frames
    except (soundfile.LibsndfileError, RuntimeError) as error:
        HANDLES.forget(path)  # after an error it cannot go to another place
        values = np.ascontiguousarray(_before_damage(path, start, stop).T)
        return values, f"it is damaged ({_words(error)}) after {start + values.shape[1]:,} samples"
    values = np.ascontiguousarray(found.T)
    if len(found) < stop - start:
        return values, f"its header says {frames:,} samples, it ends after {start + len(found):,}"
    if kind in MPEG and _is_damage(said.text):
        return values, f"it is damaged: {' '.join(said.text.split())[:120]}"
    return values, ""


def _seek(file: Any, start: int) -> None:
    """Go to a sample. The decoder of mp3 that goes on a little leaves frames out that the next one needs, and gives a wrong window
    without an error; from the beginning it goes right."""
    if file.format in MPEG:
        file.seek(0)
    file.seek(start)


def _is_damage(text: str) -> bool:
    """Whether the decoder's words are of damage: those of a window that begins between frames come with every seek."""
    lines = [each for each in text.splitlines() if "part2_3_length" not in each]
    return any(word in each.lower() for each in lines for word in ("resync", "illegal", "invalid", "missing", "header", "error"))


def _before_damage(path: str, start: int, stop: int) -> Floats:
    """Samples `(time, channels)` from `start` to `stop`, or to where decoding fails."""
    soundfile = need("soundfile", "sound files")
    file = open_sound(path)
    pieces, there = [np.empty((0, file.channels), np.float32)], 0
    try:
        with file, caught_standard_error():
            _seek(file, start)
            while there < stop - start and len(found := file.read(min(BLOCK, stop - start - there), dtype="float32", always_2d=True)):
                pieces.append(found)
                there += len(found)
    except (soundfile.LibsndfileError, RuntimeError):
        pass  # what was read before is what is whole
    return np.concatenate(pieces)


def is_sound(path: str) -> bool:
    """Whether a file has the ending of one that soundfile reads."""
    return Path(path).suffix.lower() in ENDINGS and not os.path.isdir(path)
