"""The Audio Spectrogram Transformer (Gong et al. 2021): overlapping pieces of a spectrogram as tokens of a distilled vision transformer."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from trainwright.config.errors import ConfigError
from trainwright.nn.blocks.embeddings import PatchEmbedding
from trainwright.nn.blocks.transformer import TransformerStack

SIZES: dict[str, tuple[int, int]] = {"tiny": (192, 3), "small": (384, 6), "base": (768, 12)}
"""Size → width and heads (Touvron et al. 2021, table 1)."""
FRONT = 2
"""Tokens before those of the pieces: class and distillation."""
EPS, STD = 1e-6, 0.02


class AST(nn.Module):
    """`[b, channels, mels, frames]` → `[b, width]`: the mean of class and distillation token, through two layer norms as published.

    Pieces are tokens in the order of mels, then frames. Fewer frames than it was made for have the first positions; more have
    positions that are interpolated. What stands before `norm` has the names of timm, apart from those within blocks.
    """

    def __init__(
        self,
        channels: int,
        mels: int,
        frames: int,
        width: int = 192,
        heads: int = 3,
        depth: int = 12,
        patch: int = 16,
        stride: int = 10,
        dropout: float = 0.0,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        self.patch, self.stride, self.width = patch, stride, width
        self.grid = tuple((each - patch) // stride + 1 for each in (mels, frames))
        if min(self.grid) < 1:
            what = f"a spectrogram of {mels} mels × {frames} frames has no piece of {patch} × {patch}"
            raise ConfigError(what, fix=f"give at least {patch} of each, or a smaller patch")
        self.cls_token, self.dist_token = (nn.Parameter(torch.randn(1, 1, width) * STD) for _ in range(FRONT))
        self.patch_embed = PatchEmbedding(channels, width, patch, stride=stride)
        self.pos_embed = nn.Parameter(torch.empty(1, FRONT + self.grid[0] * self.grid[1], width))
        nn.init.trunc_normal_(self.pos_embed, std=STD)
        self.stack = TransformerStack(width, heads, depth=depth, eps=EPS, dropout=dropout, residual_dropout=dropout, drop_path=drop_path)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Float[Tensor, "b c m t"], keep: Bool[Tensor, "b t"] | None = None) -> Float[Tensor, "b w"]:
        """`keep` is true for frames within each recording; pieces that reach beyond its end are not attended to."""
        tokens, columns = self.patch_embed(x), (x.shape[-1] - self.patch) // self.stride + 1
        front = torch.cat([self.cls_token, self.dist_token], dim=1).expand(x.shape[0], -1, -1)
        tokens = torch.cat([front, tokens], dim=1) + self._positions(columns)
        tokens = self.stack(tokens, None if keep is None else self._whole(keep))
        return self.norm((tokens[:, 0] + tokens[:, 1]) / 2)

    def _positions(self, columns: int) -> Float[Tensor, "1 n w"]:
        rows, made = self.grid
        if columns == made:
            return self.pos_embed
        grid = self.pos_embed[:, FRONT:].view(1, rows, made, self.width)
        if columns < made:
            grid = grid[:, :, :columns]
        else:
            grid = functional.interpolate(grid.permute(0, 3, 1, 2), (rows, columns), mode="bilinear").permute(0, 2, 3, 1)
        return torch.cat([self.pos_embed[:, :FRONT], grid.flatten(1, 2)], dim=1)

    def _whole(self, keep: Bool[Tensor, "b t"]) -> Bool[Tensor, "b n"]:
        """Which tokens are of pieces that lie within their recording; of one too short for any, the first pieces."""
        whole = keep[:, self.patch - 1 :: self.stride].clone()
        whole[:, 0] = True
        return functional.pad(whole.repeat(1, self.grid[0]), (FRONT, 0), value=True)
