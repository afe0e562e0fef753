"""Signals of the body cleaned in a chain of transforms."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from trainwright.config.errors import DataError
from trainwright.domains.signals.physiology.clean_options import CleanOptions
from trainwright.domains.signals.physiology.cleaning import check_cleaning, clean_filled
from trainwright.domains.signals.physiology.inputs import Array, Channel
from trainwright.domains.signals.processing.rates import rate_of


class Clean:
    """Each channel of `(… channels, time)` cleaned by itself, in float64 and back."""

    def __init__(self, options: CleanOptions) -> None:
        self.rate, self.options = rate_of(options), options
        check_cleaning(self.rate, options.signal, options.method, options.powerline)

    def _channel(self, samples: Array) -> Channel:
        return Channel(samples, np.ones(len(samples), bool), self.rate)

    def __call__(self, sample: Tensor) -> Tensor:
        if not bool(torch.isfinite(sample).all()):
            why = "one of them would become of the whole channel"
            raise DataError(
                "clean is given values that are no numbers", why=why, fix="unreadable: repair fills them in where they are read"
            )
        channels = sample.detach().to("cpu", torch.float64).numpy().reshape(-1, sample.shape[-1])
        told = self.options
        found = np.stack([clean_filled(self._channel(each), told.signal, told.method, told.powerline) for each in channels])
        return torch.from_numpy(found.reshape(sample.shape)).to(sample.dtype).to(sample.device)
