"""Heart beats as sums of Gaussian waves: each turns one way in space, and each lead sees it from its side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

SEEN = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
"""Leads that are measured; the other four follow from I and II."""
LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")

DOWER = np.array(
    [
        [0.632, -0.235, 0.059],
        [0.235, 1.066, -0.132],
        [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ]
)
"""What each of `SEEN` has of a dipole of 1 mV to the left, downwards and to the back (Dower, Machado and Osborne 1980)."""

DERIVED = np.array(
    [
        [1, 0, 0, 0, 0, 0, 0, 0],
        [0, 1, 0, 0, 0, 0, 0, 0],
        [-1, 1, 0, 0, 0, 0, 0, 0],
        [-0.5, -0.5, 0, 0, 0, 0, 0, 0],
        [1, -0.5, 0, 0, 0, 0, 0, 0],
        [-0.5, 1, 0, 0, 0, 0, 0, 0],
        *np.eye(8)[2:],
    ]
)
"""`LEADS` of `SEEN`: III = II - I, aVR = -(I + II)/2, aVL = I - II/2, aVF = II - I/2 (Einthoven, Goldberger)."""

REACH = 5.0
"""Standard deviations beyond which a wave is nothing."""
PIECE = 8192
"""Samples that are made at once."""


@dataclass(frozen=True)
class Wave:
    """One wave of several beats: where its peaks are (s), how wide (standard deviation, s), and what each lead sees of it (mV)."""

    peaks: Array
    width: float
    seen: Array
    """`(leads,)`, or `(peaks, leads)` where beats differ."""


def project(dipole: tuple[float, float, float] | Array) -> Array:
    """What `SEEN` have of a dipole (mV): `(8,)`."""
    return DOWER @ np.asarray(dipole, float)


def sum_waves(waves: list[Wave], rate: float, length: int) -> Array:
    """The waves as leads see them: `(leads, length)` in mV at `rate` Hz; in pieces, so that a day takes no more memory than an hour."""
    peaks = np.concatenate([each.peaks for each in waves])
    widths = np.concatenate([np.full(len(each.peaks), each.width) for each in waves])
    seen = np.concatenate([np.broadcast_to(each.seen, (len(each.peaks), each.seen.shape[-1])) for each in waves])
    return np.concatenate([_piece(peaks, widths, seen, rate, *span) for span in _spans(length)], axis=1)


def _spans(length: int) -> Iterator[tuple[int, int]]:
    for start in range(0, length, PIECE):
        yield start, min(start + PIECE, length)


def _piece(peaks: Array, widths: Array, seen: Array, rate: float, start: int, stop: int) -> Array:
    near = (peaks + REACH * widths > start / rate) & (peaks - REACH * widths < stop / rate)
    times = np.arange(start, stop) / rate
    shapes = np.exp(-0.5 * ((times - peaks[near, None]) / widths[near, None]) ** 2)
    return seen[near].T @ shapes
