"""Signals in CSV and text files: a column for each channel, a line for each sample. They are read whole."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from trainwright.domains.signals.reading.arrays import RATES
from trainwright.domains.signals.reading.facts import Facts, Floats, distinct_names
from trainwright.domains.signals.reading.files import Stamp, read_bytes, stamp
from trainwright.features.npy import Unreadable

ENDINGS = (".csv", ".tsv", ".txt", ".asc")
TIMES = ("time", "t", "seconds", "time_s", "time (s)", "time [s]", "times", "second", "sec")
SAID = re.compile(rf"({'|'.join(RATES)})\s*[:=]\s*([\d.eE+]+)", re.IGNORECASE)
EVEN = 1e-3
"""Share of a step by which steps of time may differ."""


@dataclass(frozen=True)
class Text:
    """A file as it was read."""

    values: np.ndarray
    """`(columns, time)` in float64, which times of a day need."""
    names: tuple[str, ...]
    rate: float | None
    said: tuple[str, ...] = ()


def probe_text(path: str) -> Facts:
    """What a text file holds, which is read whole. Raises Unreadable.

    The rate is that of a first column of seconds (`time`), or said in a comment: `# fs: 500`.
    """
    found = _read(stamp(path))
    names, said = distinct_names(found.names)
    return Facts("text", found.rate, names, found.values.shape[1], warnings=(*found.said, *said), files=(path,))


def read_text(path: str, start: int, stop: int) -> Floats:
    """Samples `start` to `stop` of all columns; empty fields and `nan` are NaN. Raises Unreadable."""
    return _read(stamp(path)).values[:, start:stop].astype(np.float32)


@lru_cache(maxsize=4)
def _read(stamped: Stamp) -> Text:
    text = read_bytes(stamped[0]).decode("utf-8-sig", errors="replace")
    lines = text.splitlines()
    comments = [each for each in lines if each.lstrip().startswith("#")]
    content = [each for each in lines if each.strip() and not each.lstrip().startswith("#")]
    if not content:
        raise Unreadable("it is empty")
    separator = _separator(content[0], stamped[0])
    names = _names(content[0], separator)
    values = _numbers(content[1:] if names else content, separator, lines)
    if names and len(names) != len(values):
        raise Unreadable(f"its first line names {len(names)} columns, {len(values)} follow")
    found = Text(values, names or tuple(f"channel_{number}" for number in range(1, len(values) + 1)), _said_rate(comments))
    return _without_time(found) if names and names[0].lower() in TIMES else found


def _separator(line: str, path: str) -> str | None:
    if Path(path).suffix.lower() == ".tsv":
        return "\t"
    return next((each for each in (",", ";", "\t") if each in line), None)


def _names(line: str, separator: str | None) -> tuple[str, ...]:
    """The names in a first line; empty where it has numbers."""
    fields = [each.strip().strip("\"'") for each in line.split(separator)]
    try:
        [float(each) for each in fields if each]
    except ValueError:
        return tuple(fields)
    return ()


def _numbers(content: list[str], separator: str | None, lines: list[str]) -> np.ndarray:
    if not content:
        raise Unreadable("it has names of columns and no samples")
    try:
        found = np.genfromtxt(content, dtype=np.float64, delimiter=separator, ndmin=2)
    except ValueError as error:
        first = next((each for each in content if len(each.split(separator)) != len(content[0].split(separator))), content[0])
        raise Unreadable(
            f"line {lines.index(first) + 1} has {len(first.split(separator))} fields, others {len(content[0].split(separator))}"
        ) from error
    wrong = (
        next((each for each in content if any(_is_word(field) for field in each.split(separator))), None) if np.isnan(found).any() else None
    )
    if wrong is not None:
        raise Unreadable(f"line {lines.index(wrong) + 1} is no line of numbers: '{wrong[:60]}'")
    return np.ascontiguousarray(found.T)


def _is_word(field: str) -> bool:
    try:
        float(field or 0)
    except ValueError:
        return bool(field.strip())
    return False


def _said_rate(comments: list[str]) -> float | None:
    found = next((match for each in comments if (match := SAID.search(each))), None)
    try:
        return float(found[2]) if found and float(found[2]) > 0 else None
    except ValueError:
        return None


def _without_time(found: Text) -> Text:
    """A column of seconds says the rate, and is no channel."""
    times, rest = found.values[0].astype(np.float64), replace(found, values=found.values[1:], names=found.names[1:])
    if not len(rest.values):
        raise Unreadable("it has a column of times and no other")
    steps = np.diff(times)
    if len(steps) == 0 or not np.isfinite(steps).all() or steps.mean() <= 0:
        return replace(rest, said=(f"the column '{found.names[0]}' does not rise: it says no rate",))
    step = float(steps.mean())
    if np.abs(steps - step).max() > EVEN * step:
        said = (
            f"the steps of '{found.names[0]}' are {steps.min():g} to {steps.max():g} s: samples are not evenly spaced, and it says no rate"
        )
        return replace(rest, said=(said,))
    rate = 1 / step
    return replace(rest, rate=round(rate, 6))
