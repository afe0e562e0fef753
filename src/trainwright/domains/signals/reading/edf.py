"""EDF and BDF files, by pyedflib."""

from __future__ import annotations

import os
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from trainwright.domains.signals.reading.facts import Facts, Floats, distinct_names
from trainwright.domains.signals.reading.files import HANDLES, read_bytes, size_of
from trainwright.domains.signals.reading.libraries import need
from trainwright.domains.signals.reading.rates import MOST_RATIO, resampled_window
from trainwright.domains.signals.reading.standard_error import caught_standard_error
from trainwright.domains.signals.reading.wfdb_comments import SEXES
from trainwright.features.npy import Unreadable
from trainwright.files.packed import split_member

MOST_SPELLINGS = 64
"""Ways to write a path that are tried."""


class _Edf:
    """An open file: what its header says is asked once."""

    def __init__(self, path: str) -> None:
        pyedflib = need("pyedflib", "EDF and BDF files")
        if split_member(path) is not None:
            raise Unreadable("the library pyedflib reads no packs; unpack it")
        if size_of(path) == 0:
            raise Unreadable("it is empty")
        _ensure_length(path)
        self.file = _opened(pyedflib, os.path.abspath(path))
        if self.file.signals_in_file == 0:
            raise Unreadable("it has no signals, annotations alone")
        self.rates = tuple(float(each) for each in self.file.getSampleFrequencies())
        self.lengths = tuple(int(each) for each in self.file.getNSamples())
        self.rate = max(self.rates)
        self.length = max(round(each * self.rate / own) for each, own in zip(self.lengths, self.rates, strict=True))

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def _ensure_length(path: str) -> None:
    """Raise Unreadable for a file with fewer records of data than its header declares."""
    head = read_bytes(path, 0, 256)
    try:
        start, records, signals = int(head[184:192]), int(head[236:244]), int(head[252:256])
        counts = read_bytes(path, 256 + 216 * signals, 8 * signals)
        samples = sum(int(counts[place : place + 8]) for place in range(0, 8 * signals, 8))
    except ValueError:
        raise Unreadable("its header is not one of EDF or BDF") from None
    there = (size_of(path) - start) // max(samples * (3 if head[:1] == b"\xff" else 2), 1)
    if there < records:
        raise Unreadable(f"it is cut off: {max(there, 0):,} of the {records:,} records of data that its header declares are there")


def _opened(pyedflib: Any, path: str) -> Any:
    """A file as pyedflib has it, which opens a path once in a process, and in its forks: further times another spelling is needed."""
    folder, name = os.path.split(path)
    for dots in range(MOST_SPELLINGS):
        try:
            with caught_standard_error():
                return pyedflib.EdfReader(os.path.join(folder, *["."] * dots, name))
        except (OSError, ValueError) as error:
            why = " ".join(str(error).rpartition(f"{name}: ")[2].split())[:200]
            if "already been opened" not in why:
                raise Unreadable(f"pyedflib cannot read it: {why}") from error
    raise Unreadable("it is open too often in this process")


def probe_edf(path: str) -> Facts:
    """What the header of an EDF or BDF file says. Raises Unreadable."""
    with HANDLES.use(path, _Edf) as opened:
        file = opened.file
        names, said = distinct_names([each.strip() for each in file.getSignalLabels()])
        units = tuple(file.getPhysicalDimension(each).strip() for each in range(len(names)))
        several = opened.rates if len(set(opened.rates)) > 1 else ()
        sex = SEXES.get(str(file.getSex()).lower())
        kind = "BDF" if file.filetype in (2, 3) else "EDF"
        return Facts(kind, opened.rate, names, opened.length, units, several, sex=sex, warnings=said, files=(path,))


def read_edf(path: str, start: int, stop: int, numbers: list[int | None]) -> Floats:
    """Samples `start` to `stop`, at the highest rate of the file, of some signals; an absent one (None) is NaN. Raises Unreadable."""
    out = np.full((len(numbers), stop - start), np.nan, np.float32)
    with HANDLES.use(path, _Edf) as opened:
        for row, number in enumerate(numbers):
            if number is not None:
                ratio = Fraction(opened.rate / opened.rates[number]).limit_denominator(MOST_RATIO)
                read = partial(_own_samples, opened.file, number)
                found = resampled_window(read, opened.lengths[number], start, stop, ratio.numerator, ratio.denominator)
                out[row, : len(found)] = found
    return out


def _own_samples(file: Any, number: int, start: int, stop: int) -> Floats:
    found = np.asarray(file.readSignal(number, start, stop - start), np.float32)
    if len(found) < stop - start:
        raise Unreadable(f"it ends after {start + len(found):,} samples of a signal, {stop:,} were to be read")
    return found
