"""InverseLR and ExponentialLR are the formulas of k-diffusion's documentation, as torch schedulers."""

from __future__ import annotations

import subprocess
import sys
import warnings
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import trainwright
from trainwright.config.choice import choose
from trainwright.optim.schedules.base import Extent
from trainwright.optim.schedules.build import build_schedule
from trainwright.optim.torch_schedules import ExponentialLR, InverseLR


def optimizer(*rates: float) -> torch.optim.Optimizer:
    return torch.optim.SGD([{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates or (1.0,)])


def rates(make: Any, count: int = 60) -> list[float]:
    used = optimizer()
    scheduler = make(used)
    found = []
    for _ in range(count):
        found.append(used.param_groups[0]["lr"])
        used.step()
        scheduler.step()
    return found


@settings(deadline=None)  # the first optimizer ever made imports for seconds
@given(
    inv_gamma=st.floats(0.5, 1e4), power=st.floats(0.1, 3), warmup=st.floats(0, 0.999), floor=st.floats(0, 0.5), step=st.integers(0, 10**6)
)
def test_inverse_is_its_closed_form_at_any_step(inv_gamma: float, power: float, warmup: float, floor: float, step: int) -> None:
    scheduler = InverseLR(optimizer(0.1), inv_gamma, power, warmup, floor)
    scheduler.last_epoch = step
    wanted = (1 - warmup ** (step + 1)) * max(floor, 0.1 * (1 + step / inv_gamma) ** -power)
    assert scheduler._get_closed_form_lr() == pytest.approx([wanted])


@settings(deadline=None)
@given(num_steps=st.integers(1, 10**4), decay=st.floats(0.1, 1), warmup=st.floats(0, 0.999), step=st.integers(0, 10**5))
def test_exponential_is_its_closed_form_at_any_step(num_steps: int, decay: float, warmup: float, step: int) -> None:
    scheduler = ExponentialLR(optimizer(0.1), num_steps, decay, warmup, min_lr=1e-4)
    scheduler.last_epoch = step
    assert scheduler._get_closed_form_lr() == pytest.approx([(1 - warmup ** (step + 1)) * max(1e-4, 0.1 * decay ** (step / num_steps))])


def test_values_that_can_be_worked_out_by_hand() -> None:
    assert rates(lambda o: InverseLR(o, inv_gamma=2.0), 5) == pytest.approx([1, 2 / 3, 1 / 2, 2 / 5, 1 / 3])
    assert rates(lambda o: ExponentialLR(o, 2), 5)[::2] == pytest.approx([1, 0.5, 0.25])
    assert rates(lambda o: ExponentialLR(o, 1, decay=1.0, warmup=0.5), 3) == pytest.approx([0.5, 0.75, 0.875])
    assert rates(lambda o: InverseLR(o, warmup=0.5, min_lr=0.8), 3) == pytest.approx([0.5, 0.6, 0.7])


def test_every_group_keeps_its_own_base_rate() -> None:
    used = optimizer(1.0, 0.1)
    scheduler = InverseLR(used, inv_gamma=1.0)
    used.step()
    scheduler.step()
    assert scheduler.get_last_lr() == pytest.approx([0.5, 0.05])


@pytest.mark.parametrize("warmup", [-0.1, 1.0, 1.5, float("nan")])
@pytest.mark.parametrize("make", [lambda o, w: InverseLR(o, warmup=w), lambda o, w: ExponentialLR(o, 10, warmup=w)])
def test_a_warm_up_outside_zero_to_one_is_refused(make: Any, warmup: float) -> None:
    with pytest.raises(ValueError, match="at least 0 and below 1"):
        make(optimizer(), warmup)


@pytest.mark.parametrize("make", [lambda o: InverseLR(o, 5.0, 0.5, 0.9, 0.01), lambda o: ExponentialLR(o, 7, 0.5, 0.9, 0.01)])
def test_a_saved_scheduler_continues_where_it_was(make: Any) -> None:
    wanted = rates(make)
    used = optimizer()
    scheduler = make(used)
    for _ in range(20):
        used.step()
        scheduler.step()
    again_used = optimizer()
    again = make(again_used)
    again.load_state_dict(scheduler.state_dict())
    again_used.step()
    again.step()
    assert again_used.param_groups[0]["lr"] == wanted[21]


def test_no_warning_in_a_plain_loop_and_one_when_get_lr_is_called_outside_of_it() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rates(lambda o: InverseLR(o), 3)
    with pytest.warns(UserWarning, match="get_last_lr"):
        InverseLR(optimizer()).get_lr()


def test_verbose_prints_each_step(capsys: pytest.CaptureFixture[str]) -> None:
    rates(lambda o: ExponentialLR(o, 1, verbose=True), 2)
    assert "step 1: learning rate 5.0000e-01" in capsys.readouterr().out


def test_the_schedules_of_the_configuration_are_the_same_curves() -> None:
    inverse = build_schedule(choose("schedule", {"type": "inverse", "inv_gamma": 20.0, "power": 0.5, "warmup_decay": 0.9}), Extent(10, 60))
    fading = {"type": "exponential", "factor": 0.5, "every": "8 steps", "warmup_decay": 0.9, "floor": 0.05}
    exponential = build_schedule(choose("schedule", fading), Extent(10, 60))
    assert [inverse.factor(step) for step in range(60)] == pytest.approx(rates(lambda o: InverseLR(o, 20.0, 0.5, 0.9)))
    assert [exponential.factor(step) for step in range(60)] == pytest.approx(rates(lambda o: ExponentialLR(o, 8, 0.5, 0.9, 0.05)))


def test_they_are_public_names_that_cost_nothing_until_used() -> None:
    assert trainwright.InverseLR is InverseLR
    assert trainwright.ExponentialLR is ExponentialLR
    code = "import sys, trainwright; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_a_configuration_may_name_them_by_path() -> None:
    options = choose("schedule", {"type": "trainwright.optim.torch_schedules.InverseLR", "inv_gamma": 2.0})
    assert build_schedule(options, Extent(10, 60, 0.1)).factor(2) == pytest.approx(0.5)
