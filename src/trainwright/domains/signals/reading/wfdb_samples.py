"""Samples of WFDB signal files whose every sample has its place: a window is read without what lies before it.

Formats and the number that stands for an invalid sample: https://physionet.org/physiotools/wag/signal-5.htm
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from trainwright.domains.signals.reading.files import read_bytes
from trainwright.features.npy import Unreadable

Numbers = np.ndarray[Any, Any]


def _of_16(content: bytes) -> Numbers:
    return np.frombuffer(content, "<i2")


def _of_61(content: bytes) -> Numbers:
    return np.frombuffer(content, ">i2")


def _of_80(content: bytes) -> Numbers:
    return np.frombuffer(content, np.uint8).astype(np.int16) - 128


def _of_160(content: bytes) -> Numbers:
    return np.frombuffer(content, "<u2").astype(np.int32) - 32768


def _of_24(content: bytes) -> Numbers:
    wide = np.zeros((len(content) // 3, 4), np.uint8)
    wide[:, 1:] = np.frombuffer(content, np.uint8).reshape(-1, 3)
    return wide.view("<i4")[:, 0] >> 8


def _of_32(content: bytes) -> Numbers:
    return np.frombuffer(content, "<i4")


def _of_212(content: bytes) -> Numbers:
    """Two samples of 12 bits in three bytes: the low byte of the first, both high halves, the low byte of the second."""
    three = np.frombuffer(content + bytes(-len(content) % 3), np.uint8).reshape(-1, 3)
    middle = three[:, 1].astype(np.int16)
    found = np.empty((len(three), 2), np.int16)
    found[:, 0] = middle << 12 >> 4 | three[:, 0]  # shifted to the top and back, so that the sign is that of 12 bits
    found[:, 1] = middle >> 4 << 12 >> 4 | three[:, 2]
    return found.reshape(-1)[: len(content) * 2 // 3]


DECODERS: dict[str, tuple[int, Callable[[bytes], Numbers], int]] = {
    "16": (2, _of_16, -(1 << 15)),
    "61": (2, _of_61, -(1 << 15)),
    "80": (1, _of_80, -(1 << 7)),
    "160": (2, _of_160, -(1 << 15)),
    "24": (3, _of_24, -(1 << 23)),
    "32": (4, _of_32, -(1 << 31)),
    "212": (0, _of_212, -(1 << 11)),
}
"""Format → bytes of a sample (0: three for two), how they become numbers, and the number of an invalid sample."""
BY_LIBRARY = ("8", "310", "311", "508", "516", "524")
"""Formats that the library wfdb reads: of differences, packed in three, compressed."""


def ensure_format(name: str) -> None:
    """Raise Unreadable for a format that neither is read here nor by the library."""
    if name not in DECODERS and name not in BY_LIBRARY:
        known = ", ".join(sorted([*DECODERS, *BY_LIBRARY], key=int))
        raise Unreadable(f"its signal format {name} is not known; known are {known}")


def samples_in(size: int, format: str, offset: int) -> int:
    """How many samples a file of `size` bytes holds."""
    width = DECODERS[format][0]
    there = max(size - offset, 0)
    return there // width if width else there * 2 // 3


def read_samples(path: str, format: str, offset: int, start: int, stop: int) -> Numbers:
    """Samples `start` to `stop` of a signal file, all its signals in turn; fewer where it ends. Raises Unreadable."""
    width, decode, _ = DECODERS[format]
    if width:
        content = read_bytes(path, offset + start * width, (stop - start) * width)
        return decode(content[: len(content) // width * width])
    even = start - start % 2
    content = read_bytes(path, offset + even // 2 * 3, (stop - even + 1) // 2 * 3)
    return decode(content)[start - even : stop - even]


def to_physical(numbers: Numbers, format: str, gain: float, baseline: int, out: Numbers) -> None:
    """Write (number − baseline) / gain into `out`, NaN where a sample is invalid."""
    lowest = DECODERS[format][2]
    np.divide(
        np.subtract(numbers, baseline, dtype=np.float64) if baseline else numbers, gain, out=out, casting="same_kind", dtype=np.float64
    )
    if len(numbers) and numbers.min() == lowest:
        out[numbers == lowest] = np.nan
