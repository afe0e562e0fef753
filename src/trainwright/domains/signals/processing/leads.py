"""Channels chosen by name, and leads computed from others."""

from __future__ import annotations

import torch
from torch import Tensor

from trainwright.config.errors import ConfigError, DataError, nearest
from trainwright.domains.signals.processing.channel_options import DeriveLeadsOptions, SelectLeadsOptions

EINTHOVEN: dict[str, tuple[float, float]] = {"iii": (-1.0, 1.0), "avr": (-0.5, -0.5), "avl": (1.0, -0.5), "avf": (-0.5, 1.0)}
"""Lead → what it has of I and of II (Einthoven's and Goldberger's triangle)."""


class SelectLeads:
    """`(channels, …)` → `(leads, …)`, with a mask `(2 leads, …)`; on batches one dimension further on."""

    def __init__(self, options: SelectLeadsOptions) -> None:
        self.dim, self.mask, self.channels = int(options.rows_first), options.mask, known_channels("select_leads", options.channels)
        there = place_of(self.channels)
        lacking = [name for name in options.leads if name.casefold() not in there]
        if lacking and (options.absent == "error" or len(lacking) == len(options.leads)):
            close = nearest(lacking[0], self.channels)
            fix = f"did you mean '{close}'?" if close else "name leads there are, or absent: zeros, which takes some of them"
            raise ConfigError(
                f"there is no lead {', '.join(lacking)}", where="select_leads", why=f"there are {', '.join(self.channels)}", fix=fix
            )
        self.places = [there.get(name.casefold(), -1) for name in options.leads]

    def __call__(self, sample: Tensor) -> Tensor:
        ensure_channels("select_leads", sample, self.dim, self.channels)
        found = sample.index_select(self.dim, torch.tensor(self.places, device=sample.device).clamp_min(0))
        absent = [place for place, each in enumerate(self.places) if each < 0]
        if absent:
            found = found.index_fill(self.dim, torch.tensor(absent, device=sample.device), 0)
        if not self.mask:
            return found
        there = found.ne(0).flatten(self.dim + 1).any(dim=-1)
        return torch.cat(
            [found, there.view(*there.shape, *[1] * (found.dim() - there.dim())).expand_as(found).to(found.dtype)], dim=self.dim
        )


class DeriveLeads:
    """`(channels, …)` → limb leads, those that were lacking computed from I and II, and then the others; linear, with their derivatives."""

    def __init__(self, options: DeriveLeadsOptions) -> None:
        self.dim, self.channels = int(options.rows_first), known_channels("derive_leads", options.channels)
        there = place_of(self.channels)
        if "i" not in there or "ii" not in there:
            why = f"the others follow from I and II, and there are {', '.join(self.channels)}"
            raise ConfigError("derive_leads needs leads I and II", where="derive_leads", why=why, fix="read them too: columns.NAME.leads")
        names = [name.casefold() for name in options.channels_after(self.channels)]
        self.matrix = torch.zeros(len(names), len(self.channels), dtype=torch.float64)
        for row, name in enumerate(names):
            if name in there:
                self.matrix[row, there[name]] = 1
            else:
                self.matrix[row, there["i"]], self.matrix[row, there["ii"]] = EINTHOVEN[name]

    def __call__(self, sample: Tensor) -> Tensor:
        ensure_channels("derive_leads", sample, self.dim, self.channels)
        return torch.tensordot(self.matrix.to(sample.device, sample.dtype), sample, dims=([1], [self.dim])).movedim(0, self.dim)


def known_channels(name: str, channels: list[str] | None) -> list[str]:
    """The names of what a transform is given. Raises ConfigError where nothing says them."""
    if channels is None:
        why = "only columns of recordings say them themselves"
        raise ConfigError(f"{name} does not know the names of channels", why=why, fix=f"give them: {name}: {{channels: [I, II, V1]}}")
    return channels


def place_of(channels: list[str]) -> dict[str, int]:
    """Name, case aside → which channel it is; the first of several."""
    return {name.casefold(): place for place, name in reversed(list(enumerate(channels)))}


def ensure_channels(name: str, sample: Tensor, dim: int, channels: list[str]) -> None:
    """Raise DataError for a recording with another number of channels than there are names."""
    if sample.dim() <= dim or sample.shape[dim] != len(channels):
        what = f"{name} is given {tuple(sample.shape)}, and knows {len(channels)} channels: {', '.join(channels)}"
        raise DataError(what, fix="give the names of what it is given, in order; of batches (rows, channels, time) say batched: true")
