"""Rows of a system of one's own that an artifact of it answers too, and a plain model's metrics by what that gave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainwright.data.rows import Rows, TensorRows, as_blocks
from trainwright.domains.predictor import Metrics, Tensors
from trainwright.systems.plain import TARGET, PlainSystem

Arrays = Mapping[str, np.ndarray]


def spread_rows(rows: Rows, count: int) -> TensorRows:
    """Up to `count` rows: spread evenly, or the first where they come in order."""
    places = torch.linspace(0, len(rows) - 1, min(count, len(rows)), dtype=torch.float64).long()
    rows.begin_epoch(0, 0)
    taken = rows.take(torch.arange(1 if rows.batched else len(places)) if rows.batched or rows.iterable else places)
    return TensorRows({name: each[:count] for name, each in as_blocks(taken).items()})


def measure_output(system: Any, blocks: Tensors, own: Arrays, outputs: Arrays) -> tuple[Metrics, Metrics] | None:
    """The metrics of `output` as the system (`own`) and as an artifact gave it; None for others than plain models, and without a target."""
    if not isinstance(system, PlainSystem) or set(outputs) != {"output"} or not (system.wishes and system.criterion.simple):
        return None
    target = target_of(system, blocks)
    if target is None:
        return None
    found = []
    for scores in (own, outputs):
        measured = system.metrics({"output": torch.from_numpy(np.asarray(scores["output"])), TARGET: target})
        found.append({"": {name: float(value) for name, value in measured.items()}})
    return found[0], found[1]


def target_of(system: PlainSystem, blocks: Tensors) -> Tensor | None:
    """The target among the blocks, where there is one."""
    plan = system.reading.plan_of(blocks)
    found = blocks.get(plan.target) if isinstance(plan.target, str) else None
    return found if isinstance(found, Tensor) else None
