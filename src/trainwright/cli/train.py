"""`trainwright train`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainwright.cli.launch import add_launch_flags, divide_words, prepare
from trainwright.cli.parser import ConfiguredParser, add_trust_flag
from trainwright.cli.ranks import add_rank_flags, rank_settings, start_ranks

if TYPE_CHECKING:
    from trainwright.config.compose import Composed


def run(words: Sequence[str]) -> int:
    """Train as asked; the run itself prints its progress and results."""
    made = parser()
    mine, own = divide_words(made, words)
    arguments = made.parse(mine)
    launch = prepare(arguments, own)
    from trainwright.cli.settings import composed_from
    from trainwright.config.errors import RequestError
    from trainwright.parallel.launched import read_launch
    from trainwright.systems.run_config import check_config

    if not arguments.words:
        raise RequestError("nothing to train on", fix="name data or a config: trainwright train titanic.csv --target survived")
    composed = composed_from(arguments.words, arguments.target, launch.settings, rank_settings(arguments))
    config = check_config(composed)  # mistakes are told before torch is imported
    if read_launch().size == 1:
        launch.check_gpus()  # what `--gpu` sets here the ranks would take for the person's own choice
    launch.start_console()
    if not arguments.dry_run:
        code = start_ranks(["train", *words], config, resume=arguments.resume, check=lambda: check_early(composed, arguments.resume))
        if code is not None:
            return code
    from trainwright.data.arrow import pandas_later

    pandas_later()
    from trainwright.api.train import dry_run, train_composed

    (dry_run if arguments.dry_run else train_composed)(composed, resume=arguments.resume)
    return 0


def check_early(composed: Composed, resume: bool) -> None:
    """Look at the place, the configuration and the columns before the run is sent elsewhere."""
    from trainwright.api.validate import check_whole

    check_whole(composed, resume=resume)


def parser() -> ConfiguredParser:
    """The arguments of the command."""
    made = ConfiguredParser(
        "train",
        "Train a network on a table, measure it beside simple baselines, and write everything to a run directory: "
        "checkpoints, metrics, the model, and report.html.",
        "DATA|CONFIG [--target COLUMNS] [--resume] [--dry-run] [--devices N] [key=value …]",
        [
            "trainwright train titanic.csv --target survived",
            "trainwright train 'parts/*.parquet' --target price data.split=random",
            "trainwright train builtin:iris trainer.max_epochs=50 run.seed=3",
            "trainwright train config.yaml trainer.optimizer.learning_rate=1e-3",
            "trainwright train config.yaml run.dir=runs/mine --resume",
            "trainwright train config.yaml --gpu 0 --limit-batches 4",
            "trainwright train table.csv --target y --devices 2",
            "trainwright train table.csv --target y --dry-run",
        ],
        train_settings,
        usual_of_training,
    )
    made.add_argument(
        "words",
        nargs="*",
        metavar="DATA|CONFIG",
        help="a data file, a folder of year=… folders, a glob in quotes, builtin:NAME, or a .yaml configuration; then key=value settings",
    )
    made.add_argument(
        "-t",
        "--target",
        "--targets",
        action="append",
        default=[],
        metavar="COLUMNS",
        help="what to predict: one column, or several with commas between",
    )
    made.add_argument("--resume", action="store_true", help="continue the run in run.dir if there is one, start it otherwise")
    made.add_argument(
        "--dry-run", action="store_true", help="check data and place, show columns, split and model, then stop; nothing is written"
    )
    add_rank_flags(made)
    add_trust_flag(made)
    add_launch_flags(made)
    return made


def train_settings() -> str:
    from trainwright.cli.settings import every_setting

    return every_setting()


def usual_of_training() -> str:
    from trainwright.cli.settings import usual_settings

    return usual_settings()
