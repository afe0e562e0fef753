"""Which recordings are kept once they are decoded, resampled and transformed, and the files that tell whether they are the same."""

from __future__ import annotations

from dataclasses import dataclass

from trainwright.domains.signals.reading.files import size_of
from trainwright.domains.signals.reading.reference import split_reference
from trainwright.domains.signals.reading.wfdb_record import open_record
from trainwright.domains.signals.recording import Reader
from trainwright.features.npy import Unreadable

LONG = 16 << 20
"""Bytes of a recording of which windows are not kept unless that is asked for: reading them again costs less than room for a day."""


@dataclass(frozen=True)
class KeptFiles:
    """Of a reference the files of its recording and the part it names; None for one that is read each time."""

    reader: Reader
    asked: bool
    """Whether everything is to be kept."""
    transformed: bool
    """Whether what is kept is more than what was read."""
    windows: bool

    def __call__(self, reference: str) -> tuple[list[str], str] | None:
        try:
            facts = self.reader.probe(reference)
            files = list(facts.files)
            if not self.asked:
                as_it_lies = facts.format.startswith("WFDB") and not open_record(files[0]).by_library
                if as_it_lies and not self.transformed and self.reader.rate in (None, facts.rate):
                    return None
                if self.windows and sum(map(size_of, files)) > LONG:
                    return None
        except Unreadable:
            return None  # told by what reads it
        return (files, reference[len(split_reference(reference).path) :]) if files else None
