"""`trainwright resume`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from trainwright.cli.parser import ConfiguredParser, add_trust_flag
from trainwright.config.compose import override
from trainwright.config.errors import RequestError
from trainwright.config.places import spell_key


def run(words: Sequence[str]) -> int:
    """Continue a run to its end; the run itself prints its progress and results."""
    arguments = parser().parse(words)
    from trainwright.data.arrow import pandas_later

    pandas_later()
    from trainwright.api.fork import fork
    from trainwright.api.resume import resume
    from trainwright.runs.log import console_logging

    console_logging()
    from trainwright.runs.configured import with_config

    found = with_config(arguments.run)
    if not arguments.fork:
        refuse_another_place(arguments.settings, found.path)
    (fork if arguments.fork else resume)(arguments.run, arguments.settings)
    return 0


def refuse_another_place(settings: Sequence[str], path: Path) -> None:
    """Raise RequestError for a setting that names another folder than that of the run, which goes on where it is."""
    for text in settings:
        setting = override(text)
        named = spell_key(setting.path)
        same = named == "run.dir" and os.path.realpath(str(setting.value.value)) == os.path.realpath(path)
        if named in ("run.dir", "run.name") and not same:
            fix = "leave it out; what begins in another folder is a child run (--fork) or a new one (trainwright train)"
            raise RequestError(f"a run is continued where it is: {path}", where=f"command line: {text}", fix=fix)


def parser() -> ConfiguredParser:
    """The arguments of the command."""
    made = ConfiguredParser(
        "resume",
        "Continue an interrupted run from its last checkpoint, with the configuration and data it was started with. "
        "The result is bit for bit the one an uninterrupted run gives.",
        "RUN [--fork] [key=value …]",
        [
            "trainwright resume runs/titanic-survived",
            "trainwright resume runs/mine trainer.evaluate_every='2 epochs'",
            "trainwright resume runs/mine --fork trainer.optimizer.learning_rate=0.0001",
        ],
    )
    made.add_argument("run", metavar="RUN", help="a run directory, or a folder of runs (its latest)")
    made.add_argument("--fork", action="store_true", help="begin a child run from its last checkpoint: any setting may be another then")
    made.add_argument("settings", nargs="*", metavar="key=value", help="settings that replace those of the run, for example a later end")
    add_trust_flag(made)
    return made
