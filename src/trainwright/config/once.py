"""What is done once on each machine of a run, such as to download the data: by the first process there, while the others wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Work = Callable[[], object]


def _here(work: Work) -> None:
    work()


_runner: ContextVar[Callable[[Work], None]] = ContextVar("once_per_machine", default=_here)
"""How it is done in this process: by itself, unless it is one of several that prepare a run."""


def once_per_machine(work: Work) -> None:
    """Do it in this process, or wait until another one of this machine has done it."""
    _runner.get()(work)


@contextmanager
def done_by(runner: Callable[[Work], None]) -> Iterator[None]:
    """Within the block `runner` says who does it."""
    token = _runner.set(runner)
    try:
        yield
    finally:
        _runner.reset(token)
