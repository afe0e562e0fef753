"""Whether an artifact answers as the run's model does, what it weighs, how fast it is, and what its metrics are."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trainwright.config.errors import RequestError
from trainwright.deploy.exporters.base import Answers, Exporter, Trained
from trainwright.deploy.int8.gate import Gate, judge_answers, judge_metrics
from trainwright.deploy.latency import Latency, compare_latency
from trainwright.deploy.parity.batches import answer_in_batches, take_rows
from trainwright.deploy.parity.cause import Cause, find_cause
from trainwright.deploy.parity.columns import ABSOLUTE, RELATIVE, ComparedColumn, compare_columns, join_pieces, names_of
from trainwright.domains.deliverable import ROWS
from trainwright.domains.forms import Columns
from trainwright.domains.predictor import Metrics, Tensors

SPLITS = ("test", "validation", "train")
TIMED = (1, 64)
"""Rows per call whose time is measured."""
GIVEN = "the rows that were given"
MADE = "rows that were made, for the run has none of its own"


@dataclass
class Parity:
    """An artifact against the run's model, on the same rows."""

    artifact: str
    source: str
    """Whose rows they are: a split of the run, a file, or made ones."""
    rows: int
    columns: list[ComparedColumn]
    sizes: dict[str, int] = field(default_factory=dict)
    """Bytes of the run's weights, and of the artifact."""
    latency: dict[int, dict[str, Latency]] = field(default_factory=dict)
    """Rows per call → the time of both."""
    metrics: dict[str, Metrics] = field(default_factory=dict)
    """Those of the run's model and of the artifact, where the rows have their truth."""
    gate: Gate | None = None
    """What an artifact of rounded weights may lose, and loses; None for one that must answer as the run does."""
    findings: Mapping[str, Any] = field(default_factory=dict)
    """What was found while it was written."""
    cause: Cause | None = None
    """Where the numbers part, of an artifact that answers otherwise."""

    @property
    def passed(self) -> bool:
        """Whether the artifact answers as the run's model does, or as well as it was allowed to."""
        return all(each.passed for each in self.columns) if self.gate is None else self.gate.passed

    @property
    def worst(self) -> ComparedColumn:
        """The column that is furthest from the run's: one that fails before one that passes, then by its relative difference."""
        return max(self.columns, key=lambda each: (not each.passed, each.relative))

    def as_json(self) -> dict[str, Any]:
        """What parity.json holds."""
        return {
            "format": 1,
            "artifact": self.artifact,
            "passed": self.passed,
            "rows": self.rows,
            "source": self.source,
            "tolerance": {"absolute": ABSOLUTE, "relative": RELATIVE},
            "columns": [each.as_json() for each in self.columns],
            "bytes": self.sizes,
            "microseconds": {
                str(rows): {name: round(each.microseconds, 1) for name, each in of.items()} for rows, of in self.latency.items()
            },
            "metrics": self.metrics,
            **({} if self.cause is None else {"first_difference": self.cause.as_json()}),
            **({} if self.gate is None else {"gate": self.gate.as_json()}),
            **self.findings,
        }


def prove(trained: Trained, exporter: Exporter, target: Path, data: Any = None) -> Parity:
    """Ask rows of the run, or of `data`, of the artifact at `target` and of the run's model; raises what reading rows raises."""
    deliverable, answer = trained.deliverable, exporter.open(target)
    pieces = some_rows(trained, data, exporter.proof_rows)
    made_up = {**deliverable.usual, ROWS: exporter.proof_rows}
    tensors = [deliverable.example_of(made_up)] if not pieces else [deliverable.read(rows) for rows in pieces.values()]
    outputs = [answer_in_batches(deliverable, each, exporter.given, answer) for each in tensors]
    if pieces:
        run = [trained.predictor.answer(rows) for rows in pieces.values()]
    else:
        with torch.inference_mode():
            run = [deliverable.columns(trained.module(each)) for each in tensors]
    trained.module.eval()  # answering leaves a system of one's own as training wants it
    given = [deliverable.columns(each) for each in outputs]
    made = Parity(target.name, " and ".join(pieces) or MADE, sum(map(count_rows, tensors)), compare_columns(run, given))
    if not made.passed and exporter.may_lose is None:
        made.cause = find_cause(deliverable.module, tensors[0], lambda few: exporter.inside(target, exporter.given(deliverable, few)))
    made.sizes = {"run": weight_of(trained.module), "artifact": bytes_of(target)}
    made.latency = time_both(trained, exporter, answer, tensors[0])
    made.metrics = {} if not pieces else measure_both(trained, next(iter(pieces.values())), outputs[0])
    made.gate, made.findings = judge(exporter, made, run, given), exporter.findings
    return made


def judge(exporter: Exporter, made: Parity, run: Sequence[Columns], artifact: Sequence[Columns]) -> Gate | None:
    """What the artifact loses beside what it may: of metrics where the truth is known, else of answers; None where that is nothing."""
    if exporter.may_lose is None:
        return None
    if made.metrics:
        return judge_metrics(made.metrics["run"], made.metrics["artifact"], exporter.may_lose)
    return judge_answers({name: (join_pieces(run, name), join_pieces(artifact, name)) for name in names_of(run[0])}, exporter.may_lose)


def some_rows(trained: Trained, data: Any, count: int) -> dict[str, Any]:
    """Whose rows they are → rows that were read, `count` in all, of test first; none where the run has none of its own."""
    if data is not None:
        read = trained.predictor.read(data)
        return {str(data) if isinstance(data, str | os.PathLike) else GIVEN: read}
    found: dict[str, Any] = {}
    for split in SPLITS:
        try:
            found[split] = trained.predictor.some_rows(split, count)
        except RequestError:  # no such rows, or the data are gone
            continue
        count -= len(found[split])
        if count <= 0:
            break
    return found


def count_rows(tensors: Tensors) -> int:
    """Rows of a batch."""
    return len(next(iter(tensors.values())))


def weight_of(module: torch.nn.Module) -> int:
    """Bytes of the tensors of a module."""
    return sum(each.numel() * each.element_size() for each in module.state_dict().values())


def bytes_of(target: Path) -> int:
    """Bytes of a file, or of all in a folder."""
    return sum(each.stat().st_size for each in ([target] if target.is_file() else target.rglob("*")) if each.is_file())


def time_both(trained: Trained, exporter: Exporter, answer: Answers, tensors: Tensors) -> dict[int, dict[str, Latency]]:
    """Microseconds of the run's module and of the artifact, one call after the other, for each number of rows."""
    deliverable, found = trained.deliverable, {}
    for rows in TIMED:
        places = torch.arange(rows) % count_rows(tensors)
        batch = take_rows(deliverable, {name: each[places] for name, each in tensors.items()}, slice(0, rows))
        given = exporter.given(deliverable, batch)

        ways: dict[str, Callable[[], object]] = {"run": partial(_ask, trained.module, batch), "artifact": partial(answer, given)}
        found[rows] = compare_latency(ways, seconds=0.5)
    return found


def _ask(module: torch.nn.Module, batch: Tensors) -> object:
    with torch.inference_mode():
        return module(batch)


def measure_both(trained: Trained, rows: Any, outputs: Mapping[str, torch.Tensor]) -> dict[str, Metrics]:
    """The metrics of the run's model and those of the artifact's outputs, where the rows have their truth."""
    arrays = {name: np.asarray(each) for name, each in outputs.items()}
    found = trained.predictor.measure_outputs(rows, arrays)
    return {} if found is None else {"run": found[0], "artifact": found[1]}
