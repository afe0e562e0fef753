"""A table's run measured again on one of its own splits."""

from __future__ import annotations

from typing import Any

from trainwright.api.config import read_config
from trainwright.api.finish import split_rows
from trainwright.api.model import Model
from trainwright.api.prepared_table import PreparedTable
from trainwright.config.errors import RunError
from trainwright.config.trust import as_received
from trainwright.engine.evaluation import outputs_of
from trainwright.metrics import compute, default_metrics
from trainwright.runs.directory import RunDirectory


@as_received
def measured_split(found: RunDirectory, split: str) -> dict[str, Any]:
    """`{"run", "split", "rows", "metrics": {target: {metric: value}}}`; raises RunError when the data changed or the split is empty."""
    config = read_config(found.config)
    table = PreparedTable(config)
    table.refuse_other_data(found)
    prepared = table.data
    rows = split_rows(prepared, split)
    if not len(rows):
        raise RunError(f"this run has no {split} rows", where=str(found.path), fix="see data.split of its config.yaml")
    model = Model.load(found.model)
    device = next(model.system.parameters()).device
    outputs = outputs_of(model.system, rows, batch_size=config.trainer.evaluation_batch_size, device=device)
    arrays = {key: value.cpu().numpy() for key, value in outputs.items()}
    metrics = {}
    for spec in prepared.spec.targets:
        outcome = model.outcome(spec.name, arrays[f"{spec.name}.truth"], arrays[f"{spec.name}.scores"])
        metrics[spec.name] = compute(outcome, spec.metrics or default_metrics(spec.kind))
    return {"run": str(found.path), "split": split, "rows": len(rows), "metrics": metrics}
