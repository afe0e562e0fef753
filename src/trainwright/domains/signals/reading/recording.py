"""A recording by its reference, whatever kind of file it is in: what its head says, and a window of its samples."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from trainwright.domains.signals.reading import array_files, av_files, edf, sound, text, wfdb_record
from trainwright.domains.signals.reading.facts import Facts, Floats, Piece, pick_channels
from trainwright.domains.signals.reading.files import Stamp, is_file, read_bytes, stamp
from trainwright.domains.signals.reading.reference import Reference, split_reference
from trainwright.features.npy import Unreadable

Numbers = list[int | None]
Place = str | os.PathLike[str] | Reference


@dataclass(frozen=True)
class Reader:
    """How files of one kind are read: what they hold, and samples of numbered channels."""

    probe: Callable[[Reference, bool], Facts]
    read: Callable[[Reference, int, int, Numbers, bool], Floats]


def _picked(values: Floats, numbers: Numbers) -> Floats:
    """Some channels of all; an absent one is NaN."""
    if numbers == list(range(len(values))):
        return values
    out = np.empty((len(numbers), values.shape[1]), np.float32)
    for row, number in enumerate(numbers):
        out[row] = np.nan if number is None else values[number]
    return out


def _whole(probe: Callable[[Reference], Facts], read: Callable[[Reference, int, int], Floats]) -> Reader:
    """A reader of files whose channels are read together."""
    return Reader(lambda place, _: probe(place), lambda place, start, stop, numbers, _: _picked(read(place, start, stop), numbers))


WFDB = Reader(
    lambda place, repair: wfdb_record.probe_record(place.path, repair),
    lambda place, start, stop, numbers, _: wfdb_record.read_record(place.path, start, stop, numbers),
)
SOUND = Reader(
    lambda place, repair: sound.probe_sound(place.path, repair),
    lambda place, start, stop, numbers, repair: _picked(sound.read_sound(place.path, start, stop, repair), numbers),
)
EDF = Reader(
    lambda place, _: edf.probe_edf(place.path),
    lambda place, start, stop, numbers, _: edf.read_edf(place.path, start, stop, numbers),
)
FILM = _whole(
    lambda place: av_files.probe_after(place.path, ""), lambda place, start, stop: av_files.read_after(place.path, start, stop, "")
)
NPY = _whole(array_files.probe_npy, array_files.read_npy)
NPZ = _whole(array_files.probe_npz, array_files.read_npz)
HDF5 = _whole(array_files.probe_hdf5, array_files.read_hdf5)
MATLAB = _whole(array_files.probe_mat, array_files.read_mat)
TEXT = _whole(lambda place: text.probe_text(place.path), lambda place, start, stop: text.read_text(place.path, start, stop))
READERS: dict[str, Reader] = {
    ".hea": WFDB,
    ".npy": NPY,
    ".npz": NPZ,
    **dict.fromkeys((".h5", ".hdf5", ".hdf", ".he5"), HDF5),
    ".mat": MATLAB,
    **dict.fromkeys((".edf", ".bdf"), EDF),
    **dict.fromkeys(text.ENDINGS, TEXT),
    **dict.fromkeys(sound.ENDINGS, SOUND),
    **dict.fromkeys(av_files.ENDINGS, FILM),
}
"""Ending of a name → its reader; a name without one is that of a WFDB record, or is known by its first bytes."""
READABLE = "WFDB (.hea), sound (.wav, .flac, .ogg, .mp3, .aiff, .au), .mat, .h5, .edf, .bdf, .npy, .npz, .csv, .txt, .mp4, .m4a"
FIRST_BYTES = {b"RIFF": SOUND, b"fLaC": SOUND, b"OggS": SOUND, b"ID3": SOUND, b"\x89HDF": HDF5, b"MATLAB 5.0": MATLAB, b"\x93NUMPY": NPY}


def probe(place: Place, *, rate: float | None = None, repair: bool = False) -> Facts:
    """What is known of a recording, or of the part that a reference names, from the head of its file.

    `rate`, samples a second, stands in place of the file's. With `repair`, of a file with fewer samples than its header declares those that
    are there count. Raises Unreadable.
    """
    reference, reader = _opened(place)
    facts, start, stop = _located(reference, reader, rate, repair)
    return replace(facts, length=stop - start)


def read(
    place: Place,
    start: int = 0,
    stop: int | None = None,
    leads: Sequence[str | int] | None = None,
    *,
    rate: float | None = None,
    repair: bool = False,
    absent: Literal["error", "fill"] = "error",
) -> Piece:
    """Samples `start` to `stop` (its end) of a recording, or of the part that a reference names: float32 `(channels, time)`.

    Of long recordings nothing else is read, where their format has it. A window beyond the ends is cut to what is there; `Piece.start` says
    where it begins. `leads` are names, case ignored, or numbers from 0, in the order that is wanted; one that is absent is refused, or with
    `absent="fill"` all NaN. Signals of several rates come at the highest one, resampled. `repair` gives what lies before damage.
    Raises Unreadable.
    """
    reference, reader = _opened(place)
    facts, first, last = _located(reference, reader, rate, repair)
    if facts.rate is None and facts.format.startswith("WFDB"):
        raise Unreadable("its header gives no sampling frequency, or 0; say it: rate=360")
    numbers = pick_channels(leads, facts.channels, absent)
    begin = min(max(first + start, first), last)
    end = max(last if stop is None else min(first + stop, last), begin)
    names = (
        tuple(facts.channels[each] if each is not None else str(leads[row]) for row, each in enumerate(numbers))
        if leads
        else facts.channels
    )
    if end == begin:
        return Piece(np.empty((len(numbers), 0), np.float32), facts.rate, names, begin - first)
    return Piece(reader.read(reference, begin, end, numbers, repair), facts.rate, names, begin - first)


def _opened(place: Place) -> tuple[Reference, Reader]:
    """The file that a reference is read from, and how."""
    if not isinstance(place, Reference):
        place = split_reference(place) if isinstance(place, str) else Reference(os.fspath(place))
    reader, path = _reader(place.path)
    return (place if path == place.path else replace(place, path=path)), reader


def _located(reference: Reference, reader: Reader, rate: float | None, repair: bool) -> tuple[Facts, int, int]:
    """What is known of the whole recording, and which samples of it the reference names."""
    inner = reference if reference.is_whole else replace(reference, start=None, stop=None, start_seconds=None, stop_seconds=None, at=None)
    facts = wfdb_record.with_rate(_facts(inner, reader, repair, stamp(reference.path)), rate or reference.rate)
    if not facts.length or not facts.channels:
        raise Unreadable("it has no samples")
    start, stop = reference.start or 0, facts.length if reference.stop is None else reference.stop
    if reference.start_seconds is not None or reference.stop_seconds is not None:
        if facts.rate is None:
            raise Unreadable(
                "a part in seconds was named, and the file gives no sampling rate; say it: rate=500, or name #samples=START,STOP"
            )
        start = round((reference.start_seconds or 0) * facts.rate)
        stop = facts.length if reference.stop_seconds is None else round(reference.stop_seconds * facts.rate)
    if start >= facts.length:
        raise Unreadable(f"the part begins at sample {start:,}, the recording has {facts.length:,}")
    return facts, start, min(stop, facts.length)


@lru_cache(maxsize=2048)
def _facts(reference: Reference, reader: Reader, repair: bool, stamped: Stamp) -> Facts:
    return reader.probe(reference, repair)


def _reader(path: str) -> tuple[Reader, str]:
    """The reader of a file, and the file that it reads: the header of a WFDB record that was named without ending, or by its signals."""
    stem, ending = os.path.splitext(path)
    if ending in (".dat", ".mat") and is_file(f"{stem}.hea"):
        return WFDB, f"{stem}.hea"
    if ending.lower() in READERS:
        return READERS[ending.lower()], path
    if is_file(f"{path}.hea"):
        return WFDB, f"{path}.hea"
    if is_file(path):
        return _by_first_bytes(path), path
    raise Unreadable(
        "it is a folder" if os.path.isdir(path) else f"it is not there{'' if ending else ', neither as a record with a header .hea'}"
    )


def knows(path: str) -> bool:
    """Whether a file is, by its name or first bytes, of a kind that is read."""
    try:
        _reader(path)
    except Unreadable:
        return False
    return True


def _by_first_bytes(path: str) -> Reader:
    head = read_bytes(path, 0, 12)
    found = next((reader for first, reader in FIRST_BYTES.items() if head.startswith(first)), None)
    if found is not None:
        return found
    ending = Path(path).suffix
    if ending == ".dat":
        raise Unreadable(f"it holds signals of a WFDB record, whose header '{Path(path).stem}.hea' is not there")
    raise Unreadable(f"{f'by its ending {ending}' if ending else 'without an ending'} it is of no kind that is read: {READABLE}")
