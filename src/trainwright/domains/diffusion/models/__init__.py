"""Networks that denoise: `(x, σ, conditions) → like x`. This table imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwright.config.elsewhere import found_later
from trainwright.config.part import Part

if TYPE_CHECKING:
    from trainwright.domains.diffusion.models.base import Backbone as Backbone
    from trainwright.domains.diffusion.models.choosing import choose_backbone as choose_backbone
    from trainwright.domains.diffusion.models.dit import DiT as DiT
    from trainwright.domains.diffusion.models.flops import count_flops as count_flops
    from trainwright.domains.diffusion.models.hourglass import Hourglass as Hourglass
    from trainwright.domains.diffusion.models.mlp import MLP as MLP
    from trainwright.domains.diffusion.models.shape import BackboneShape as BackboneShape
    from trainwright.domains.diffusion.models.unet import UNetBackbone as UNetBackbone

_HERE = "trainwright.domains.diffusion.models"


def _backbone(place: str, options: str, summary: str) -> Part:
    """A network of this package; its options are imported when they are first asked for."""
    return Part(f"{_HERE}.{place}", f"{_HERE}.options:{options}", summary)


PARTS: dict[str, Part] = {
    "auto": _backbone("auto:build_auto", "AutoBackboneOptions", "an MLP for vectors and the smallest pictures, a U-Net for all others"),
    "mlp": _backbone("mlp:MLP", "MLPOptions", "residual layers over all numbers of a sample"),
    "diffusers": Part(
        "trainwright.domains.diffusion.denoisers.diffusers_backbone:make_network",
        "trainwright.domains.diffusion.denoisers.diffusers_options:DiffusersOptions",
        "a network of diffusers by the name of its class",
    ),
    "unet": _backbone("unet:UNetBackbone", "UNetBackboneOptions", "residual blocks of several scales with skips and attention"),
    "dit": _backbone("dit:DiT", "DiTOptions", "a transformer over pieces (DiT)"),
    "hourglass": _backbone("hourglass:Hourglass", "HourglassOptions", "a transformer of several scales that attends nearby (HDiT)"),
}

_CLASSES = {
    "Backbone": f"{_HERE}.base",
    "BackboneShape": f"{_HERE}.shape",
    "DiT": f"{_HERE}.dit",
    "Hourglass": f"{_HERE}.hourglass",
    "MLP": f"{_HERE}.mlp",
    "UNetBackbone": f"{_HERE}.unet",
    "count_flops": f"{_HERE}.flops",
    "choose_backbone": f"{_HERE}.choosing",
}
__getattr__ = found_later(__name__, _CLASSES)
