"""How an array becomes a recording: which dimension is time, what its channels are called, and what else a file says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainwright.config.errors import nearest
from trainwright.domains.signals.reading.reference import Layout
from trainwright.features.npy import Unreadable

RATES = ("rate", "fs", "sampling_rate", "sample_rate", "sampling_frequency", "samplerate", "sfreq", "srate", "frequency")
NAMES = ("names", "channels", "leads", "channel_names", "lead_names", "sig_name", "labels")


@dataclass(frozen=True)
class Shaped:
    """Which entries of an array are a recording."""

    row: int | None
    time_first: bool
    channels: int
    length: int
    flat: bool = False

    def cut(self, array: Any, start: int, stop: int) -> np.ndarray:
        """`(channels, time)` of samples `start` to `stop`; of an array in a file nothing else is read."""
        before = () if self.row is None else (self.row,)
        if self.flat:
            return np.asarray(array[(*before, slice(start, stop))])[None]
        places = (slice(start, stop), slice(None)) if self.time_first else (slice(None), slice(start, stop))
        found = np.asarray(array[(*before, *places)])
        return found.T if self.time_first else found


def shape_recording(shape: tuple[int, ...], row: int | None, layout: Layout | None, what: str = "its array") -> Shaped:
    """How an array of a shape is a recording: of two dimensions the longer one is time, unless `layout` says which. Raises Unreadable."""
    inner = shape
    if row is not None:
        if len(shape) < 2:
            raise Unreadable(f"{what} has the shape {shape}, which has no rows; leave row={row} out")
        if row >= shape[0]:
            raise Unreadable(f"{what} has {shape[0]:,} rows, no row {row}: they are counted from 0")
        inner = shape[1:]
    if len(inner) == 1:
        return Shaped(row, False, 1, inner[0], flat=True)
    if len(inner) != 2:
        hint = f"; name a row: #row=0 to #row={shape[0] - 1}" if len(inner) == 3 and row is None else ""
        raise Unreadable(f"{what} has the shape {shape}, a recording has one or two dimensions{hint}")
    time_first = inner[0] > inner[1] if layout is None else layout == "time,channels"
    return Shaped(row, time_first, inner[1] if time_first else inner[0], inner[0] if time_first else inner[1])


def choose_key(keys: Sequence[str], wanted: str | None, what: str = "arrays") -> str:
    """The array of a file of several that is wanted, or the only one. Raises Unreadable."""
    if wanted is not None:
        found = next((each for each in keys if each.strip("/") == wanted.strip("/")), None)
        if found is None:
            close = nearest(wanted, keys)
            raise Unreadable(f"it has no array '{wanted}'{f' (did you mean {close!r}?)' if close else ''}; there are: {_listed(keys)}")
        return found
    if len(keys) == 1:
        return keys[0]
    if not keys:
        raise Unreadable(f"it has no {what} of numbers")
    raise Unreadable(f"it has several {what}: name one, as in #key={keys[0]}; there are: {_listed(keys)}")


def _listed(keys: Sequence[str]) -> str:
    return ", ".join(keys[:20]) + (f", … ({len(keys)} in all)" if len(keys) > 20 else "")


def to_values(found: np.ndarray) -> np.ndarray:
    """An array of numbers as float32. Raises Unreadable for one of others."""
    if found.dtype.kind not in "biuf":
        raise Unreadable(f"it holds {found.dtype}, not numbers")
    return np.ascontiguousarray(found, np.float32)


def find_rate(places: Iterable[Mapping[str, Any]]) -> float | None:
    """The first rate that is said under a usual name (`fs`, `rate`, …)."""
    return _find(places, RATES, _as_rate)


def find_names(places: Iterable[Mapping[str, Any]], count: int) -> tuple[str, ...]:
    """The names of channels that are said under a usual name, or `channel_1` and so on."""
    found = _find(places, NAMES, lambda value: _as_names(value, count))
    return found or tuple(f"channel_{number}" for number in range(1, count + 1))


def _find(places: Iterable[Mapping[str, Any]], names: Sequence[str], taken: Callable[[Any], Any]) -> Any:
    for place in places:
        folded = {str(key).lower(): key for key in place}
        for name in names:
            if name in folded and (value := taken(place[folded[name]])) is not None:
                return value
    return None


def _as_rate(value: Any) -> float | None:
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "iuf":
        return None
    rate = float(array.reshape(-1)[0])
    return rate if np.isfinite(rate) and rate > 0 else None


def _as_names(value: Any, count: int) -> tuple[str, ...] | None:
    if isinstance(value, str | bytes):
        value = (value.decode(errors="replace") if isinstance(value, bytes) else value).split(",")
    names = [each.decode(errors="replace") if isinstance(each, bytes) else str(each) for each in np.asarray(value).reshape(-1).tolist()]
    return tuple(each.strip() for each in names) if len(names) == count and all(names) else None
