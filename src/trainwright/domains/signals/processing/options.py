"""What all transforms of recordings are told. Imports no torch."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveFloat

from trainwright.data.transforms import TransformConfig

Share = Annotated[float, Field(ge=0, le=1)]


class SignalTransformConfig(TransformConfig):
    """What is set for one transform of recordings, whatever it does."""

    rate: PositiveFloat | None = None
    """Samples a second of what it is given; taken from the files where a column of recordings is transformed, and never assumed."""

    def rate_after(self, rate: float) -> float:
        """Samples (or frames) a second of what it gives, of `rate` given."""
        return rate


class ByRowConfig(TransformConfig):
    """What is set for a transform that must tell rows from channels."""

    batched: bool = False
    """Whether the first dimension is rows and the second channels; else the first is channels. On the device it always is rows."""

    @property
    def rows_first(self) -> bool:
        """Whether it is given whole batches."""
        return self.batched or self.runs_on == "device"


class ChannelTransformConfig(ByRowConfig, SignalTransformConfig):
    """What is set for a transform of recordings that takes channels, or recordings, one by one."""
