"""Everything that is given beside the sample as one vector per row: level of noise, class, vectors, tokens."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from trainwright.config.errors import RequestError
from trainwright.domains.diffusion.models.shape import BackboneShape
from trainwright.nn.blocks.fourier import FourierFeatures


class ConditionEmbedding(nn.Module):
    """`[b, width]` from σ, as waves of ¼ ln σ (Karras et al. 2022, table 1), and the conditions of a `BackboneShape`.

    Each is made a vector by a linear layer, or is looked up by class; their sum goes through two linear layers. The tokens of
    `cross_cond` count as their mean here. Raises RequestError for a condition that is missing, or that the network was not made for.
    """

    def __init__(self, width: int, shape: BackboneShape) -> None:
        super().__init__()
        self.waves = FourierFeatures(1, width)
        self.sigma = nn.Linear(width, width)
        self.classes = nn.Embedding(shape.classes + 1, width) if shape.classes else None
        self.mapping = nn.Linear(shape.mapping, width, bias=False) if shape.mapping else None
        self.cross = nn.Linear(shape.cross, width, bias=False) if shape.cross else None
        self.augment = nn.Linear(shape.augment, width, bias=False) if shape.augment else None
        self.hidden, self.out = nn.Linear(width, width), nn.Linear(width, width)

    def forward(
        self,
        sigma: Float[Tensor, " b"],
        class_cond: Int[Tensor, " b"] | None = None,
        mapping_cond: Float[Tensor, "b m"] | None = None,
        cross_cond: Float[Tensor, "b t w"] | None = None,
        cross_cond_padding: Bool[Tensor, "b t"] | None = None,
        aug_cond: Float[Tensor, "b a"] | None = None,
    ) -> Float[Tensor, "b e"]:
        """`cross_cond_padding` is true for tokens that are padding; without `aug_cond` nothing was augmented."""
        kind = self.sigma.weight.dtype
        precise = sigma.to(torch.promote_types(kind, torch.float32))
        found = self.sigma(self.waves(precise.log().unsqueeze(1) / 4).to(kind))
        vectors = (("class_cond", class_cond, "classes"), ("mapping_cond", mapping_cond, "mapping"), ("aug_cond", aug_cond, "augment"))
        for name, given, field in vectors:
            layer = getattr(self, field)
            ensure_both(given, layer, name, field)
            if given is not None:
                found = found + layer(given)
        ensure_both(cross_cond, self.cross, "cross_cond", "cross")
        if cross_cond is not None and self.cross is not None:
            found = found + mean_of_tokens(self.cross(cross_cond), cross_cond_padding)
        return self.out(functional.silu(self.hidden(functional.silu(found))))


def ensure_both(condition: Tensor | None, layer: nn.Module | None, name: str, field: str) -> None:
    """Raises RequestError where a condition is given without a layer for it, or is missing; what was not augmented says nothing of it."""
    if condition is None and layer is not None and field != "augment":
        raise RequestError(f"the network was made for {name}, and is given none", fix=f"give {name}; or make it with {field}=0")
    if condition is not None and layer is None:
        fix = f"make it with BackboneShape({field}=…), or leave {name} out"
        raise RequestError(f"{name} is given to a network that was made without", fix=fix)


def mean_of_tokens(tokens: Float[Tensor, "b t w"], padding: Bool[Tensor, "b t"] | None) -> Float[Tensor, "b w"]:
    """The mean of the tokens of a row that are no padding; 0 where all are."""
    if padding is None:
        return tokens.mean(dim=1)
    kept = (~padding).unsqueeze(2).to(tokens.dtype)
    return (tokens * kept).sum(dim=1) / kept.sum(dim=1).clamp(min=1)
