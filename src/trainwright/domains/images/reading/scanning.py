"""Every picture of some references decoded once, in parallel: which cannot be read and why, and what the others are like."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import get_context
from typing import Any, TextIO

from trainwright.domains.images.reading.decoding import read_picture
from trainwright.domains.images.reading.kinds import Kind
from trainwright.domains.images.reading.options import Decoding
from trainwright.features.npy import Unreadable

CHUNK = 64
"""Pictures that a worker decodes before it tells what it found."""
WORTH_WORKERS = 4 * CHUNK
"""Pictures below which one process is as quick."""
SAY_EVERY = 10.0
"""Seconds between lines of progress where it is no terminal."""
DRAW_EVERY = 0.2
"""Seconds between updates of the line of a terminal."""
Place = tuple[int, str]
"""The number of a row, and its reference."""


@dataclass
class Scan:
    """What was found: of each row that is not plain its kinds, and why those that cannot be read cannot."""

    looked: int = 0
    kinds: dict[int, int] = field(default_factory=dict)
    faults: dict[int, str] = field(default_factory=dict)

    def merge(self, other: Scan) -> None:
        """Adds what was found of other rows."""
        self.looked += other.looked
        self.kinds |= other.kinds
        self.faults |= other.faults


def look_at(places: Sequence[Place], options: Decoding) -> Scan:
    """What the pictures of some rows are like; each is decoded."""
    found = Scan(len(places))
    for row, reference in places:
        try:
            kind = read_picture(reference, options).kind
        except Unreadable as error:
            found.faults[row] = str(error)
        else:
            if kind is not Kind.PLAIN:
                found.kinds[row] = int(kind)
    return found


def scan(places: Iterable[Place], options: Decoding, told: Callable[[Scan], None] = lambda _: None, count: int | None = None) -> Scan:
    """What the pictures of all rows are like, decoded by as many workers as there are processors; `told` is called as that goes on.

    `count`: how many there are, where that is known; few are decoded here.
    """
    found, chunks = Scan(), _chunks(places)
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if workers == 1 or (count is not None and count < WORTH_WORKERS):
        for each in chunks:
            found.merge(look_at(each, options))
            told(found)
        return found
    with _pool(workers) as pool:
        for each in _in_order(pool, chunks, options, 4 * workers):
            found.merge(each)
            told(found)
    return found


def _pool(workers: int) -> Executor:
    """Processes, which hold no lock together; threads where a process cannot be forked, and would run the main module of a script again."""
    if sys.platform == "linux":
        return ProcessPoolExecutor(workers, mp_context=get_context("fork"))
    return ThreadPoolExecutor(workers)


def _chunks(places: Iterable[Place]) -> Iterator[list[Place]]:
    rest = iter(places)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk


def _in_order(pool: Executor, chunks: Iterator[list[Place]], options: Decoding, ahead: int) -> Iterator[Scan]:
    """What workers find, in the order of the rows; never more than `ahead` pieces of the references are with them."""
    waiting: list[Future[Scan]] = [pool.submit(look_at, each, options) for each in islice(chunks, ahead)]
    while waiting:
        yield waiting.pop(0).result()
        waiting += [pool.submit(look_at, each, options) for each in islice(chunks, 1)]


class ScanProgress:
    """How far a scan is: one line that is drawn again on a terminal, and a line now and then elsewhere."""

    def __init__(self, count: int, what: str, stream: TextIO | None = None) -> None:
        self.count, self.what, self.stream = count, what, stream or sys.stderr
        self.live = bool(getattr(self.stream, "isatty", lambda: False)()) and os.environ.get("TERM") != "dumb"
        self.begun = self.said = time.monotonic()

    def __call__(self, found: Scan) -> None:
        now = time.monotonic()
        if now - self.said < (DRAW_EVERY if self.live else SAY_EVERY):
            return
        self.said = now
        self._write(f"\r\x1b[K{self.line(found, now)}" if self.live else f"{self.line(found, now)}\n")

    def line(self, found: Scan, now: float) -> str:
        """`pictures: 12,800 of 100,000 decoded, 640/s, about 2 min 16 s left, 3 cannot be read`."""
        rate = found.looked / max(now - self.begun, 1e-9)
        left = _span((self.count - found.looked) / rate) if rate else "?"
        broken = f", {len(found.faults):,} cannot be read" if found.faults else ""
        return f"{self.what}: {found.looked:,} of {self.count:,} decoded, {rate:,.0f}/s, about {left} left{broken}"

    def end(self) -> None:
        """Leave no half line on a terminal."""
        if self.live:
            self._write("\r\x1b[K")

    def __enter__(self) -> ScanProgress:
        return self

    def __exit__(self, *_: Any) -> None:
        self.end()

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()


def _span(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
