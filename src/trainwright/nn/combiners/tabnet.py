"""TabNet: sparse choices of inputs in several steps."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from trainwright.nn.combiners import TabNetOptions
from trainwright.nn.combiners.base import Combiner, Shapes, side_by_side, total_width
from trainwright.nn.networks.activations import entmax15, sparsemax

MASKS: dict[str, Callable[[Tensor], Tensor]] = {
    "sparsemax": sparsemax,
    "entmax15": entmax15,
    "softmax": lambda z: z.softmax(dim=1),
}


class GhostBatchNorm(nn.Module):
    """Batch norm over consecutive pieces of at most `size` rows (Hoffer et al. 2017); a piece of one row uses the running statistics."""

    def __init__(self, width: int, size: int, momentum: float) -> None:
        super().__init__()
        self.size = size
        self.norm = nn.BatchNorm1d(width, momentum=momentum)

    def _piece(self, x: Tensor) -> Tensor:
        if len(x) > 1:
            return self.norm(x)
        return F.batch_norm(x, self.norm.running_mean, self.norm.running_var, self.norm.weight, self.norm.bias, eps=self.norm.eps)

    def forward(self, x: Float[Tensor, "b w"]) -> Float[Tensor, "b w"]:
        if not self.training:
            return self.norm(x)
        return torch.cat([self._piece(piece) for piece in torch.split(x, self.size)])


def norm(options: TabNetOptions, width: int) -> nn.Module:
    """The normalisation that the options ask for."""
    return nn.LayerNorm(width) if options.norm == "layer" else GhostBatchNorm(width, options.virtual_batch_size, options.momentum)


class GatedLayer(nn.Module):
    """Norm and gated linear unit after a linear map that is its own, or shared between steps and then given at the call."""

    def __init__(self, inputs: int, outputs: int, options: TabNetOptions, *, own: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, 2 * outputs) if own else None
        self.norm = norm(options, 2 * outputs)

    def forward(self, x: Float[Tensor, "b i"], shared: nn.Module | None = None) -> Float[Tensor, "b o"]:
        linear = shared if self.linear is None else self.linear
        return F.glu(self.norm(linear(x)), dim=1) if linear is not None else x


class FeatureStep(nn.Module):
    """Gated layers in a row, each but the first added to what came before and scaled by √½ (figure 4c of the paper)."""

    def __init__(self, inputs: int, inner: int, options: TabNetOptions) -> None:
        super().__init__()
        count = options.shared_layers + options.step_layers
        self.layers = nn.ModuleList(
            GatedLayer(inputs if number == 0 else inner, inner, options, own=number >= options.shared_layers) for number in range(count)
        )

    def forward(self, x: Float[Tensor, "b i"], shared: nn.ModuleList) -> Float[Tensor, "b o"]:
        for number, layer in enumerate(self.layers):
            y = layer(x, shared[number] if number < len(shared) else None)
            x = y if number == 0 else (x + y) * math.sqrt(0.5)
        return x


class TabNet(Combiner):
    """`[b, t, w]` of every group → `[b, width]`; the entropy of its choices is left in `penalty` (Arik and Pfister 2021, eq. 1 to 4)."""

    penalises = True

    def __init__(self, options: TabNetOptions, shapes: Shapes, rows: int) -> None:
        super().__init__()
        self.options, self.width = options, options.width
        inputs, inner = total_width(shapes), options.width + options.attention_width
        self.first = norm(options, inputs)
        # kept once here and lent to the steps, so that no weight appears twice in a checkpoint
        self.shared = nn.ModuleList(nn.Linear(inputs if number == 0 else inner, 2 * inner) for number in range(options.shared_layers))
        self.features = nn.ModuleList(FeatureStep(inputs, inner, options) for _ in range(options.steps + 1))
        self.attention = nn.ModuleList(
            nn.Sequential(nn.Linear(options.attention_width, inputs, bias=False), norm(options, inputs)) for _ in range(options.steps)
        )

    def forward(self, encoded: list[Tensor]) -> Float[Tensor, "b h"]:
        options = self.options
        choose = MASKS[options.mask]
        x = self.first(side_by_side(encoded))
        attended = self.features[0](x, self.shared)[:, options.width :]
        prior, total = torch.ones_like(x), x.new_zeros(x.shape[0], options.width)
        entropy = x.new_zeros(x.shape[0])
        for feature, attention in zip(list(self.features)[1:], self.attention, strict=True):
            mask = choose(attention(attended) * prior)
            entropy = entropy - (mask * (mask + 1e-15).log()).sum(dim=1)
            prior = prior * (options.relaxation - mask)
            decision, attended = feature(mask * x, self.shared).split([options.width, options.attention_width], dim=1)
            total = total + F.relu(decision)
        self.penalty = options.sparsity * entropy / options.steps if self.training and options.sparsity else None
        return total
