"""Tensors of another shape made to fit a model: input channels, positions, vocabularies; and heads, which are replaced.

What is done follows timm 1.0 (`adapt_input_conv`, `resample_abs_pos_embed`, `resize_rel_pos_bias_table_simple`): a model begins as there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from trainwright.weights.options import AdaptationOptions
from trainwright.weights.report import Misfit

POSITIONS = re.compile(
    r"(^|[._])(abs_?)?(pos|position|positional)_?(emb|embed|embedding|embeddings|encoding)?s?(\.weight|_table)?$|(^|\.)wpe\.weight$"
)
RELATIVE = re.compile(r"relative_position_bias_table$")
TOKENS = re.compile(r"(^|\.)(cls_token|class_token|class_embedding|dist_token|distillation_token|reg_token|register_tokens)$")
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
STEM_CHANNELS = 16
"""Input channels above which a first convolution takes features, and no pictures or signals."""


@dataclass(frozen=True)
class Adapted:
    """A tensor as it fits, and what was done, in words."""

    value: Tensor
    said: str


class Adapter:
    """Makes tensors fit one model, by what they are there: the first convolution, positions, an embedding of a vocabulary."""

    def __init__(
        self,
        module: nn.Module,
        own: Mapping[str, Tensor],
        theirs: Mapping[str, Tensor],
        places: Mapping[str, str],
        options: AdaptationOptions,
    ) -> None:
        """`own`: the model's tensors by name; `theirs`: the source's, and `places` their names in the model."""
        self.options, self.own = options, own
        modules = dict(module.named_modules())
        self._modules = {name: modules.get(name.rpartition(".")[0]) for name in own}
        stem = next((name for name, each in modules.items() if isinstance(each, CONVOLUTIONS)), None)
        self._stem = None if stem is None else f"{stem}.weight" if stem else "weight"
        self._patches = any(isinstance(each, nn.Conv2d) for each in modules.values())
        self._tokens = _count_tokens(theirs), _count_tokens(own)
        embedded = {name for name, each in self._modules.items() if isinstance(each, nn.Embedding) and not POSITIONS.search(name)}
        self._vocabularies = {(len(value), len(own[places[name]])) for name, value in theirs.items() if places[name] in embedded}
        """Rows there and here of embeddings, which output layers may have too."""

    def fit(self, name: str, value: Tensor, ours: Tensor) -> Adapted | None:
        """The tensor in our shape, or None where nothing is known of how."""
        if RELATIVE.search(name):
            return self._relative(name, value, ours)
        if POSITIONS.search(name):
            return self._positions(name, value, ours)
        if name == self._stem:
            return self._channels(name, value, ours)
        return self._vocabulary(name, value, ours)

    def _channels(self, name: str, value: Tensor, ours: Tensor) -> Adapted | None:
        module, there, here = self._modules[name], value.shape[1] if value.dim() > 1 else 0, ours.shape[1] if ours.dim() > 1 else 0
        same = value.dim() == ours.dim() and value.shape[0] == ours.shape[0] and value.shape[2:] == ours.shape[2:]
        if not same or getattr(module, "groups", 1) != 1 or max(there, here) > STEM_CHANNELS:
            return None
        adapted, how = adapt_channels(value, here, self.options.channels)
        return Adapted(adapted, f"{name}: {_count(there, 'input channel')} there, {here} here: {how}")

    def _positions(self, name: str, value: Tensor, ours: Tensor) -> Adapted | None:
        if value.dim() != ours.dim() or value.shape[-1] != ours.shape[-1]:
            return _spatial(name, value, ours)
        if value.dim() == 4:
            return _spatial(name, value, ours, last=True)
        if value.dim() not in (2, 3) or value.shape[:-2] != ours.shape[:-2]:
            return None
        grids = self._grids(value.shape[-2], ours.shape[-2]) if self._patches else None
        if grids is not None:
            there, here, tokens = grids
            adapted = adapt_grid(value, there, here, *tokens)
            kept = f", {_count(tokens[1], 'token')} before them kept" if tokens[1] else ""
            return Adapted(adapted, f"{name}: {_by(there)} positions there, {_by(here)} here: interpolated (bicubic){kept}")
        line = value.reshape(-1, *value.shape[-2:]).transpose(1, 2).float()
        adapted = interpolate(line, size=ours.shape[-2], mode="linear").transpose(1, 2).reshape(ours.shape).to(value.dtype)
        return Adapted(adapted, f"{name}: {value.shape[-2]} positions there, {ours.shape[-2]} here: interpolated (linear)")

    def _grids(self, there: int, here: int) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]] | None:
        """Rows and columns of both sides and how many tokens stand before them: those that both sides have, or none."""
        options = self.options
        for tokens in dict.fromkeys((self._tokens, (0, 0), (1, 1), (2, 2))):
            grids = (_grid(there - tokens[0], options.grid_there), _grid(here - tokens[1], options.grid_here))
            if grids[0] is not None and grids[1] is not None and tokens[1] <= tokens[0]:
                return grids[0], grids[1], tokens
        return None

    def _relative(self, name: str, value: Tensor, ours: Tensor) -> Adapted | None:
        if value.dim() != 2 or ours.dim() != 2 or value.shape[1] != ours.shape[1]:
            return None
        there, here = _grid(len(value), None), _grid(len(ours), None)
        if there is None or here is None:
            return None
        adapted = adapt_grid(value, there, here, 0, 0, antialias=False)
        return Adapted(adapted, f"{name}: {_by(there)} relative positions there, {_by(here)} here: interpolated (bicubic)")

    def _vocabulary(self, name: str, value: Tensor, ours: Tensor) -> Adapted | None:
        """More rows for an embedding, or for an output layer of the same vocabulary."""
        if value.dim() != ours.dim() or not value.dim() or value.shape[1:] != ours.shape[1:] or len(ours) <= len(value):
            return None
        sizes = len(value), len(ours)
        if sizes not in self._vocabularies:
            return None
        more = value.float().mean(0).to(value.dtype).expand(sizes[1] - sizes[0], *value.shape[1:])
        keeps = self.options.vocabulary == "first" and not ours.is_meta
        rest = ours.detach()[sizes[0] :].to(value) if keeps else more
        how = "keep their first values" if keeps else "are the mean of those"
        return Adapted(torch.cat([value, rest]), f"{name}: {sizes[0]} rows there, {sizes[1]} here: the last {sizes[1] - sizes[0]} {how}")


def adapt_channels(weight: Tensor, channels: int, rule: str = "repeat") -> tuple[Tensor, str]:
    """The weight (out in …) of a convolution for so many input channels, with the same answer to a grey picture, and what was done.

    timm's rule (`adapt_input_conv`): one channel is the sum; several are the channels in turn, times old / new.
    """
    there, kept = weight.shape[1], weight.dtype
    weight = weight.float()
    if there > 3 and there % 3 == 0 and channels == there // 3:
        return weight.reshape(len(weight), channels, 3, *weight.shape[2:]).sum(2).to(kept), "summed by threes"
    if channels == 1:
        return weight.sum(1, keepdim=True).to(kept), "summed"
    if rule == "mean":
        mean = weight.sum(1, keepdim=True) / channels
        return mean.expand(-1, channels, *weight.shape[2:]).contiguous().to(kept), "each their scaled mean"
    order = torch.arange(channels) % there
    return (weight[:, order] * (there / channels)).to(kept), f"repeated in turn, times {there}/{channels}"


def adapt_grid(
    value: Tensor, there: tuple[int, int], here: tuple[int, int], tokens_there: int, tokens_here: int, antialias: bool = True
) -> Tensor:
    """Positions (… n d) of a grid, after some tokens that have none, resampled to another grid: bicubic, as timm does."""
    before, grid = value[..., :tokens_here, :], value[..., tokens_there:, :]
    batch = grid.reshape(-1, *there, grid.shape[-1]).permute(0, 3, 1, 2).float()
    resampled = interpolate(batch, size=here, mode="bicubic", antialias=antialias, align_corners=False)
    rows = resampled.permute(0, 2, 3, 1).reshape(*grid.shape[:-2], here[0] * here[1], grid.shape[-1]).to(value.dtype)
    return torch.cat([before, rows], dim=-2)


def find_heads(dropped: Collection[Misfit], order: Mapping[str, Tensor]) -> dict[str, str]:
    """Module → what differs, for the layers at the end of a model that differ in the number of their outputs alone."""
    misfits = {each.name: each for each in dropped}
    heads: dict[str, str] = {}
    for name in reversed([each for each in order if each in misfits]):
        misfit, module = misfits[name], name.rpartition(".")[0]
        if not _differs_in_outputs(misfit):
            break
        heads.setdefault(module, f"{module or 'the last layer'} has {misfit.theirs[0]} outputs there and {misfit.ours[0]} here")
    return heads


def _differs_in_outputs(misfit: Misfit) -> bool:
    theirs, ours = misfit.theirs, misfit.ours
    return not misfit.why and len(theirs) == len(ours) > 0 and theirs[1:] == ours[1:] and theirs[0] != ours[0]


def _spatial(name: str, value: Tensor, ours: Tensor, last: bool = False) -> Adapted | None:
    """Positions that have rows and columns of their own: (1 c h w), or with the channels last."""
    if value.dim() != 4 or ours.dim() != 4 or len(value) != len(ours):
        return None
    there, here = (value.shape[1:3], ours.shape[1:3]) if last else (value.shape[2:], ours.shape[2:])
    if not last and value.shape[1] != ours.shape[1]:
        return None
    batch = (value.permute(0, 3, 1, 2) if last else value).float()
    resampled = interpolate(batch, size=tuple(here), mode="bicubic", antialias=True, align_corners=False)
    adapted = (resampled.permute(0, 2, 3, 1) if last else resampled).to(value.dtype)
    return Adapted(adapted, f"{name}: {_by(tuple(there))} positions there, {_by(tuple(here))} here: interpolated (bicubic)")


def _grid(count: int, given: tuple[int, int] | None) -> tuple[int, int] | None:
    """Rows and columns of so many positions: those given, or a square's; None where they are none."""
    if given is not None:
        return given if given[0] * given[1] == count else None
    side = math.isqrt(max(count, 0))
    return (side, side) if count > 0 and side * side == count else None


def _count_tokens(tensors: Mapping[str, Tensor]) -> int:
    """How many tokens stand before those of the patches."""
    return sum(each.numel() // each.shape[-1] for name, each in tensors.items() if TOKENS.search(name) and each.dim())


def _by(grid: tuple[int, ...]) -> str:
    return "×".join(map(str, grid))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
