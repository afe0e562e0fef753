"""Every picture of some references decoded once, in parallel: which cannot be read and why, and what the others are like."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import get_context

import numpy as np

from trainwright.domains.images.reading.decoding import read_picture
from trainwright.domains.images.reading.kinds import Kind, PictureCounts, pack
from trainwright.domains.images.reading.options import Decoding
from trainwright.features.npy import Unreadable

CHUNK = 64
"""Pictures that a worker decodes before it tells what it found."""
WORTH_WORKERS = 4 * CHUNK
"""Pictures below which one process is as quick."""
Place = tuple[int, str]
"""The number of a row, and its reference."""
Told = Callable[[int, int], None]
"""Called with how many pictures were decoded, and how many of them cannot be read."""


@dataclass
class Scan:
    """What was found: of each row what `pack` makes of its picture, and why those that cannot be read cannot."""

    looked: int = 0
    rows: list[np.ndarray] = field(default_factory=list)
    packed: list[np.ndarray] = field(default_factory=list)
    """int64 each, of the same rows."""
    faults: dict[int, str] = field(default_factory=dict)

    def merge(self, other: Scan) -> None:
        """Adds what was found of other rows."""
        self.looked += other.looked
        self.rows += other.rows
        self.packed += other.packed
        self.faults |= other.faults

    def write_to(self, counts: PictureCounts) -> None:
        """Notes what was found in the counts of all rows."""
        for rows, packed in zip(self.rows, self.packed, strict=True):
            counts.packed[rows] = packed


def look_at(places: Sequence[Place], options: Decoding) -> Scan:
    """What the pictures of some rows are like; each is decoded."""
    packed, faults = np.empty(len(places), np.int64), dict[int, str]()
    for place, (row, reference) in enumerate(places):
        try:
            picture = read_picture(reference, options)
        except Unreadable as error:
            faults[row] = str(error)
            packed[place] = pack(Kind.UNREADABLE, 0, 0)
        else:
            packed[place] = picture.packed
    return Scan(len(places), [np.array([row for row, _ in places], np.int64)], [packed], faults)


def scan(places: Iterable[Place], options: Decoding, told: Told = lambda looked, broken: None, count: int | None = None) -> Scan:
    """What the pictures of all rows are like, decoded by as many workers as there are processors; `told` is called as that goes on.

    `count`: how many there are, where that is known; few are decoded here.
    """
    found, chunks = Scan(), _chunks(places)
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if workers == 1 or (count is not None and count < WORTH_WORKERS):
        for chunk in chunks:
            found.merge(look_at(chunk, options))
            told(found.looked, len(found.faults))
        return found
    with worker_pool(workers) as pool:
        for each in _in_order(pool, chunks, options, 4 * workers):
            found.merge(each)
            told(found.looked, len(found.faults))
    return found


def worker_pool(workers: int) -> Executor:
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
