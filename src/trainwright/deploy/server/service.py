"""What answers requests, whatever they are written in: rows are read, computed with those of others, and put into words."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from trainwright.deploy.host.rows import Asked, require_whole
from trainwright.deploy.server.batching import Batcher
from trainwright.deploy.server.bodies import PARTS, Body, of_rows
from trainwright.deploy.server.metrics import Counted
from trainwright.deploy.server.options import ServeOptions
from trainwright.deploy.server.refusals import Refused
from trainwright.domains.placed import place_rows

AT_ONCE = 1 << 16
"""Bytes of a body that is read on the loop itself; larger ones are read in a thread, so that others are answered meanwhile."""
HELD = 16
"""Requests as large as one may be whose bytes are held together."""
QUICK = 0.002
"""Seconds in which a row is computed on the loop itself."""


class Backend(Protocol):
    """A model that a server can ask: an exported one, or a run."""

    name: str
    digest: str
    joins: bool
    """Whether rows of several requests may be computed together."""

    def schema(self) -> dict[str, Any]:
        """`inputs` and `outputs` of `/schema`."""

    def example(self) -> list[dict[str, Any]]:
        """A usual row, to warm up with."""

    def read_json(self, body: Body, columns: Sequence[str] | None = None) -> Asked:
        """Rows of values of JSON; of some `columns` alone."""

    def read_table(self, body: Body) -> Asked:
        """Rows of a table."""

    def run(self, raw: Any) -> Any:
        """What the model gives."""

    def check(self, outputs: Any, asked: Asked) -> None:
        """Raise FaultyRows for rows that have no answer after all."""

    def columns(self, outputs: Any) -> pa.Table:
        """Predictions as a table."""

    def records(self, outputs: Any) -> list[dict[str, Any]]:
        """Predictions row by row, as values of JSON."""

    def about(self) -> dict[str, Any]:
        """What is told at `/model`."""


@dataclass(frozen=True)
class Answer:
    """What the model gave for the rows of a request."""

    backend: Backend
    outputs: Any
    asked: Asked

    def table(self) -> pa.Table:
        """A row of predictions for each that was given, null where it has none."""
        return place_rows(self.backend.columns(self.outputs), self.asked.places, self.asked.count)

    def records(self) -> list[dict[str, Any]]:
        """The same as values of JSON."""
        found = self.backend.records(self.outputs)
        if len(found) == self.asked.count:
            return found
        nothing = dict.fromkeys(self.table().column_names)
        there = dict(zip(self.asked.places.tolist(), found, strict=True))
        return [there.get(at, nothing) for at in range(self.asked.count)]


class Service:
    """A model, its limits, and what was counted."""

    def __init__(self, backend: Backend, options: ServeOptions) -> None:
        self.backend, self.options = backend, options
        self.counted = Counted()
        self.ready = False
        self.inside, self.held = 0, 0
        """Requests that are being read, wait, or are computed, and their bytes."""
        self.batcher: Batcher | None = None
        self.schema = {"format": 1, "model": {"name": backend.name, "digest": backend.digest}, **backend.schema(), "limits": self._limits()}

    def _limits(self) -> dict[str, Any]:
        given = self.options
        return {"bytes": int(given.max_bytes), "rows": given.max_rows, "parts": PARTS, "pixels": given.max_pixels, "seconds": given.seconds}

    def warm_up(self, rows: list[dict[str, Any]]) -> None:
        """Answer some rows, once to load what is loaded late and once to see how long it takes; then it is ready."""
        asked = self.backend.read_json(of_rows(rows)) if rows else None
        taken = QUICK
        for _ in range(3 if asked is not None and len(asked.places) else 0):
            start = time.perf_counter()
            self.backend.run(asked.raw)  # type: ignore[union-attr]
            taken = min(taken, time.perf_counter() - start)
        beside = taken >= QUICK or not self.backend.joins
        self.batcher = Batcher(self.backend.run, self.options, self.counted, self.backend.joins, beside)
        self.ready = True

    @contextmanager
    def admitted(self, size: int) -> Iterator[None]:
        """A place for one request of so many bytes, from its first to its answer; raises Refused where there is none.

        So what is held is bounded: by how many they are, and by their bytes together.
        """
        if self.batcher is None:
            raise Refused(503, "the model is not loaded yet", fix="ask again in a second", headers={"Retry-After": "1"})
        if self.inside >= self.options.max_waiting or (self.inside and self.held + size > HELD * self.options.max_bytes):
            why = f"{self.inside} requests of {self.held:,} bytes are being answered"
            raise Refused(503, "the server is busy", why=why, fix="ask again in a second", headers={"Retry-After": "1"})
        self.inside, self.held = self.inside + 1, self.held + size
        try:
            yield
        finally:
            self.inside, self.held = self.inside - 1, self.held - size

    async def read(self, body: Body, size: int = 0) -> Asked:
        """The rows of a body, without a fault; raises FaultyRows for values that cannot be read."""
        reading = self.backend.read_json if body.columns is not None else self.backend.read_table
        return require_whole(await asyncio.to_thread(reading, body) if size > AT_ONCE else reading(body))

    def raw_of(self, rows: Sequence[dict[str, Any]], columns: Sequence[str] | None = None) -> Asked:
        """Some rows as the model takes them, of some `columns` alone; raises FaultyRows for values that cannot be read."""
        return require_whole(self.backend.read_json(of_rows(list(rows)), columns))

    async def answer(self, asked: Asked, deadline: float | None = None) -> Any:
        """What the model gives for rows that were read; raises Refused where too many wait, or it is too late."""
        if self.batcher is None:
            raise RuntimeError("the model is not warmed up")
        until = time.monotonic() + self.options.seconds if deadline is None else deadline
        return await self.batcher.ask(asked.raw, len(asked.places), until)

    async def predict(self, body: Body, size: int, deadline: float) -> Answer:
        """Predictions for a body, a row for each that was given."""
        asked = await self.read(body, size)
        # of no rows the columns are there as well
        outputs = await self.answer(asked, deadline) if len(asked.places) else self.backend.run(asked.raw)
        self.backend.check(outputs, asked)
        return Answer(self.backend, outputs, asked)

    def predictions(self, outputs: Any) -> list[dict[str, Any]]:
        """What the model gives as rows of JSON."""
        return self.backend.records(outputs)

    def close(self) -> None:
        """Let go of what computes."""
        if self.batcher is not None:
            self.batcher.close()
