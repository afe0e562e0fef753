"""WFDB records: what their header says, and a window of their signals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache, partial
from math import gcd
from pathlib import Path

import numpy as np

from trainwright.domains.signals.reading import wfdb_library
from trainwright.domains.signals.reading.facts import Facts, Floats, distinct_names
from trainwright.domains.signals.reading.files import Stamp, is_file, size_of, stamp
from trainwright.domains.signals.reading.rates import resampled_window
from trainwright.domains.signals.reading.wfdb_comments import read_comments
from trainwright.domains.signals.reading.wfdb_header import Header, Signal, read_header
from trainwright.domains.signals.reading.wfdb_samples import DECODERS, ensure_format, read_samples, samples_in, to_physical
from trainwright.features.npy import Unreadable


@dataclass(frozen=True)
class Group:
    """The signals of one file: each frame of it has their samples in turn."""

    path: str
    format: str
    offset: int
    numbers: tuple[int, ...]
    """Which signals of the record."""
    places: tuple[int, ...]
    """Where in a frame the samples of each begin."""
    frame: int
    """Samples of a frame."""


@dataclass(frozen=True)
class Record:
    """A record whose header was read."""

    header: Header
    groups: tuple[Group, ...]
    names: tuple[str, ...]
    most: int
    """Samples a frame of the signal that has most."""
    by_library: bool
    said: tuple[str, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """The header, and the files with samples."""
        return (self.header.path, *dict.fromkeys(each.path for each in self.groups))


def open_record(path: str) -> Record:
    """A record by its header, `FOLDER/NAME.hea`; headers are kept as long as their file is the same. Raises Unreadable."""
    return _opened(stamp(path))


@lru_cache(maxsize=1024)
def _opened(stamped: Stamp) -> Record:
    header = read_header(stamped)
    if header.segments:
        names, said = wfdb_library.names_of_segments(header)
        return Record(header, (), names, 1, True, (*header.warnings, *said))
    for each in header.signals:
        ensure_format(each.format)
    names, said = distinct_names([each.name or f"signal_{number}" for number, each in enumerate(header.signals, 1)])
    by_library = any(each.format not in DECODERS or each.skew for each in header.signals)
    most = max(each.frame for each in header.signals)
    return Record(header, _groups(header), names, most, by_library, (*header.warnings, *said))


def _groups(header: Header) -> tuple[Group, ...]:
    by_file = dict[str, list[int]]()
    for number, each in enumerate(header.signals):
        by_file.setdefault(each.file, []).append(number)
    return tuple(_group(header, file, numbers) for file, numbers in by_file.items() if file != "~")


def _group(header: Header, file: str, numbers: list[int]) -> Group:
    signals = [header.signals[each] for each in numbers]
    formats = {each.format for each in signals}
    if len(formats) > 1:
        raise Unreadable(f"the signals in '{file}' have several formats ({', '.join(sorted(formats))}); one file has one")
    places = np.cumsum([0, *(each.frame for each in signals)]).tolist()
    offset = max(each.offset for each in signals)
    return Group(header.folder + file, signals[0].format, offset, tuple(numbers), tuple(places[:-1]), places[-1])


def frames_of(record: Record, repair: bool = False) -> tuple[int, tuple[str, ...]]:
    """How many frames a record has, and what is to be said of it; with `repair` as many whole ones as there are. Raises Unreadable."""
    declared = record.header.frames
    if record.header.segments:
        return declared or sum(each.length for each in record.header.segments), ()
    there = [(each, *_there(record, each)) for each in record.groups]
    found = [frames for _, frames, exact in there if exact]
    if declared is None:
        if len(found) < len(there):
            raise Unreadable("the header does not give the number of samples, which its format needs")
        return min(found), ()
    for group, frames, exact in there:
        if exact and frames < declared and not repair:
            name = Path(group.path).name
            raise Unreadable(f"'{name}' holds {frames:,} samples of each signal in format {group.format}, the header declares {declared:,}")
    short = min([declared, *found])
    said = tuple(
        f"'{Path(group.path).name}' holds {frames:,} samples of each signal, the header declares {declared:,}: the rest was left"
        for group, frames, exact in there
        if exact and frames > declared + 1
    )
    return short, said + ((f"cut to {short:,} of {declared:,} samples, which is what is there",) if short < declared else ())


def _there(record: Record, group: Group) -> tuple[int, bool]:
    """Frames that a file holds, and whether that can be said without reading it."""
    if not is_file(group.path):
        raise Unreadable(f"the signal file '{Path(group.path).name}' of the record '{record.header.name}' is not there")
    if group.format not in DECODERS:
        return 0, False
    return samples_in(size_of(group.path), group.format, group.offset) // group.frame, True


def probe_record(path: str, repair: bool = False) -> Facts:
    """What the header of a record says. Raises Unreadable."""
    record = open_record(path)
    header = record.header
    frames, said = frames_of(record, repair)
    person = read_comments(header.comments)
    several = len({each.frame for each in header.signals}) > 1
    rates = tuple(header.rate * each.frame for each in header.signals) if several and header.rate else ()
    formats = dict.fromkeys(each.format for each in header.signals)
    return Facts(
        format=f"WFDB {'/'.join(formats)}" if formats else f"WFDB, {len(header.segments)} segments",
        rate=None if header.rate is None else header.rate * record.most,
        channels=record.names,
        length=frames * record.most,
        units=tuple(each.unit for each in header.signals),
        rates=rates,
        comments=header.comments,
        age=person.age,
        sex=person.sex,
        codes=person.codes,
        warnings=(*record.said, *said),
        files=record.files,
    )


def read_record(path: str, start: int, stop: int, numbers: list[int | None]) -> Floats:
    """Samples `start` to `stop`, at the highest rate of the record, of some signals; an absent one (None) is NaN. Raises Unreadable."""
    record = open_record(path)
    out = np.empty((len(numbers), stop - start), np.float32)
    asked = sorted({each for each in numbers if each is not None})
    if record.by_library:
        found = wfdb_library.read_window(record.header, record.most, start, stop, asked)
    elif record.most == 1:
        found = _same_rate(record, start, stop, asked)
    else:
        found = {each: _other_rate(record, start, stop, each) for each in asked}
    for row, number in enumerate(numbers):
        out[row] = np.nan if number is None or number not in found else found[number]
    return out


def _same_rate(record: Record, start: int, stop: int, asked: list[int]) -> dict[int, Floats]:
    found = dict[int, Floats]()
    for group in record.groups:
        wanted = [(number, place) for number, place in zip(group.numbers, group.places, strict=True) if number in asked]
        if wanted:
            samples = _frames(group, start, stop)
            for number, place in wanted:
                found[number] = _physical(samples[:, place], record.header.signals[number])
    return found


def _other_rate(record: Record, start: int, stop: int, number: int) -> Floats:
    """Samples of a signal at the highest rate of the record."""
    signal = record.header.signals[number]
    group = next((each for each in record.groups if number in each.numbers), None)
    if group is None:
        return np.full(stop - start, np.nan, np.float32)
    shared = gcd(record.most, signal.frame)
    length = frames_of(record, repair=True)[0] * signal.frame
    read = partial(_own_samples, group, signal, group.places[group.numbers.index(number)])
    return resampled_window(read, length, start, stop, record.most // shared, signal.frame // shared)


def _own_samples(group: Group, signal: Signal, place: int, start: int, stop: int) -> Floats:
    """Samples of one signal at its own rate."""
    first, last = start // signal.frame, -(-stop // signal.frame)
    samples = _frames(group, first, last)[:, place : place + signal.frame].reshape(-1)
    return _physical(samples, signal)[start - first * signal.frame : stop - first * signal.frame]


def _frames(group: Group, start: int, stop: int) -> np.ndarray:
    samples = read_samples(group.path, group.format, group.offset, start * group.frame, stop * group.frame)
    if len(samples) < (stop - start) * group.frame:
        raise Unreadable(f"'{Path(group.path).name}' became shorter while it was read")
    return samples.reshape(-1, group.frame)


def _physical(samples: np.ndarray, signal: Signal) -> Floats:
    out = np.empty(len(samples), np.float32)
    to_physical(samples, signal.format, signal.gain, signal.baseline, out)
    return out


def checksum_faults(path: str) -> list[str]:
    """What differs between the samples of a record and the checksums in its header, in words; the whole record is read."""
    record = open_record(path)
    frames = frames_of(record, repair=True)[0]
    faults = []
    for group in record.groups if not record.by_library else ():
        samples = _frames(group, 0, frames)
        for number, place in zip(group.numbers, group.places, strict=True):
            signal = record.header.signals[number]
            total = int(samples[:, place : place + signal.frame].sum(dtype=np.int64))
            if signal.checksum is not None and (total - signal.checksum) % 65536:
                faults.append(f"the checksum of '{record.names[number]}' is {signal.checksum}, its samples give {_signed(total)}")
    return faults


def _signed(total: int) -> int:
    return (total + 32768) % 65536 - 32768


def with_rate(facts: Facts, rate: float | None) -> Facts:
    """The facts with a rate that is given in place of the header's."""
    if rate is None:
        return facts
    return replace(facts, rate=float(rate), rates=tuple(each * rate / max(facts.rates) for each in facts.rates))
