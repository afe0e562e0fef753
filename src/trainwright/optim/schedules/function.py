"""What a function of the user's own says."""

from __future__ import annotations

import inspect
import math
from typing import Any

from trainwright.config.errors import FOREIGN, ConfigError, TrainwrightError
from trainwright.config.foreign import found_at
from trainwright.config.own_code import at_own_line, describe_failure
from trainwright.optim.schedules.base import Extent, PureSchedule
from trainwright.optim.schedules.options import LambdaOptions


class Lambda(PureSchedule):
    """function(step) or function(step, epoch) with the steps and whole epochs after the warm-up; tried at the first and the last step."""

    def __init__(self, options: LambdaOptions, extent: Extent) -> None:
        super().__init__(options, extent)
        self.path, self.function = options.function, found_at(options.function)[0]
        self.takes_epoch = _takes_two(self.function)
        self.refusal: type[TrainwrightError] = ConfigError
        for step in (0, max((extent.steps or 1) - 1 - self.begins, 0)):
            self.shape(step)
        self.refusal = TrainwrightError  # from here on it is a run that fails, not a request that was wrong

    def shape(self, step: int) -> float:
        """The multiplier `step` updates after the warm-up; raises TrainwrightError when it is no finite number ≥ 0."""
        where = f"{self.extent.where}.function"
        try:
            given = self.function(step, step // self.extent.steps_per_epoch) if self.takes_epoch else self.function(step)
        except FOREIGN as error:  # whatever the user's code raises is the answer
            why = describe_failure(error)
            raise self.refusal(f"'{self.path}' failed at step {step}", where=where, why=why, fix=at_own_line(error)) from error
        value = _number(given)
        if value is None or not math.isfinite(value) or value < 0:
            fix = "return a finite number that is not negative"
            raise self.refusal(f"'{self.path}' returned {given!r} at step {step}", where=where, fix=fix)
        return value


def _number(given: Any) -> float | None:
    try:
        return float(given)
    except (TypeError, ValueError):
        return None


def _takes_two(function: Any) -> bool:
    """Whether a function takes the epoch too; one that does not tell its parameters is given the step alone."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    placed = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    return len(placed) >= 2 and (len([each for each in placed if each.default is each.empty]) >= 2 or placed[1].name == "epoch")
