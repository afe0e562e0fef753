"""The learning rate that follows the batch: by a rule, against a reference."""

from __future__ import annotations

import math
from typing import Any

from trainwright.config.model import PartConfig
from trainwright.optim.options import chain

RATES = ("learning_rate", "lr")
"""What the option is called, by us and by torch."""


def scale(batch_size: int, reference: int, rule: str) -> float:
    """What the learning rate is multiplied by: batch / reference (`linear`), its root (`sqrt`), 1 (`none`)."""
    if rule == "none":
        return 1.0
    ratio = batch_size / reference
    return ratio if rule == "linear" else math.sqrt(ratio)


def learning_rate_of(options: PartConfig) -> Any:
    """The learning rate as the options of an optimizer, or of the one inside it, give it: a number or `auto`; None where there is none."""
    return next((getattr(each, name) for each in chain(options) for name in RATES if getattr(each, name, None) is not None), None)


def with_learning_rate(options: PartConfig, rate: Any) -> PartConfig:
    """The same options with another learning rate (a number or `auto`), where need be in the optimizer inside (`inner`).

    Options without one stay as they are.
    """
    for name in RATES:
        if getattr(options, name, None) is not None:
            return options.model_copy(update={name: rate})
    inner = getattr(options, "inner", None)
    return options.model_copy(update={"inner": with_learning_rate(inner, rate)}) if isinstance(inner, PartConfig) else options


def scale_learning_rate(options: PartConfig, scaling: Any, batch_size: int) -> PartConfig:
    """The options of an optimizer with the learning rate that belongs to this batch; `scaling` has `rule` and `reference`, or is None."""
    rate = learning_rate_of(options)
    if scaling is None or scaling.rule == "none" or not isinstance(rate, int | float):
        return options
    return with_learning_rate(options, rate * scale(batch_size, scaling.reference, scaling.rule))
