"""How an artifact answers beside the run's model, as a table for a person."""

from __future__ import annotations

from collections.abc import Iterator

from trainwright.cli.style import table
from trainwright.deploy.parity.columns import ComparedColumn
from trainwright.deploy.parity.proof import Parity
from trainwright.runs.results import flatten_metrics

SHOWN = 12
"""Columns of predictions that are shown, the worst first."""


def describe_parity(parity: Parity) -> str:
    """The differences of its answers, then size, time and metrics of both."""
    worst = sorted(parity.columns, key=lambda each: (not each.passed, each.relative), reverse=True)
    rows = [(each.name, *_difference(each, parity.rows)) for each in worst[:SHOWN]]
    left = len(worst) - SHOWN
    head = f"{parity.artifact}: {parity.rows:,} rows of {parity.source} answered by it and by the run's model"
    more = [f"and {left} columns that differ less"] if left > 0 else []
    both = table(("", "run", parity.artifact), list(_both(parity)), right=(1, 2))
    apart = table(("prediction", "largest difference", "rows that are equal"), rows, right=(1, 2))
    return "\n".join([head, "", apart, *more, "", both, ""])


def _difference(column: ComparedColumn, rows: int) -> tuple[str, str]:
    apart = f"{round(column.largest * rows)} rows" if column.decision else f"{column.largest:.1e}"
    return apart, f"{column.equal} of {rows}"


def _both(parity: Parity) -> Iterator[tuple[str, str, str]]:
    yield "bytes", f"{parity.sizes['run']:,}", f"{parity.sizes['artifact']:,}"
    for rows, each in parity.latency.items():
        times = [f"{each[name].microseconds:,.0f}" for name in ("run", "artifact")]
        yield f"µs for {rows} row{'s' * (rows > 1)}", times[0], times[1]
    if parity.metrics:
        artifact = dict(flatten_metrics(parity.metrics["artifact"]))
        for name, value in flatten_metrics(parity.metrics["run"]):
            yield name, f"{value:.5g}", f"{artifact[name]:.5g}"
