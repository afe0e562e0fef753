"""What the library wfdb reads: records of several segments, skewed signals, and formats whose samples have no place of their own."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from trainwright.config.errors import ConfigError
from trainwright.domains.signals.reading.facts import Floats, distinct_names
from trainwright.domains.signals.reading.files import is_file, stamp
from trainwright.domains.signals.reading.libraries import need
from trainwright.domains.signals.reading.rates import resampled_window
from trainwright.domains.signals.reading.wfdb_header import Header, read_header
from trainwright.features.npy import Unreadable
from trainwright.files.packed import split_member

WHOLE = ("8", "310", "311")
"""Formats of which the library reads a window at a wrong place, or begins it with a wrong value: they are read whole."""


def names_of_segments(header: Header) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The signals of a record of several segments, and what is to be said of it; a first segment of no samples lists them all."""
    named = next((each for each in header.segments if each.name != "~"), None)
    if named is None:
        raise Unreadable("all its segments are gaps")
    missing = [each.name for each in header.segments if each.name != "~" and not is_file(f"{header.folder}{each.name}.hea")]
    if missing:
        raise Unreadable(f"{len(missing)} of its {len(header.segments)} segments are not there: {', '.join(missing[:5])}")
    first = read_header(stamp(f"{header.folder}{named.name}.hea"))
    return distinct_names([each.name or f"signal_{number}" for number, each in enumerate(first.signals, 1)])


def read_window(header: Header, most: int, start: int, stop: int, numbers: list[int]) -> dict[int, Floats]:
    """Number of signal → its samples `start` to `stop` at the highest rate. Raises Unreadable."""
    if split_member(header.path) is not None:
        raise Unreadable("the library wfdb, which reads this kind of record, reads no packs; unpack it")
    if header.segments:
        values = _call(header, start, stop, numbers, m2s=True).p_signal
        return {number: np.asarray(values[:, place], np.float32) for place, number in enumerate(numbers)}
    return {number: _one(header, most, start, stop, number) for number in numbers}


def _one(header: Header, most: int, start: int, stop: int, number: int) -> Floats:
    """One signal at the highest rate of the record."""
    frame = header.signals[number].frame
    whole = header.signals[number].format in WHOLE

    def read(first: int, last: int) -> Floats:
        begin, end = (0, None) if whole else (first // frame, -(-last // frame))
        found = _call(header, begin, end, [number], smooth_frames=False).e_p_signal[0]
        return np.asarray(found, np.float32)[first - begin * frame :][: last - first]

    length = (header.frames or 0) * frame
    return resampled_window(read, length, start, stop, most, frame)


def _call(header: Header, start: int, stop: int | None, numbers: list[int], **options: Any) -> Any:
    wfdb = need("wfdb", "WFDB records of several segments, with skew or of formats 8, 310, 311, 508, 516 and 524")
    try:
        return wfdb.rdrecord(os.path.splitext(header.path)[0], sampfrom=start, sampto=stop, channels=numbers, **options)
    except ConfigError:
        raise
    except Exception as error:  # the library raises what it meets: IndexError, ValueError, TypeError, Exception itself
        raise Unreadable(f"the library wfdb cannot read it: {' '.join(str(error).split())[:200] or type(error).__name__}") from error
