"""The ranks that a command has on this machine, started one time after another, from a process that is ready where there can be one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from trainwright.parallel.agent import INTERRUPTED, REFUSED, Agent, Ending, failure_file
from trainwright.parallel.commands import Begin, Ranks, begin_process, begin_ranks, threads_for
from trainwright.parallel.elastic.again import words_again
from trainwright.parallel.elastic.preloaded import Preloaded, preload, wait_until_ready
from trainwright.parallel.failures import write_failure
from trainwright.parallel.launchers.base import Command
from trainwright.parallel.launchers.options import LaunchOptions
from trainwright.parallel.run_place import error_name, read_run
from trainwright.parallel.signals import Signals
from trainwright.parallel.start import Start

Beside = Callable[[Agent], None]


class Crew:
    """Starts the ranks of a command, and waits for them."""

    def __init__(self, command: Command, here: int, options: LaunchOptions, folder: Path, signals: Signals) -> None:
        """`here`: how many ranks the command has on this machine. `folder`: for what their launcher and they tell each other."""
        self.command, self.here, self.options, self.folder, self.signals = command, here, options, folder, signals
        self.run: Path | None = Path(os.path.abspath(command.run_dir)) if command.run_dir else None
        """The directory of the run, once it is known."""
        self.heard: list[int] = []
        """The signals that came during the last start."""
        self.left = False
        """Whether they were asked to save and leave, or ended, for a reason that is none of theirs."""
        self._server: Preloaded | None = None
        self._starts = 0

    @contextmanager
    def ready(self) -> Iterator[None]:
        """In the block ranks are forked from a process that has imported everything, where the system and the command allow it."""
        self._server = preload(threads_for(self.here, self.command.threads), self.command.words)
        try:
            yield
        finally:
            if self._server is not None:
                self._server.close()

    def do(self, ranks: Ranks, start: Start, again: bool, beside: Beside | None = None, hurried: bool = True) -> Ending:
        """Start the ranks, wait for them, and say how they ended; `again`: go on with the run that a start before has begun."""
        self._starts += 1
        folder = self.folder / f"start-{self._starts}"
        folder.mkdir()
        words = words_again(self.command, self.run) if again else self.command.words
        words = (*words, *(["--traceback"] if self.command.whole else []))
        told = Ranks(ranks.here, ranks.first, ranks.size, ranks.on_machine, (*ranks.more, *start.variables().items()))
        children, outputs = begin_ranks(words, told, folder, self.options.tee, self.command.threads, self._begin())
        agent = Agent(children, folder, outputs, first=ranks.first, signals=self.signals, hurried=hurried, beside=beside)
        ending = agent.wait()
        self.heard, self.left = agent.heard, agent.leaving
        self.run = read_run(folder) or self.run
        self._leave_errors(ending, folder, start)
        return ending

    def wait_until_ready(self) -> bool:
        """Whether ranks are to be started, as soon as they can be: unless a signal came before. A server that has ended is left aside."""
        if self._server is not None and not wait_until_ready(self._server, lambda: self.signals.came):
            self._server.close()
            self._server = None
        return not self.signals.came

    def _begin(self) -> Begin:
        return begin_process if self._server is None or self._server.gone else self._server.begin

    def _leave_errors(self, ending: Ending, folder: Path, start: Start) -> None:
        """Write down in the run what ended ranks that could not do it themselves."""
        if self.run is None or not self.run.is_dir():
            return
        for each in ending.failures:
            silent = each.exit_code not in (REFUSED, INTERRUPTED) and each.exit_code < 128
            if silent and not each.consequence and not failure_file(folder, each.rank).exists():
                write_failure(each, [self.run / error_name(each.rank, start.number)])
