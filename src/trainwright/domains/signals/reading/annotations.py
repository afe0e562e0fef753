"""Annotations of WFDB records: beats, rhythms and waves, with the sample that each is at.

The format is MIT's: https://physionet.org/physiotools/wag/annot-5.htm
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from trainwright.domains.signals.reading.files import Stamp, is_file, read_bytes, stamp
from trainwright.domains.signals.reading.wfdb_record import open_record
from trainwright.features.npy import Unreadable

SYMBOLS = dict(enumerate("NLRaVFJASEj/Q~", 1)) | dict(zip((16, *range(18, 42)), '|sT*D"=pB^t+u?![]en@xf()r', strict=True))
"""Code in a file → symbol, as PhysioNet prints them."""
BEATS = frozenset("NLRaVFJASEj/QB?!enfr")
"""Symbols that stand for a beat; all others mark rhythms, waves, noise and comments."""
AAMI = {
    **dict.fromkeys("NLRejB", "N"),
    **dict.fromkeys("AaJSn", "S"),
    **dict.fromkeys("VEr", "V"),
    "F": "F",
    **dict.fromkeys("/fQ?!", "Q"),
}
"""Symbol of a beat → its group of ANSI/AAMI EC57, as de Chazal et al. (2004) list them: N, S, V, F, Q."""
SKIP, NUMBER, SUBTYPE, CHANNEL, TEXT = 59, 60, 61, 62, 63
NOTE = 22
RESOLUTION = re.compile(r"## time resolution: ([\d.]+)")
DEFINITION = re.compile(r"(\d+) (\S+) ?(.*)")


@dataclass(frozen=True)
class Annotations:
    """What is marked in a record, in the order of time."""

    samples: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
    """At which sample each is, at the rate of the record as it is read."""
    symbols: tuple[str, ...]
    texts: tuple[str, ...]
    """What is written beside each: `(AFIB` at a change of rhythm."""
    channels: tuple[int, ...]
    """The signal that each is of."""

    @property
    def is_beat(self) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """Which are beats."""
        return np.array([each in BEATS for each in self.symbols], bool)

    def pick(self, which: np.ndarray[Any, Any] | slice) -> Annotations:
        """Those that a mask or a slice leaves."""
        numbers = np.arange(len(self.samples))[which].tolist()
        lists = (self.symbols, self.texts, self.channels)
        symbols, texts, channels = (tuple(each[number] for number in numbers) for each in lists)
        return Annotations(self.samples[numbers], symbols, texts, channels)

    @property
    def beats(self) -> Annotations:
        """The beats alone."""
        return self.pick(self.is_beat)


def read_annotations(record: str | os.PathLike[str], extension: str = "atr", start: int = 0, stop: int | None = None) -> Annotations:
    """The annotations of a record in its file `RECORD.extension`, or those of samples `start` to `stop`. Raises Unreadable."""
    stem = os.fspath(record).removesuffix(".hea")
    path = f"{stem}.{extension}"
    if not is_file(path):
        raise Unreadable(f"its annotations '{Path(path).name}' are not there{_others(stem)}")
    found, resolution = _read(stamp(path))
    header = f"{stem}.hea"
    if is_file(header):
        opened = open_record(header)
        times = opened.most if resolution is None or not opened.header.rate else opened.most * opened.header.rate / resolution
        if times != 1:
            found = Annotations(np.round(found.samples * times).astype(np.int64), found.symbols, found.texts, found.channels)
    if start <= 0 and stop is None:
        return found
    first, last = np.searchsorted(found.samples, [start, np.iinfo(np.int64).max if stop is None else stop])
    return found.pick(slice(int(first), int(last)))


def _others(stem: str) -> str:
    known = others_beside(Path(stem))
    return f"; beside the record there are: {known}" if known else ""


def others_beside(record: Path) -> str:
    """The endings of files of a record that may be annotations, in one text."""
    folder, name = record.parent, record.name
    known = sorted(
        each.suffix[1:] for each in folder.glob(f"{name}.*") if each.suffix[1:].isalpha() and each.suffix not in (".hea", ".dat", ".mat")
    )
    return ", ".join(known)


@lru_cache(maxsize=64)
def _read(stamped: Stamp) -> tuple[Annotations, float | None]:
    """All annotations of a file, and the samples a second that they count, where the file says it."""
    content = read_bytes(stamped[0])
    if len(content) < 2:
        raise Unreadable("its file of annotations is empty")
    if content[0] == 0 and content[1] in (ord("["), ord("N")) and len(content) % 16 == 0:
        raise Unreadable("its annotations are in the format of the AHA, which is not read")
    marks = _parse(content)
    resolution, symbols = None, dict(SYMBOLS)
    head = [each for each in marks if each.code == NOTE and each.text.startswith("## ")]
    for each in head:
        if found := RESOLUTION.match(each.text):
            resolution = float(found[1])
    if any(each.text.startswith("## annotation type definitions") for each in head):
        marks = _define(marks, symbols)
    kept = [each for each in marks if not (each.code == NOTE and each.sample == 0 and each.text.startswith("## "))]
    samples = np.array([each.sample for each in kept], np.int64)
    order = np.argsort(samples, kind="stable").tolist()  # a skip may go back
    kept = [kept[each] for each in order]
    names = tuple(symbols.get(each.code, f"[{each.code}]") for each in kept)
    return Annotations(samples[order], names, tuple(each.text for each in kept), tuple(each.channel for each in kept)), resolution


@dataclass
class _Mark:
    sample: int
    code: int
    channel: int
    text: str = ""


def _parse(content: bytes) -> list[_Mark]:
    """Words of two bytes: 6 bits what, 10 bits how much later."""
    words = np.frombuffer(content[: len(content) // 2 * 2], "<u2").tolist()
    marks, sample, channel, place = list[_Mark](), 0, 0, 0
    while place < len(words):
        code, amount = words[place] >> 10, words[place] & 0x3FF
        place += 1
        if code == 0 and amount == 0:
            break
        if code == SKIP:
            high, low = [*words[place : place + 2], 0, 0][:2]
            sample += ((high << 16 | low) ^ 0x80000000) - 0x80000000
            place += 2
        elif code == CHANNEL:
            channel = amount
            if marks:
                marks[-1].channel = amount
        elif code == TEXT:
            if marks:
                marks[-1].text = content[place * 2 : place * 2 + amount].rstrip(b"\0").decode("utf-8", errors="replace")
            place += (amount + 1) // 2
        elif code not in (NUMBER, SUBTYPE):
            sample += amount
            if code:  # 0 marks nothing, and only goes on
                marks.append(_Mark(sample, code, channel))
    return marks


def _define(marks: Sequence[_Mark], symbols: dict[int, str]) -> list[_Mark]:
    """The marks without those at the beginning that define symbols of their own, which go into `symbols`."""
    kept, inside = list[_Mark](), False
    for each in marks:
        if each.code == NOTE and each.text.startswith("## annotation type definitions"):
            inside = True
        elif each.code == NOTE and each.text.startswith("## end of definitions"):
            inside = False
        elif inside and each.code == NOTE and (found := DEFINITION.match(each.text)):
            symbols[int(found[1])] = found[2]
        else:
            kept.append(each)
    return kept
