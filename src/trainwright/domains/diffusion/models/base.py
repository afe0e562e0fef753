"""What all networks that denoise have in common: the conditions they take, and the shape of what they give."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from trainwright.config.errors import RequestError
from trainwright.domains.diffusion.models.conditions import ConditionEmbedding
from trainwright.domains.diffusion.models.shape import BackboneShape

DECAYING = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
"""Layers whose weights decay."""


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

    def no_weight_decay(self) -> set[str]:
        """Names of what does not decay: all but the weights of linear layers and convolutions."""
        kept = {f"{name}.weight" for name, each in self.named_modules() if isinstance(each, DECAYING)}
        return {name for name, _ in self.named_parameters() if name not in kept}

    def param_groups(self, base_lr: float = 5e-4, mapping_lr_scale: float = 1 / 3) -> list[dict[str, Any]]:
        """Groups for an optimizer of torch: what decays and what does not, of the network and of what embeds its conditions.

        The embedding learns by a rate of its own, a third as in k-diffusion; groups without decay say `weight_decay` 0.
        """
        groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
        still = self.no_weight_decay()
        for name, each in self.named_parameters():
            groups.setdefault((name.startswith("conditions."), name in still), []).append(each)
        rates = {True: base_lr * mapping_lr_scale, False: base_lr}
        return [{"params": each, "lr": rates[maps]} | ({"weight_decay": 0.0} if stays else {}) for (maps, stays), each in groups.items()]

    def _beside(self, x: Tensor, unet_cond: Tensor | None) -> Tensor:
        """The sample with what is to be laid beside it."""
        if (unet_cond is None) != (not self.shape.concat):
            said = "made for unet_cond, and given none" if unet_cond is None else "made without unet_cond, and given one"
            raise RequestError(f"the network was {said}", fix="make it with BackboneShape(concat=…) of its channels, or leave both out")
        return x if unet_cond is None else torch.cat([x, unet_cond.to(x.dtype)], dim=1)
