"""Networks of diffusers in the place of our own, called by their own names."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from trainwright.config.errors import RequestError

ARGUMENTS = {"class_cond": "class_labels", "cross_cond": "encoder_hidden_states", "cross_cond_padding": "encoder_attention_mask"}
"""Conditions by our names → arguments of diffusers' networks."""


class DiffusersNetwork(nn.Module):
    """A network of diffusers that is called as ours are, and told the time of its denoiser times `time_scale`.

    Classes go to `class_labels`, tokens to `encoder_hidden_states`, and pictures to be laid beside are laid beside.
    """

    takes = "time"

    def __init__(self, model: nn.Module, time_scale: float = 1.0) -> None:
        super().__init__()
        self.model, self.time_scale = model, time_scale
        self.arguments = tuple(inspect.signature(model.forward).parameters)

    def forward(
        self,
        x: Float[Tensor, "b c *size"],
        time: Tensor,
        *,
        class_cond: Int[Tensor, " b"] | None = None,
        mapping_cond: Float[Tensor, "b m"] | None = None,
        cross_cond: Float[Tensor, "b t w"] | None = None,
        cross_cond_padding: Bool[Tensor, "b t"] | None = None,
        unet_cond: Float[Tensor, "b k *size"] | None = None,
        aug_cond: Float[Tensor, "b a"] | None = None,
        **others: Any,
    ) -> Tensor:
        """What the network predicts; `others` are given as they are. Raises RequestError for a condition that it cannot take."""
        if mapping_cond is not None or aug_cond is not None:
            named = "mapping_cond" if mapping_cond is not None else "aug_cond"
            raise RequestError(f"networks of diffusers cannot take {named}", fix="leave it out; or choose a backbone of Trainwright's")
        keep = None if cross_cond_padding is None else ~cross_cond_padding
        given = {"class_cond": class_cond, "cross_cond": cross_cond, "cross_cond_padding": keep}
        others |= {self._argument(name): value for name, value in given.items() if value is not None}
        x = x if unet_cond is None else torch.cat([x, unet_cond.to(x.dtype)], dim=1)
        scaled = time if self.time_scale == 1 else time * self.time_scale
        found: Tensor = self.model(x, timestep=scaled, return_dict=False, **others)[0]
        return found

    def _argument(self, name: str) -> str:
        if ARGUMENTS[name] not in self.arguments:
            made = type(self.model).__name__
            raise RequestError(
                f"{made} cannot take {name}", why=f"it has no {ARGUMENTS[name]}", fix="leave it out; or choose another network"
            )
        return ARGUMENTS[name]
