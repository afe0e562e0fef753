"""FT-Transformer: attention between columns."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trainwright.nn.blocks.transformer import TransformerBlock
from trainwright.nn.combiners import TransformerCombinerOptions
from trainwright.nn.combiners.base import Combiner, Shapes
from trainwright.nn.networks.initial import uniform_weight
from trainwright.nn.networks.tokens import TokenLinear


class FeatureTransformer(Combiner):
    """Every column a token through a linear map of its own, a class token in front, pre-norm blocks, the class token read out.

    Gorishniy et al. 2021, section 3.3, with its gated feed-forward layers and without the first block's first norm.
    """

    def __init__(self, options: TransformerCombinerOptions, shapes: Shapes, rows: int) -> None:
        super().__init__()
        self.width = options.width
        self.tokens = nn.ModuleList(TokenLinear(tokens, width, options.width) for tokens, width in shapes)
        self.first = uniform_weight(options.width, fan_in=options.width)
        self.blocks = nn.ModuleList(
            TransformerBlock(
                options.width,
                options.heads,
                expansion=options.expansion,
                activation="reglu",
                first_norm=number > 0,
                attention_dropout=options.attention_dropout,
                dropout=options.dropout,
            )
            for number in range(options.depth)
        )
        self.last = nn.Sequential(nn.LayerNorm(options.width), nn.ReLU())

    def forward(self, encoded: list[Tensor]) -> Float[Tensor, "b h"]:
        columns = [project(group) for project, group in zip(self.tokens, encoded, strict=True)]
        x = torch.cat([self.first.expand(encoded[0].shape[0], 1, -1), *columns], dim=1)
        for block in self.blocks:
            x = block(x)
        return self.last(x[:, 0])
