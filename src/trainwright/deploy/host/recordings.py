"""Recordings and arrays as a model takes them: read from what was sent alone, and joined with those of other rows."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import fields, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from trainwright.deploy.host.description import Column
from trainwright.deploy.host.faults import Told
from trainwright.deploy.host.files import FileReader, TooLarge
from trainwright.deploy.host.readers import Parts
from trainwright.domains.signals.reading import Facts, probe
from trainwright.domains.signals.reading.facts import channel_names
from trainwright.domains.signals.recording import Reader
from trainwright.features.npy import KINDS, Unreadable

NPY = b"\x93NUMPY"
BEGINNINGS = {
    b"RIFF": ".wav",
    b"fLaC": ".flac",
    b"OggS": ".ogg",
    b"ID3": ".mp3",
    b"\xff\xfb": ".mp3",
    b"\xff\xf3": ".mp3",
    b"\xff\xf2": ".mp3",
    b"FORM": ".aiff",
    NPY: ".npy",
    b"0       ": ".edf",
    b"\xffBIOSEMI": ".bdf",
}
"""First bytes of a file → its ending. A file that may name others (WFDB, HDF5, playlists) is not among them, since it would open them."""
SOUNDS = (".wav", ".flac", ".ogg", ".mp3", ".aiff")
"""Of these two libraries say at length why they cannot read one."""
RATE_OF_TRAINING, ORDER_OF_TRAINING = "rate of training", "channels in the order of training"
"""What is noted where a recording does not say its rate, or which channel is which."""
ONE_FILE = "one file has to hold all of it: .npy or .wav with a channel for each lead in the order of training, .csv with their names, .edf"
SOUND_FROM = 3000
"""Samples a second from which browsers record."""
SAMPLES = 1 << 26
"""Samples of all channels that one recording may have: some kinds of file say many in few bytes."""


class ArrayReader(FileReader):
    """float32 `(b, …)` with `length` (b,) of sequences, padded with zeros at the end, or with which rows have none."""

    wanted, such = "a file .npy", '{"base64": "…"}'
    accept = ".npy"
    takes_numbers = True

    def __init__(self, column: Column) -> None:
        super().__init__(column)
        self.axis = int(column.option("axis", 0))
        self.ragged = any(isinstance(each, str) for each in column.option("axes", []))

    @property
    def axes(self) -> list[Any]:
        along = self.axis % len(self.shape) if self.shape else 0
        return ["time" if place == along and self.is_series else each for place, each in enumerate(self.shape)]

    @property
    def is_series(self) -> bool:
        """Whether one of its dimensions is time."""
        return self.ragged

    def of_numbers(self, value: list[Any], told: Told) -> np.ndarray:
        return numbers_of(value)

    def array(self, content: bytes) -> np.ndarray:
        try:
            found = np.load(BytesIO(content), allow_pickle=False)
        except (ValueError, OSError, EOFError, MemoryError) as error:
            raise Unreadable("it is no .npy file that is whole") from error
        if not isinstance(found, np.ndarray) or found.dtype.kind not in KINDS:
            raise Unreadable("it holds no array of numbers")
        return found.astype(np.float32)

    def _array(self, value: Any, row: int, told: Told) -> np.ndarray | None:
        found = super()._array(value, row, told)
        if found is None or not (fault := self._shape_fault(found)):
            return found
        told.refuse(self.name, [row], [""], "the file holds an array of another shape", why=fault, fix="send one as in training")
        return None

    def _shape_fault(self, found: np.ndarray) -> str:
        """Why an array does not fit those of training; empty where it does."""
        wanted: list[int | None] = [
            None if self.ragged and place == self.axis % len(self.shape) else each for place, each in enumerate(self.shape)
        ]
        fits = found.ndim == len(wanted) and all(there in (None, each) for there, each in zip(wanted, found.shape, strict=True))
        others = "×".join("any" if each is None else str(each) for each in wanted)
        return "" if fits else f"it is {'×'.join(map(str, found.shape))}, and training had {others}"

    def join(self, arrays: Sequence[np.ndarray | None]) -> Parts:
        if not self.ragged:
            empty = np.full(self.shape, self.column.option("center", 0.0), np.float32)
            return {"": np.stack([empty if each is None else each for each in arrays]), "missing": self.missing(arrays)}
        lengths = [0 if each is None else each.shape[self.axis] for each in arrays]
        shape = list(self.shape)
        shape[self.axis] = max(*lengths, 1)
        made = np.zeros((len(arrays), *shape), np.float32)
        for at, each in enumerate(arrays):
            if each is not None:
                made[at][tuple(slice(0, size) for size in each.shape)] = each
        return {"": made, "length": np.array(lengths, np.int64)}


def numbers_of(value: list[Any]) -> np.ndarray:
    """Lists in lists as an array, float32; raises Unreadable for what is no such array, or is not all numbers."""
    try:
        found = np.asarray(value)
    except ValueError as error:
        raise Unreadable("its lists are of different lengths") from error
    if found.dtype.kind not in "iuf" or not found.size:
        raise Unreadable("it is no array of numbers alone")
    with np.errstate(over="ignore"):
        made = found.astype(np.float32)
    if not np.isfinite(made).all():
        raise Unreadable("it has numbers that no float32 holds")
    return made


class RecordingReader(ArrayReader):
    """A recording of the channels and the rate of training, `(channels, time)`."""

    wanted, such = "a recording", '{"base64": "…"}'
    accept = ".wav,.flac,.ogg,.mp3,.aiff,.npy,.edf,.bdf,.csv,.txt"

    def __init__(self, column: Column) -> None:
        super().__init__(column)
        self.axis = -1
        known = {each.name for each in fields(Reader)}
        given = {name: each for name, each in column.option("reading", {}).items() if name in known}
        leads = given.get("leads")
        self.reader = Reader(**{**given, "leads": tuple(leads) if leads else None})
        self.records = self.shape[:1] == [1] and not _named(leads or ()) and (self.reader.rate or SOUND_FROM) >= SOUND_FROM

    @property
    def is_series(self) -> bool:
        return True

    def of_numbers(self, value: list[Any], told: Told) -> np.ndarray:
        told.count(self.name, RATE_OF_TRAINING, 1)
        return numbers_of(value)

    def array(self, content: bytes) -> np.ndarray:
        return self.of_file(content, Told())

    def of_file(self, content: bytes, told: Told) -> np.ndarray:
        ending = _ending_of(content)
        with tempfile.TemporaryDirectory(prefix="trainwright-") as folder:
            path = Path(folder, f"recording{ending}")
            path.write_bytes(content)
            reader = self._completed(str(path), ending, told)
            facts = reader.probe(str(path))
            if facts.length * max(len(facts.channels), 1) > SAMPLES:
                raise TooLarge(f"it has {facts.length:,} samples of {len(facts.channels)} channels, and {SAMPLES:,} are taken")
            return reader.read(str(path))

    def _completed(self, path: str, ending: str, told: Told) -> Reader:
        """The reader, with what a file does not say as it was in training: how many samples a second, and which channel is which."""
        try:
            facts = probe(path, rate=self.reader.file_rate, repair=self.reader.repairs)
        except Unreadable as error:
            if ending not in SOUNDS:
                raise
            raise Unreadable(f"it begins as a {ending} file does, and what follows is damaged or cut off") from error
        reader = self.reader
        if facts.rate is None and reader.rate:
            told.count(self.name, RATE_OF_TRAINING, 1)
            reader = replace(reader, file_rate=reader.rate)
        if self._are_in_order(facts):
            told.count(self.name, ORDER_OF_TRAINING, 1)
            reader = replace(reader, leads=None, channel="all")
        return reader

    def _are_in_order(self, facts: Facts) -> bool:
        """Whether channels without names are the leads of training in their order; raises Unreadable for more or fewer of them."""
        leads, count = self.reader.leads, len(facts.channels)
        if leads is None or _named(facts.channels) or {each.casefold() for each in leads} & set(facts.channels):
            return False
        if count != len(leads):
            channels = f"{count} channel{'s' * (count != 1)} without a name"
            raise Unreadable(f"it has {channels}, and training had {len(leads)}: {', '.join(leads)}")
        return True


def _named(channels: Sequence[str]) -> bool:
    """Whether channels have names beside those that are given to channels without."""
    count = len(channels)
    return bool(channels) and tuple(channels) not in (channel_names(count), tuple(f"channel_{number}" for number in range(1, count + 1)))


def _ending_of(content: bytes) -> str:
    """What a file is by its first bytes, whatever it is called; raises Unreadable."""
    found = next((ending for first, ending in BEGINNINGS.items() if content.startswith(first)), None)
    if found is not None:
        return found
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    if not text.strip() or "\0" in text or text.lstrip().startswith(("#EXTM3U", "<", "{", "[")):
        raise Unreadable(f"it is none of {RecordingReader.accept.replace(',', ', ')}; {ONE_FILE}")
    if _is_wfdb_header(text):
        raise Unreadable(f"it is the header of a WFDB record, whose samples are in another file; {ONE_FILE}")
    return ".csv"


def _is_wfdb_header(text: str) -> bool:
    """Whether a text is a line of a record, and one of a file of samples: `100 2 360`, `100.dat 212 …`."""
    lines = [each.split() for each in text.splitlines() if each.strip() and not each.startswith("#")][:2]
    if len(lines) < 2 or min(map(len, lines)) < 2 or not lines[0][1].isdigit() or not lines[1][1][0].isdigit():
        return False
    try:
        float(lines[1][0])
    except ValueError:
        return "," not in lines[1][0]
    return False
