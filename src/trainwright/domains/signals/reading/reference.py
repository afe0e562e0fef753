"""References to recordings, as they stand in a column: a path, and after `#` which part of what is there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, unquote

from trainwright.config.errors import DataError, did_you_mean

Layout = Literal["channels,time", "time,channels"]
FRAGMENT = re.compile(r"[A-Za-z_]+=")
KEYS = ("t", "samples", "at", "key", "row", "layout", "rate", "names", "scale")
LAYOUTS: tuple[Layout, ...] = ("channels,time", "time,channels")


@dataclass(frozen=True)
class Reference:
    """A recording, or a part of one. `str()` writes it as it is read.

    Seconds and samples are half-open, and counted from the beginning of the recording.
    """

    path: str
    start_seconds: float | None = None
    stop_seconds: float | None = None
    start: int | None = None
    stop: int | None = None
    at: int | None = None
    """The sample in the middle of a window: a beat, an event. It cuts nothing; what is round it is asked of the column."""
    key: str | None = None
    """The array within a file of several: `/tracings`, `val`."""
    row: int | None = None
    """The entry along the first dimension of an array of recordings."""
    layout: Layout | None = None
    """Which dimension of an array is time; without it the longer one."""
    rate: float | None = None
    """Samples a second of an array, whose file does not say it."""
    names: tuple[str, ...] = ()
    """The channels of an array."""
    scale: float | None = None
    """What its numbers are multiplied with."""

    @property
    def is_whole(self) -> bool:
        """Whether it names no part along time."""
        return self.start is self.stop is self.start_seconds is self.stop_seconds is self.at is None

    def __str__(self) -> str:
        pairs: list[tuple[str, object]] = [("t", _range(self.start_seconds, self.stop_seconds)), ("samples", _range(self.start, self.stop))]
        pairs += [("at", self.at), ("key", self.key), ("row", self.row), ("layout", self.layout)]
        pairs += [
            ("rate", None if self.rate is None else _shown(self.rate)),
            ("names", ",".join(self.names) or None),
            ("scale", self.scale),
        ]
        written = "&".join(f"{key}={quote(str(value), safe='/,')}" for key, value in pairs if value is not None)
        if written:
            return f"{self.path}#{written}"
        return (
            f"{self.path}#" if self.path.endswith("#") or (FRAGMENT.match(self.path.rpartition("#")[2]) and "#" in self.path) else self.path
        )


def split_reference(text: str) -> Reference:
    """A reference in its parts; what stands after the last `#` is a fragment where it begins with `name=`. Raises DataError.

    An ending `#` says that there is none: `a#t=1#` is the file `a#t=1`.
    """
    path, mark, fragment = text.rpartition("#")
    if not mark or (fragment and not FRAGMENT.match(fragment)):
        return Reference(text)
    values = dict[str, str]()
    for pair in filter(None, fragment.split("&")):
        key, _, value = pair.partition("=")
        _ensure_key(key, values, text)
        values[key] = unquote(value)
    start_seconds, stop_seconds = _seconds(values.get("t"), text)
    start, stop = _samples(values.get("samples"), text)
    if "t" in values and "samples" in values:
        raise _error(text, "t and samples both say which part", "keep one of them")
    return Reference(
        path,
        start_seconds,
        stop_seconds,
        start,
        stop,
        _number(values, "at", text),
        values.get("key"),
        _number(values, "row", text),
        _layout(values.get("layout"), text),
        _positive(values, "rate", text),
        tuple(values["names"].split(",")) if values.get("names") else (),
        _positive(values, "scale", text),
    )


def _range(start: float | None, stop: float | None) -> str | None:
    if start is None and stop is None:
        return None
    return f"{_shown(start)}," + (_shown(stop) if stop is not None else "")


def _shown(value: float | None) -> str:
    return "0" if value is None else str(value) if isinstance(value, int) else repr(value).removesuffix(".0")


def _error(text: str, what: str, fix: str) -> DataError:
    return DataError(f"the reference '{text}' cannot be read: {what}", fix=fix)


def _ensure_key(key: str, values: dict[str, str], text: str) -> None:
    if key not in KEYS:
        raise _error(text, f"'{key}' is no key of a fragment", did_you_mean(key, KEYS))
    if key in values:
        raise _error(text, f"'{key}' is there twice", "keep one of them")


def _seconds(value: str | None, text: str) -> tuple[float | None, float | None]:
    if value is None:
        return None, None
    found = re.fullmatch(r"(\d+(?:\.\d*)?(?:e-?\d+)?|\.\d+)?(?:,(\d+(?:\.\d*)?(?:e-?\d+)?|\.\d+)?)?", value)
    if not value or found is None:
        raise _error(text, f"t={value} is no range of seconds", "t=1.5,4 for 1.5 s to 4 s, t=1.5 for 1.5 s to the end")
    start, stop = float(found[1] or 0), float(found[2]) if found[2] else None
    if stop is not None and stop <= start:
        raise _error(text, f"t={value} ends before it begins", "t=START,STOP in seconds from the beginning")
    return start, stop


def _samples(value: str | None, text: str) -> tuple[int | None, int | None]:
    if value is None:
        return None, None
    found = re.fullmatch(r"(\d+)(?:,(\d+)?)?", value)
    if found is None:
        raise _error(text, f"samples={value} is no range of samples", "samples=1000,6000 for samples 1000 to 5999")
    start, stop = int(found[1]), int(found[2]) if found[2] else None
    if stop is not None and stop <= start:
        raise _error(text, f"samples={value} ends before it begins", "samples=START,STOP counted from 0")
    return start, stop


def _number(values: dict[str, str], key: str, text: str) -> int | None:
    value = values.get(key)
    if value is None:
        return None
    if not re.fullmatch(r"\d+", value):
        raise _error(text, f"{key}={value} is no whole number of 0 or more", f"{key}=17")
    return int(value)


def _positive(values: dict[str, str], key: str, text: str) -> float | None:
    value = values.get(key)
    if value is None:
        return None
    try:
        found = float(value)
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise _error(text, f"{key}={value} is no number above 0", f"{key}={'500' if key == 'rate' else '0.001'}")
    return found


def _layout(value: str | None, text: str) -> Layout | None:
    if value is None:
        return None
    found = next((each for each in LAYOUTS if each == value), None)
    if found is None:
        raise _error(text, f"layout={value} is none", did_you_mean(value, LAYOUTS))
    return found
