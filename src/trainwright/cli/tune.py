"""`trainwright tune`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.cli.parser import ConfiguredParser, add_trust_flag

if TYPE_CHECKING:
    from trainwright.api.tune import Tuned


def run(words: Sequence[str]) -> int:
    """Try batch sizes and learning rates on the first steps of a run, and print what to write into its configuration."""
    arguments = parser().parse(words)
    from trainwright.cli.settings import composed_from
    from trainwright.config.errors import RequestError
    from trainwright.runs.log import console_logging
    from trainwright.systems.run_config import check_config

    if not arguments.words:
        raise RequestError("nothing to tune", fix="name data or a config: trainwright tune titanic.csv --target survived")
    refuse_taken(arguments.write)
    composed = composed_from(arguments.words, arguments.target)
    check_config(composed)  # mistakes are told before torch is imported
    from trainwright.data.arrow import pandas_later

    pandas_later()
    from trainwright.api.tune import tune_composed

    if not arguments.json:
        console_logging()
    both = arguments.batch_size == arguments.learning_rate  # none of them named is both of them meant
    found = tune_composed(composed, batch_size=arguments.batch_size or both, learning_rate=arguments.learning_rate or both)
    if arguments.write:
        found.write(arguments.write)
    print(json.dumps(found.as_json(), indent=2, ensure_ascii=False) if arguments.json else describe_tuning(found, arguments))
    return 0


def describe_tuning(found: Tuned, arguments: argparse.Namespace) -> str:
    """The trials, the curve, the choice, and the lines to paste."""
    from trainwright.cli.style import bold, heading

    tuning, parts = found.tuning, []
    if tuning.batch is not None:
        parts.append(f"{heading('batch size')}\n{tuning.batch.table()}")
    if tuning.rate is not None:
        parts.append(f"{heading('learning rate')}\n{tuning.rate.table()}")
    parts.append("\n".join(bold(each) for each in tuning.lines()))
    parts.append(f"{heading('for the configuration')}\n{found.lines()}".rstrip())
    if arguments.write:
        parts.append(f"written: {arguments.write}")
    return "\n\n".join(parts)


def refuse_taken(path: str | None) -> None:
    """Raises RequestError, before anything is tried, when `--write` names a file that is there or a folder that is not."""
    from trainwright.config.errors import RequestError

    if path is None:
        return
    from trainwright.files.outputs import ensure_output

    if Path(path).exists():
        raise RequestError("this place is taken", where=path, fix="name a new file for --write")
    ensure_output(path, where="--write")


def parser() -> ConfiguredParser:
    """The arguments of the command."""
    made = ConfiguredParser(
        "tune",
        "Try batch sizes and learning rates on real steps of a run, and print the trials and the choice. "
        "Nothing is trained and nothing is written, unless --write asks for it.",
        "DATA|CONFIG [--target COLUMNS] [--batch-size] [--learning-rate] [--json] [--write FILE] [key=value …]",
        [
            "trainwright tune builtin:digits",
            "trainwright tune config.yaml --batch-size trainer.max_batch_size=4096",
            "trainwright tune config.yaml --learning-rate --write tuned.yaml",
        ],
    )
    help_of_words = "a data file, a folder of year=… folders, a glob in quotes, builtin:NAME, or a .yaml file; then key=value settings"
    made.add_argument("words", nargs="*", metavar="DATA|CONFIG", help=help_of_words)
    made.add_argument(
        "-t", "--target", "--targets", action="append", default=[], metavar="COLUMNS", help="what to predict, as for `trainwright train`"
    )
    made.add_argument("--batch-size", action="store_true", help="the batch size alone (the micro-batch where that is `auto`)")
    made.add_argument("--learning-rate", action="store_true", help="the learning rate alone, by a range test")
    made.add_argument("--json", action="store_true", help="print JSON")
    made.add_argument("--write", metavar="FILE", help="write the whole configuration with the choice in it to a new file")
    add_trust_flag(made)
    return made
