"""`trainwright export`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trainwright.cli.forms import Form
from trainwright.cli.launch import add_launch_flags, prepare
from trainwright.cli.parser import Parser, add_trust_flag


def run(words: Sequence[str]) -> int:
    """Copy a run's model out of it."""
    arguments = parser().parse(words)
    launch = prepare(arguments)
    launch.start_console()
    from trainwright.api.export import export_run
    from trainwright.api.predictors.kinds import find_run

    found = find_run(arguments.run)
    arguments.use(found.form)
    for each in export_run(arguments.run, Path(arguments.output) if arguments.output else None, arguments.to or "", arguments.dtype):
        print(each)
    return 0


def parser() -> Parser:
    """The arguments of the command."""
    made = Parser(
        "export",
        "Copy the model of a finished run, with its configuration, to a folder of its own. A system with a method `export(folder)` "
        "writes there what it wants to: meshes, images, another format.",
        "RUN [-o FOLDER] [--to FORMAT] [--dtype TYPE]",
        ["trainwright export runs/mine", "trainwright export runs/mine -o exported"],
    )
    made.add_argument("run", metavar="RUN", help="a run directory, or a folder of runs (its latest)")
    made.add_argument("-o", "--output", metavar="FOLDER", help="an empty or new folder; default: the run's name and -model")
    made.add_argument("--to", metavar="FORMAT", help="another format: trainwright list exporter shows them")
    made.add_argument(
        "--dtype", choices=("fp16", "bf16"), help="round the weights to half precision; they are loaded as they are elsewhere"
    )
    add_trust_flag(made)
    add_launch_flags(made, ("verbose", "typecheck"))
    made.forms = {
        "own run": Form("a run of a system of one's own", ("output", "to", "dtype", "verbose", "typecheck")),
        "fit run": Form("a run of tw.fit", ("output", "to", "dtype", "verbose")),
        "table": Form("a table's run", ("output", "to", "dtype", "verbose")),
    }
    return made
