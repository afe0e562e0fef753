"""The `trainer.recovery:` section."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from trainwright.config.durations import Duration, time_above_zero
from trainwright.config.model import ConfigModel


class LossSpikeOptions(ConfigModel):
    """What to do when the mean loss between two logged rows jumps above what the rows before had."""

    factor: float = Field(default=8.0, gt=1)
    """How many spreads (standard deviations, from the median absolute deviation) above the median of the last rows is a spike."""
    window: int = Field(default=20, ge=5)
    """Logged rows that are looked back on; nothing is judged before there are so many."""
    policy: Literal["warn", "rollback", "stop"] = "warn"
    """`rollback` goes back to the last checkpoint before the jump and leaves out the batches since the last row."""


class RecoveryOptions(ConfigModel):
    """What a run does about numbers that are not finite, memory that runs out, losses that jump and steps that hang."""

    not_finite: Literal["stop", "skip", "rollback", "ignore"] = "stop"
    """`stop`: with exit code 1 and a NaN report, seen at logged rows. `skip`: leave out each batch whose loss or gradient is not finite;
    the host waits for the device at every step. `rollback`: go back to the last checkpoint whose losses were good and leave out the
    batch at fault."""
    limit: int = Field(default=10, ge=1)
    """Batches left out, or times gone back, before the run stops all the same."""
    out_of_memory: Literal["heal", "stop"] = "heal"
    """`heal`: halve the micro-batch, make the same step again with the same randomness, and remember the size for the run."""
    loss_spike: LossSpikeOptions | None = None
    """Watch for jumps of the training loss."""
    watchdog: Duration | None = None
    """When no step ends for so long (`30 min`), the stacks of all threads are written to the log.

    Several processes are always watched, after 5 min unless said otherwise: the one that is behind is named, with its phase and stack."""
    hang: Literal["wait", "end"] = "wait"
    """What follows when the watchdog has told: the run goes on waiting, or its processes end, with 1, so that `launch.restarts`, or
    whatever else starts a run again, may. One process is then watched too, after 5 min where `watchdog` says nothing else."""

    @property
    def rolls_back(self) -> bool:
        """Whether the run may be put back to a checkpoint."""
        return self.not_finite == "rollback" or (self.loss_spike is not None and self.loss_spike.policy == "rollback")

    _watchdog = field_validator("watchdog")(time_above_zero)
