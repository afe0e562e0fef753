"""The `trainer.batch_growth:` section."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trainwright.config.model import ConfigModel


class BatchGrowthOptions(ConfigModel):
    """A larger batch once a metric has stopped improving, from the end of that epoch on (Smith et al. 2018)."""

    times: int = Field(default=3, ge=1)
    """How often the batch may grow."""
    patience: int = Field(default=5, ge=1)
    """Evaluations without improvement before it grows."""
    rate: float = Field(default=2.0, gt=1)
    """What the batch is multiplied by."""
    maximum: int | None = Field(default=None, ge=1)
    """The largest batch; null: the number of training rows."""
    metric: str = "monitor"
    """The metric to watch: `monitor` for the monitored one, `loss`, or `target.metric`."""
    split: Literal["validation", "train"] = "validation"
    """The rows it is measured on; training values are means over the steps since the row before."""
    min_delta: float = Field(default=0.0, ge=0)
    """The least change that counts as an improvement."""
    scaling: Literal["none", "linear", "sqrt"] = "none"
    """How the learning rate follows: not at all, with the batch, or with its root."""
    cooldown: int = Field(default=0, ge=0)
    """Evaluations after a growth that do not count against the patience."""
