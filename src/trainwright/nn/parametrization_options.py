"""Options of parametrizations: weights that are computed from others, by name."""

from __future__ import annotations

from pydantic import ConfigDict

from trainwright.config.model import ConfigModel
from trainwright.config.name_patterns import Patterns


class ParametrizationOptions(ConfigModel):
    """Weights that are given by a function of others; arguments stand beside the type: `{names: "*.weight", type: weight_norm, dim: 0}`."""

    model_config = ConfigDict(extra="allow")

    names: Patterns
    """Weights by full name: globs (`*.weight`; `*` crosses dots) or `re:` and an expression."""
    modules: Patterns = []
    """Only weights that modules of this class (`Linear`, `Conv*`) or dotted name hold themselves."""
    type: str
    """`weight_norm`, `spectral_norm`, `orthogonal`, or your own nn.Module, `./own.py:Symmetric`; `right_inverse` takes assigned values."""
    unsafe: bool = False
    """Your own one may change the shape or dtype of the weight, and is not tried out when it is put on."""
