"""`launch.restarts`: the ranks of a command are started again when one of them has failed, and go on from the last checkpoint."""

from __future__ import annotations

import tempfile
from pathlib import Path

from trainwright.parallel.agent import Ending, show_on_stderr
from trainwright.parallel.commands import Ranks
from trainwright.parallel.elastic.again import failed, going_on_from, newest_step, tell_given_up
from trainwright.parallel.elastic.crew import Crew
from trainwright.parallel.launchers.base import Command
from trainwright.parallel.launchers.options import LaunchOptions
from trainwright.parallel.signals import Signals
from trainwright.parallel.start import Start, describe


def run_restarted(command: Command, size: int, options: LaunchOptions, most: int) -> Ending:
    """Do a command in `size` processes, which are started again up to `most` times."""
    signals = Signals()
    with tempfile.TemporaryDirectory(prefix="trainwright-ranks-") as place, signals.listening():
        crew = Crew(command, size, options, Path(place), signals)
        with crew.ready():
            return _run(crew, Ranks(size), most) if crew.wait_until_ready() else Ending(128 + signals.came[0], None)


def _run(crew: Crew, ranks: Ranks, most: int) -> Ending:
    restarts, because, before = 0, "", -1
    while True:
        ending = crew.do(ranks, Start(restarts + 1, restarts, most, because=because), again=restarts > 0, hurried=restarts < most)
        if crew.signals.came or not failed(ending, crew.heard) or restarts == most:
            return tell_given_up(ending, restarts, before, newest_step(crew.run)) if failed(ending, crew.heard) else ending
        newest = newest_step(crew.run)
        before = newest if restarts == 0 else before
        restarts += 1
        because = describe(ending.failure)
        show_on_stderr(f"{because}; all ranks begin again {going_on_from(newest)} (restart {restarts} of {most})")
