"""Signals of the process that waits for ranks: kept, and handed to whoever is there to hear them."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

PASSED_ON = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP") if hasattr(signal, name)]


class Signals:
    """Hears signals while in the block; between two starts of the ranks too, when there is nobody to hand them to."""

    def __init__(self) -> None:
        self.came: list[int] = []
        self.hand_on: Callable[[int], None] | None = None
        """Who is given each as it comes."""
        self._listening = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen; within a block that listens already nothing changes."""
        if self._listening or threading.current_thread() is not threading.main_thread():
            yield
            return
        self._listening = True
        before: dict[int, Any] = {number: signal.signal(number, self._heard) for number in PASSED_ON if not _is_ignored(number)}
        try:
            yield
        finally:
            self._listening = False
            for number, handler in before.items():
                signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    def _heard(self, number: int, frame: object) -> None:
        self.hear(number)

    def hear(self, number: int) -> None:
        """Take a signal that came, to this process or by word of another."""
        self.came.append(number)
        if self.hand_on is not None:
            self.hand_on(number)


def _is_ignored(number: int) -> bool:
    """Whether whoever started this process lets it ignore the signal, as `nohup` does."""
    return signal.getsignal(number) == signal.SIG_IGN


def name_signal(number: int) -> str:
    """The name of a signal, as a person knows it."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
