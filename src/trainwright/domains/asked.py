"""What of `evaluation:` counts when a trained model is measured on a table: more than the metrics, where it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from pydantic import Field

from trainwright.config.compose import compose
from trainwright.config.limits import MOST_SEED
from trainwright.config.located import validate
from trainwright.config.model import ConfigModel
from trainwright.metrics.interval_options import IntervalOptions, Intervals

SETTINGS = ("evaluation.intervals", "evaluation.importance", "run.seed")
"""The settings that are used; what else `evaluation` has is of a training, and is refused."""


class MeasureOptions(NamedTuple):
    """What is found beside the metrics of a table."""

    intervals: IntervalOptions | None = None
    """Bootstrap intervals of the metrics, where they are asked for."""
    importance: bool = False
    """Permutation importance of the columns on these rows."""
    seed: int = 0
    """Fixes what is drawn for both."""


class _Seed(ConfigModel):
    seed: int = Field(default=0, ge=0, le=MOST_SEED)


class _Evaluation(ConfigModel):
    intervals: Intervals = None
    importance: bool = False


class _Asked(ConfigModel):
    evaluation: _Evaluation = _Evaluation()
    run: _Seed = _Seed()


def read_asked(settings: Sequence[Any]) -> MeasureOptions:
    """The options that settings of the command line, or of Python, ask for; raises ManyErrors for values that cannot be."""
    found = validate(_Asked, compose(_Asked, None, list(settings), environment={}))
    return MeasureOptions(found.evaluation.intervals, found.evaluation.importance, found.run.seed)
