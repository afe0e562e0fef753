"""`trainwright evaluate`."""

from __future__ import annotations

from collections.abc import Sequence

from trainwright.cli.launch import prepare
from trainwright.cli.parser import ConfiguredParser
from trainwright.cli.test import add_measuring, measure
from trainwright.cli.words import add_given, divide_given, ensure_one


def run(words: Sequence[str]) -> int:
    """Measure a run's model on other rows, or on a split of its own, and print the metrics."""
    arguments = parser().parse(words)
    launch = prepare(arguments)
    data, settings = divide_given(arguments.given)
    ensure_one(data, arguments.split)
    return measure(arguments, launch, settings, data, arguments.split or "test")


def parser() -> ConfiguredParser:
    """The arguments of the command."""
    made = ConfiguredParser(
        "evaluate",
        "Measure a run's model on rows that have the target, or without DATA on a split of its own data. Nothing in the run changes.",
        "RUN|CONFIG [DATA] [--split NAME] [--json] [key=value …]",
        [
            "trainwright evaluate runs/titanic-survived later.csv",
            "trainwright evaluate runs/titanic-survived later.csv evaluation.intervals=true evaluation.importance=true",
            "trainwright evaluate runs/titanic-survived later.csv --json | jq .metrics",
            "trainwright evaluate runs/mine --split validation trainer.evaluation_batch_size=64",
        ],
    )
    add_given(made, "a data file, a folder of year=… folders, a glob in quotes, builtin:NAME; arrays by name")
    made.add_argument("--split", metavar="NAME", help="which split of the run's own data: test (the default), validation, or another of it")
    add_measuring(made, ("split",))
    return made
