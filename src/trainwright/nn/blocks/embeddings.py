"""Maps as tokens: pieces (Dosovitskiy et al. 2021), and convolutions with strides (Xiao et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from trainwright.nn.blocks.embedding_options import PatchEmbeddingOptions, StridedEmbeddingOptions, one_for_each
from trainwright.nn.blocks.given import checked_by
from trainwright.nn.blocks.norms import ChannelNorm
from trainwright.nn.blocks.spatial import CONVOLUTIONS, batch_norm, convolution
from trainwright.nn.networks.activations import activation as activation_named


class PatchEmbedding(nn.Module):
    """`[b, c, *space]` → `[b, tokens, w]`, tokens in the order of rows; the layer is called `proj`, as in timm."""

    @checked_by(PatchEmbeddingOptions)
    def __init__(
        self,
        channels: int,
        width: int,
        patch: int | Sequence[int],
        dims: int = 2,
        stride: int | Sequence[int] | None = None,
        pad: bool = False,
        flatten: bool = True,
    ) -> None:
        super().__init__()
        self.patch, self.stride = one_for_each(patch, dims), one_for_each(stride or patch, dims)
        self.pad, self.flatten = pad, flatten
        layer: Any = CONVOLUTIONS[dims]
        self.proj = layer(channels, width, self.patch, self.stride)

    def forward(self, x: Float[Tensor, "b c *space"]) -> Float[Tensor, "b ..."]:
        over = [(size - side) % step for size, side, step in zip(x.shape[2:], self.patch, self.stride, strict=True)]
        if any(over) and self.pad:
            x = functional.pad(x, [each for step, rest in zip(self.stride[::-1], over[::-1], strict=True) for each in (0, -rest % step)])
        elif any(over) and self.stride == self.patch:
            raise ValueError(f"maps of {tuple(x.shape[2:])} are no multiple of pieces of {self.patch}; set pad: true, or resize them")
        return as_tokens(self.proj(x), self.flatten)


class StridedEmbedding(nn.Module):
    """`[b, c, *space]` → `[b, tokens, w]`: convolution, norm and activation once per width, then a convolution of one position."""

    @checked_by(StridedEmbeddingOptions)
    def __init__(
        self,
        channels: int,
        width: int,
        widths: Sequence[int],
        kernels: int | Sequence[int] = 3,
        strides: int | Sequence[int] = 2,
        dims: int = 2,
        norm: str = "batch",
        activation: str = "relu",
        flatten: bool = True,
    ) -> None:
        super().__init__()
        kernels, strides = one_for_each(kernels, len(widths)), one_for_each(strides, len(widths))
        layers: list[nn.Module] = []
        for before, after, kernel, stride in zip([channels, *widths], widths, kernels, strides, strict=False):
            layers.append(convolution(dims, before, after, kernel, stride=stride, bias=norm == "none"))
            if norm != "none":
                layers.append(batch_norm(dims, after) if norm == "batch" else ChannelNorm(after))
            layers.append(activation_named(activation))
        self.layers = nn.Sequential(*layers)
        self.proj = convolution(dims, widths[-1], width, 1)
        self.flatten = flatten

    def forward(self, x: Float[Tensor, "b c *space"]) -> Float[Tensor, "b ..."]:
        return as_tokens(self.proj(self.layers(x)), self.flatten)


def as_tokens(x: Float[Tensor, "b w *space"], flatten: bool) -> Float[Tensor, "b ..."]:
    """A map as tokens with their channels last: in a row, `[b, tokens, w]`, or as a grid, `[b, *space, w]`."""
    return x.flatten(2).transpose(1, 2) if flatten else x.movedim(1, -1)
