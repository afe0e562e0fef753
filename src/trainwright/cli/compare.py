"""`trainwright compare`."""

from __future__ import annotations

import json
from collections.abc import Sequence

from trainwright.cli.parser import Parser


def run(words: Sequence[str]) -> int:
    """Print what differs between two runs; 0 when their weights are identical, else 1."""
    arguments = parser().parse(words)
    from trainwright.api.compare import compare
    from trainwright.runs.log import console_logging

    console_logging()
    comparison = compare(arguments.run_a, arguments.run_b, weights_only=arguments.weights)
    print(json.dumps(comparison.to_dict(), indent=2, ensure_ascii=False) if arguments.json else comparison.render())
    return 0 if comparison.identical else 1


def parser() -> Parser:
    """The arguments of the command."""
    made = Parser(
        "compare",
        "Show what differs between two runs: configuration, code, data, metrics with intervals, and weights. "
        "Exits with 0 when the weights are identical, else with 1.",
        "RUN_A RUN_B [--weights] [--json]",
        ["trainwright compare runs/first runs/second", "trainwright compare runs/first runs/second --weights"],
    )
    made.add_argument("run_a", metavar="RUN_A", help="a run directory, or a folder of runs (its latest)")
    made.add_argument("run_b", metavar="RUN_B", help="another")
    made.add_argument("--weights", action="store_true", help="look at the weights alone")
    made.add_argument("--json", action="store_true", help="print JSON")
    return made
