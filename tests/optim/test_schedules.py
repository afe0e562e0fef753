"""Schedules are the formulas they name."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainwright.config.choice import choose
from trainwright.config.errors import ConfigError
from trainwright.optim.build import build_schedule
from trainwright.optim.schedules.base import Extent, Schedule


def made(options: dict[str, Any] | str, steps: int | None = 100, per_epoch: int = 10, higher: bool = False) -> Schedule:
    return build_schedule(choose("schedule", options), Extent(per_epoch, steps), higher)


def test_cosine_is_torchs_cosine_annealing_at_every_step() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=100, eta_min=0.1)
    ours = made({"type": "cosine", "floor": 0.1})
    for step in range(100):
        assert ours.factor(step) == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-9)
        optimizer.step()
        reference.step()


def test_step_is_torchs_step_schedule() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    reference = torch.optim.lr_scheduler.StepLR(optimizer, step_size=30, gamma=0.5)
    ours = made({"type": "step", "every": "3 epochs", "factor": 0.5})
    for step in range(100):
        assert ours.factor(step) == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        reference.step()


def test_linear_goes_straight_to_its_floor() -> None:
    ours = made({"type": "linear", "floor": 0.2})
    assert [ours.factor(step) for step in (0, 50, 100, 150)] == pytest.approx([1.0, 0.6, 0.2, 0.2])


@given(warmup=st.integers(1, 60), kind=st.sampled_from(["constant", "cosine", "linear"]))
def test_warm_up_rises_in_equal_parts_and_never_starts_at_zero(warmup: int, kind: str) -> None:
    ours = made({"type": kind, "warmup": f"{warmup} steps"})
    rises = [ours.factor(step + 1) - ours.factor(step) for step in range(warmup)]
    assert ours.factor(0) > 0
    assert ours.factor(warmup) == 1.0
    assert rises == pytest.approx([1 / (warmup + 1)] * warmup)


@pytest.mark.parametrize("higher", [False, True])
@pytest.mark.parametrize(("patience", "cooldown"), [(1, 0), (3, 0), (2, 2)])
def test_plateau_falls_where_torchs_does(higher: bool, patience: int, cooldown: int) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    reference = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer,
        mode="max" if higher else "min",
        factor=0.5,
        patience=patience - 1,
        threshold=0.0,
        threshold_mode="abs",
        cooldown=cooldown,
        eps=0,
    )
    ours = made({"type": "plateau", "patience": patience, "factor": 0.5, "cooldown": cooldown}, higher=higher)
    for value in [1.0, 0.9, 0.9, 0.95, 0.9, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.7, 0.9, 0.9, 0.9, 1.0]:
        value = -value if higher else value
        ours.observe(value)
        reference.step(value)
        assert ours.factor(0) == pytest.approx(optimizer.param_groups[0]["lr"])


def test_plateau_counts_nan_as_no_improvement_and_its_state_comes_back() -> None:
    ours = made({"type": "plateau", "patience": 2, "factor": 0.5})
    for value in (math.nan, math.nan):
        ours.observe(value)
    assert ours.factor(0) == 0.5
    again = made({"type": "plateau", "patience": 2, "factor": 0.5})
    again.load(ours.state())
    for each in (ours, again):
        each.observe(1.0)
        each.observe(1.0)
        each.observe(1.0)
    assert ours.factor(0) == again.factor(0) == 0.25


@pytest.mark.parametrize(
    ("options", "steps", "message"),
    [
        ("cosine", None, "length of the run must be known"),
        ({"type": "constant", "warmup": "0.1 run"}, None, "length of the run must be known"),
        ({"type": "constant", "warmup": "10 s"}, 100, "is a time"),
        ({"type": "constant", "warmup": "101 steps"}, 100, "longer than the run"),
        ({"type": "step", "every": "0 steps"}, 100, "every 0 steps"),
    ],
)
def test_what_cannot_be_is_refused(options: Any, steps: int | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        made(options, steps=steps)
