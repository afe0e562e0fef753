"""What is known of a recording before its samples are read, and a piece of it that was read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trainwright.config.errors import nearest
from trainwright.features.npy import Unreadable

__all__ = ["Facts", "Piece", "Unreadable", "channel_names", "distinct_names", "pick_channels"]

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


@dataclass(frozen=True)
class Facts:
    """What the head of a file says of a recording."""

    format: str
    """Of which kind the file is, as a person calls it: `WFDB 212`, `WAV`, `HDF5`."""
    rate: float | None
    """Samples a second; None where the file does not say. Of signals of several rates the highest."""
    channels: tuple[str, ...]
    """Names of leads or channels; a second one of a name is `II_2`."""
    length: int
    """Samples of each channel, at `rate`."""
    units: tuple[str, ...] = ()
    """Of each channel, where they are known: `mV`. Sound lies between −1 and 1 and has none."""
    rates: tuple[float, ...] = ()
    """Of each channel, where they differ."""
    comments: tuple[str, ...] = ()
    age: float | None = None
    """Years."""
    sex: str | None = None
    """`female` or `male`."""
    codes: tuple[str, ...] = ()
    """Diagnoses as the header codes them (SNOMED CT in PhysioNet/CinC headers)."""
    warnings: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    """The files that hold it."""

    @property
    def seconds(self) -> float | None:
        """How long it is."""
        return None if self.rate is None else self.length / self.rate


@dataclass(frozen=True)
class Piece:
    """Samples that were read."""

    values: Floats
    """`(channels, time)` in physical units, sound between −1 and 1; NaN where a sample is not valid."""
    rate: float | None
    """Samples a second; None where the file does not say."""
    channels: tuple[str, ...]
    start: int = 0
    """Which sample of the recording the first one is: a window that begins before the recording is cut to it."""


def channel_names(count: int) -> tuple[str, ...]:
    """What the channels of a sound are called."""
    known = {1: ("mono",), 2: ("left", "right")}
    return known.get(count, tuple(f"channel_{number}" for number in range(1, count + 1)))


def distinct_names(names: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of channels, the second of a name as `II_2`; and what was said of several of one name."""
    counts, seen, found = Counter(names), Counter[str](), list[str]()
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    several = [f"{count} channels are called '{name}': the second is '{name}_2'" for name, count in counts.items() if count > 1]
    return tuple(found), tuple(several)


def pick_channels(wanted: Sequence[str | int] | None, names: Sequence[str], absent: str = "error") -> list[int | None]:
    """The numbers of the channels that are wanted, by name (case ignored) or number; None for one that is not there where `absent` is
    `fill`. Raises Unreadable for one that is absent, or a name that several have."""
    if wanted is None:
        return list(range(len(names)))
    folded = {name.lower(): number for number, name in reversed(list(enumerate(names)))}
    return [_pick(each, names, folded, absent) for each in wanted]


def _pick(wanted: str | int, names: Sequence[str], folded: dict[str, int], absent: str) -> int | None:
    if isinstance(wanted, int):
        if 0 <= wanted < len(names):
            return wanted
    else:
        second = f"{wanted.lower()}_2"
        if second in folded and wanted.lower() in folded:
            raise Unreadable(f"several channels are called '{wanted}'; name them by number, or the second as '{names[folded[second]]}'")
        if wanted.lower() in folded:
            return folded[wanted.lower()]
    if absent == "fill":
        return None
    close = nearest(wanted, names) if isinstance(wanted, str) else ""
    present = ", ".join(names[:20]) + (f", … ({len(names)} in all)" if len(names) > 20 else "")
    hint = f" (did you mean '{close}'?)" if close else ""
    raise Unreadable(
        f"it has no channel '{wanted}'{hint}; there are: {present}"
        if isinstance(wanted, str)
        else f"it has {len(names)} channels, no number {wanted}"
    )
