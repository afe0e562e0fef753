"""Simple models beside the network: trained on the same rows, measured by the same metrics, in seconds.

The table and the options import nothing heavy; scikit-learn is loaded when a baseline is fitted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from trainwright.config.elsewhere import found_later
from trainwright.config.model import PartConfig
from trainwright.config.registry import Part

if TYPE_CHECKING:
    from trainwright.baselines.comparison import verdict
    from trainwright.baselines.run import BaselineResult, BaselineTarget, original_truth, run_baselines

__all__ = [
    "PARTS",
    "BaselineResult",
    "BaselineTarget",
    "BoostingOptions",
    "ColumnsOptions",
    "ConstantOptions",
    "LinearOptions",
    "original_truth",
    "run_baselines",
    "verdict",
]


class ConstantOptions(PartConfig):
    """The same answer for every row: the class frequencies, or the mean."""


class ColumnsOptions(PartConfig):
    """Of baselines that read columns."""

    reads: ClassVar[tuple[str, ...]] = ()
    """Types of columns of files that it reads; others are given columns that are no files."""
    columns: list[str] = []
    """Columns that it is given, also ones that the network is not; default: those of the network that are no files."""


class LinearOptions(ColumnsOptions):
    """Logistic regression for classes and sets, ridge regression for numbers and vectors."""

    penalty: float = Field(default=1.0, gt=0)
    """Strength of the L2 penalty on standardised columns."""
    iterations: int = Field(default=200, ge=1)
    """At most this many iterations of the logistic regression."""
    max_rows: int = Field(default=100_000, ge=10)
    """Train on at most this many rows, drawn at random."""


class BoostingOptions(ColumnsOptions):
    """Histogram gradient boosting of decision trees."""

    iterations: int = Field(default=100, ge=1)
    """Trees per class or output; above 10,000 rows it may stop early."""
    learning_rate: float = Field(default=0.1, gt=0)
    """The share of each tree's answer that is added."""
    leaves: int = Field(default=31, ge=2)
    """Most leaves of a tree."""
    max_rows: int = Field(default=200_000, ge=10)
    """Train on at most this many rows, drawn at random."""


PARTS: dict[str, Part] = {
    "constant": Part("trainwright.baselines.constant:Constant", ConstantOptions, "the majority class, or the mean"),
    "linear": Part("trainwright.baselines.linear:Linear", LinearOptions, "logistic or ridge regression"),
    "boosting": Part("trainwright.baselines.boosting:Boosting", BoostingOptions, "histogram gradient boosting of trees"),
}

_LATER = {
    "BaselineResult": "trainwright.baselines.run",
    "BaselineTarget": "trainwright.baselines.run",
    "original_truth": "trainwright.baselines.run",
    "run_baselines": "trainwright.baselines.run",
    "verdict": "trainwright.baselines.comparison",
}
__getattr__ = found_later(__name__, _LATER)
