"""Metrics of targets with a class at every position, summed up batch by batch beside the outputs of the others, which are kept."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from trainwright.data.rows import Rows
from trainwright.engine.evaluation import walk
from trainwright.metrics.whole import join_outputs
from trainwright.systems.supervised import SupervisedSystem
from trainwright.systems.supervised_metrics import SupervisedMetrics


def measured_outputs(
    system: SupervisedSystem, rows: Rows, batch_size: int, device: torch.device
) -> tuple[dict[str, Tensor], dict[str, dict[str, Any]]]:
    """What `evaluation_step` gives for all rows, joined, and target → metrics of those with positions, of which only losses are kept."""
    dense = [target for target in system.spec.targets if target.positions]
    metric = SupervisedMetrics(dense, lambda outputs, losses=True: outputs, joint=False)
    large = {f"{target.name}.{part}" for target in dense for part in ("scores", "truth")}
    pieces: list[dict[str, Tensor]] = []

    def take_in(outputs: dict[str, Tensor], batch: Any) -> None:
        if dense:
            metric.update(outputs)
        pieces.append({key: value for key, value in outputs.items() if key not in large})

    walk(system, rows, take_in, batch_size=batch_size, device=device)
    found: dict[str, dict[str, Any]] = {target.name: {} for target in dense}
    for name, value in metric.compute().items() if dense else ():
        owner = next((target.name for target in dense if name.startswith(f"{target.name}.")), None)
        if owner is not None:
            found[owner][name.removeprefix(f"{owner}.")] = value
    return join_outputs(pieces), found
