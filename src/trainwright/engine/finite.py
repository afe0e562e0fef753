"""A loss that is not a number is found where the host reads the device anyway, and before anything is saved."""

from __future__ import annotations

import math

from trainwright.config.errors import TrainwrightError


class NotFinite(TrainwrightError):
    """The loss became NaN or infinite. Exit code 1."""


def check_finite(loss: float, *, step: int, since: int, learning_rate: float) -> None:
    """Raise NotFinite when the mean loss over the steps after `since` up to `step` is not a finite number."""
    if math.isfinite(loss):
        return
    raise NotFinite(
        f"the loss is {loss} at step {step}",
        why=f"it became so in steps {since + 1} to {step}, with learning rate {learning_rate:.3g}; nothing was saved since",
        fix="lower trainer.optimizer.learning_rate, set trainer.clip.norm: 1.0, or look for infinite values in the data",
    )
