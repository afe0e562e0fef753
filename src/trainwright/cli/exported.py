"""How an artifact answers beside the run's model, as a table for a person."""

from __future__ import annotations

from collections.abc import Iterator

from trainwright.cli.style import table
from trainwright.deploy.parity.columns import ComparedColumn
from trainwright.deploy.parity.proof import Parity
from trainwright.runs.results import flatten_metrics

SHOWN = 12
"""Columns of predictions that are shown, the worst first."""
NO_FASTER = 0.95
"""Times as fast below which it is said: less is what two measurements differ by."""


def describe_parity(parity: Parity) -> str:
    """The differences of its answers, then size, time and metrics of both."""
    worst = sorted(parity.columns, key=lambda each: (not each.passed, each.relative), reverse=True)
    rows = [(each.name, *_difference(each, parity.rows)) for each in worst[:SHOWN]]
    left = len(worst) - SHOWN
    head = f"{parity.artifact}: {parity.rows:,} rows of {parity.source} answered by it and by the run's model"
    more = [f"and {left} columns that differ less"] if left > 0 else []
    both = table(("", "run", parity.artifact), list(_both(parity)), right=(1, 2))
    apart = table(("prediction", "largest difference", "rows that are equal"), rows, right=(1, 2))
    rounded = [describe_int8(parity), ""] if "int8" in parity.findings else []
    return "\n".join([head, "", apart, *more, "", both, "", *rounded])


def describe_int8(parity: Parity) -> str:
    """What each layer alone in int8 costs, the worst first; what was lost in all beside what might be."""
    found = parity.findings["int8"]
    rows = [
        (each["name"], f"{each['weights']:,}", f"{each['output_error']:.1e}", f"{100 * each['changed_decisions']:.2f} %")
        for each in found["layers"][:SHOWN]
    ]
    head = ("int8 alone in", "weights", "error of outputs", "other decisions")
    left = found["layers"][SHOWN:]
    more = [f"and {len(left)} layers that cost less"] if left else []
    spared = [f"float: {', '.join(found['float_layers'])}"] if found["float_layers"] else []
    batch = ["a row's answer depends on the rows that are asked with it: dynamic ranges"] if found["answers_depend_on_batch"] else []
    size, time = found["size"], found["latency"]
    gain = f"{size['int8'] / size['float']:.2f} of the float file's size, {time['times_as_fast']:.2f} times as fast for {time['rows']} rows"
    larger = ["no smaller: its weights are few beside what int8 adds"] if size["int8"] >= size["float"] else []
    slower = ["no faster: leave int8 out where only time counts"] if time["times_as_fast"] < NO_FASTER else []
    return "\n".join([table(head, rows, right=(1, 2, 3)), *more, *spared, gain, *larger, *slower, *_losses(parity), *batch])


def _losses(parity: Parity) -> Iterator[str]:
    for each in [] if parity.gate is None else parity.gate.losses:
        told = f"gains {-each.points:.2f}" if each.points < 0 else f"loses {each.points:.2f}"
        yield f"{each.of} {told} of {parity.gate.limit:g} points"  # type: ignore[union-attr] # there are none without a gate


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
            yield name.lstrip("."), f"{value:.5g}", f"{artifact[name]:.5g}"
