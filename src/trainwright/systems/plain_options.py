"""The options of the plain system: a model, a loss and metrics. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from trainwright.config.choice import choice
from trainwright.config.errors import ConfigError
from trainwright.config.foreign import absolute
from trainwright.config.model import PartConfig, refusal
from trainwright.losses.choosing import LossChoice
from trainwright.metrics import written_metric
from trainwright.nn.extension_options import ExtensionOptions
from trainwright.nn.init_options import InitRule
from trainwright.nn.parametrization_options import ParametrizationOptions
from trainwright.tools.module_hook_options import ModuleHookOptions
from trainwright.weights.options import StartingWeights


class MetricForms:
    """Tells editors that a metric is a key, a path, or a type with options."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"type": "string"}, {"x-part": "metric"}]}


def place_metric(written: Any) -> str:
    """A metric as text, a function in a file beside the configuration with its whole path."""
    name = written_metric(written)
    file, colon, function = name.rpartition(":")
    if not colon or not file.endswith(".py"):
        return name
    try:
        return f"{absolute(file)}:{function}"
    except ConfigError:
        return name  # refused where it is looked for, with the places


class PlainOptions(PartConfig):
    """One model with a loss, or a weighted sum of losses, and metrics."""

    type: str = "plain"
    model: choice("model")  # type: ignore[valid-type]
    """The model: `{type: graph, …}`, `./net.py:Net` or a dotted path, with its options."""
    loss: LossChoice = "cross_entropy"
    """A loss by name with its options, a function at a path, or a list of them with weights."""
    metrics: list[Annotated[str, BeforeValidator(refusal(place_metric)), MetricForms()]] | None = None
    """Metrics by name, or functions of (outputs, targets) at a path; those usual for the loss when none are named."""
    target: str | int | None = None
    """The target's key in the batch, or its place; otherwise target, label, labels or y, or the last of a tuple."""
    extensions: list[ExtensionOptions] = []
    """C++ and CUDA sources that are built on first use, before the model is made."""
    init: list[InitRule] = []
    """How parameters begin, by type of module and name; the later rule wins."""
    parametrizations: list[ParametrizationOptions] = []
    """Weights that are computed from others: `weight_norm`, `spectral_norm`, `orthogonal`, or a module of your own."""
    hooks: list[ModuleHookOptions] = []
    """What is recorded, drawn or replaced in the inputs, outputs and gradients of modules while they train."""
    weights: StartingWeights | None = None
    """Weights the model begins with: a file, run, checkpoint, URL, `timm/NAME` or `hf/ORG/NAME`, after a colon the module in it; or a
    mapping with `source`."""
    weights_ignore: list[str] = []
    """Patterns of names that are not taken from there."""
