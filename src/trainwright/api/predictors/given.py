"""A module that a person gives in Python, as the system that trained it: nothing of how it is read is looked for in files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from trainwright.adapters.lightning.hyperparameters import make_module
from trainwright.adapters.lightning.system import is_lightning
from trainwright.adapters.returning_loss import ReturningLossSystem
from trainwright.api.adapting import adapt_module
from trainwright.config.errors import ConfigError
from trainwright.data.rows import Rows
from trainwright.systems.base import System, build_system
from trainwright.systems.facts import Facts
from trainwright.systems.plain import PlainSystem
from trainwright.systems.run_config import Config
from trainwright.systems.trial import call_own_code

RETURNS_LOSS = ""
"""What stands as the loss of a run whose model gives it itself."""


def made_again(model: Any, written: Mapping[str, Any]) -> Any:
    """The module that was given; of a class of Lightning's one made from the hyperparameters of the run. Raises ConfigError for neither."""
    if isinstance(model, nn.Module):
        return model
    if isinstance(model, type) and is_lightning(model):
        return make_module(model, written.get("hyperparameters", {}), str(written.get("hyperparameters_argument", "")))
    name = model.__name__ if isinstance(model, type) else type(model).__name__
    fix = f"give an instance: model={name}(…)" if isinstance(model, type) else "give the torch.nn.Module that was trained"
    raise ConfigError(f"the model is {name}, no module", where="tw.load(model)", fix=fix)


def system_given(model: nn.Module, config: Config, rows: Rows, loss: Any = None) -> Any:
    """The system for a model: itself, round a LightningModule, one that returns its loss, or a plain one with the loss of the run."""
    if is_lightning(model):
        return adapt_module(model)
    if isinstance(model, System):
        facts = Facts(len(rows), rows.example())
        return call_own_code("the system cannot be built", lambda: build_system(model, facts), f"{type(model).__name__}.build")
    asked = loss if loss is not None else getattr(config.system, "loss", "cross_entropy")
    if asked == RETURNS_LOSS:
        return ReturningLossSystem(model)
    return PlainSystem(model, None, asked, getattr(config.system, "metrics", None), getattr(config.system, "target", None))
