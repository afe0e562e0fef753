"""What a trained model answers to a table: how well it does on labelled rows, and predictions for new ones."""

from __future__ import annotations

from typing import Any

from trainwright.api.model import Model, say_counts
from trainwright.baselines.run import original_truth
from trainwright.config.errors import DataError
from trainwright.data.expressions.selected import given_rows
from trainwright.metrics import compute, default_metrics

NONE_LEFT = "every row lacks a target or a value whose policy is `drop`, or is left out by `data.where`"


def evaluate_with(model: Model, data: Any) -> dict[str, Any]:
    """`{"rows", "metrics": {target: {metric: value}}}` of a table, DataFrame, mapping or path; raises DataError without its targets."""
    source = model.encoder.read(data)
    encoded = model.encode(source, targets=True)
    say_counts(source, encoded)
    if not len(encoded.rows):
        raise DataError("no row can be evaluated", where=source.name, why=NONE_LEFT)
    scores = model.scores_of(encoded)
    metrics = {}
    for spec in model.encoder.spec.targets:
        truth = original_truth(spec, encoded.blocks[f"target.{spec.name}"])
        outcome = model.outcome(spec.name, truth, scores[spec.name])
        metrics[spec.name] = compute(outcome, spec.metrics or default_metrics(spec.kind))
    return {"rows": len(encoded.rows), "left_out": given_rows(source)[0] - len(encoded.rows), "metrics": metrics}


def predict_with(model: Model, data: Any) -> Any:
    """Predictions for a DataFrame or one of its rows (as a DataFrame with the same index), or for any other table (as an Arrow table)."""
    table = model.predict(model.encoder.read(data))
    if type(data).__module__.partition(".")[0] == "pandas":
        frame = table.to_pandas()
        frame.index = data.index if hasattr(data, "columns") else [data.name]  # a Series is one row, and its name is that of the row
        return frame
    return table
