"""The encoder of a column of recordings when none is named: by what it gives, how long that is, its rate, and the training rows."""

from __future__ import annotations

from trainwright.config.model import PartConfig
from trainwright.domains.signals.models.options import CRNNOptions, SmallResNet1dOptions, SpectrogramConvOptions, XResNet1dOptions
from trainwright.domains.signals.models.recordings import SPECTROGRAM
from trainwright.features.spec import InputGroup
from trainwright.nn.encoders import DenseOptions

MANY_ROWS = 8_000
"""From so many training rows on, waveforms get the large residual network."""
MANY_SOUNDS = 20_000
"""From so many training rows on, spectrograms get a recurrent layer."""
POSITIONS = 125
"""What is left of a recording before it is pooled is at most about this many positions, so that each sees much of it."""
KEPT = 640
"""Recordings of one length and at most so many samples, such as windows round beats, keep their positions: where a wave stands matters."""
LEAST = 32
"""Shorter arrays are taken by fully connected layers."""
LAYERS = 4
"""Convolutions of the small residual network that may have a stride."""


def for_signals(group: InputGroup, combiner: str, rows: int) -> PartConfig:
    """The options of the encoder that suits the recordings of a group, for a number of training rows."""
    shape = group.parts["value"]
    if len(shape) >= SPECTROGRAM:
        return CRNNOptions() if rows >= MANY_SOUNDS else SpectrogramConvOptions()
    time = shape[-1]
    if time < LEAST and "length" not in group.parts:
        return DenseOptions()
    if rows >= MANY_ROWS and time > KEPT:
        return XResNet1dOptions()
    first, *others = choose_strides(time)
    keeps = time <= KEPT and "length" not in group.parts
    return SmallResNet1dOptions(stem_stride=first, strides=others, pooling="tokens" if keeps else "mean_max")


def choose_strides(time: int) -> list[int]:
    """Strides of the convolutions of the small residual network: 2 each, and 4 from the first on where recordings are long."""
    strides = [2] * LAYERS
    for number in range(LAYERS):
        if time / 2**LAYERS / 2**number <= POSITIONS:
            break
        strides[number] = 4
    return strides
