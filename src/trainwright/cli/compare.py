"""`trainwright compare`."""

from __future__ import annotations

import json
from collections.abc import Sequence

from trainwright.cli.parser import Parser


def run(words: Sequence[str]) -> int:
    """Print what differs between two runs; 0 when their weights are identical, or all is within the tolerance given, else 1."""
    arguments = parser().parse(words)
    from trainwright.api.compare import compare
    from trainwright.runs.log import console_logging

    console_logging()
    comparison = compare(arguments.run_a, arguments.run_b, weights_only=arguments.weights, tolerance=arguments.tolerance or None)
    print(json.dumps(comparison.to_dict(), indent=2, ensure_ascii=False) if arguments.json else comparison.render())
    return comparison.exit_code


def parser() -> Parser:
    """The arguments of the command."""
    made = Parser(
        "compare",
        "Say which of two runs is better, by how much, and whether that is more than chance; then what differs: configuration, metrics "
        "with intervals, data, code, and weights. Exits with 0 when the weights are identical, else with 1; with --tolerance with 0 when "
        "every metric of test and validation rows is within it.",
        "RUN_A RUN_B [--weights] [--tolerance T] [--json]",
        [
            "trainwright compare runs/first runs/second",
            "trainwright compare runs/first runs/second --tolerance 0.01",
            "trainwright compare runs/first runs/second --tolerance 2% --tolerance accuracy=0.005",
            "trainwright compare runs/first runs/second --weights --tolerance 1e-6",
        ],
    )
    made.add_argument("run_a", metavar="RUN_A", help="a run directory, or a folder of runs (its latest)")
    made.add_argument("run_b", metavar="RUN_B", help="another")
    made.add_argument("--weights", action="store_true", help="look at the weights alone")
    allowed = "how far apart still counts as the same: 0.01, 1% (of the first), accuracy=0.01; may be given several times"
    made.add_argument("--tolerance", action="append", default=[], metavar="T", help=allowed)
    made.add_argument("--json", action="store_true", help="print JSON")
    return made
