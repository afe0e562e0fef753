"""A trained model measured on labelled rows it may not have seen."""

from __future__ import annotations

import os
from typing import Any

from trainwright.api.model import Model, say_counts
from trainwright.api.run import load
from trainwright.baselines.run import original_truth
from trainwright.config.errors import DataError
from trainwright.metrics import compute, default_metrics


def evaluate_with(model: Model, data: Any) -> dict[str, Any]:
    """`{"rows", "metrics": {target: {metric: value}}}` of a table, DataFrame, mapping or path; raises DataError without its targets."""
    source = model.encoder.read(data)
    encoded = model.encode(source, targets=True)
    say_counts(source, encoded)
    if not len(encoded.rows):
        raise DataError("no row can be evaluated", where=source.name, why="every row lacks a target or a value whose policy is `drop`")
    scores = model.scores(encoded.blocks)
    metrics = {}
    for spec in model.encoder.spec.targets:
        truth = original_truth(spec, encoded.blocks[f"target.{spec.name}"])
        outcome = model.outcome(spec.name, truth, scores[spec.name])
        metrics[spec.name] = compute(outcome, spec.metrics or default_metrics(spec.kind))
    return {"rows": len(encoded.rows), "left_out": len(source) - len(encoded.rows), "metrics": metrics}


def evaluate(run_path: str | os.PathLike[str], source: Any) -> dict[str, Any]:
    """The metrics of a run's model on labelled rows; raises RunError or DataError."""
    return {"run": str(run_path), "source": str(source), **evaluate_with(load(run_path).model, source)}
