"""The batch of now, as hooks and steps of a LightningModule find it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from trainwright.engine.system import Batch


@dataclass(slots=True)
class Now:
    """The batch of now and what its step gave; apart from the module, whose attributes cost a microsecond each to set."""

    epoch: int = 0
    """Passes over the training rows that were over when it began."""
    index: int = 0
    """Its place in the epoch, or in the split that is measured."""
    trained: int = -1
    """The place in the epoch of the batch that was trained on last, which an evaluation leaves as it is."""
    batch: Batch = None
    """As the step saw it."""
    rows: int = 0
    """How many rows it has."""
    loader: int = 0
    """The number of its loader, where a split has several in turn."""
    returned: Any = None
    """What the step returned, the loss without its graph."""
    mean: Tensor | None = None
    """The loss of the step."""
