"""Networks over recordings as encoders: they read a group of columns, and give a token per recording, or per position."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trainwright.config.errors import ConfigError
from trainwright.domains.signals.models.options import PooledOptions, WaveformOptions
from trainwright.domains.signals.models.padded import run_padded
from trainwright.domains.signals.models.pooling import TimePool, published_head
from trainwright.domains.signals.models.recordings import SPECTROGRAM, WAVEFORM, read_recordings, shape_of, too_short
from trainwright.features.spec import InputGroup

SHORT = 1024
"""Recordings shorter than this are sent through a network when it is made, to see whether something is left of them."""


class RecordingEncoder(nn.Module):
    """Recordings → `[b, 1, width]`, or with `pooling: tokens` `[b, positions, width]`; padding changes nothing."""

    def __init__(
        self, options: PooledOptions, group: InputGroup, network: nn.Module, width: int, shape: tuple[int, ...], folds: bool
    ) -> None:
        super().__init__()
        self.network = network
        self.leads = shape[0] if folds and shape[0] > 1 else 0
        self.join = nn.Conv2d(width, width, (self.leads, 1), groups=width) if self.leads else None
        self.keeps = options.pooling == "tokens"
        self.pool = None if self.keeps else TimePool(options.pooling, width)
        width = width if self.pool is None else self.pool.width
        self.head = published_head(width, options.head, options.head_dropout) if options.head else None
        self.width = options.head or width
        self.absent = nn.Parameter(torch.zeros(self.width)) if "missing" in group.parts else None
        self.tokens = self._count_positions(options, group, shape)

    def _count_positions(self, options: PooledOptions, group: InputGroup, shape: tuple[int, ...]) -> int:
        """How many tokens there are; raises ConfigError where they differ in number, or nothing is left of a recording."""
        if self.keeps and "length" in group.parts:
            raise _differ(options, group)
        if not self.keeps and shape[-1] >= SHORT:
            return 1
        training = self.training
        try:
            with torch.no_grad():
                found: Tensor = self.eval()._over_time(torch.zeros(1, *shape), None)[0]
        except RuntimeError as error:
            raise too_short(group, options.type, shape[-1], error) from error
        finally:
            self.train(training)
        if not found.shape[-1]:
            raise too_short(group, options.type, shape[-1], "nothing is left of them")
        return found.shape[-1] if self.keeps else 1

    def _over_time(self, x: Tensor, keep: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """What the network gives `[b, w, t]`, and what of it lies within each recording."""
        rows = x.shape[0]
        if self.leads:
            x = x.reshape(rows * self.leads, 1, x.shape[-1])
            keep = None if keep is None else keep.repeat_interleave(self.leads, 0)
        if keep is None:
            x = self.network(x)
        else:
            x, keep = run_padded(self.network, x, keep)
        if self.join is not None:
            x = self.join(x.view(rows, self.leads, *x.shape[1:]).transpose(1, 2)).squeeze(2)
            keep = None if keep is None else keep[:: self.leads]
        return x, keep

    def forward(self, parts: dict[str, Tensor]) -> Float[Tensor, "b n w"]:
        x, keep = self._over_time(*read_recordings(parts))
        if self.pool is None:
            x = x.transpose(1, 2)
        else:
            x = self.pool(x, keep)
            x = (x if self.head is None else self.head(x)).unsqueeze(1)
        return x if self.absent is None else torch.where(parts["missing"].view(-1, 1, 1) > 0, self.absent, x)


def waveform_encoder(options: WaveformOptions, group: InputGroup, make: Callable[..., Any]) -> RecordingEncoder:
    """The encoder of a network that is made with its options: `make(channels=…, …)` has `width`."""
    shape = shape_of(group, WAVEFORM, options.type)
    folds = options.leads == "2d"
    other = {*WaveformOptions.model_fields, "type"}
    network = make(1 if folds else shape[0], **{name: getattr(options, name) for name in type(options).model_fields if name not in other})
    return RecordingEncoder(options, group, network, network.width, shape, folds)


def spectrogram_encoder(options: PooledOptions, group: InputGroup, make: Callable[..., Any]) -> RecordingEncoder:
    """The same of a network over `[b, channels, mels, frames]`: `make(channels, mels, options)` has `width`."""
    shape = shape_of(group, SPECTROGRAM, options.type)
    network = make(shape[0], shape[1], options)
    return RecordingEncoder(options, group, network, network.width, shape, folds=False)


def _differ(options: PooledOptions, group: InputGroup) -> ConfigError:
    what = f"'{options.type}' with pooling: tokens keeps every position, and recordings of '{group.columns[0]}' differ in length"
    return ConfigError(what, where=f"columns.{group.columns[0]}.encoder.pooling", fix="use mean_max, or cut and fill them to one length")
