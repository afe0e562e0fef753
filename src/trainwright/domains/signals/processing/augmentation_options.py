"""What is varied at random is told. Imports no torch."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from trainwright.domains.signals.processing.options import ByRowConfig, ChannelTransformConfig, Share


class TrainingOptions(ByRowConfig):
    """What draws at random, for training rows alone, other numbers for each row."""

    type: str
    applies_in: Literal["train"] = "train"
    """Training rows alone."""


class MaskOptions(TrainingOptions):
    """What masks have in common."""

    type: str
    count: PositiveInt = 1
    """How many masks."""
    value: float | Literal["mean"] = "mean"
    """What a mask is filled with: the mean of the recording, or a number (torchaudio has 0)."""


class MaskFrequencyOptions(MaskOptions):
    """A band of a spectrogram is silenced (SpecAugment): as wide as is drawn from 0 to `width`, anywhere."""

    type: str = "mask_frequency"
    main: ClassVar[str] = "width"
    width: NonNegativeInt
    """Bands, less than this many: torchaudio's `freq_mask_param`."""


class MaskTimeOptions(MaskOptions):
    """A stretch of time is silenced (SpecAugment): as long as is drawn from 0 to `width`, anywhere."""

    type: str = "mask_time"
    main: ClassVar[str] = "width"
    width: NonNegativeInt
    """Samples or frames, less than this many: torchaudio's `time_mask_param`."""
    share: Share = 1.0
    """The mask is at most this share of the recording, torchaudio's `p`."""


class TimeWarpOptions(TrainingOptions):
    """A point in time moved by up to `width` either way, what lies before and after stretched or pressed (SpecAugment)."""

    type: str = "time_warp"
    main: ClassVar[str] = "width"
    width: PositiveInt
    """Samples or frames at most; no more than half the recording."""


class GainOptions(TrainingOptions):
    """Louder or softer: times a number that is drawn between two, on a logarithmic scale."""

    type: str = "gain"
    low: PositiveFloat = 0.5
    """The least."""
    high: PositiveFloat = 2.0
    """The greatest."""


class AddNoiseOptions(TrainingOptions):
    """White noise at a ratio of signal to noise that is drawn between two, over each channel's own power."""

    type: str = "add_noise"
    low: float = 10.0
    """dB at least."""
    high: float = 30.0
    """dB at most."""


class ShiftOptions(TrainingOptions, ChannelTransformConfig):
    """The recording turned in time by up to so many seconds either way; what leaves at one end comes in at the other."""

    type: str = "shift"
    main: ClassVar[str] = "seconds"
    seconds: PositiveFloat
    """At most."""


class DropLeadsOptions(TrainingOptions):
    """Channels set to zero, each with a probability, never all."""

    type: str = "drop_leads"
    main: ClassVar[str] = "p"
    p: Share = 0.1
    """Of each channel."""


class BaselineWanderOptions(TrainingOptions, ChannelTransformConfig):
    """A slow wave of random size, pace and phase added to each channel, as breathing does."""

    type: str = "baseline_wander"
    main: ClassVar[str] = "size"
    size: PositiveFloat = 0.1
    """Greatest amplitude, in the unit of the recording."""
    low: PositiveFloat = 0.05
    """Hz at least."""
    high: PositiveFloat = 0.5
    """Hz at most."""
