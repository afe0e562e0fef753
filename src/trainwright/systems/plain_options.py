"""The options of the plain system: a model, a loss and metrics. Imports no torch."""

from __future__ import annotations

from trainwright.config.choice import choice
from trainwright.config.model import PartConfig
from trainwright.nn.criteria.choosing import LossChoice


class PlainOptions(PartConfig):
    """One model with a loss, or a weighted sum of losses, and metrics."""

    type: str = "plain"
    model: choice("model")  # type: ignore[valid-type]
    """The model: `{type: graph, …}`, `./net.py:Net` or a dotted path, with its options."""
    loss: LossChoice = "cross_entropy"
    """A loss by name with its options, a function at a path, or a list of them with weights."""
    metrics: list[str] | None = None
    """Metrics by name, or functions of (outputs, targets) at a path; those usual for the loss when none are named."""
    target: str | int | None = None
    """The target's key in the batch, or its place; otherwise target, label, labels or y, or the last of a tuple."""
