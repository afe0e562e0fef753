"""Networks over spectrograms: convolutions alone, and convolutions before a recurrent layer (CRNN, Çakır et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from trainwright.config.errors import ConfigError
from trainwright.domains.signals.models.encoder import RecordingEncoder, spectrogram_encoder
from trainwright.domains.signals.models.options import CRNNOptions, SpectrogramConvOptions
from trainwright.domains.signals.models.padded import Kept, run_padded
from trainwright.features.spec import InputGroup
from trainwright.nn.blocks.residual import draw_convolutions
from trainwright.nn.blocks.spatial import convolution
from trainwright.nn.variable_length import RECURRENT


class MapLayers(nn.Sequential):
    """`[b, channels, mels, frames]` → `[b, width, fewer mels, fewer frames]`: convolution, batch norm and ReLU, at strides."""

    def __init__(self, channels: int, widths: Sequence[int], kernel: int, time_strides: Sequence[int]) -> None:
        super().__init__()
        for number, (before, out, step) in enumerate(zip([channels, *widths], widths, time_strides, strict=False)):
            conv = convolution(2, before, out, kernel, stride=(2, step), bias=False)
            self.add_module(f"layer{number + 1}", nn.Sequential(conv, nn.BatchNorm2d(out), nn.ReLU()))
        draw_convolutions(self)


def bands_left(mels: int, layers: int) -> int:
    """Bands after so many layers, each halving them, rounded up."""
    return -(-mels // 2**layers)


class SpectrogramConv(nn.Module):
    """`[b, channels, mels, frames]` → `[b, width, frames / 2^layers]`: layers, then each channel's bands joined by learned weights."""

    def __init__(self, channels: int, mels: int, options: SpectrogramConvOptions) -> None:
        super().__init__()
        self.width = options.widths[-1]
        self.layers = MapLayers(channels, options.widths, options.kernel, [2] * len(options.widths))
        self.dropout = nn.Dropout2d(options.dropout)
        bands = bands_left(mels, len(options.widths))
        self.bands = nn.Conv2d(self.width, self.width, (bands, 1), bias=False)
        self.norm = nn.Sequential(nn.BatchNorm1d(self.width), nn.ReLU())

    def forward(self, x: Float[Tensor, "b c m t"]) -> Float[Tensor, "b w u"]:
        return self.norm(self.bands(self.dropout(self.layers(x))).squeeze(2))

    def forward_padded(self, x: Tensor, keep: Tensor) -> Kept:
        """The same where recordings end before the batch does."""
        x, keep = run_padded(self.layers, x, keep)
        return run_padded(self.norm, self.bands(self.dropout(x)).squeeze(2), keep)


class CRNN(nn.Module):
    """`[b, channels, mels, frames]` → `[b, 2 · width, frames / strides]`: layers, then a GRU or LSTM that reads both ways."""

    def __init__(self, channels: int, mels: int, options: CRNNOptions) -> None:
        super().__init__()
        self.width = 2 * options.width
        self.layers = MapLayers(channels, options.widths, options.kernel, options.time_strides)
        self.dropout = nn.Dropout(options.dropout)
        inputs = options.widths[-1] * bands_left(mels, len(options.widths))
        rnn: Any = RECURRENT[options.cell.upper()]
        self.rnn = rnn(inputs, options.width, options.depth, batch_first=True, bidirectional=True)

    def forward(self, x: Float[Tensor, "b c m t"]) -> Float[Tensor, "b w u"]:
        return self.rnn(self._steps(self.layers(x)))[0].transpose(1, 2)

    def _steps(self, x: Float[Tensor, "b c m t"]) -> Float[Tensor, "b t i"]:
        return self.dropout(x.flatten(1, 2).transpose(1, 2))

    def forward_padded(self, x: Tensor, keep: Tensor) -> Kept:
        """The same; what is read backwards begins at the end of each recording."""
        x, keep = run_padded(self.layers, x, keep)
        steps, length = self._steps(x), keep.sum(1)
        packed = nn.utils.rnn.pack_padded_sequence(steps, length.clamp_min(1).cpu(), batch_first=True, enforce_sorted=False)
        found, _ = nn.utils.rnn.pad_packed_sequence(self.rnn(packed)[0], batch_first=True, total_length=steps.shape[1])
        return found.transpose(1, 2), keep


def spectrogram_conv(options: SpectrogramConvOptions, group: InputGroup) -> RecordingEncoder:
    """The encoder of convolutions alone."""
    _odd(options.kernel, group)
    return spectrogram_encoder(options, group, SpectrogramConv)


def crnn(options: CRNNOptions, group: InputGroup) -> RecordingEncoder:
    """The encoder of convolutions and recurrence."""
    _odd(options.kernel, group)
    return spectrogram_encoder(options, group, CRNN)


def _odd(kernel: int, group: InputGroup) -> None:
    if kernel % 2 == 0:
        where = f"columns.{group.columns[0]}.encoder.kernel"
        raise ConfigError(f"kernel must be odd, not {kernel}", where=where, fix=f"use {kernel + 1}")
