"""`trainwright validate`."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from trainwright.cli.forms import ALL, Form
from trainwright.cli.launch import prepare
from trainwright.cli.parser import ConfiguredParser
from trainwright.cli.test import add_measuring, measure

if TYPE_CHECKING:
    from trainwright.cli.launch import Launch


def run(words: Sequence[str]) -> int:
    """Check a configuration or data, or measure a run; mistakes are raised all together."""
    arguments = parser().parse(words)
    if arguments.weights or is_run(arguments.run):
        return measure(arguments, prepare(arguments), arguments.settings, None, "validation")
    if arguments.rows:
        return check_rows(arguments, prepare(arguments))
    from trainwright.cli.settings import composed_from, is_config, is_setting

    launch = prepare(arguments)
    if not is_config(arguments.run) and not is_setting(arguments.run):
        return check_data(arguments, launch)
    arguments.use("configuration", arguments.settings)
    from trainwright.config.dump import dump
    from trainwright.systems.run_config import check_config

    composed = composed_from([arguments.run, *arguments.settings], arguments.target, launch.settings)
    check_config(composed)  # mistakes are told before torch is imported
    from trainwright.api.validate import check_whole

    config = check_whole(composed)
    print(dump(config) if arguments.print else f"{arguments.run}: valid", end="" if arguments.print else "\n")
    return 0


def check_data(arguments: Any, launch: Launch) -> int:
    """Read data as training would, without a model: columns, types, classes and split are printed, mistakes are raised."""
    arguments.use("data", arguments.settings)
    launch.start_console()
    from trainwright.api.validate import check_data
    from trainwright.cli.settings import composed_from

    for line in check_data(composed_from([arguments.run, *arguments.settings], arguments.target, launch.settings)):
        print(line)
    print(f"{arguments.run}: valid; --rows reads every row too, and every file that columns name")
    return 0


def check_rows(arguments: Any, launch: Launch) -> int:
    """Read every row of the data of a configuration, or of data, and all that columns of files name; what cannot be read is raised."""
    arguments.use("rows", arguments.settings)
    launch.start_console()
    from trainwright.api.validate import check_rows
    from trainwright.cli.settings import composed_from
    from trainwright.systems.run_config import check_config

    composed = composed_from([arguments.run, *arguments.settings], arguments.target, launch.settings)
    check_config(composed)
    found = check_rows(composed)
    if arguments.json:
        print(json.dumps(asdict(found), indent=2, ensure_ascii=False))
    else:
        for line in found.lines():
            print(line)
    found.raise_broken()
    return 0


def is_run(word: str) -> bool:
    """Whether a word names a run, or a folder of runs."""
    places = (word, os.path.join("runs", word))
    return any(os.path.isdir(each) and (os.path.isfile(os.path.join(each, "run.json")) or holds_runs(each)) for each in places)


def holds_runs(folder: str) -> bool:
    """Whether some folder in this one is a run."""
    return any(os.path.isfile(os.path.join(each.path, "run.json")) for each in os.scandir(folder) if each.is_dir())


def parser() -> ConfiguredParser:
    """The arguments of the command."""
    made = ConfiguredParser(
        "validate",
        "Check a configuration and show every mistake with file, line and column. "
        "Exits with 2 when there are any. Columns are looked for in the data; their values are not judged. "
        "Given data, read and check them as `train` would, and show columns, types, classes and split. "
        "Given a run, or a configuration with --weights, measure it on its validation rows instead. "
        "With --rows read every row of the data, and every file that their columns name, and name those that cannot be read.",
        "CONFIG|RUN|DATA [--target COLUMNS] [key=value …] [--print] [--rows] [--weights RUN|FILE] [--json]",
        [
            "trainwright validate config.yaml",
            "trainwright validate runs/mine",
            "trainwright validate config.yaml trainer.max_epochs=40",
            "trainwright validate config.yaml --print > resolved.yaml",
            "trainwright validate titanic.csv --target survived",
            "trainwright validate photos/",
            "trainwright validate photos/ --rows",
        ],
    )
    made.add_argument("run", metavar="CONFIG|RUN|DATA", help="a .yaml configuration, a run directory, or data, as for `train`")
    made.add_argument("settings", nargs="*", metavar="key=value", help="settings, as for `train`")
    add_measuring(made)
    made.add_argument(
        "-t", "--target", "--targets", action="append", default=[], metavar="COLUMNS", help="what is to be predicted, as for `train`"
    )
    made.add_argument("--print", action="store_true", help="print the configuration in full, with every default")
    made.add_argument(
        "--rows", action="store_true", help="read every row of the data, and decode every file that columns name, in parallel"
    )
    made.forms["rows"] = Form("rows of data", ("rows", "json", "target"), ALL)
    made.forms["data"] = Form("data", ("target", "verbose"), ALL)
    made.forms["configuration"] = Form("a configuration", ("print", "debug", "limit_batches", "target"), ALL)
    return made
