"""Groups, freezing, schedules of their own, hooks and clipping in one run, which continues to the same bits from a save at any step."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from trainwright.config.choice import choose
from trainwright.optim.build import base_learning_rate, build_optimizer, own_weight_decay
from trainwright.optim.clipping import clip_gradients
from trainwright.optim.freezing import Freezing
from trainwright.optim.gradient_hooks import GradientHooks
from trainwright.optim.learning_rates import LearningRates
from trainwright.optim.parameter_groups import parameter_groups
from trainwright.optim.parameter_options import Clipping, GradientHookOptions, ParameterOptions
from trainwright.optim.schedules.base import Extent
from trainwright.optim.schedules.build import build_schedule

STEPS = 12
EXTENT = Extent(steps_per_epoch=4, steps=STEPS)
PARAMETERS = ParameterOptions.model_validate(
    {
        "rules": [
            {"match": ["0", "1"], "freeze": "3 steps", "learning_rate_scale": 0.5},
            {"match": "3.bias", "freeze_from": "2 epochs", "schedule": "linear"},
            {"match": "5", "schedule": {"type": "plateau", "patience": 1}},
        ],
        "no_decay": True,
        "layer_decay": 0.8,
    }
)
CLIP = Clipping(norm=0.5, value=0.2, per_parameter=0.4, adaptive=0.1)
HOOKS = [GradientHookOptions(match="5", scale=0.7, log=True), GradientHookOptions(match="*.weight", clip_norm=0.6)]


class Run:
    """What the loop does with parameters, without the loop."""

    def __init__(self, optimizer: str) -> None:
        torch.manual_seed(0)
        layers = [nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 2)]
        self.net = nn.Sequential(*layers)
        options = choose("optimizer", optimizer)
        groups = parameter_groups(PARAMETERS, self.net, base_learning_rate(options), own_weight_decay(options))
        self.optimizer = build_optimizer(options, groups)
        main = build_schedule(choose("schedule", "cosine"), EXTENT, False)
        self.rates = LearningRates(self.optimizer, main, lambda each: build_schedule(each, EXTENT, False))
        self.freezing = Freezing(PARAMETERS.rules, self.net, EXTENT)
        self.hooks = GradientHooks(HOOKS, self.net)
        self.step = 0

    def train(self, until: int) -> None:
        while self.step < until:
            self.freezing.apply(self.step)
            x = torch.randn(6, 3, generator=torch.Generator().manual_seed(self.step))
            self.net(x).square().sum().backward()
            self.hooks.apply()
            clip_gradients(self.optimizer.parameters(), CLIP)
            self.rates.apply(self.step)
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.rates.observe(1.0, {})
            self.step += 1

    def saved(self) -> dict[str, Any]:
        tensors = {name: tensor.clone() for name, tensor in self.optimizer.tensors().items()}
        weights = {name: tensor.clone() for name, tensor in self.net.state_dict().items()}
        return {"step": self.step, "net": weights, "optimizer": (tensors, self.optimizer.numbers()), "rates": self.rates.state()}

    def load(self, state: dict[str, Any]) -> None:
        self.step = state["step"]
        self.net.load_state_dict(state["net"])
        self.optimizer.load(*state["optimizer"])
        self.rates.load(state["rates"])


@pytest.mark.parametrize("optimizer", ["adamw", "torch.optim.RMSprop"])
@settings(deadline=None, max_examples=12)
@given(stop=st.integers(0, STEPS))
def test_a_run_saved_at_any_step_continues_to_the_same_bits(optimizer: str, stop: int) -> None:
    whole, first, second = Run(optimizer), Run(optimizer), Run(optimizer)
    whole.train(STEPS)
    first.train(stop)
    second.load(first.saved())
    second.train(STEPS)
    ours, wanted = second.net.state_dict(), whole.net.state_dict()
    assert all(torch.equal(ours[name], wanted[name]) for name in wanted)
    if stop < STEPS:
        assert second.rates.list_rates() == whole.rates.list_rates()
        assert all(torch.equal(second.hooks.collect_norms()[name], norm) for name, norm in whole.hooks.collect_norms().items())
