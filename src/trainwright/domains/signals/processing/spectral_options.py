"""What spectra of recordings are told. Imports no torch."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from trainwright.data.transforms import TransformConfig
from trainwright.domains.signals.processing.options import SignalTransformConfig


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
