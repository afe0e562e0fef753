"""The network that suits the shape of the samples."""

from __future__ import annotations

from trainwright.config.registry import build
from trainwright.domains.diffusion.models.base import Backbone
from trainwright.domains.diffusion.models.choosing import choose_backbone
from trainwright.domains.diffusion.models.options import AutoBackboneOptions
from trainwright.domains.diffusion.models.shape import BackboneShape


def build_auto(options: AutoBackboneOptions, shape: BackboneShape) -> Backbone:
    """The network that `choose_backbone` chooses."""
    made: Backbone = build("backbone", choose_backbone(options, shape), shape=shape)
    return made
