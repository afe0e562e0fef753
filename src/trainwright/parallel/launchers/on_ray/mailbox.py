"""What the driver and the workers of a run on Ray tell each other: an actor that nobody waits for while training."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from trainwright.parallel.failures import Failure, first_cause
from trainwright.parallel.start import describe

PATIENCE = 1.0
"""Seconds after which a question is answered though nothing has come."""


@dataclass
class Ended:
    """How the process of a rank ended."""

    rank: int
    code: int
    """The exit code; negative for a signal."""
    failure: str = ""
    """What ended it, as its error file has it; empty where it is done."""
    error: bytes = b""
    """The error of a program, where it could be pickled."""


@dataclass
class News:
    """What a worker is told while its rank runs."""

    version: int = 0
    signals: list[int] = field(default_factory=list)
    """Those that came to the driver, in their order."""
    ended: dict[int, int] = field(default_factory=dict)
    """Rank → exit code, of this attempt."""


class Mailbox:
    """An actor of Ray's on the driver's machine. Its methods are asynchronous, so that a question that waits keeps nobody else waiting."""

    def __init__(self) -> None:
        self._messages: list[tuple[str, Any]] = []
        self._signals: list[int] = []
        self._ended: dict[int, dict[int, Ended]] = {}
        self._result, self._run = b"", ""
        self._attempt, self._version = 0, 0
        self._changed = asyncio.Condition()

    async def begin(self) -> tuple[int, str, str]:
        """Rank 0 begins: which attempt this is, from 1 on; the run that an earlier one has left, or nothing; and what ended that one."""
        because = self._why(self._attempt) if self._attempt else ""
        self._attempt += 1
        await self._tell("begun", (self._attempt, because, self._run))
        return self._attempt, self._run, because

    def _why(self, attempt: int) -> str:
        told = [Failure.from_json(each.failure) for each in self._ended.get(attempt, {}).values() if each.failure]
        causes = [each for each in told if each is not None and not each.consequence]
        return describe(first_cause(causes)) if causes else "a worker of Ray's was lost"

    async def note_run(self, path: str) -> None:
        """The directory of the run."""
        self._run = path

    async def show(self, stream: str, content: bytes) -> None:
        """What a rank printed, for the driver's `stdout` or `stderr`."""
        await self._tell(stream, content)

    async def keep_result(self, content: bytes) -> None:
        """What rank 0 gives back to the program."""
        self._result = content

    async def take_result(self) -> bytes:
        """What rank 0 gave."""
        return self._result

    async def end(self, attempt: int, ended: Ended) -> None:
        """A rank has ended."""
        self._ended.setdefault(attempt, {})[ended.rank] = ended
        await self._tell("ended", (attempt, ended))

    async def signal(self, number: int) -> None:
        """A signal came to the driver."""
        self._signals.append(number)
        await self._wake()

    async def watch(self, attempt: int, seen: int) -> News:
        """What there is to know; waits a while for news where a worker has `seen` all of it."""
        if self._version <= seen:
            await self._wait(30 * PATIENCE)
        codes = {rank: each.code for rank, each in self._ended.get(attempt, {}).items()}
        return News(self._version, list(self._signals), codes)

    async def take(self, *, waits: bool = True) -> list[tuple[str, Any]]:
        """The messages for the driver that have come since it last asked; waits a moment for the first."""
        if waits and not self._messages:
            await self._wait(PATIENCE)
        found, self._messages = self._messages, []
        return found

    async def _tell(self, kind: str, content: Any) -> None:
        self._messages.append((kind, content))
        await self._wake()

    async def _wake(self) -> None:
        async with self._changed:
            self._version += 1
            self._changed.notify_all()

    async def _wait(self, seconds: float) -> None:
        async with self._changed:
            try:
                await asyncio.wait_for(self._changed.wait(), seconds)
            except TimeoutError:
                return
