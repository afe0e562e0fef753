"""Weights of networks for pictures by the names of timm, torchvision, Hugging Face and the papers' code, made to fit ours."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor, nn

from trainwright.config.trust import is_reading
from trainwright.domains.images.models.options import PretrainedOptions
from trainwright.weights.loading import load_weights
from trainwright.weights.report import WeightReport
from trainwright.weights.sources import read_weights
from trainwright.weights.transformer_names import name_tensors

CONVNEXT: dict[str, str] = {
    r"^(module\.|model\.)": "",
    r"^downsample_layers\.0\.": "stem.",
    r"^downsample_layers\.(\d+)\.": r"stages.\1.downsample.",
    r"^stages\.(\d+)\.(?=\d)": r"stages.\1.blocks.",
    r"\.conv_dw\.": ".dwconv.",
    r"\.mlp\.fc(?=[12]\.)": ".pwconv",
    r"\.mlp\.grn\.": ".grn.",
    r"\.grn\.gamma$": ".grn.weight",
    r"\.grn\.beta$": ".grn.bias",
    r"^head\.norm\.": "norm.",
}
"""Names of timm, and of the paper's code, → names here; each is replaced wherever it is found."""
HEADS = re.compile(r"^(module\.|model\.)?(fc|head|classifier|head\.fc|heads\.head|cls_classifier|distillation_classifier)\.(weight|bias)$")
"""Layers of classes, which the decoder has here."""


def begin_encoder(encoder: nn.Module, options: PretrainedOptions, grid: tuple[int, int] | None = None) -> WeightReport | None:
    """Load the weights that an encoder's option names into it; None where it names none, or a finished model is read.

    `grid` is how many pieces of a picture there are in each direction. Raises as `load_weights` does.
    """
    given = options.weights
    if given is None or is_reading():
        return None
    weights, _ = read_weights(given.source, given.sha256, given.averaged, state_dict=given.state_dict, download=given.download)
    adapt = given.adapt
    if adapt is not None and adapt.grid_here is None and grid is not None:
        adapt = adapt.model_copy(update={"grid_here": grid})
    report = load_weights(
        encoder,
        name_encoder(weights.tensors, options.type),
        ignore=[*given.ignore, "absent", "pool"],
        partial=True,
        renames=given.renames or None,
        adapt=adapt or False,
        least=given.least,
    )
    report.source = weights.where
    report.notes += [f"from {weights.where}", *weights.notes]
    return report


def name_encoder(tensors: Mapping[str, Tensor], encoder: str) -> dict[str, Tensor]:
    """The tensors by the names of an encoder here, without layers of classes."""
    known = {name: value for name, value in tensors.items() if not HEADS.match(name)}
    if encoder == "vit":
        known = name_tensors(known)
    elif encoder == "image_convnext":
        known = {_replace(name): value for name, value in known.items()}
    return {name if name.startswith(("norm.", "network.")) else f"network.{name}": value for name, value in known.items()}


def _replace(name: str) -> str:
    for pattern, ours in CONVNEXT.items():
        name = re.sub(pattern, ours, name)
    return name
