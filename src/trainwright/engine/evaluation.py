"""Evaluating a split: outputs of every row in order, in evaluation mode, without a graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from trainwright.data.rows import Rows
from trainwright.engine.randomness import device_generator
from trainwright.engine.running import join
from trainwright.engine.system import Batch, Moment, System


class EvaluationInterrupted(Exception):
    """A signal came during an evaluation; it is done again when the run continues."""


@contextmanager
def evaluation_mode(system: System) -> Iterator[None]:
    """Every submodule in evaluation mode, and each back in its own mode afterwards."""
    before = [(module, module.training) for module in system.modules()]
    system.train(False)
    try:
        yield
    finally:
        for module, mode in before:
            module.training = mode


@torch.no_grad()
def outputs_of(
    system: System,
    rows: Rows,
    *,
    batch_size: int,
    device: torch.device,
    moment: Moment | None = None,
    interrupted: Callable[[], bool] = lambda: False,
) -> dict[str, Tensor]:
    """What `system.evaluation_step` gives for all rows in their order, joined (rows first), on the device.

    Raises EvaluationInterrupted between two batches when `interrupted()` is true.
    """
    moment = moment or Moment(0, 0, 0.0, device_generator(device))
    pieces = []
    with evaluation_mode(system):
        for start in range(0, len(rows), batch_size):
            if interrupted():
                raise EvaluationInterrupted
            batch = to_device(rows.take(torch.arange(start, min(start + batch_size, len(rows)))), device)
            pieces.append(system.evaluation_step(batch, moment))
    return join(pieces) if pieces else {}


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch on the device; itself when it is there already."""
    if all(tensor.device == device for tensor in batch.values()):
        return batch
    return {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}
