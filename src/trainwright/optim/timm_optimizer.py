"""The optimizers of timm by their names, for those that are not Trainwright's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.config.vision_libraries import import_timm
from trainwright.optim.options import TimmOptimizerOptions
from trainwright.optim.parameter_groups import ParameterGroup
from trainwright.optim.torch_optimizer import TorchOptimizer, wrap


class TimmOptimizer(TorchOptimizer):
    """The optimizer of that name; raises ConfigError for one that timm has not, or that needs gradients of gradients."""

    def __init__(self, options: TimmOptimizerOptions, groups: Sequence[ParameterGroup]) -> None:
        made_from, defaults = find_optimizer(options.name)
        said = {name: value for name in ("betas", "eps", "momentum") if (value := getattr(options, name)) is not None}
        said = {name: tuple(value) if isinstance(value, list) else value for name, value in said.items()}
        given = {**defaults, "learning_rate": options.rate, "weight_decay": options.weight_decay, **said, **options.opt_kwargs}
        made = wrap(made_from, given, groups)
        super().__init__(made.optimizer, made.parameter_groups)

    def numbers(self) -> dict[str, Any]:
        """State that is no tensor, and the counts of steps that some of timm's keep for a whole group."""
        steps = [group.get("step") for group in self.optimizer.param_groups]
        kept = [None if step is None else [float(step), isinstance(step, Tensor)] for step in steps]
        return {**super().numbers(), **({"group_steps": kept} if any(kept) else {})}

    def load(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Take the state back. Raises RunError when it belongs to other parameters."""
        numbers = dict(numbers)
        kept = numbers.pop("group_steps", None) or []
        super().load(tensors, numbers)
        for group, step in zip(self.optimizer.param_groups, kept, strict=False):
            if step is not None:
                group["step"] = torch.tensor(step[0]) if step[1] else int(step[0])


def find_optimizer(name: str) -> tuple[Any, dict[str, Any]]:
    """The class of an optimizer of timm and what its name says of its arguments; raises ConfigError where there is none to be used."""
    import_timm()
    from timm import optim

    names = optim.list_optimizers()
    if name not in names:
        raise ConfigError(f"timm has no optimizer '{name}'", where="trainer.optimizer.name", fix=did_you_mean(name, names))
    about = optim.get_optimizer_info(name)
    if about.second_order:
        fix = "name another: adamw, or lamb"
        raise ConfigError(f"{name} needs gradients of gradients, which are not kept", where="trainer.optimizer", fix=fix)
    return optim.get_optimizer_class(name, bind_defaults=False), dict(about.defaults or {})
