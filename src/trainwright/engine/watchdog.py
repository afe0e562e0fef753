"""A thread that notices when no step ends any more, and writes down where every thread of the process is."""

from __future__ import annotations

import faulthandler
import logging
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from trainwright.config.errors import TrainwrightError
from trainwright.parallel.timers import end_process

OPTION = "trainer.recovery.hang=end"
log = logging.getLogger("trainwright.engine")

LOOKS = 10
"""How often it looks within the time it waits."""


class Watching:
    """A thread beside a run; a subclass says in `_watch` what it does until `_ended` is set."""

    def __init__(self, name: str) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=name, daemon=True)

    def _watch(self) -> None:
        raise NotImplementedError

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look while in the block."""
        self._thread.start()
        try:
            yield
        finally:
            self._ended.set()
            self._thread.join()


class Watchdog(Watching):
    """Looks at `progress()` now and then; when it has been the same for `seconds`, the stacks of all threads go to the log, once.

    With `ends` the process ends then.
    """

    def __init__(self, seconds: float, progress: Callable[[], object], ends: bool = False) -> None:
        super().__init__("watchdog")
        self.seconds, self._progress, self.ends = seconds, progress, ends

    def _watch(self) -> None:
        last, same, told = self._progress(), 0, False
        while not self._ended.wait(self.seconds / LOOKS):
            now = self._progress()
            same = same + 1 if now == last else 0
            told = told and now == last
            last = now
            if same >= LOOKS and not told:
                told = True
                where = stacks()
                log.warning("no step has ended for %g s; where every thread is:\n%s", self.seconds, where)
                if self.ends:
                    end_process(TrainwrightError(f"no step has ended for {self.seconds:g} s", where=OPTION), where)


def stacks() -> str:
    """The stacks of all threads as text."""
    with tempfile.TemporaryFile("w+") as file:
        faulthandler.dump_traceback(file, all_threads=True)
        file.seek(0)
        return file.read()
