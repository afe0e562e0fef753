"""`launch.min` and `launch.max`: a command takes part in a run with others that were given the same, and may come and go."""

from __future__ import annotations

import tempfile
from pathlib import Path

from trainwright.config.errors import ConfigError
from trainwright.parallel.agent import Ending
from trainwright.parallel.elastic.crew import Crew
from trainwright.parallel.elastic.leading import Rules
from trainwright.parallel.elastic.member import Member
from trainwright.parallel.launchers.base import Command
from trainwright.parallel.launchers.options import LaunchOptions
from trainwright.parallel.signals import Signals


def run_joined(command: Command, here: int, options: LaunchOptions, rules: Rules, address: str) -> Ending:
    """Do a command with the other members of its run, `here` being the ranks that this one brings."""
    if not command.run_dir:
        why = "the members of a run find each other beside its directory, so each has to be told the same one"
        fix = "name it, on a disk that all of them share: run.dir=/shared/runs/x"
        raise ConfigError("launch.min and launch.max need run.dir", where="launch", why=why, fix=fix)
    signals = Signals()
    with tempfile.TemporaryDirectory(prefix="trainwright-ranks-") as place, signals.listening():
        crew = Crew(command, here, options, Path(place), signals)
        with crew.ready():
            return Member(crew, rules, address).take_part() if crew.wait_until_ready() else Ending(128 + signals.came[0], None)
