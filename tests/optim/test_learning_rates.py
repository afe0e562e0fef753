"""Every group learns at the rate of its own schedule, or of the run's."""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn

from trainwright.config.choice import choose
from trainwright.config.model import PartConfig
from trainwright.optim.base import Optimizer
from trainwright.optim.build import build_optimizer
from trainwright.optim.learning_rates import LearningRates
from trainwright.optim.parameter_groups import parameter_groups
from trainwright.optim.parameter_options import ParameterOptions
from trainwright.optim.schedules.base import Extent, Schedule
from trainwright.optim.schedules.build import build_schedule

EXTENT = Extent(steps_per_epoch=10, steps=100)


def make(options: PartConfig) -> Schedule:
    return build_schedule(options, EXTENT, higher_is_better=False)


def rates(schedule: Any, name: str = "adamw", **options: Any) -> tuple[LearningRates, Optimizer]:
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 3), nn.Linear(3, 1))
    chosen = choose("optimizer", {"type": name, ("lr" if "." in name else "learning_rate"): 0.1})
    optimizer = build_optimizer(chosen, parameter_groups(ParameterOptions.model_validate(options), net, 0.1, 0.01))
    return LearningRates(optimizer, make(choose("schedule", schedule)), make), optimizer


def test_one_group_follows_the_schedule_and_nothing_more_is_logged() -> None:
    made, optimizer = rates("linear")
    made.apply(25)
    assert optimizer.learning_rate == pytest.approx(0.075)
    assert made.list_rates() == {}


@pytest.mark.parametrize("name", ["adamw", "torch.optim.RMSprop"])
def test_groups_keep_their_share_or_follow_a_schedule_of_their_own(name: str) -> None:
    rules = [{"match": "0", "learning_rate_scale": 0.5}, {"match": "1", "learning_rate": 0.4, "schedule": "linear"}]
    made, _ = rates("constant", name, rules=rules)
    for step in (0, 50, 100):
        made.apply(step)
        assert made.list_rates() == pytest.approx({"0": 0.05, "1": 0.4 * (1 - step / 100), "default": 0.1})
    made, _ = rates("linear", name, rules=[{"match": "1", "schedule": "constant"}])
    made.apply(100)  # the run's schedule is at 0, and the group's own is not
    assert made.list_rates() == pytest.approx({"default": 0.0, "1": 0.1})


def test_groups_of_one_rule_share_one_schedule_and_its_state_comes_back() -> None:
    plateau = {"type": "plateau", "patience": 1, "factor": 0.5}
    options: dict[str, Any] = {"rules": [{"match": ["0", "1"], "schedule": plateau}], "no_decay": True}
    made, _ = rates("constant", **options)
    assert list(made.state()["groups"]) == ["0 1"]
    for value in (1.0, 2.0, 3.0):
        made.observe(value, {})
    made.apply(7)
    expected = {"0 1": 0.025, "0 1 (no decay)": 0.025, "default": 0.1, "default (no decay)": 0.1}
    assert made.list_rates() == pytest.approx(expected)
    again, _ = rates("constant", **options)
    again.load(made.state())
    again.apply(7)
    assert again.list_rates() == made.list_rates()
    again.observe(0.5, {})
    made.observe(0.5, {})
    assert again.state() == made.state()
