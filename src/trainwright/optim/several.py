"""Optimizers that a system made itself, one or several, behind the protocol of one: stepped together or by the system."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from torch import Tensor, nn

from trainwright.config.errors import ConfigError, RunError
from trainwright.optim.base import Optimizer, RedoingOptimizer
from trainwright.optim.parametrized import parametrized_ids
from trainwright.optim.torch_optimizer import DECAYS, OwnTorch, TorchOptimizer


class Optimizers(Optimizer):
    """Named optimizers as one: `step` steps all of them; a system with manual optimization steps each by itself."""

    def __init__(self, members: Mapping[str, Optimizer], schedulers: Sequence[Any] = (), together: bool = True) -> None:
        """`schedulers`: what `trainwright.optim.own_schedulers` steps after them. `together`: whether they are stepped by the trainer.

        Raises ConfigError for one of several that redoes its steps, where they are stepped together.
        """
        self.members = dict(members)
        self.schedulers: Sequence[Any] = list(schedulers)
        wrong = next((name for name, each in self.members.items() if each.redoes), None)
        self.redoes = together and wrong is not None
        if self.redoes and len(self.members) > 1:
            fix = "use it alone, or another optimizer"
            raise ConfigError(f"optimizer '{wrong}' needs the gradient more than once a step", where="configure_optimizers", fix=fix)
        first = next(iter(self.members.values()))
        self.base_learning_rate = first.base_learning_rate
        self._learning_rate = self.base_learning_rate
        self.parameter_groups = [group for each in self.members.values() for group in each.parameter_groups]
        self._parameters = list({id(param): param for each in self.members.values() for param in each.parameters()}.values())

    @property
    def learning_rate(self) -> float:
        """That of the first; the others keep their ratio to it."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._learning_rate = value
        factor = value / self.base_learning_rate if self.base_learning_rate else 1.0
        for each in self.members.values():
            each.learning_rate = each.base_learning_rate * factor

    def rates(self) -> dict[str, float]:
        """Label of each group → its learning rate now; a member of one group goes by its own name."""
        found: dict[str, float] = {}
        for name, member in self.members.items():
            theirs = member.optimizer.param_groups if isinstance(member, TorchOptimizer) else None
            for place, group in enumerate(member.parameter_groups):
                label = name if len(member.parameter_groups) == 1 else group.label
                found[label] = group.learning_rate(member.learning_rate) if theirs is None else float(theirs[place].get("lr", 0.0))
        return found

    def step(self) -> None:
        """Update every parameter that has a gradient."""
        for each in self.members.values():
            each.step()

    def step_with(self, redo: Callable[[], Tensor], loss: Tensor) -> None:
        """Update by the one that asks for more gradients than there are, of mean loss `loss`; `redo()` computes them anew."""
        (only,) = self.members.values()
        cast(RedoingOptimizer, only).step_with(redo, loss)

    def zero_grad(self) -> None:
        """Drop all gradients."""
        for each in self.members.values():
            each.zero_grad()

    def parameters(self) -> list[nn.Parameter]:
        """The parameters that are trained, each once."""
        return self._parameters

    def layout_fault(self, name: str, sparse: bool) -> str:
        """As the member that trains the parameter."""
        holders = (each for each in self.members.values() if any(name in group.names for group in each.parameter_groups))
        return next((each.layout_fault(name, sparse) for each in holders), "")

    def averaged(self) -> dict[str, Tensor] | None:
        """What the members that have any evaluate in place of the trained weights."""
        found = [averaged for each in self.members.values() if (averaged := each.averaged()) is not None]
        return {name: tensor for each in found for name, tensor in each.items()} if found else None

    def tensors(self) -> dict[str, Tensor]:
        """State as tensors named `<member>:<state>/<parameter>`."""
        return {f"{name}:{key}": tensor for name, each in self.members.items() for key, tensor in each.tensors().items()}

    def numbers(self) -> dict[str, Any]:
        """State of the members and of the schedulers that is no tensor."""
        return {
            "members": {name: each.numbers() for name, each in self.members.items()},
            "schedulers": [each.state() for each in self.schedulers],
        }

    def load(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Take the state back; raises RunError when it belongs to other optimizers."""
        saved = numbers.get("members", {})
        if set(saved) != set(self.members) or len(numbers.get("schedulers", [])) != len(self.schedulers):
            why = f"it has {', '.join(saved) or 'none'}; the system makes {', '.join(self.members)}"
            raise RunError("the saved optimizers are others", why=why, fix="continue with the same configure_optimizers")
        for name, each in self.members.items():
            prefix = f"{name}:"
            own = {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}
            each.load(own, saved[name])
        for scheduler, state in zip(self.schedulers, numbers["schedulers"], strict=True):
            scheduler.load(state)


def find_decayed(system: nn.Module, optimizers: Optimizers) -> dict[str, nn.Parameter]:
    """Parametrized parameters that a torch optimizer which the system made decays, by name."""
    computing = parametrized_ids(system)
    return {
        name: param
        for member in optimizers.members.values()
        if isinstance(member, OwnTorch)
        for rule, theirs in zip(member.parameter_groups, member.optimizer.param_groups, strict=True)
        if any(theirs.get(each) for each in DECAYS)
        for name, param in zip(rule.names, rule.params, strict=True)
        if id(param) in computing
    }
