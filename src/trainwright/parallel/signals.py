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
        self._receiver: Callable[[int], None] | None = None
        self.handed = 0
        """How many were given to somebody."""
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
        self._hand_on()

    @contextmanager
    def hand_to(self, receiver: Callable[[int], None]) -> Iterator[None]:
        """Give `receiver` each signal once, as it comes while in the block; first those that came while nobody was there."""
        self._receiver = receiver
        self._hand_on()
        try:
            yield
        finally:
            self._receiver = None

    def _hand_on(self) -> None:
        while self._receiver is not None and self.handed < len(self.came):
            self.handed += 1  # first: another may come while this one is handed on
            self._receiver(self.came[self.handed - 1])


def _is_ignored(number: int) -> bool:
    """Whether whoever started this process lets it ignore the signal, as `nohup` does."""
    return signal.getsignal(number) == signal.SIG_IGN


def name_signal(number: int) -> str:
    """The name of a signal, as a person knows it."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
