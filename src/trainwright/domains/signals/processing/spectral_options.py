"""What spectra of recordings are told. Imports no torch."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

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
    """Its shape."""
    periodic: bool = True
    """Whether the shape is that of a window one longer, without its last sample; else it is symmetric."""
    power: PositiveFloat | None = 2.0
    """2: power; 1: magnitude; null: the complex numbers themselves, which a column cannot hold."""
    center: bool = True
    """Whether the first frame is centred on the first sample, the recording going on beyond its ends."""
    pad_mode: Literal["reflect", "constant", "replicate", "circular"] = "reflect"
    """How it goes on there: mirrored, or with zeros (`constant`, librosa's default), its last sample, or from its other end."""
    pad: NonNegativeInt = 0
    """Zeros that are put before and after the recording."""
    normalized: Literal["none", "window", "frame_length"] = "none"
    """Divided by the root of the window's energy (`window`), or of its length (`frame_length`)."""

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
    log_mels: bool = False
    """log(x + 1e-6) in place of decibels that end 80 below the greatest."""
    dct_norm: Literal["ortho", "none"] = "ortho"
    """Whether the cosine transform is orthonormal, or twice a sum as scipy's without a norm."""


class LFCCOptions(SpectrogramOptions):
    """Cepstral coefficients of bands of equal width in Hz: `(channels, time)` → `(channels, n_lfcc, frames)`; defaults are torchaudio's."""

    type: str = "lfcc"
    main: ClassVar[str] = "n_lfcc"
    still: ClassVar[bool] = True
    n_lfcc: PositiveInt = 40
    """How many, at most n_filter."""
    n_filter: PositiveInt = 128
    """How many bands."""
    f_min: float = Field(default=0.0, ge=0)
    """Hz at which the lowest begins."""
    f_max: PositiveFloat | None = None
    """Hz at which the highest ends; default: half the rate."""
    log_lf: bool = False
    """log(x + 1e-6) in place of decibels that end 80 below the greatest."""
    dct_norm: Literal["ortho", "none"] = "ortho"
    """Whether the cosine transform is orthonormal, or twice a sum as scipy's without a norm."""


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
    window: Literal["povey", "hanning", "hamming", "blackman", "rectangular"] = "povey"
    """Shape of a frame (`window_type`); AST has hanning."""
    blackman_coeff: float = 0.42
    """Of the window `blackman`."""
    preemphasis: float = Field(default=0.97, ge=0, le=1)
    """Share of the sample before that is taken from each."""
    remove_mean: bool = True
    """Whether the mean of each frame is taken away (`remove_dc_offset`)."""
    f_min: float = Field(default=20.0, ge=0)
    """Hz at which the lowest band begins (`low_freq`)."""
    f_max: float | None = None
    """Hz at which the highest ends (`high_freq`), below 0 as seen from half the rate; default: half the rate."""
    snip_edges: bool = True
    """Whether frames lie within the recording; else there is one every shift, the ends mirrored."""
    round_to_power_of_two: bool = True
    """Whether frames are filled up with zeros to a power of two before they are transformed."""
    use_power: bool = True
    """Power, or magnitude."""
    use_log_fbank: bool = True
    """Whether logarithms are taken."""
    use_energy: bool = False
    """One row more: the logarithm of the energy of each frame, first, or last with `htk_compat`."""
    raw_energy: bool = True
    """Whether that is of the frame before it is emphasised and windowed."""
    energy_floor: float = Field(default=1.0, ge=0)
    """The least energy; 0 for none."""
    htk_compat: bool = False
    """Whether the energy comes last."""
    subtract_mean: bool = False
    """Whether the mean of each band over the recording is taken away."""
    vtln_warp: PositiveFloat = 1.0
    """Factor by which frequencies are warped (vocal tract length normalisation); 1 for none."""
    vtln_low: PositiveFloat = 100.0
    """Hz from which they are warped in full."""
    vtln_high: float = -500.0
    """Hz up to which they are, below 0 as seen from half the rate."""

    def rate_after(self, rate: float) -> float:
        return rate / max(self.samples_of_shift(rate), 1)

    def samples_of_shift(self, rate: float) -> int:
        """Whole samples from one frame to the next."""
        return int(rate * self.frame_shift / 1000)


class LogOptions(TransformConfig):
    """log(x + eps)."""

    type: str = "log"
    main: ClassVar[str] = "eps"
    still: ClassVar[bool] = True
    eps: PositiveFloat = 1e-6
    """What is added, so that silence has a logarithm."""


class DecibelOptions(TransformConfig):
    """10 log₁₀ of a power, or 20 log₁₀ of a magnitude, down to `top_db` below the greatest of the recording."""

    type: str = "decibel"
    main: ClassVar[str] = "top_db"
    still: ClassVar[bool] = True
    stype: Literal["power", "magnitude"] = "power"
    """What it is given, torchaudio's `stype`: 10 or 20 log₁₀."""
    amin: PositiveFloat = 1e-10
    """The least power or magnitude."""
    reference: Literal["one", "max"] = "one"
    """What is 0 dB: one, or the greatest of the recording (librosa's `ref=np.max`)."""
    top_db: PositiveFloat | None = 80.0
    """Nothing is further below the greatest than this; null for no bound."""
