"""Every optimizer comes in by one way: what is missing is filled in, and strange parameters are refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainwright.config.errors import ConfigError
from trainwright.optim.adamw import AdamW
from trainwright.optim.configured import read_configured
from trainwright.optim.options import AdamWOptions
from trainwright.optim.parameter_groups import ParameterGroup, one_group


class Signs:
    """The least that an optimizer of one's own has."""

    def __init__(self, params: list[nn.Parameter]) -> None:
        self._params, self.base_learning_rate, self.learning_rate = params, 0.5, 0.5

    def parameters(self) -> list[nn.Parameter]:
        return self._params

    @torch.no_grad()
    def step(self) -> None:
        for param in self._params:
            param -= self.learning_rate * param.grad.sign()

    def zero_grad(self) -> None:
        for param in self._params:
            param.grad = None

    def tensors(self) -> dict[str, Tensor]:
        return {}

    def load(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None: ...


def test_what_an_object_of_ones_own_leaves_out_is_filled_in_and_it_steps_beside_one_of_torch() -> None:
    system = nn.ModuleDict({"one": nn.Linear(2, 1), "two": nn.Linear(2, 1)})
    before = system["one"].weight.detach().clone()
    made = read_configured(
        {"mine": Signs(list(system["one"].parameters())), "sgd": torch.optim.SGD(system["two"].parameters(), 0.1)}, system
    )
    mine = made.members["mine"]
    assert (mine.redoes, list(mine.schedulers), mine.averaged(), mine.numbers()) == (False, [], None, {})
    assert [group.names for group in mine.parameter_groups] == [["one.weight", "one.bias"]]
    (system["one"](torch.ones(1, 2)) + system["two"](torch.ones(1, 2))).sum().backward()
    made.step()
    assert torch.equal(system["one"].weight, before - 0.5)
    made.load(made.tensors(), made.numbers())


def ours(params: list[nn.Parameter]) -> AdamW:
    return AdamW(AdamWOptions(), [ParameterGroup("strange", [str(place) for place in range(len(params))], params)])


@pytest.mark.parametrize("make", [Signs, ours, lambda params: torch.optim.SGD(params, lr=0.1)], ids=["own", "ours", "torch"])
def test_parameters_that_are_not_the_systems_are_refused_whoever_made_the_optimizer(make: Any) -> None:
    with pytest.raises(ConfigError, match="an optimizer holds parameters that are not the system's") as caught:
        read_configured({"mine": make([nn.Parameter(torch.zeros(2))])}, nn.Linear(2, 1))
    assert "no checkpoint would hold it" in str(caught.value.why)


def test_an_optimizer_of_ours_that_a_system_made_keeps_its_groups() -> None:
    model = nn.Linear(2, 1)
    made = AdamW(AdamWOptions(), one_group(model.named_parameters(), label="all"))
    assert read_configured({"mine": made}, model).parameter_groups == made.parameter_groups


def test_what_stands_beside_a_scheduler_is_said_of_it() -> None:
    model = nn.Linear(2, 1)
    made = torch.optim.SGD(model.parameters(), lr=0.1)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(made)
    given = {"optimizer": made, "lr_scheduler": plateau, "monitor": "error", "interval": "step", "frequency": 5}
    found = read_configured(given, model).schedulers[0]
    assert (found.monitor, found.interval, found.frequency) == ("error", "step", 5)
    inside = read_configured({**given, "lr_scheduler": {"scheduler": plateau, "monitor": "loss"}}, model).schedulers[0]
    assert (inside.monitor, inside.interval) == ("loss", "step")


def test_a_scheduler_that_is_not_strict_waits_for_its_metric() -> None:
    model = nn.Linear(2, 1)
    made = torch.optim.SGD(model.parameters(), lr=0.1)
    described = {"scheduler": torch.optim.lr_scheduler.ReduceLROnPlateau(made), "monitor": "error"}
    [waiting] = read_configured({"optimizer": made, "lr_scheduler": {**described, "strict": False}}, model).schedulers
    waiting.step({"loss": 1.0})
    [strict] = read_configured({"optimizer": made, "lr_scheduler": described}, model).schedulers
    with pytest.raises(ConfigError, match="'error' was not measured"):
        strict.step({"loss": 1.0})
