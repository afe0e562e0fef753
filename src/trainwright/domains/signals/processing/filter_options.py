"""What filters and resampling are told. Imports no torch."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import PositiveFloat, PositiveInt, model_validator

from trainwright.domains.signals.processing.options import SignalTransformConfig


class FilterOptions(SignalTransformConfig):
    """What Butterworth filters have in common."""

    type: str
    order: PositiveInt = 4
    """Order of the filter; a band has twice as many poles."""
    runs_on: Literal["worker"] = "worker"
    """Each recording is filtered where it is read."""
    phase: Literal["zero", "causal"] = "zero"
    """`zero`: forwards and backwards, so that nothing is shifted (`scipy.signal.sosfiltfilt`); `causal`: forwards alone (`sosfilt`)."""


class LowpassOptions(FilterOptions):
    """Keeps what is slower than an edge (Butterworth, second-order sections)."""

    type: str = "lowpass"
    main: ClassVar[str] = "edge"
    still: ClassVar[bool] = True
    edge: PositiveFloat
    """Hz, below half the rate."""


class HighpassOptions(FilterOptions):
    """Keeps what is faster than an edge (Butterworth, second-order sections)."""

    type: str = "highpass"
    main: ClassVar[str] = "edge"
    still: ClassVar[bool] = True
    edge: PositiveFloat
    """Hz, below half the rate."""


class BandOptions(FilterOptions):
    """The two edges of a band."""

    type: str
    low: PositiveFloat
    """Hz, below `high`."""
    high: PositiveFloat
    """Hz, below half the rate."""

    @model_validator(mode="after")
    def _is_a_band(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low ({self.low:g} Hz) is not below high ({self.high:g} Hz)")
        return self


class BandpassOptions(BandOptions):
    """Keeps a band of frequencies (Butterworth, second-order sections)."""

    type: str = "bandpass"
    still: ClassVar[bool] = True


class BandstopOptions(BandOptions):
    """Takes a band of frequencies out (Butterworth, second-order sections)."""

    type: str = "bandstop"
    still: ClassVar[bool] = True


class NotchOptions(SignalTransformConfig):
    """Takes one frequency out, such as that of the mains (`scipy.signal.iirnotch`, forwards and backwards)."""

    type: str = "notch"
    main: ClassVar[str] = "frequency"
    still: ClassVar[bool] = True
    frequency: PositiveFloat = 50.0
    """Hz, below half the rate."""
    runs_on: Literal["worker"] = "worker"
    """Each recording is filtered where it is read."""
    quality: PositiveFloat = 30.0
    """The frequency over the width that is 3 dB down."""
