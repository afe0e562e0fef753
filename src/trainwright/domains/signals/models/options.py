"""Options of the encoders of recordings. Imports no torch."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, PositiveInt, model_validator

from trainwright.config.model import PartConfig
from trainwright.domains.signals.models import fields
from trainwright.nn.blocks.refusals import refuse
from trainwright.weights.options import StartingWeights

Pooling = Literal["mean_max", "mean", "max", "attention", "tokens"]
"""How what a network gives over time becomes a vector per recording, or all of it a token at each position."""


class PooledOptions(PartConfig):
    """What encoders of recordings do with what a network gives over time."""

    type: str
    pooling: Pooling = "mean_max"
    """Mean and maximum over time side by side, one of them, a learned query's attention, or `tokens`: every position is kept, as a token
    (recordings of one length). Padding never counts."""
    head: int = Field(default=0, ge=0)
    """Width of the head as published after pooling: batch norm, dropout, linear, ReLU, batch norm, dropout; 0 for none."""
    head_dropout: float = Field(default=0.5, ge=0, lt=1)
    """Share zeroed at the end of the head in training; half of it at its start."""

    @model_validator(mode="after")
    def _pooled(self) -> Any:
        if self.head and self.pooling == "tokens":
            raise refuse("head", "it stands after pooling", why="pooling: tokens keeps every position", fix="leave one of them out")
        return self


class WaveformOptions(PooledOptions):
    """What encoders of waveforms have in common."""

    type: str
    leads: Literal["channels", "2d"] = "channels"
    """All leads together from the first filter on, or `2d`: filters of (1, kernel) over each lead, which are joined at the end."""


class XResNet1dOptions(fields.XResNetFields, WaveformOptions):
    """xresnet1d, the strongest of the PTB-XL benchmark (Strodthoff et al. 2021); 50 layers and 71 classes have 962,503 parameters."""

    type: str = "xresnet1d"
    head: int = Field(default=128, ge=0)
    """Width of the head as published after pooling: batch norm, dropout, linear, ReLU, batch norm, dropout; 0 for none."""


class ResNet1dOptions(fields.ResNetFields, WaveformOptions):
    """A residual network over time of 18, 34 or 50 layers."""

    type: str = "resnet1d"


class SEResNet1dOptions(fields.ResNetFields, WaveformOptions):
    """A residual network whose blocks weigh their channels (Hu et al. 2018), of 18, 34 or 50 layers."""

    type: str = "se_resnet1d"
    squeeze: int = Field(default=16, ge=1)
    """Reduction of the squeeze-and-excitation in each block."""


class WangResNet1dOptions(fields.ResNetFields, WaveformOptions):
    """The residual network of Wang et al. 2017 as in the PTB-XL benchmark: three wide blocks; with 71 classes 481,863 parameters."""

    type: str = "resnet1d_wang"
    depth: Literal[18, 34, 50] | list[PositiveInt] = [1, 1, 1]
    """Layers, or the number of blocks of each stage."""
    widths: PositiveInt | list[PositiveInt] = 128
    """Channels of every stage, or of each."""
    second_kernel: int | None = Field(default=3, ge=1)
    """Of the second convolution of a block."""
    strides: list[PositiveInt] = [1, 2, 2]
    """Stride of the first block of each stage."""
    stem: int = Field(default=128, ge=1)
    """Channels of the first convolution."""
    stem_kernel: int = Field(default=7, ge=1)
    """Samples under its filters; odd."""
    stem_stride: int = Field(default=1, ge=1)
    """Its stride."""
    stem_pool: bool = False
    """The greatest of three samples, at every second, after it."""
    head: int = Field(default=128, ge=0)
    """Width of the head as published after pooling; 0 for none."""


class SmallResNet1dOptions(fields.ResNetFields, WaveformOptions):
    """A residual network for few recordings, or short ones: three blocks, some 77,000 parameters."""

    type: str = "small_resnet1d"
    depth: Literal[18, 34, 50] | list[PositiveInt] = [1, 1, 1]
    """Layers, or the number of blocks of each stage."""
    widths: PositiveInt | list[PositiveInt] = [24, 48, 64]
    """Channels of every stage, or of each."""
    kernel: PositiveInt | list[PositiveInt] = [7, 7, 5]
    """Samples under the filters of every stage, or of each; odd."""
    strides: list[PositiveInt] = [2, 2, 2]
    """Stride of the first block of each stage."""
    stem: int = Field(default=24, ge=1)
    """Channels of the first convolution."""
    stem_kernel: int = Field(default=11, ge=1)
    """Samples under its filters; odd."""
    stem_pool: bool = False
    """The greatest of three samples, at every second, after it."""


class WangFCNOptions(fields.FCNFields, WaveformOptions):
    """The fully convolutional network of Wang et al. 2017 as in the PTB-XL benchmark; with 71 classes 318,279 parameters."""

    type: str = "fcn_wang"
    head: int = Field(default=128, ge=0)
    """Width of the head as published after pooling; 0 for none."""


class InceptionTimeOptions(fields.InceptionFields, WaveformOptions):
    """InceptionTime (Fawaz et al. 2020): the mean over time, and no head."""

    type: str = "inception_time"
    pooling: Pooling = "mean"
    """How what the network gives over time becomes a vector."""


class Inception1dOptions(fields.InceptionFields, WaveformOptions):
    """InceptionTime as in the PTB-XL benchmark, with its head; with 71 classes 516,167 parameters."""

    type: str = "inception1d"
    head: int = Field(default=128, ge=0)
    """Width of the head as published after pooling; 0 for none."""


class ConvNeXt1dOptions(fields.ConvNeXtFields, WaveformOptions):
    """ConvNeXt over time (Liu et al. 2022)."""

    type: str = "convnext1d"
    pooling: Pooling = "mean"
    """How what the network gives over time becomes a vector."""


class TCNOptions(fields.TCNFields, WaveformOptions):
    """Dilated causal convolutions, as in WaveNet and TCN."""

    type: str = "tcn"


class PatchTransformer1dOptions(fields.PatchTransformerFields, WaveformOptions):
    """A transformer of pieces of the recording."""

    type: str = "patch_transformer1d"
    pooling: Pooling = "mean"
    """How what the network gives over time becomes a vector."""


class StateSpaceOptions(fields.StateSpaceFields, WaveformOptions):
    """Selective state spaces (Mamba) over pieces of the recording, every second block backwards."""

    type: str = "state_space"
    pooling: Pooling = "mean"
    """How what the network gives over time becomes a vector."""


class SpectrogramConvOptions(PooledOptions):
    """Four convolutions over mel × time, each halving both, the bands joined at the end: some 60,000 parameters."""

    type: str = "spectrogram_conv"
    widths: list[PositiveInt] = Field(default=[16, 32, 48, 64], min_length=1)
    """Channels of each convolution."""
    kernel: int = Field(default=3, ge=1)
    """Side of the filters; odd."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of channels zeroed in training, after the last convolution."""


class CRNNOptions(PooledOptions):
    """Convolutions over mel × time that halve the bands, then a recurrent layer in both directions (Çakır et al. 2017)."""

    type: str = "crnn"
    widths: list[PositiveInt] = Field(default=[32, 64, 64], min_length=1)
    """Channels of each convolution."""
    kernel: int = Field(default=3, ge=1)
    """Side of the filters; odd."""
    time_strides: list[PositiveInt] = [2, 1, 1]
    """By how much each convolution shortens time."""
    cell: Literal["gru", "lstm"] = "gru"
    """Kind of recurrence."""
    width: int = Field(default=64, ge=1)
    """Size of its state, in each direction."""
    depth: int = Field(default=1, ge=1)
    """Stacked recurrent layers."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share zeroed in training, between convolutions and recurrence."""
    pooling: Pooling = "attention"
    """How the states become a vector."""

    @model_validator(mode="after")
    def _one_each(self) -> Any:
        if len(self.time_strides) != len(self.widths):
            what = f"{len(self.time_strides)} numbers for {len(self.widths)} convolutions"
            raise refuse("time_strides", what, fix="give one for each")
        return self


class ASTOptions(PartConfig):
    """Audio Spectrogram Transformer (Gong et al. 2021); base with 128 mels × 1,024 frames and 527 classes 86,594,063 parameters."""

    type: str = "ast"
    size: Literal["tiny", "small", "base"] = "tiny"
    """Width 192, 384 or 768, with 3, 6 or 12 heads, in 12 blocks."""
    patch: int = Field(default=16, ge=1)
    """Side of a piece of the spectrogram."""
    stride: int = Field(default=10, ge=1)
    """From one piece to the next, in both directions."""
    depth: int = Field(default=12, ge=1)
    """Blocks."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of activations zeroed in training."""
    drop_path: float = Field(default=0.0, ge=0, lt=1)
    """Share of rows whose block is left out in training, rising from 0 to this over the blocks."""
    weights: StartingWeights | None = None
    """Those of an AST or a (distilled) vision transformer, by the names of the AST repository, timm or Hugging Face."""
    positions: Literal["middle", "interpolate"] = "middle"
    """Of a grid smaller than that of the weights: its middle, as the AST repository has it, or all of it, interpolated. Larger ones are
    interpolated (bilinear). The run's `weights.json` says what was done."""

    @model_validator(mode="after")
    def _fits(self) -> Any:
        if self.stride > self.patch:
            raise refuse("stride", "it is longer than the patch", why="what lies between would never be seen", fix=f"at most {self.patch}")
        return self


class Wav2Vec2Options(PooledOptions):
    """wav2vec 2.0 of Hugging Face (Baevski et al. 2020) over a mono waveform of 16 kHz, from a folder or a configuration alone."""

    type: str = "wav2vec2"
    weights: str = ""
    """A folder with `config.json` and weights, on this machine; nothing is downloaded. Empty to begin at random, with `config`."""
    config: dict[str, int | float | str | bool | list[int]] = {}
    """Options of `Wav2Vec2Config` that differ from its defaults."""
    freeze_features: bool = True
    """Whether the convolutions at the start keep their weights, where `weights` are given."""
    normalise: bool = True
    """Each recording is brought to mean 0 and deviation 1 first, as the published models expect."""
    pooling: Pooling = "mean"
    """How what the network gives over time becomes a vector."""
