"""Networks that read a recording as a sequence: dilated causal convolutions, a transformer of pieces, state spaces."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from trainwright.domains.signals.models.block_options import PatchTransformer1dOptions, StateSpaceOptions, TCNOptions
from trainwright.domains.signals.models.padded import Kept, run_padded
from trainwright.nn.blocks.given import checked_by
from trainwright.nn.blocks.positions import SinusoidalPositions
from trainwright.nn.blocks.state_space import MambaBlock
from trainwright.nn.blocks.temporal import TCNBlock
from trainwright.nn.blocks.transformer import TransformerStack
from trainwright.nn.networks.activations import activation as activation_named
from trainwright.nn.networks.sequences import reverse


class TCN(nn.Module):
    """`[b, channels, t]` → `[b, width, t / stride]`: blocks of causal convolutions whose dilation doubles."""

    @checked_by(TCNOptions)
    def __init__(
        self,
        channels: int,
        width: int = 64,
        depth: int = 8,
        kernel: int = 5,
        stride: int = 2,
        activation: str = "relu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.width = width
        self.first = nn.Conv1d(channels, width, stride, stride) if stride > 1 else nn.Identity()
        self.act = activation_named(activation) if stride > 1 else nn.Identity()
        inputs = [width if stride > 1 else channels, *[width] * (depth - 1)]
        self.blocks = nn.Sequential(*(TCNBlock(each, width, kernel, 2**number, activation, dropout) for number, each in enumerate(inputs)))

    def forward(self, x: Float[Tensor, "b c t"]) -> Float[Tensor, "b w u"]:
        return self.blocks(self.act(self.first(x)))

    def forward_padded(self, x: Tensor, keep: Tensor) -> Kept:
        """The same: what comes after a recording's end has no effect on what was before."""
        x, keep = run_padded(self.first, x, keep)
        return self.blocks(self.act(x)), keep


class PatchTransformer1d(nn.Module):
    """`[b, channels, t]` → `[b, width, pieces]`: pieces as tokens, with sinusoids, through transformer blocks."""

    @checked_by(PatchTransformer1dOptions)
    def __init__(
        self,
        channels: int,
        patch: int = 16,
        stride: int = 0,
        width: int = 128,
        depth: int = 4,
        heads: int = 4,
        expansion: float = 4.0,
        dropout: float = 0.0,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        self.width = width
        self.pieces = nn.Conv1d(channels, width, patch, stride or patch)
        self.positions = SinusoidalPositions(width)
        self.stack = TransformerStack(
            width, heads, depth=depth, expansion=expansion, dropout=dropout, residual_dropout=dropout, drop_path=drop_path
        )

    def forward(self, x: Float[Tensor, "b c t"]) -> Float[Tensor, "b w n"]:
        return self.stack(self.positions(self.pieces(x).transpose(1, 2))).transpose(1, 2)

    def forward_padded(self, x: Tensor, keep: Tensor) -> Kept:
        """The same over whole pieces of each recording."""
        x, keep = run_padded(self.pieces, x, keep)
        return self.stack(self.positions(x.transpose(1, 2)), keep).transpose(1, 2), keep


class StateSpace(nn.Module):
    """`[b, channels, t]` → `[b, width, pieces]`: selective state spaces over pieces, every second one backwards, then an RMS norm."""

    @checked_by(StateSpaceOptions)
    def __init__(self, channels: int, patch: int = 8, width: int = 64, depth: int = 4, state: int = 16, bidirectional: bool = True) -> None:
        super().__init__()
        self.width, self.bidirectional = width, bidirectional
        self.pieces = nn.Conv1d(channels, width, patch, patch)
        self.blocks = nn.ModuleList(MambaBlock(width, state) for _ in range(depth))
        self.norm = nn.RMSNorm(width)

    def forward(self, x: Float[Tensor, "b c t"]) -> Float[Tensor, "b w n"]:
        tokens = self.pieces(x).transpose(1, 2)
        for number, block in enumerate(self.blocks):
            tokens = block(tokens.flip(1)).flip(1) if self.bidirectional and number % 2 else block(tokens)
        return self.norm(tokens).transpose(1, 2)

    def forward_padded(self, x: Tensor, keep: Tensor) -> Kept:
        """The same; what is read backwards begins at the end of each recording."""
        x, keep = run_padded(self.pieces, x, keep)
        tokens, length = x.transpose(1, 2), keep.sum(1)
        for number, block in enumerate(self.blocks):
            backwards = self.bidirectional and number % 2 == 1
            tokens = reverse(block(reverse(tokens, length), keep), length) if backwards else block(tokens, keep)
        return self.norm(tokens).transpose(1, 2), keep
