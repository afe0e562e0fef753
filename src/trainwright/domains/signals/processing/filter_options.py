"""What filters and resampling are told. Imports no torch."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from trainwright.config.errors import ConfigError
from trainwright.config.model import as_refusal
from trainwright.domains.signals.processing.options import SignalTransformConfig


class FilterOptions(SignalTransformConfig):
    """What Butterworth filters have in common."""

    type: str
    order: int = Field(default=4, ge=1, le=20)
    """Order of the filter; a band has twice as many poles."""
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


def _ensure_order(low: float, high: float) -> None:
    """Refuse a band that ends before it begins."""
    if low >= high:
        fix = f"write low: {high:g}, high: {low:g}" if low > high else "a band has some width: lower low, or raise high"
        raise as_refusal(ConfigError(f"low ({low:g} Hz) is not below high ({high:g} Hz)", fix=fix))


class BandOptions(FilterOptions):
    """The two edges of a band."""

    type: str
    low: PositiveFloat
    """Hz, below `high`."""
    high: PositiveFloat
    """Hz, below half the rate."""

    @model_validator(mode="after")
    def _is_a_band(self) -> Self:
        _ensure_order(self.low, self.high)
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
    quality: PositiveFloat = 30.0
    """The frequency over the width that is 3 dB down."""


class FirOptions(SignalTransformConfig):
    """A filter of finite response, designed by its window (`scipy.signal.firwin`): a band is kept, or taken out."""

    type: str = "fir"
    main: ClassVar[str] = "high"
    still: ClassVar[bool] = True
    low: PositiveFloat | None = None
    """Hz at which the band begins; null: at 0."""
    high: PositiveFloat | None = None
    """Hz at which it ends, below half the rate; null: at half the rate."""
    band: Literal["pass", "stop"] = "pass"
    """Whether the band is kept (`pass`), or what is outside it (`stop`)."""
    taps: int | None = Field(default=None, ge=3, le=1_000_001)
    """How many; null: 0.3 seconds of them, an odd number, as biosppy and neurokit2 have it for ECG."""
    window: Literal["hamming", "hann", "blackman", "blackmanharris", "nuttall", "bartlett", "boxcar", "kaiser"] = "hamming"
    """Its shape."""
    beta: PositiveFloat = 8.0
    """Of the window `kaiser`: 5 is like hamming, 8.6 like blackman."""
    scale: bool = True
    """Whether the middle of what is kept has a gain of exactly one."""
    phase: Literal["zero", "centred", "causal"] = "zero"
    """`zero`: forwards and backwards (`scipy.signal.filtfilt`); `centred`: once, moved back by half of the taps; `causal`: once."""

    @model_validator(mode="after")
    def _is_a_band(self) -> Self:
        if self.low is None and self.high is None:
            raise ValueError("low and high are both left out, which is no band")
        if self.low is not None and self.high is not None:
            _ensure_order(self.low, self.high)
        if self.taps is not None and self.taps % 2 == 0:
            raise ValueError(f"taps ({self.taps}) is even: the middle of it lies between two samples; take {self.taps + 1}")
        return self


class PresetFilterOptions(SignalTransformConfig):
    """A filter that is usual for a kind of recording, as biosppy has it."""

    type: str = "preset_filter"
    main: ClassVar[str] = "preset"
    still: ClassVar[bool] = True
    preset: Literal["ecg", "eda", "respiration"]
    """`ecg`: `fir` 3 to 45 Hz of 0.3 s; `eda`: `lowpass` 5 Hz of order 4; `respiration`: `bandpass` 0.1 to 0.35 Hz of order 2."""


class DetrendOptions(SignalTransformConfig):
    """Takes away the polynomial of time that fits each channel best; of degree 1 as `scipy.signal.detrend`."""

    type: str = "detrend"
    main: ClassVar[str] = "degree"
    still: ClassVar[bool] = True
    degree: int = Field(default=1, ge=0, le=20)
    """0: the mean; 1: a line; more: what bends, such as a wandering baseline."""


class RemoveBaselineOptions(SignalTransformConfig):
    """Takes away the medians of windows, one window after the other, which leaves waves that are shorter (de Chazal et al. 2004)."""

    type: str = "remove_baseline"
    main: ClassVar[str] = "seconds"
    still: ClassVar[bool] = True
    seconds: list[PositiveFloat] = Field(default=[0.2, 0.6], min_length=1, max_length=4)
    """Lengths of the windows: of an ECG 0.2 s passes over QRS and P waves, 0.6 s over T waves. Beyond the ends the last value goes on."""


class ResampleOptions(SignalTransformConfig):
    """The recording at another rate: `ceil(samples · to / rate)` samples."""

    type: str = "resample"
    main: ClassVar[str] = "to"
    still: ClassVar[bool] = True
    to: PositiveFloat
    """Samples a second of what it gives; that it is given is the rate of the files."""
    method: Literal["polyphase", "fourier", "sinc"] = "polyphase"
    """As `scipy.signal.resample_poly`, as `scipy.signal.resample` (taken as periodic), or as `torchaudio.functional.resample`."""
    ends: Literal["zeros", "line", "mean"] = "zeros"
    """Of `polyphase`, what lies beyond the ends (scipy's `padtype`): zeros, or what a line or the mean leaves, so that no step begins."""
    width: PositiveInt = 6
    """Of `sinc`: zero crossings on each side (torchaudio's `lowpass_filter_width`)."""
    rolloff: float = Field(default=0.99, gt=0, le=1)
    """Of `sinc`: where it cuts off, as a share of the lower half rate."""
    window: Literal["hann", "kaiser"] = "hann"
    """Of `sinc`: the shape that ends it."""
    beta: PositiveFloat = 14.769656459379492
    """Of `sinc` with `kaiser`: its shape."""

    def rate_after(self, rate: float) -> float:
        return self.to
