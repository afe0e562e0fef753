"""Modules that are no `System` as the engine takes them: with the names of their weights, and what they say of themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import nn

from trainwright.config.errors import ConfigError
from trainwright.engine.system import System

TAKEN = (
    *("monitor", "mode", "automatic_optimization", "own_metrics", "asked_metrics", "tried_before", "shares_evaluation", "batch_transforms"),
    *("training_step", "evaluation_step", "validation_step", "test_step", "predict_step", "loss_weights"),
    *("sample", "sample_range", "sample_rate", "same_noise", "sample_numbered", "as_samples", "class_of"),
    *("metrics", "metric_names", "higher_is_better", "begin_batch", "take_logged"),
    *("configure_optimizers", "plan_known", "attach", "update_step", "update_step_end", "rehearsing", "report_blocks"),
)
"""Names of `System` that a module may have in its own way; what it has not is the engine's default."""


class Wrapping(System):
    """A system round one module: weights and submodules go by the module's own names."""

    model: Any

    def state_dict(self, *arguments: Any, **named: Any) -> dict[str, Any]:  # type: ignore[override]
        """The module's."""
        found: dict[str, Any] = self.model.state_dict(*arguments, **named)
        return found

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As the module does it."""
        return self.model.load_state_dict(state_dict, strict=strict, assign=assign)

    def named_modules(self, *arguments: Any, **named: Any) -> Iterator[tuple[str, nn.Module]]:
        """The module and those within it, by its names."""
        yield from self.model.named_modules(*arguments, **named)

    def get_submodule(self, target: str) -> nn.Module:
        """The module's."""
        found: nn.Module = self.model.get_submodule(target)
        return found

    @property
    def shown_name(self) -> str:
        """The module's class."""
        return type(self.model).__name__


class Adapted(Wrapping):
    """A module with the methods of a system that is not derived from it; asked for anything else it answers with the module's own."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.model = module
        self.training = module.training
        for name in TAKEN:
            if hasattr(module, name):
                vars(self)[name] = getattr(module, name)

    def __getattr__(self, name: str) -> Any:
        module = vars(self).get("_modules", {}).get("model")
        if module is None:
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        return module if name == "model" else getattr(module, name)

    def hook_named(self, name: str) -> Callable[..., Any] | None:
        """The module's method of that name."""
        return getattr(self.model, name) if hasattr(type(self.model), name) else None

    @property
    def handed_back(self) -> nn.Module:
        """The module."""
        found: nn.Module = self.model
        return found


def as_system(given: Any) -> System:
    """A system as it is, a module with the methods of one adapted. Raises ConfigError for anything else."""
    if isinstance(given, System):
        return given
    module = isinstance(given, nn.Module)
    if module and callable(getattr(given, "training_step", None)):
        return Adapted(given)
    why = "it has no training_step" if module else "it is no torch.nn.Module"
    fix = "derive its class from trainwright.System; a model and a loss are trained by tw.fit(model, data, loss=…)"
    raise ConfigError(f"a {type(given).__name__} is no system", where="system", why=why, fix=fix)
