"""The residual block of U-Nets that take a time or a condition (Ho et al. 2020; Dhariwal & Nichol 2021)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from trainwright.nn.blocks.given import checked_by
from trainwright.nn.blocks.spatial import beside_space, convolution
from trainwright.nn.blocks.unet_options import UNetBlockOptions


class UNetBlock(nn.Module):
    """`x + conv(dropout(silu(norm(conv(silu(norm(x)))) · (1 + scale) + shift)))`, scale and shift linear in silu(embedding).

    Starts as the identity, or as its shortcut. Layers are called as in diffusers' ResnetBlock2D.
    """

    @checked_by(UNetBlockOptions)
    def __init__(
        self,
        channels: int,
        out_channels: int | None = None,
        embedding: int = 0,
        dims: int = 2,
        kernel: int = 3,
        conditioning: str = "scale_shift",
        groups: int = 32,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        out = out_channels or channels
        self.scales = conditioning == "scale_shift"
        self.norm1 = nn.GroupNorm(groups, channels)
        self.conv1 = convolution(dims, channels, out, kernel)
        self.time_emb_proj = nn.Linear(embedding, 2 * out if self.scales else out) if embedding else None
        self.norm2 = nn.GroupNorm(groups, out)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = convolution(dims, out, out, kernel)
        self.conv_shortcut = nn.Identity() if channels == out else convolution(dims, channels, out, 1)
        start_at_zero(self.conv2)

    def forward(self, x: Float[Tensor, "b c *space"], embedding: Float[Tensor, "b e"] | None = None) -> Float[Tensor, "b o *space"]:
        h = self.conv1(functional.silu(self.norm1(x)))
        h = self.conv2(self.dropout(functional.silu(self._conditioned(h, embedding))))
        return self.conv_shortcut(x) + h

    def _conditioned(self, h: Tensor, embedding: Tensor | None) -> Tensor:
        """The second norm, with what the embedding does before or after it."""
        if self.time_emb_proj is None:
            if embedding is not None:
                raise ValueError("an embedding is given to a block without one; make it with embedding=its length")
            return self.norm2(h)
        if embedding is None:
            raise ValueError(f"the block needs an embedding of length {self.time_emb_proj.in_features} per row as second input")
        given = beside_space(self.time_emb_proj(functional.silu(embedding)), h.dim() - 2)
        if not self.scales:
            return self.norm2(h + given)
        scale, shift = given.chunk(2, dim=1)
        return self.norm2(h) * (1 + scale) + shift


def start_at_zero(layer: nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear) -> None:
    """Weights and bias of the last layer before a sum at 0, so that deep networks start as their shortcuts."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
