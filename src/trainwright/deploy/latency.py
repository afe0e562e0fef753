"""How long several ways take to answer the same rows, measured in turns, so that a busy machine slows all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Latency:
    """Microseconds per call: the median of the repeats, and `ratio`, the median over repeats of the first way's time by this one's
    (2 is twice as fast)."""

    microseconds: float
    ratio: float


def compare_latency(
    ways: Mapping[str, Callable[[], object]], repeats: int = 30, seconds: float = 2.0, clock: Callable[[], float] = time.perf_counter
) -> dict[str, Latency]:
    """Each way called once per repeat, in turns, after two to warm up; ends early, with 5 repeats at least, once `seconds` have passed.

    `clock` in seconds: `time.thread_time` leaves out what others take of a busy machine, for ways that compute in one thread.
    """
    for each in [*ways.values(), *ways.values()]:
        each()
    times: list[list[float]] = []
    until = time.perf_counter() + seconds
    while len(times) < repeats and (len(times) < 5 or time.perf_counter() < until):
        times.append([_seconds_of(each, clock) for each in ways.values()])
    taken = np.array(times)
    medians, ratios = np.median(taken, axis=0) * 1e6, np.median(taken[:, :1] / taken, axis=0)
    return {name: Latency(float(medians[at]), float(ratios[at])) for at, name in enumerate(ways)}


def _seconds_of(call: Callable[[], object], clock: Callable[[], float]) -> float:
    begun = clock()
    call()
    return clock() - begun
