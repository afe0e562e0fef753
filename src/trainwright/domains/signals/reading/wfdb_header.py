"""Headers of WFDB records: the `.hea` file, line by line (https://physionet.org/physiotools/wag/header-5.htm)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from trainwright.domains.signals.reading.files import Stamp, read_bytes
from trainwright.features.npy import Unreadable

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
RECORD = re.compile(r"(?P<name>[-\w./\\]+?)(?:/(?P<segments>\d+))?\s+(?P<signals>\d+)(?:\s+(?P<rest>.*))?$")
RATE = re.compile(rf"(?P<rate>{NUMBER})(?:/\S*)?(?:\s+(?P<length>\d+)(?:\s+(?P<time>.*))?)?$")
SIGNAL = re.compile(
    r"(?P<file>\S+)\s+(?P<format>\d+)(?:x(?P<frame>\d+))?(?::(?P<skew>\d+))?(?:\+(?P<offset>\d+))?"
    rf"(?:\s+(?P<gain>{NUMBER})(?:\((?P<baseline>[-+]?\d+)\))?(?:/(?P<unit>\S+))?"
    r"(?:\s+(?P<resolution>\d+)(?:\s+(?P<zero>[-+]?\d+)(?:\s+(?P<first>[-+]?\d+)(?:\s+(?P<checksum>[-+]?\d+)"
    r"(?:\s+(?P<block>\d+)(?:\s+(?P<name>.+?))?)?)?)?)?)?)?\s*$"
)
DEFAULT_GAIN = 200.0
"""Steps per unit where a header gives none, or 0: what the field's library takes too."""


@dataclass(frozen=True)
class Signal:
    """One line of a header: where a signal is, and how its numbers become values."""

    file: str
    format: str
    frame: int = 1
    """Samples in each frame of the record."""
    skew: int = 0
    offset: int = 0
    """Bytes before the samples."""
    gain: float = DEFAULT_GAIN
    baseline: int = 0
    unit: str = "mV"
    checksum: int | None = None
    name: str = ""
    gain_given: bool = True


@dataclass(frozen=True)
class Segment:
    """One line of the header of a record of several segments; `~` is a gap."""

    name: str
    length: int


@dataclass(frozen=True)
class Header:
    """A `.hea` file in parts."""

    path: str
    name: str
    rate: float | None
    """Frames a second; None where it is missing or 0."""
    frames: int | None
    """None where the header does not say: as many as the file holds."""
    signals: tuple[Signal, ...] = ()
    segments: tuple[Segment, ...] = ()
    signal_count: int = 0
    comments: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())

    @property
    def folder(self) -> str:
        """Where its signal files are."""
        return self.path[: len(self.path) - len(Path(self.path).name)]


@lru_cache(maxsize=1024)
def read_header(stamped: Stamp) -> Header:
    """The header of a record, read once as long as the file is the same. Raises Unreadable."""
    path = stamped[0]
    lines, comments = _lines(read_bytes(path).decode("utf-8", errors="replace"))
    if not lines:
        raise Unreadable(f"the header '{Path(path).name}' has no line that names the record")
    number, first = lines[0]
    found = RECORD.match(first)
    if found is None:
        raise Unreadable(
            f"line {number} of '{Path(path).name}' is no record line: NAME SIGNALS RATE SAMPLES is wanted, '{first[:60]}' is there"
        )
    count = int(found["signals"])
    rate, frames, said = _rate_and_length(found["rest"] or "", number, path)
    stem = Path(path).name.removesuffix(".hea")
    if found["name"] != stem:
        said += (f"the header names the record '{found['name']}', the file is '{stem}': it was renamed by hand",)
    if found["segments"]:
        segments = tuple(_segment(*line, path) for line in _declared(lines[1:], int(found["segments"]), "segments", number, path))
        return Header(path, found["name"], rate, frames, (), segments, count, comments, said)
    if count == 0:
        raise Unreadable(f"the header '{Path(path).name}' has no signals")
    signals = tuple(_signal(*line, path) for line in _declared(lines[1:], count, "signals", number, path))
    said += tuple(
        f"the gain of '{each.name}' is missing or 0: {DEFAULT_GAIN:g}/{each.unit} was taken" for each in signals if not each.gain_given
    )
    return Header(path, found["name"], rate, frames, signals, (), count, comments, said)


def _lines(text: str) -> tuple[list[tuple[int, str]], tuple[str, ...]]:
    """(number, line) of those that say something, and the comments that follow the record line, without `#`."""
    lines, comments = list[tuple[int, str]](), list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if line.startswith("#"):
            comments += [line[1:].strip()] if lines else []
        elif line:
            lines.append((number, line))
    return lines, tuple(comments)


def _declared(lines: list[tuple[int, str]], count: int, what: str, number: int, path: str) -> list[tuple[int, str]]:
    if len(lines) < count:
        raise Unreadable(f"line {number} of '{Path(path).name}' declares {count} {what}, of which {len(lines)} have a line")
    return lines[:count]


def _rate_and_length(rest: str, number: int, path: str) -> tuple[float | None, int | None, tuple[str, ...]]:
    if not rest.strip():
        return None, None, ("the header gives no sampling frequency",)
    found = RATE.match(rest.strip())
    if found is None:
        raise Unreadable(f"line {number} of '{Path(path).name}': '{rest[:40]}' is no sampling frequency and number of samples")
    rate, frames = float(found["rate"]), int(found["length"] or 0) or None
    return (rate if rate > 0 else None), frames, (() if rate > 0 else (f"the header gives {rate:g} as sampling frequency",))


def _segment(number: int, line: str, path: str) -> Segment:
    found = re.match(r"(\S+)\s+(\d+)$", line)
    if found is None:
        raise Unreadable(f"line {number} of '{Path(path).name}' is no segment: NAME SAMPLES is wanted, '{line[:40]}' is there")
    return Segment(found[1], int(found[2]))


def _signal(number: int, line: str, path: str) -> Signal:
    found = SIGNAL.match(line)
    if found is None:
        raise Unreadable(f"line {number} of '{Path(path).name}' describes no signal: FILE FORMAT GAIN … is wanted, '{line[:60]}' is there")
    if found["file"] != Path(found["file"]).name:
        raise Unreadable(f"line {number} of '{Path(path).name}' names '{found['file']}': signals are in the folder of their header")
    gain, zero = float(found["gain"] or 0), int(found["zero"] or 0)
    return Signal(
        found["file"],
        found["format"],
        int(found["frame"] or 1),
        int(found["skew"] or 0),
        int(found["offset"] or 0),
        gain or DEFAULT_GAIN,
        zero if found["baseline"] is None else int(found["baseline"]),
        found["unit"] or "mV",
        None if found["checksum"] is None else int(found["checksum"]),
        found["name"] or "",
        gain != 0,
    )
