"""`trainwright sample`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainwright.cli.forms import GIVEN, MEASURING, OF_ROWS, Form
from trainwright.cli.launch import add_launch_flags, prepare
from trainwright.cli.parser import ConfiguredParser, add_trust_flag
from trainwright.cli.style import wrap
from trainwright.cli.words import divide_given
from trainwright.config.errors import RequestError

if TYPE_CHECKING:
    from trainwright.api.sample import Sampled

KINDS = {".png": "picture", ".wav": "sound", ".txt": "text", ".npy": "array"}


def run(words: Sequence[str]) -> int:
    """Make samples with a run's model, and write them into a new folder."""
    arguments = parser().parse(words)
    launch = prepare(arguments)
    data, settings = divide_given(arguments.given)
    if data is not None:
        where = f"trainwright sample {arguments.run}"
        raise RequestError(f"'{data}' is one argument too many", where=where, why="samples are made of noise", fix="leave it out")
    ensure_numbers(arguments.n, arguments.seed)
    from trainwright.api.predictors.kinds import find_run

    found = find_run(arguments.run)
    arguments.use(found.form, settings)
    launch.start_console()
    launch.check_gpus()
    from pathlib import Path

    from trainwright.api.sample import sample_files

    predictor = found.open([*launch.settings, *settings])
    output = arguments.output or f"samples/{Path(arguments.run).resolve().name}-seed-{arguments.seed}"
    print(describe(sample_files(predictor, arguments.n, arguments.seed, output, arguments.weights), arguments.seed))
    return 0


def ensure_numbers(n: int, seed: int) -> None:
    """Raises RequestError for a number or a seed that can be none."""
    if n < 1:
        raise RequestError(f"{n} samples cannot be made", where=f"command line: -n {n}", fix="ask for 1 or more")
    if seed < 0:
        raise RequestError(f"{seed} is no seed", where=f"command line: --seed {seed}", fix="give 0 or more")


def describe(made: Sampled, seed: int) -> str:
    """What was written where, and by which weights."""
    kinds = [f"{count} {KINDS.get(ending, ending)}{'s' * (count > 1)}" for ending, count in made.kinds.items()]
    grids = [each for each in made.files if each.endswith("grid.png")]
    files = [each for each in made.files if each not in grids]
    shown = ", ".join(files[:2]) + (", …" if len(files) > 2 else "") + (f"; all in {', '.join(grids)}" if grids else "")
    weights = f"weights of step {made.about['step']}, " if made.about.get("step") else ""
    return wrap(f"{made.folder}: {', '.join(kinds)} ({shown}); {weights}seed {seed}", 0)


def parser() -> ConfiguredParser:
    """The arguments of the command."""
    made = ConfiguredParser(
        "sample",
        "Make new things with a run's model, by the `sample(n, generator)` of its system: pictures, sounds and texts go each to a file of "
        "a new folder, arrays to one. Equal seeds make equal samples. A table's model makes none: it answers rows, see `predict`.",
        "RUN [-n N] [-o FOLDER] [--seed S] [--weights WHICH] [key=value …]",
        [
            "trainwright sample runs/digits",
            "trainwright sample runs/digits -n 64 -o pictures --seed 7",
            "trainwright sample runs/digits --weights raw -o raw",
        ],
    )
    made.add_argument("run", metavar="RUN", help="a run directory, a folder of runs (its latest), an exported model")
    made.add_argument("given", nargs="*", metavar="key=value", help="settings")
    made.add_argument("-n", "--n", type=int, default=16, metavar="N", help="how many; default: 16")
    made.add_argument(
        "-o", "--output", metavar="FOLDER", help="a new or an empty folder; default: samples/ with the name of the run and the seed"
    )
    made.add_argument("--seed", type=int, default=0, metavar="S", help="what the noise follows from; default: 0")
    made.add_argument(
        "--weights",
        default="",
        metavar="WHICH",
        help="default: those of the model; averaged or raw of the last checkpoint, best, last; or a file, a run, a checkpoint",
    )
    add_trust_flag(made)
    add_launch_flags(made, ("gpu", "verbose", "typecheck"))
    flags = ("n", "output", "seed", "weights", "gpu", "verbose", "typecheck")
    made.forms = {
        "table": Form("a table's run", flags, instead="leave it out: a table's model answers rows"),
        "own run": Form("a run of a system of one's own", flags, MEASURING, "leave it out", OF_ROWS),
        "fit run": Form("a run of tw.fit", flags, GIVEN, "leave it out"),
    }
    return made
