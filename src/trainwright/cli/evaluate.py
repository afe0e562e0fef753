"""`trainwright evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainwright.cli.launch import prepare
from trainwright.cli.parser import ConfiguredParser
from trainwright.cli.test import add_measuring, measure
from trainwright.cli.words import add_given, divide_given, ensure_one

SAMPLES = ("metrics", "n", "features", "seed")
"""Flags that say how samples of a run's model are measured."""


def run(words: Sequence[str]) -> int:
    """Measure a run's model on other rows, or on a split of its own, and print the metrics."""
    arguments = parser().parse(words)
    launch = prepare(arguments)
    data, settings = divide_given(arguments.given)
    ensure_one(data, arguments.split)
    settings += sample_settings(arguments)
    return measure(arguments, launch, settings, data, arguments.split or "test")


def parser() -> ConfiguredParser:
    """The arguments of the command."""
    made = ConfiguredParser(
        "evaluate",
        "Measure a run's model on rows that have the target, or without DATA on a split of its own data. Nothing in the run changes.",
        "RUN|CONFIG [DATA] [--split NAME] [--metrics LIST -n N --features NAME --seed S] [--json] [key=value …]",
        [
            "trainwright evaluate runs/titanic-survived later.csv",
            "trainwright evaluate runs/titanic-survived later.csv evaluation.intervals=true evaluation.importance=true",
            "trainwright evaluate runs/titanic-survived later.csv --json | jq .metrics",
            "trainwright evaluate runs/mine --split validation trainer.evaluation_batch_size=64",
            "trainwright evaluate runs/digits --metrics fid,kid -n 5000",
        ],
    )
    add_given(made, "a data file, a folder of year=… folders, a glob in quotes, builtin:NAME; arrays by name")
    made.add_argument("--split", metavar="NAME", help="which split of the run's own data: test (the default), validation, or another of it")
    made.add_argument("--metrics", metavar="LIST", help="measure samples beside the rows: of fid, kid, mmd, prdc, inception_score, nearest")
    made.add_argument("-n", "--n", type=int, metavar="N", help="how many samples are measured; default: what the run says, else 1000")
    made.add_argument(
        "--features", metavar="NAME", help="what makes their features: classifier, pca, pixels, or ./file.py:Class; default: auto"
    )
    made.add_argument("--seed", type=int, metavar="S", help="what the samples follow from; default: 0")
    add_measuring(made, ("split",), SAMPLES)
    return made


def sample_settings(arguments: Any) -> list[str]:
    """The flags of samples as settings of `trainer.sample_metrics`."""
    given = {name: getattr(arguments, name) for name in SAMPLES if getattr(arguments, name) is not None}
    if not given:
        return []
    metrics = [each.strip() for each in given.pop("metrics", "").split(",") if each.strip()]
    written = [f"trainer.sample_metrics.metrics=[{','.join(metrics)}]"] if metrics else []
    return written + [f"trainer.sample_metrics.{name}={value}" for name, value in given.items()]
