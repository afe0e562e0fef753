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
from trainwright.deploy.host.files import FileReader, TooLarge
from trainwright.deploy.host.readers import Parts
from trainwright.domains.signals.reading import probe
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
SAMPLES = 1 << 26
"""Samples of all channels that one recording may have: some kinds of file say many in few bytes."""


class ArrayReader(FileReader):
    """float32 `(b, …)` with `length` (b,) of sequences, padded with zeros at the end, or with which rows have none."""

    wanted, such = "a file .npy", '{"base64": "…"}'
    accept = ".npy"

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

    def array(self, content: bytes) -> np.ndarray:
        try:
            found = np.load(BytesIO(content), allow_pickle=False)
        except (ValueError, OSError, EOFError, MemoryError) as error:
            raise Unreadable("it is no .npy file that is whole") from error
        if not isinstance(found, np.ndarray) or found.dtype.kind not in KINDS:
            raise Unreadable("it holds no array of numbers")
        return found.astype(np.float32)

    def _array(self, value: Any, row: int, told: Any) -> np.ndarray | None:
        found = super()._array(_as_file(value), row, told)
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


def _as_file(value: Any) -> Any:
    """An array that was sent as lists of JSON, as the .npy file that holds it; anything else as it is."""
    if not isinstance(value, list):
        return value
    content = BytesIO()
    try:
        np.save(content, np.array(value, np.float32), allow_pickle=False)
    except (ValueError, TypeError, OverflowError):
        return {"bytes": b""}  # which is no file either, and told so
    return {"bytes": content.getvalue()}


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
        self.records = len(leads or [""]) == 1

    @property
    def is_series(self) -> bool:
        return True

    def array(self, content: bytes) -> np.ndarray:
        ending = _ending_of(content)
        with tempfile.TemporaryDirectory(prefix="trainwright-") as folder:
            path = Path(folder, f"recording{ending}")
            path.write_bytes(content)
            reader = self._completed(str(path), ending)
            facts = reader.probe(str(path))
            if facts.length * max(len(facts.channels), 1) > SAMPLES:
                raise TooLarge(f"it has {facts.length:,} samples of {len(facts.channels)} channels, and {SAMPLES:,} are taken")
            return reader.read(str(path))

    def _completed(self, path: str, ending: str) -> Reader:
        """The reader, with what a file does not say as it was in training: how many samples a second, and which channel is which."""
        try:
            facts = probe(path, rate=self.reader.file_rate, repair=self.reader.repairs)
        except Unreadable as error:
            if ending not in SOUNDS:
                raise
            raise Unreadable(f"it begins as a {ending} file does, and what follows is damaged or cut off") from error
        reader, leads = self.reader, self.reader.leads
        if facts.rate is None:
            reader = replace(reader, file_rate=reader.rate)
        count = len(facts.channels)
        unnamed = tuple(facts.channels) in (channel_names(count), tuple(f"channel_{number}" for number in range(1, count + 1)))
        if leads is not None and len(leads) == count and unnamed and set(leads) != set(facts.channels):
            reader = replace(reader, leads=None, channel="all")
        return reader


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
        raise Unreadable(f"it is none of {RecordingReader.accept.replace(',', ', ')}")
    return ".csv"
