"""What the transforms of recordings are told. Imports no torch."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from trainwright.data.transforms import TransformConfig

Share = Annotated[float, Field(ge=0, le=1)]


class SignalTransformConfig(TransformConfig):
    """What is set for one transform of recordings, whatever it does."""

    rate: PositiveFloat | None = None
    """Samples a second of what it is given; taken from the files where a column of recordings is transformed, and never assumed."""

    def rate_after(self, rate: float) -> float:
        """Samples (or frames) a second of what it gives, of `rate` given."""
        return rate


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


class SpectrogramOptions(SignalTransformConfig):
    """Power over frequency and time: `(channels, time)` → `(channels, frequencies, frames)`; defaults are torchaudio's."""

    type: str = "spectrogram"
    main: ClassVar[str] = "n_fft"
    still: ClassVar[bool] = True
    n_fft: PositiveInt = 400
    """Samples of a transform."""
    win_length: PositiveInt | None = None
    """Samples of a window; default: n_fft."""
    hop_length: PositiveInt | None = None
    """Samples from one frame to the next; default: half a window."""
    window: Literal["hann", "hamming", "blackman", "ones"] = "hann"
    """Its shape (periodic)."""
    power: PositiveFloat = 2.0
    """2: power; 1: magnitude."""
    center: bool = True
    """Whether the first frame is centred on the first sample, the recording mirrored beyond its ends."""

    def rate_after(self, rate: float) -> float:
        return rate / (self.hop_length or (self.win_length or self.n_fft) // 2)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.win_length is not None and self.win_length > self.n_fft:
            raise ValueError(f"win_length ({self.win_length}) is more than n_fft ({self.n_fft})")
        return self


class MelOptions(SpectrogramOptions):
    """A spectrogram in bands of equal width to the ear: `(channels, time)` → `(channels, mels, frames)`; defaults are torchaudio's."""

    type: str = "mel"
    main: ClassVar[str] = "n_mels"
    still: ClassVar[bool] = True
    n_mels: PositiveInt = 128
    """How many bands."""
    f_min: float = Field(default=0.0, ge=0)
    """Hz at which the lowest begins."""
    f_max: PositiveFloat | None = None
    """Hz at which the highest ends; default: half the rate."""
    mel_scale: Literal["htk", "slaney"] = "htk"
    """Which formula: 2595 log₁₀(1 + f/700), or linear up to 1 kHz (librosa)."""
    norm: Literal["none", "slaney"] = "none"
    """`slaney`: each band over its width, so that all weigh alike (librosa)."""


class MFCCOptions(MelOptions):
    """Cepstral coefficients: the discrete cosine transform of a mel spectrogram in decibels."""

    type: str = "mfcc"
    main: ClassVar[str] = "n_mfcc"
    still: ClassVar[bool] = True
    n_mfcc: PositiveInt = 40
    """How many, at most n_mels."""


class FbankOptions(SignalTransformConfig):
    """Logarithms of mel filter-bank energies as Kaldi makes them: `(channels, time)` → `(channels, mels, frames)`; defaults are Kaldi's."""

    type: str = "fbank"
    main: ClassVar[str] = "n_mels"
    still: ClassVar[bool] = True
    n_mels: PositiveInt = 23
    """How many bands; AST has 128."""
    frame_length: PositiveFloat = 25.0
    """Milliseconds of a frame."""
    frame_shift: PositiveFloat = 10.0
    """Milliseconds from one frame to the next; frames lie within the recording."""
    window: Literal["povey", "hanning", "hamming", "rectangular"] = "povey"
    """Shape of a frame; AST has hanning."""
    preemphasis: float = Field(default=0.97, ge=0, le=1)
    """Share of the sample before that is taken from each."""
    remove_mean: bool = True
    """Whether the mean of each frame is taken away (`remove_dc_offset`)."""
    f_min: float = Field(default=20.0, ge=0)
    """Hz at which the lowest band begins."""
    f_max: PositiveFloat | None = None
    """Hz at which the highest ends; default: half the rate."""

    def rate_after(self, rate: float) -> float:
        return 1000 / self.frame_shift


class LogOptions(TransformConfig):
    """log(x + eps)."""

    type: str = "log"
    main: ClassVar[str] = "eps"
    still: ClassVar[bool] = True
    eps: PositiveFloat = 1e-6
    """What is added, so that silence has a logarithm."""


class DecibelOptions(TransformConfig):
    """10 log₁₀ of a power, down to `top_db` below the greatest of the recording."""

    type: str = "decibel"
    main: ClassVar[str] = "top_db"
    still: ClassVar[bool] = True
    amin: PositiveFloat = 1e-10
    """The least power."""
    reference: Literal["one", "max"] = "one"
    """What is 0 dB: a power of one, or the greatest of the recording (librosa's `ref=np.max`)."""
    top_db: PositiveFloat | None = 80.0
    """Nothing is further below the greatest than this; null for no bound."""


class TrainingOptions(TransformConfig):
    """What draws at random, for training rows alone."""

    type: str
    applies_in: Literal["train"] = "train"
    """Training rows alone."""
    runs_on: Literal["worker"] = "worker"
    """Each recording is varied by itself, where it is read."""


class MaskFrequencyOptions(TrainingOptions):
    """A band of a spectrogram is silenced (SpecAugment): as wide as is drawn from 0 to `width`, anywhere."""

    type: str = "mask_frequency"
    main: ClassVar[str] = "width"
    width: NonNegativeInt
    """Bands at most, torchaudio's `freq_mask_param`."""
    count: PositiveInt = 1
    """How many masks."""


class MaskTimeOptions(TrainingOptions):
    """A stretch of time is silenced (SpecAugment): as long as is drawn from 0 to `width`, anywhere."""

    type: str = "mask_time"
    main: ClassVar[str] = "width"
    width: NonNegativeInt
    """Samples or frames at most, torchaudio's `time_mask_param`."""
    share: Share = 1.0
    """The mask is at most this share of the recording, torchaudio's `p`."""
    count: PositiveInt = 1
    """How many masks."""


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


class ShiftOptions(SignalTransformConfig):
    """The recording turned in time by up to so many seconds either way; what leaves at one end comes in at the other."""

    type: str = "shift"
    main: ClassVar[str] = "seconds"
    seconds: PositiveFloat
    """At most."""
    applies_in: Literal["train"] = "train"
    """Training rows alone."""
    runs_on: Literal["worker"] = "worker"
    """Each recording is varied by itself, where it is read."""


class DropLeadsOptions(TrainingOptions):
    """Channels set to zero, each with a probability, never all."""

    type: str = "drop_leads"
    main: ClassVar[str] = "p"
    p: Share = 0.1
    """Of each channel."""


class BaselineWanderOptions(SignalTransformConfig):
    """A slow wave of random size, pace and phase added to each channel, as breathing does."""

    type: str = "baseline_wander"
    main: ClassVar[str] = "size"
    size: PositiveFloat = 0.1
    """Greatest amplitude, in the unit of the recording."""
    low: PositiveFloat = 0.05
    """Hz at least."""
    high: PositiveFloat = 0.5
    """Hz at most."""
    applies_in: Literal["train"] = "train"
    """Training rows alone."""
    runs_on: Literal["worker"] = "worker"
    """Each recording is varied by itself, where it is read."""
