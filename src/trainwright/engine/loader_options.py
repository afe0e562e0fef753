"""The `trainer.loader:` section."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from trainwright.config.durations import Duration, time_above_zero
from trainwright.config.model import ConfigModel


class LoaderOptions(ConfigModel):
    """Processes that read and decode rows ahead of the training; their number changes no sample and no result."""

    workers: int = Field(default=0, ge=0)
    """Processes that take the batches; 0 takes them where the training runs. Rows that lie in memory as tensors need none."""
    prefetch: int = Field(default=2, ge=1)
    """Batches that each worker has ready or under way, over the end of an epoch too."""
    pin: bool | Literal["auto"] = "auto"
    """Put the workers' batches into page-locked memory, which CUDA copies from while it computes; without CUDA nothing is pinned."""
    start_method: Literal["auto", "forkserver", "spawn", "fork"] = "auto"
    """How workers begin: `auto` is `forkserver` where there is one, else `spawn`; both need a dataset that can be pickled. `fork` needs
    nothing, but copies a process in which other threads run, and may hang."""
    timeout: Duration | None = None
    """How long a batch may be awaited (`5 min`), with workers or without, before the run stops and names its rows; without it a dataset
    that hangs is waited for. Data that can only be gone through in order have no such limit."""

    _timeout = field_validator("timeout")(time_above_zero)
