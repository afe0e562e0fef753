"""A model or system that a Python program gave to `tw.fit` as an object, as the configuration of its run writes it down."""

from __future__ import annotations

from typing import Any, NoReturn

from trainwright.config.errors import RunError
from trainwright.config.model import PartConfig
from trainwright.nn.init_options import InitRule
from trainwright.nn.parametrization_options import ParametrizationOptions
from trainwright.tools.module_hook_options import ModuleHookOptions


class GivenOptions(PartConfig):
    """A model that was given as an object: no file describes it, so its run is continued and measured where the object is."""

    type: str = "given"
    model: str
    """Its class."""
    loss: str | dict[str, Any] | list[Any] = ""
    """The loss by name or with its options, several, or the name of a function; empty for a system that has its own."""
    hyperparameters: dict[str, Any] = {}
    """What `save_hyperparameters` of a LightningModule keeps, from which its class is made again by `tw.load`."""
    hyperparameters_argument: str = ""
    """The one argument that all of them are values of; empty where each is an argument."""
    init: list[InitRule] = []
    """How its parameters begin, by type of module and name; the later rule wins."""
    parametrizations: list[ParametrizationOptions] = []
    """Weights that are computed from others: `weight_norm`, `spectral_norm`, `orthogonal`, or a module of your own."""
    hooks: list[ModuleHookOptions] = []
    """What is recorded, drawn or replaced in the inputs, outputs and gradients of modules while they train."""


def refuse_given(options: GivenOptions) -> NoReturn:
    """Raise RunError: the model is an object of the program that called `tw.fit`."""
    raise RunError(
        "this run was made by tw.fit in Python",
        why=f"its model ({options.model}) and its data are objects of the program that called it",
        fix="continue it there: tw.fit(…, run_dir=RUN, resume=True); its weights: tw.load_weights(model, RUN)",
    )
