"""What all networks that denoise have in common: the conditions they take, and the shape of what they give."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from trainwright.config.errors import RequestError
from trainwright.domains.diffusion.models.conditions import ConditionEmbedding
from trainwright.domains.diffusion.models.shape import BackboneShape


class Backbone(nn.Module):
    """A network `(x, σ, conditions) → like x`, whose part between embedding and result is `denoise`.

    Conditions have the names of k-diffusion. The network is given σ itself, whatever its denoiser counts in.
    """

    takes = "sigma"
    """What a denoiser tells the network of the level of noise."""

    def __init__(self, shape: BackboneShape, condition_width: int) -> None:
        super().__init__()
        self.shape = shape
        self.conditions = ConditionEmbedding(condition_width, shape)

    def forward(
        self,
        x: Float[Tensor, "b c *size"],
        sigma: Float[Tensor, " b"],
        *,
        class_cond: Int[Tensor, " b"] | None = None,
        mapping_cond: Float[Tensor, "b m"] | None = None,
        cross_cond: Float[Tensor, "b t w"] | None = None,
        cross_cond_padding: Bool[Tensor, "b t"] | None = None,
        unet_cond: Float[Tensor, "b k *size"] | None = None,
        aug_cond: Float[Tensor, "b a"] | None = None,
        return_variance: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Like `x`; with `return_variance` also the logarithm of the variance `(b,)` that a row's error is expected to have.

        `class_cond` equal to the number of classes means no class; `cross_cond_padding` is true for tokens that are padding. Raises
        RequestError for a condition that is missing, or that the network was not made for.
        """
        embedding = self.conditions(sigma, class_cond, mapping_cond, cross_cond, cross_cond_padding, aug_cond)
        keep = None if cross_cond_padding is None else ~cross_cond_padding
        found = self.denoise(self._beside(x, unet_cond), embedding, cross_cond, keep)
        if not self.shape.variance:
            if return_variance:
                raise RequestError("the network gives no variance", fix="make it with BackboneShape(variance=True)")
            return found.reshape(x.shape)
        found = found.flatten(1)  # a channel more, of vectors a number, is last here
        numbers = x[0].numel()
        output = found[:, :numbers].reshape(x.shape)
        return (output, found[:, numbers:].mean(dim=1)) if return_variance else output

    def denoise(self, x: Tensor, embedding: Tensor, cross: Tensor | None, keep: Tensor | None) -> Tensor:
        """The result, and one channel (or number) more at its end where a variance is asked for."""
        raise NotImplementedError

    def _beside(self, x: Tensor, unet_cond: Tensor | None) -> Tensor:
        """The sample with what is to be laid beside it."""
        if (unet_cond is None) != (not self.shape.concat):
            said = "made for unet_cond, and given none" if unet_cond is None else "made without unet_cond, and given one"
            raise RequestError(f"the network was {said}", fix="make it with BackboneShape(concat=…) of its channels, or leave both out")
        return x if unet_cond is None else torch.cat([x, unet_cond.to(x.dtype)], dim=1)
