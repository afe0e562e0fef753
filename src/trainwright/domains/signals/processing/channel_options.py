"""What changes channels, their scale or their length is told. Imports no torch."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import PositiveFloat

from trainwright.domains.signals.processing.options import SignalTransformConfig


class StandardizeOptions(SignalTransformConfig):
    """(x − mean) / deviation of the recording itself."""

    type: str = "standardize"
    main: ClassVar[str] = "by"
    still: ClassVar[bool] = True
    by: Literal["channel", "recording"] = "channel"
    """Mean and deviation of each channel, or of all together."""
    eps: PositiveFloat = 1e-6
    """The least that is divided by, so that a flat channel stays 0."""
    runs_on: Literal["worker"] = "worker"
    """Each recording by itself, where it is read."""


class FitLengthOptions(SignalTransformConfig):
    """Every recording at one length: longer ones cut, shorter ones filled up."""

    type: str = "fit_length"
    main: ClassVar[str] = "seconds"
    still: ClassVar[bool] = True
    seconds: PositiveFloat
    """How long."""
    fill: Literal["zeros", "repeat"] = "zeros"
    """What comes after a shorter one: nothing, or itself again."""
    place: Literal["start", "middle"] = "start"
    """What of a longer one is kept; for another piece in every epoch put a `random_crop` before it."""
