"""Freezing is a pure function of the step, and frozen weights and statistics stay to the bit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from trainwright.config.choice import choose
from trainwright.config.errors import ConfigError
from trainwright.optim.build import build_optimizer
from trainwright.optim.freezing import Freezing, Window, window
from trainwright.optim.parameter_groups import parameter_groups
from trainwright.optim.parameter_options import ParameterOptions, ParameterRule
from trainwright.optim.rules import Settings
from trainwright.optim.schedules.base import Extent

EXTENT = Extent(steps_per_epoch=4, steps=40)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))


def rules(*given: dict[str, Any]) -> list[ParameterRule]:
    return [ParameterRule.model_validate(each) for each in given]


def freezing(net: nn.Module, *given: dict[str, Any]) -> Freezing:
    return Freezing(rules(*given), net, EXTENT)


def trained(net: nn.Module) -> list[str]:
    return [name for name, param in net.named_parameters() if param.requires_grad]


def step(net: nn.Module, optimizer: Any, number: int) -> None:
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(number))
    net(x).square().sum().backward()
    optimizer.step()
    optimizer.zero_grad()


def test_parameters_are_frozen_and_thawed_at_the_steps_that_the_durations_are() -> None:
    net = network()
    frozen = freezing(
        net, {"match": "0", "freeze": "2 epochs"}, {"match": "3.bias", "freeze_from": "0.5 run"}, {"match": "1", "freeze": True}
    )
    seen = []
    for number in range(40):
        frozen.apply(number)
        seen.append(trained(net))
    early, middle, late = ["3.weight", "3.bias"], ["0.weight", "0.bias", "3.weight", "3.bias"], ["0.weight", "0.bias", "3.weight"]
    assert seen == [early] * 8 + [middle] * 12 + [late] * 20


@given(steps=st.lists(st.integers(0, 60), min_size=1, max_size=20))
def test_the_state_depends_on_the_step_alone(steps: list[int]) -> None:
    given_rules = (
        {"match": "0", "freeze": "3 steps"},
        {"match": "3", "freeze": "1 epoch", "freeze_from": "30 steps"},
        {"match": "1", "freeze_from": "9 steps"},
    )
    net, fresh = network(), network()
    walked = freezing(net, *given_rules, {"match": "3.bias", "freeze": False})
    for number in steps:
        walked.apply(number)
    freezing(fresh, *given_rules, {"match": "3.bias", "freeze": False}).apply(steps[-1])
    assert trained(net) == trained(fresh)
    assert [module.training for module in net.modules()] == [module.training for module in fresh.modules()]


@pytest.mark.parametrize("name", ["adamw", "sgd", "torch.optim.RMSprop"])
def test_frozen_weights_and_running_statistics_stay_to_the_bit_and_move_once_thawed(name: str) -> None:
    net = network()
    given_rules = [{"match": ["0", "1"], "freeze": "3 steps"}]
    config = ParameterOptions(rules=rules(*given_rules))
    optimizer = build_optimizer(choose("optimizer", name), parameter_groups(config, net, 1e-3, 0.01))
    frozen = freezing(net, *given_rules)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    for number in range(3):
        frozen.apply(number)
        step(net, optimizer, number)
    moved = {key for key, value in net.state_dict().items() if not torch.equal(value, before[key])}
    assert moved == {"3.weight", "3.bias"}
    frozen.apply(3)
    step(net, optimizer, 3)
    moved = {key for key, value in net.state_dict().items() if not torch.equal(value, before[key])}
    assert moved | {"0.bias"} == set(before)  # a bias before a batch norm has a gradient of rounding errors alone


def test_a_frozen_norm_that_something_put_into_training_mode_is_put_back() -> None:
    net = network()
    frozen = freezing(net, {"match": "1", "freeze": True})
    frozen.apply(0)
    net.train()
    frozen.apply(1)
    assert not net[1].training
    assert net[0].training


def test_without_rules_nothing_is_touched_and_release_thaws_everything() -> None:
    net = network()
    net[0].weight.requires_grad_(False)
    freezing(net).apply(0)
    assert trained(net) == ["0.bias", "1.weight", "1.bias", "3.weight", "3.bias"]
    frozen = freezing(net, {"match": ["0", "1"], "freeze": True})
    frozen.apply(5)
    assert trained(net) == ["3.weight", "3.bias"]
    frozen.release()
    assert trained(net) == ["0.bias", "1.weight", "1.bias", "3.weight", "3.bias"]
    assert all(module.training for module in net.modules())


@pytest.mark.parametrize(
    ("given_rules", "what"),
    [
        (({"match": "*", "freeze": "1 epoch"},), "every parameter is frozen at step 0"),
        (({"match": "3", "freeze_from": "8 steps"}, {"match": ["0", "1"], "freeze": "3 epochs"}), "every parameter is frozen at step 8"),
        (({"match": "0", "freeze": "8 steps", "freeze_from": "1 epoch"},), "'0' is never trained"),
        (({"match": "0", "freeze": "2 h"},), "'2 h' is a time"),
        (({"match": "zero", "freeze": True},), "no parameter or module with parameters is called 'zero'"),
    ],
)
def test_windows_that_leave_nothing_to_train_or_are_times_are_refused(given_rules: Any, what: str) -> None:
    with pytest.raises(ConfigError) as error:
        freezing(network(), *given_rules)
    assert what in error.value.what


def test_freezing_everything_after_the_end_of_the_run_is_no_matter() -> None:
    net = network()
    freezing(net, {"match": "*", "freeze_from": "11 epochs"}).apply(39)
    assert len(trained(net)) == 6


def test_a_window_without_rules_is_the_whole_run() -> None:
    assert window(Settings(), EXTENT) == Window(0, None)
