"""InceptionTime (Fawaz et al. 2020) and the fully convolutional network of Wang et al. 2017, as in the PTB-XL benchmark."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trainwright.domains.signals.models.block_options import FCN1dOptions, InceptionTimeOptions
from trainwright.domains.signals.models.padded import Kept, run_padded
from trainwright.nn.blocks.given import checked_by
from trainwright.nn.blocks.residual import draw_convolutions
from trainwright.nn.blocks.spatial import convolution

BRANCHES, EVERY = 4, 3


class InceptionBlock(nn.Module):
    """`[b, c, t]` → `[b, 4 · filters, t]`: convolutions of three lengths over a bottleneck, and one of a maximum, side by side."""

    def __init__(self, channels: int, filters: int, kernels: Sequence[int], bottleneck: int) -> None:
        super().__init__()
        inner = bottleneck or channels
        self.bottleneck = nn.Conv1d(channels, bottleneck, 1, bias=False) if bottleneck else nn.Identity()
        self.convs = nn.ModuleList(convolution(1, inner, filters, kernel, bias=False) for kernel in kernels)
        self.pool = nn.Sequential(nn.MaxPool1d(3, 1, 1), nn.Conv1d(channels, filters, 1, bias=False))
        self.norm = nn.Sequential(nn.BatchNorm1d(BRANCHES * filters), nn.ReLU())

    def forward(self, x: Float[Tensor, "b c t"]) -> Float[Tensor, "b o t"]:
        narrow = self.bottleneck(x)
        return self.norm(torch.cat([*(conv(narrow) for conv in self.convs), self.pool(x)], dim=1))

    def forward_padded(self, x: Tensor, keep: Tensor) -> Kept:
        """The same where recordings end before the batch does."""
        narrow = self.bottleneck(x)
        found = [run_padded(conv, narrow, keep)[0] for conv in self.convs] + [run_padded(self.pool, x, keep)[0]]
        return run_padded(self.norm, torch.cat(found, dim=1), keep)


class InceptionTime(nn.Module):
    """`[b, channels, t]` → `[b, 4 · filters, t]`; a shortcut goes round every three blocks."""

    @checked_by(InceptionTimeOptions)
    def __init__(
        self, channels: int, depth: int = 6, filters: int = 32, kernel: int = 40, bottleneck: int = 32, residual: bool = True
    ) -> None:
        super().__init__()
        self.width = BRANCHES * filters
        kernels = [each - 1 + each % 2 for each in (kernel, kernel // 2, kernel // 4)]
        inputs = [channels, *[self.width] * (depth - 1)]
        self.blocks = nn.ModuleList(InceptionBlock(each, filters, kernels, bottleneck) for each in inputs)
        shortcuts = [channels if number == 0 else self.width for number in range(depth // EVERY if residual else 0)]
        self.shortcuts = nn.ModuleList(
            nn.Sequential(nn.Conv1d(each, self.width, 1, bias=False), nn.BatchNorm1d(self.width)) for each in shortcuts
        )
        self.act = nn.ReLU()
        draw_convolutions(self)

    def forward(self, x: Float[Tensor, "b c t"]) -> Float[Tensor, "b o t"]:
        before = x
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number % EVERY == EVERY - 1 and self.shortcuts:
                x = before = self.act(x + self.shortcuts[number // EVERY](before))
        return x

    def forward_padded(self, x: Tensor, keep: Tensor) -> Kept:
        """The same where recordings end before the batch does."""
        before = x
        for number, block in enumerate(self.blocks):
            x, _ = run_padded(block, x, keep)
            if number % EVERY == EVERY - 1 and self.shortcuts:
                x = before = self.act(x + run_padded(self.shortcuts[number // EVERY], before, keep)[0])
        return x, keep


class FCN1d(nn.Sequential):
    """`[b, channels, t]` → `[b, width, t]`: convolution, batch norm and ReLU for each width."""

    @checked_by(FCN1dOptions)
    def __init__(self, channels: int, widths: Sequence[int] = (128, 256, 128), kernels: Sequence[int] = (8, 5, 3)) -> None:
        layers: list[nn.Module] = []
        for before, out, kernel in zip([channels, *widths], widths, kernels, strict=False):
            if kernel % 2 == 0:  # one sample more behind than before, as torch's padding="same" has it
                layers.append(nn.ZeroPad1d((kernel // 2 - 1, kernel // 2)))
            layers.append(nn.Conv1d(before, out, kernel, padding=kernel // 2 if kernel % 2 else 0, bias=False))
            layers += [nn.BatchNorm1d(out), nn.ReLU()]
        super().__init__(*layers)
        self.width = widths[-1]
        draw_convolutions(self)
