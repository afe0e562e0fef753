"""Requests computed together: what is queued when the model is free, and nothing is waited for unless that is asked."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainwright.config.errors import FOREIGN
from trainwright.deploy.host.rows import Raw
from trainwright.deploy.server.metrics import Counted
from trainwright.deploy.server.options import ServeOptions
from trainwright.deploy.server.refusals import Refused

Compute = Callable[[Any], Any]


@dataclass
class Waiting:
    """A request that waits to be computed."""

    raw: Any
    rows: int
    deadline: float
    future: asyncio.Future[Any]


class Batcher:
    """Computes what is queued, on the loop itself where that takes less than a change of threads is worth, else in one thread beside it."""

    def __init__(self, compute: Compute, options: ServeOptions, counted: Counted, joins: bool, beside: bool) -> None:
        self.compute, self.options, self.counted, self.joins = compute, options, counted, joins
        self.queue: deque[Waiting] = deque()
        self.thread = ThreadPoolExecutor(1, "model") if beside else None
        self.busy = False

    async def ask(self, raw: Any, rows: int, deadline: float) -> Any:
        """What is computed of some rows; raises Refused where too many wait already, or at the deadline."""
        if len(self.queue) >= self.options.max_waiting:
            why = f"{len(self.queue)} requests wait already"
            raise Refused(503, "the server is busy", why=why, fix="ask again in a second", headers={"Retry-After": "1"})
        loop = asyncio.get_running_loop()
        waiting = Waiting(raw, rows, deadline, loop.create_future())
        self.queue.append(waiting)
        self.counted.waiting = len(self.queue)
        if not self.busy:
            self.busy = True
            loop.call_later(self.options.wait, self._next) if self.options.wait else loop.call_soon(self._next)
        if self.thread is None:
            return await waiting.future
        try:
            return await asyncio.wait_for(waiting.future, max(deadline - time.monotonic(), 0))
        except TimeoutError:
            raise self._too_late() from None

    def _too_late(self) -> Refused:
        why = f"it was not answered within {self.options.seconds:g} s"
        return Refused(504, "the request took too long", why=why, fix="send fewer rows at once, or ask again later")

    def _next(self) -> None:
        """Compute what waits, as much as goes together."""
        taken = self._take()
        if not taken:
            self.busy = False
            return
        if self.thread is None:
            self._deliver(taken, self._computed(taken))
            asyncio.get_running_loop().call_soon(self._next)
            return
        loop = asyncio.get_running_loop()
        done = loop.run_in_executor(self.thread, self._computed, taken)

        def go_on(found: asyncio.Future[Any]) -> None:
            self._deliver(taken, found.result())
            self._next()

        done.add_done_callback(go_on)

    def _take(self) -> list[Waiting]:
        """Requests from the head of the queue that still want an answer and go together."""
        taken: list[Waiting] = []
        rows = 0
        while self.queue:
            first = self.queue[0]
            if first.future.done():
                self.queue.popleft()
            elif first.deadline < time.monotonic():
                self.queue.popleft().future.set_exception(self._too_late())
            elif taken and (rows + first.rows > self.options.batch_rows or not self.joins or not alike(taken[0].raw, first.raw)):
                break
            else:
                taken.append(self.queue.popleft())
                rows += first.rows
        self.counted.waiting = len(self.queue)
        return taken

    def _computed(self, taken: list[Waiting]) -> Any:
        """What the model gives for all of them, or the error it raised."""
        try:
            found = self.compute(taken[0].raw if len(taken) == 1 else join([each.raw for each in taken]))
        except FOREIGN as error:  # it is raised again for each of those who asked
            return error
        self.counted.count_batch(len(taken), sum(each.rows for each in taken))
        return found

    def _deliver(self, taken: list[Waiting], found: Any) -> None:
        start = 0
        for each in taken:
            part = (
                found
                if len(taken) == 1 or isinstance(found, BaseException)
                else {name: array[start : start + each.rows] for name, array in found.items()}
            )
            start += each.rows
            if each.future.done():
                continue
            if isinstance(part, BaseException):
                each.future.set_exception(part)
            else:
                each.future.set_result(part)

    def close(self) -> None:
        """End the thread, once what it computes is done."""
        if self.thread is not None:
            self.thread.shutdown()


def alike(one: Raw, other: Raw) -> bool:
    """Whether rows of two requests fit into one array of each input: beyond lists, which are padded, of one shape."""
    return all(
        other[name].ndim == each.ndim and (f"{name}.length" in one or other[name].shape[1:] == each.shape[1:]) for name, each in one.items()
    )


def join(pieces: Sequence[Raw]) -> Raw:
    """Rows of several requests as those of one; shorter lists are padded with 0 at the right."""
    return {name: _joined([each[name] for each in pieces]) for name in pieces[0]}


def _joined(pieces: list[np.ndarray]) -> np.ndarray:
    if pieces[0].ndim < 2:
        return np.concatenate(pieces)
    longest = max(each.shape[1] for each in pieces)
    filled = [
        each if each.shape[1] == longest else np.pad(each, [(0, 0), (0, longest - each.shape[1]), *[(0, 0)] * (each.ndim - 2)])
        for each in pieces
    ]
    return np.concatenate(filled)


def seconds_left(deadline: float) -> float:
    """Until a deadline, at least 0."""
    return max(deadline - time.monotonic(), 0.0) if math.isfinite(deadline) else 1e9
