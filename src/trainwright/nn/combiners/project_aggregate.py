"""Groups projected to one size and averaged."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from trainwright.nn.combiners import ProjectAggregateOptions
from trainwright.nn.combiners.base import Combiner, Shapes
from trainwright.nn.networks.mlp import mlp


class ProjectAggregate(Combiner):
    """Each group through a linear layer of its own, the mean of them, layer norm, then fully connected layers."""

    def __init__(self, options: ProjectAggregateOptions, shapes: Shapes, rows: int) -> None:
        super().__init__()
        self.projections = nn.ModuleList(nn.Linear(tokens * width, options.projection) for tokens, width in shapes)
        self.norm = nn.LayerNorm(options.projection)
        self.layers = mlp(options.projection, options.width, options.depth, act=options.activation, dropout=options.dropout)
        self.width = options.width if options.depth else options.projection

    def forward(self, encoded: list[Tensor]) -> Float[Tensor, "b h"]:
        projected = [project(group.flatten(1)) for project, group in zip(self.projections, encoded, strict=True)]
        return self.layers(self.norm(sum(projected[1:], projected[0]) / len(projected)))
