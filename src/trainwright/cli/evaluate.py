"""`trainwright evaluate`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trainwright.cli.parser import Parser, add_trust_flag
from trainwright.cli.style import table


def run(words: Sequence[str]) -> int:
    """Measure a run's model on other rows and print the metrics."""
    arguments = parser().parse(words)
    from trainwright.api.own.config import is_own_run
    from trainwright.config.errors import RequestError
    from trainwright.data.arrow import pandas_later
    from trainwright.runs.directory import RunDirectory

    if is_own_run(RunDirectory.open(arguments.run)):
        why = "it is a run of a system of your own, whose data come from its configuration"
        fix = f"trainwright test {arguments.run}"
        raise RequestError("this run is measured on its own data", where=arguments.run, why=why, fix=fix)
    pandas_later()
    from trainwright.api.evaluate import evaluate
    from trainwright.runs.log import console_logging

    console_logging()
    result = evaluate(arguments.run, arguments.data)
    print(json.dumps(result, indent=2, ensure_ascii=False) if arguments.json else describe_metrics(result))
    return 0


def describe_metrics(result: Mapping[str, Any]) -> str:
    """The metrics as a table, and whatever else was told as lines above it."""
    metrics = result["metrics"] if isinstance(result.get("metrics"), Mapping) else result
    plain = (
        [f"{key}: {value}" for key, value in result.items() if isinstance(value, str | int) and key != "format"]
        if metrics is not result
        else []
    )
    rows = [(name.rpartition(".")[0], name.rpartition(".")[2], f"{value:.6g}") for name, value in flat(metrics)]
    return "\n".join([*plain, *([""] if plain else []), table(("target", "metric", "value"), rows, right=(2,))])


def flat(metrics: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Nested metrics as `target.metric` and value."""
    for key, value in metrics.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{prefix}{key}", value


def parser() -> Parser:
    """The arguments of the command."""
    made = Parser(
        "evaluate",
        "Measure a run's model on rows that have the target. Nothing in the run changes.",
        "RUN DATA [--json]",
        [
            "trainwright evaluate runs/titanic-survived later.csv",
            "trainwright evaluate runs/titanic-survived later.csv --json | jq .metrics",
        ],
    )
    made.add_argument("run", metavar="RUN", help="a run directory, or a folder of runs (its latest)")
    made.add_argument("data", metavar="DATA", help="a data file, a folder of year=… folders, a glob in quotes, or builtin:NAME")
    made.add_argument("--json", action="store_true", help="print JSON")
    add_trust_flag(made)
    return made
