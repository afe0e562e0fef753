"""The vision transformer (Dosovitskiy et al. 2021). What lies around blocks is called as in timm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from trainwright.domains.images.models.block_options import ViTOptions
from trainwright.domains.images.models.fields import VITS
from trainwright.nn.blocks.convnext import STD, draw_truncated
from trainwright.nn.blocks.embedding_options import one_for_each
from trainwright.nn.blocks.embeddings import PatchEmbedding
from trainwright.nn.blocks.given import checked_by
from trainwright.nn.blocks.transformer import TransformerStack

EPS = 1e-6
"""Of its layer norms (Dosovitskiy et al. 2021, the code)."""


class ViT(nn.Module):
    """`[b, channels, h, w]` → `[b, width, h / patch, w / patch]`; `forward_tokens` gives the class token and the pieces in a row.

    Positions are learned for a grid of pieces; for pictures of another size they are interpolated (bicubic, antialiased, as timm does).
    """

    @checked_by(ViTOptions)
    def __init__(
        self,
        channels: int = 3,
        variant: str = "tiny",
        patch: int = 16,
        width: int | None = None,
        depth: int | None = None,
        heads: int | None = None,
        class_token: bool = True,
        layer_scale: float = 0.0,
        dropout: float = 0.0,
        drop_path: float = 0.0,
        grid: int | Sequence[int] = 14,
    ) -> None:
        super().__init__()
        published = VITS[variant]
        self.width, depth, heads = width or published[0], depth or published[1], heads or published[2]
        self.grid, self.front = one_for_each(grid, 2), int(class_token)
        self.map_channels, self.map_strides = (self.width,), (patch,)
        self.cls_token = nn.Parameter(torch.randn(1, 1, self.width) * EPS) if class_token else None
        self.pos_embed = nn.Parameter(torch.empty(1, self.front + self.grid[0] * self.grid[1], self.width))
        self.patch_embed = PatchEmbedding(channels, self.width, patch)
        self.dropout = nn.Dropout(dropout)
        drops: dict[str, Any] = {"dropout": dropout, "residual_dropout": dropout, "drop_path": drop_path}
        self.stack = TransformerStack(self.width, heads, depth=depth, eps=EPS, layer_scale=layer_scale, **drops)
        nn.init.trunc_normal_(self.pos_embed, std=STD)
        for each in self.stack.modules():
            if isinstance(each, nn.Linear):
                draw_truncated(each.weight, each.bias)

    def no_weight_decay(self) -> set[str]:
        """Parameters that never decay, as timm has it."""
        return {"cls_token", "pos_embed"}

    def forward_tokens(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b n w"]:
        """The class token, where there is one, and the pieces in the order of rows, after the last norm."""
        rows, columns = (size // side for size, side in zip(x.shape[2:], self.patch_embed.patch, strict=True))
        tokens = self.patch_embed(x)
        if self.cls_token is not None:
            tokens = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), tokens], dim=1)
        return self.stack(self.dropout(tokens + self.positions(rows, columns)))

    def positions(self, rows: int, columns: int) -> Float[Tensor, "1 n w"]:
        """The positions of a grid of pieces, with that of the class token before them."""
        if (rows, columns) == self.grid:
            return self.pos_embed
        grid = self.pos_embed[:, self.front :].view(1, *self.grid, self.width).permute(0, 3, 1, 2)
        grid = functional.interpolate(grid.float(), (rows, columns), mode="bicubic", antialias=True).to(grid.dtype)
        return torch.cat([self.pos_embed[:, : self.front], grid.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)

    def forward_maps(self, x: Float[Tensor, "b c h w"]) -> list[Tensor]:
        """The pieces as one map, and the class token, where there is one, as a map of 1×1."""
        rows, tokens = x.shape[2] // self.patch_embed.patch[0], self.forward_tokens(x).transpose(1, 2)
        pieces = tokens[..., self.front :].reshape(x.shape[0], self.width, rows, -1)
        return [pieces, tokens[..., :1].unsqueeze(-1)] if self.front else [pieces]

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b o y x"]:
        return self.forward_maps(x)[0]
