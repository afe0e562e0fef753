"""What is learnt from sounds, and how it is measured."""

import numpy as np
import torch
from torch import nn

from sounds.data import read_wav, wav_shape
from trainwright.config.errors import ConfigError
from trainwright.features.file import FileFeature
from trainwright.metrics.labels import LabelCounts


class Sound(FileFeature):
    """A column of WAV files."""

    kind = "sound"
    read_array = staticmethod(read_wav)
    read_shape = staticmethod(wav_shape)


class Loudness:
    """Louder or softer: the generators are seeded for every sample, so that workers and restarts change nothing."""

    def __init__(self, options):
        self.decibels = options.decibels

    def __call__(self, sample):
        return sample * 10 ** (self.decibels * (2 * torch.rand(()) - 1) / 20)


class Spectrum(nn.Module):
    """`value` [b, f, t] → the logarithm of the power in bands [b, f, bands]."""

    def __init__(self, options, group):
        super().__init__()
        if "length" in group.parts:
            raise ConfigError("the spectrum is of sounds of one length", fix="columns.sound.transform=[{center_crop: 4000}]")
        self.tokens, self.width = group.parts["value"][0], options.bands

    def forward(self, parts):
        power = torch.fft.rfft(parts["value"]).abs().square()
        return nn.functional.adaptive_avg_pool1d(power, self.width).log1p()


class WorstRecall(LabelCounts):
    """The least of the classes' recalls; NaN where no class occurs."""

    def from_counts(self, hits, predicted, actual):
        return np.where(actual > 0, hits / actual, np.inf).min(axis=-1)
