"""`trainwright validate`."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

from trainwright.cli.forms import ALL, Form
from trainwright.cli.launch import prepare
from trainwright.cli.parser import ConfiguredParser
from trainwright.cli.test import add_measuring, measure
from trainwright.config.errors import RequestError


def run(words: Sequence[str]) -> int:
    """Check a configuration; mistakes are raised all together."""
    arguments = parser().parse(words)
    if arguments.weights or is_run(arguments.run):
        return measure(arguments, prepare(arguments), arguments.settings, None, "validation")
    launch = prepare(arguments)
    arguments.use("configuration", arguments.settings)
    from trainwright.cli.settings import composed_from, is_config, is_setting
    from trainwright.config.dump import dump
    from trainwright.systems.run_config import check_config

    if not is_config(arguments.run) and not is_setting(arguments.run):
        raise not_a_configuration(arguments.run)
    composed = composed_from([arguments.run, *arguments.settings], before=launch.settings)
    check_config(composed)  # mistakes are told before torch is imported
    from trainwright.api.validate import check_whole

    config = check_whole(composed)
    print(dump(config) if arguments.print else f"{arguments.run}: valid", end="" if arguments.print else "\n")
    return 0


def is_run(word: str) -> bool:
    """Whether a word names a run, or a folder of runs."""
    places = (word, os.path.join("runs", word))
    return any(os.path.isdir(each) and (os.path.isfile(os.path.join(each, "run.json")) or holds_runs(each)) for each in places)


def holds_runs(folder: str) -> bool:
    """Whether some folder in this one is a run."""
    return any(os.path.isfile(os.path.join(each.path, "run.json")) for each in os.scandir(folder) if each.is_dir())


def not_a_configuration(word: str) -> RequestError:
    """What to say of a word that names data, by what it looks like."""
    ending = os.path.splitext(word)[1]
    looks = f"a {ending} file" if ending else "a folder" if os.path.isdir(word) else "data"
    looks = "built-in data" if word.startswith("builtin:") else looks
    why = f"it looks like {looks}; a configuration is a file that ends in .yaml"
    fix = f"to check data: trainwright train {shlex.quote(word)} --target COLUMN --dry-run"
    return RequestError("not a configuration", where=word, why=why, fix=fix)


def parser() -> ConfiguredParser:
    """The arguments of the command."""
    made = ConfiguredParser(
        "validate",
        "Check a configuration and show every mistake with file, line and column. "
        "Exits with 2 when there are any. Columns are looked for in the data; their values are not judged. "
        "Given a run, or a configuration with --weights, measure it on its validation rows instead.",
        "CONFIG|RUN [key=value …] [--print] [--weights RUN|FILE] [--json]",
        [
            "trainwright validate config.yaml",
            "trainwright validate runs/mine",
            "trainwright validate config.yaml trainer.max_epochs=40",
            "trainwright validate config.yaml --print > resolved.yaml",
        ],
    )
    made.add_argument("run", metavar="CONFIG|RUN", help="a .yaml configuration, or a run directory")
    made.add_argument("settings", nargs="*", metavar="key=value", help="settings, as for `train`")
    add_measuring(made)
    made.add_argument("--print", action="store_true", help="print the configuration in full, with every default")
    made.forms["configuration"] = Form("a configuration", ("print", "debug", "limit_batches"), ALL)
    return made
