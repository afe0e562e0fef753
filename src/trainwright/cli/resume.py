"""`trainwright resume`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from trainwright.cli.parser import ConfiguredParser, add_trust_flag
from trainwright.cli.ranks import add_rank_flags, rank_settings, start_ranks
from trainwright.config.compose import Assignment, override
from trainwright.config.errors import RequestError
from trainwright.config.places import spell_key
from trainwright.parallel.launched import read_launch


def run(words: Sequence[str]) -> int:
    """Continue a run to its end; the run itself prints its progress and results."""
    arguments = parser().parse(words)
    settings = [*arguments.settings, *rank_settings(arguments)]
    from trainwright.runs.log import console_logging

    console_logging(rank=read_launch().rank)
    if (code := _start_ranks(words, arguments.run, settings, arguments.fork)) is not None:
        return code
    from trainwright.data.arrow import pandas_later

    pandas_later()
    from trainwright.api.fork import fork
    from trainwright.api.resume import resume
    from trainwright.runs.configured import with_config

    found = with_config(arguments.run)
    if not arguments.fork:
        refuse_another_place(arguments.settings, found.path)
    (fork if arguments.fork else resume)(arguments.run, settings)
    return 0


def _start_ranks(words: Sequence[str], run: str, settings: Sequence[str | Assignment], fork: bool) -> int | None:
    """The exit code of as many processes as the run or the command asks for; None for one, which is left to what follows, as is a run
    that cannot be read."""
    from trainwright.runs.configured import with_config
    from trainwright.systems.run_config import read_config

    try:
        found = with_config(run)
        config = read_config(found.config, settings)
    except RequestError:
        return None  # told in its own place
    if found.status == "finished" and not settings:
        return None
    return start_ranks(["resume", *words], config, run_dir="" if fork else str(found.path), resume=not fork)


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
        "RUN [--fork] [--devices N] [key=value …]",
        [
            "trainwright resume runs/titanic-survived",
            "trainwright resume runs/mine trainer.evaluate_every='2 epochs'",
            "trainwright resume runs/mine --fork trainer.optimizer.learning_rate=0.0001",
        ],
    )
    made.add_argument("run", metavar="RUN", help="a run directory, or a folder of runs (its latest)")
    add_rank_flags(made)
    made.add_argument("--fork", action="store_true", help="begin a child run from its last checkpoint: any setting may be another then")
    made.add_argument("settings", nargs="*", metavar="key=value", help="settings that replace those of the run, for example a later end")
    add_trust_flag(made)
    return made
