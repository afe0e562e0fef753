"""Signals of several rates in one record, brought to one rate; nothing is averaged."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from trainwright.domains.signals.reading.facts import Floats

REACH = 10
"""Samples of the lower rate on each side that polyphase resampling looks at (scipy's window of 20 · max(up, down) + 1)."""


MOST_RATIO = 1000
"""Rates count as fractions of whole numbers up to this one."""


def resampled_window(read: Callable[[int, int], Floats], length: int, start: int, stop: int, up: int, down: int) -> Floats:
    """Samples `start` to `stop` of a signal at `up / down` times its rate; `read(a, b)` gives its own samples, of which there are `length`.

    Beyond its ends the first and last sample are repeated, so that a window is the same as that of the whole signal resampled.
    """
    if up == down:
        return read(start, stop)
    from scipy.signal import resample_poly

    reach = REACH * max(up, down) // up + 2
    first = (start * down // up - reach) // down * down  # where a sample of the one rate is a sample of the other
    last = -(-stop * down // up) + reach
    own = read(max(first, 0), min(last, length))
    if not len(own):
        return own
    filled, invalid = _filled(np.pad(own, (max(-first, 0), max(last - length, 0)), mode="edge"))
    exact = resample_poly(filled.astype(np.float64), up, down)
    exact /= resample_poly(np.ones(len(filled)), up, down)  # its phases sum to 1 ± 0.0006: a pressure of 90 mmHg would ripple
    found = np.asarray(exact, np.float32)
    found[invalid[np.arange(len(found)) * down // up]] = np.nan
    before = first // down * up
    return found[start - before : stop - before]


def _filled(values: Floats) -> tuple[Floats, np.ndarray]:
    """The values with invalid ones interpolated, which the filter would spread, and which these are."""
    invalid = np.isnan(values)
    if not invalid.any() or invalid.all():
        return np.nan_to_num(values), invalid
    filled = values.copy()
    places = np.arange(len(values))
    filled[invalid] = np.interp(places[invalid], places[~invalid], values[~invalid])
    return filled, invalid
