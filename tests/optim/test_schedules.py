"""Schedules are the formulas they name, and where torch or timm has the same, the same numbers."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import warnings
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from trainwright.config.choice import choose
from trainwright.config.errors import ConfigError, TrainwrightError
from trainwright.config.model import PartConfig
from trainwright.config.registry import parts
from trainwright.optim.schedules.base import Extent, Schedule
from trainwright.optim.schedules.build import build_schedule, listens, metric_of
from trainwright.optim.schedules.torch_scheduler import TorchSchedule

torch_lr = torch.optim.lr_scheduler


def made(
    options: dict[str, Any] | str, steps: int | None = 100, per_epoch: int = 10, higher: bool = False, rate: float | None = 1.0
) -> Schedule:
    return build_schedule(choose("schedule", options), Extent(per_epoch, steps, rate), higher)


def factors(options: dict[str, Any] | str, count: int = 100, **extent: Any) -> list[float]:
    schedule = made(options, **extent)
    return [schedule.factor(step) for step in range(count)]


def torchs(make: Any, count: int = 100, rate: float = 1.0) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate, momentum=0.9)
    scheduler = make(optimizer)
    found = []
    for _ in range(count):
        found.append(optimizer.param_groups[0]["lr"] / rate)
        optimizer.step()
        scheduler.step()
    return found


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"type": "cosine", "floor": 0.1}, lambda o: torch_lr.CosineAnnealingLR(o, T_max=100, eta_min=0.1)),
        ({"type": "cosine", "cycle": "10 steps"}, lambda o: torch_lr.CosineAnnealingWarmRestarts(o, T_0=10)),
        (
            {"type": "cosine", "cycle": "1 epoch", "cycle_growth": 2, "floor": 0.01},
            lambda o: torch_lr.CosineAnnealingWarmRestarts(o, T_0=10, T_mult=2, eta_min=0.01),
        ),
        ({"type": "step", "every": "3 epochs", "factor": 0.5}, lambda o: torch_lr.StepLR(o, step_size=30, gamma=0.5)),
        ({"type": "multi_step", "milestones": ["3 epochs", "80 steps"]}, lambda o: torch_lr.MultiStepLR(o, [30, 80])),
        ({"type": "exponential", "factor": 0.97, "every": "1 step"}, lambda o: torch_lr.ExponentialLR(o, 0.97)),
        ({"type": "polynomial", "power": 2.5}, lambda o: torch_lr.PolynomialLR(o, total_iters=100, power=2.5)),
        ({"type": "linear", "floor": 0.2, "length": "60 steps"}, lambda o: torch_lr.LinearLR(o, 1.0, 0.2, total_iters=60)),
        ({"type": "constant", "warmup": "40 steps", "warmup_from": 0.25}, lambda o: torch_lr.LinearLR(o, 0.25, 1.0, total_iters=40)),
    ],
)
def test_a_schedule_is_torchs_of_its_kind_at_every_step(ours: Any, theirs: Any) -> None:
    assert factors(ours) == pytest.approx(torchs(theirs), abs=1e-9)


@pytest.mark.parametrize("shape", ["cosine", "linear"])
@pytest.mark.parametrize(("three_phase", "rise"), [(False, 30), (True, 40), (False, 2)])
def test_one_cycle_is_torchs_up_to_the_last_step_and_stays_there(shape: str, three_phase: bool, rise: int) -> None:
    ours = factors({"type": "one_cycle", "rise": f"{rise} steps", "shape": shape, "three_phase": three_phase}, 130)
    anneal = "cos" if shape == "cosine" else "linear"
    theirs = torchs(
        lambda o: torch_lr.OneCycleLR(
            o, 1.0, total_steps=101, pct_start=rise / 101, anneal_strategy=anneal, three_phase=three_phase, cycle_momentum=False
        ),
        100,
    )
    ours_101 = factors({"type": "one_cycle", "rise": f"{rise} steps", "shape": shape, "three_phase": three_phase}, 100, steps=101)
    assert ours_101 == pytest.approx(theirs, abs=1e-9)
    assert ours[99:] == pytest.approx([4e-6] * 31)


TIMM = [1e-5, 1.28e-4, 2.46e-4, 3.64e-4, 4.82e-4, 6e-4, 5.913e-4, 5.657e-4, 5.247e-4, 4.706e-4]
TIMM += [4.067e-4, 3.366e-4, 2.644e-4, 1.943e-4, 1.304e-4, 7.63e-5, 3.53e-5, 9.70e-6, 1e-6]


@pytest.mark.parametrize("per", ["step", "epoch"])
def test_the_cosine_of_thirteen_epochs_after_five_of_warm_up_is_timms_table(per: str) -> None:
    options = {"type": "cosine", "warmup": "5 epochs", "warmup_learning_rate": 1e-5, "min_learning_rate": 1e-6, "per": per}
    ours = made(options, steps=18 * 7, per_epoch=7, rate=6e-4)
    assert [6e-4 * ours.factor(epoch * 7) for epoch in range(19)] == pytest.approx(TIMM, rel=5e-4)
    if per == "epoch":
        within = [6e-4 * ours.factor(epoch * 7 + step) for epoch in range(18) for step in range(7)]
        assert within == pytest.approx([rate for rate in TIMM[:18] for _ in range(7)], rel=5e-4)


def test_shares_give_the_same_table_as_rates() -> None:
    shares = {"type": "cosine", "warmup": "5 epochs", "warmup_from": 1 / 60, "floor": 1 / 600}
    assert [6e-4 * each for each in factors(shares, 19, steps=18, per_epoch=1)] == pytest.approx(TIMM, rel=5e-4)


def test_what_practitioners_wrote_down_comes_out() -> None:
    ends = factors({"type": "multi_step", "milestones": [f"{n} epochs" for n in range(5, 10)], "factor": 0.5}, 10, steps=10, per_epoch=1)
    assert 0.01 * ends[-1] == pytest.approx(0.0003125)
    steps = factors({"type": "step", "every": "30 epochs"}, 90, steps=90, per_epoch=1)
    assert [0.05 * steps[at] for at in (0, 29, 30, 59, 60, 89)] == pytest.approx([0.05, 0.05, 0.005, 0.005, 0.0005, 0.0005])


def test_linear_goes_straight_to_its_floor() -> None:
    ours = made({"type": "linear", "floor": 0.2})
    assert [ours.factor(step) for step in (0, 50, 100, 150)] == pytest.approx([1.0, 0.6, 0.2, 0.2])


def test_exponential_begins_at_one_and_ends_the_run_at_its_factor() -> None:
    ours = made({"type": "exponential", "factor": 0.01, "warmup": "20 steps"})
    assert [ours.factor(step) for step in (20, 60, 100)] == pytest.approx([1.0, 0.1, 0.01])


def test_inverse_sqrt_peaks_at_the_base_rate_and_halves_after_three_timescales() -> None:
    assert made({"type": "inverse_sqrt", "warmup": "20 steps"}).factor(80) == pytest.approx(0.5)
    assert [made("inverse_sqrt").factor(step) for step in (0, 30)] == pytest.approx([1.0, 0.5])


def test_inverse_is_k_diffusions_formula_with_its_warm_up_over_the_floor() -> None:
    ours = made({"type": "inverse", "inv_gamma": 20.0, "power": 0.5, "warmup_decay": 0.9, "floor": 0.6})
    assert [ours.factor(t) for t in (0, 10, 60)] == pytest.approx(
        [(1 - 0.9 ** (t + 1)) * max(0.6, (1 + t / 20) ** -0.5) for t in (0, 10, 60)]
    )


@pytest.mark.parametrize(("shape", "middle"), [("linear", 0.5), ("cosine", 0.5), ("sqrt", 1 - math.sqrt(0.5))])
def test_wsd_rises_stays_and_falls_at_the_end(shape: str, middle: float) -> None:
    ours = made({"type": "wsd", "warmup": "0.1 run", "decay": "0.2 run", "decay_shape": shape})
    assert ours.factor(9) == pytest.approx(10 / 11)
    assert {ours.factor(step) for step in range(10, 81)} == {1.0}
    assert [ours.factor(step) for step in (90, 100, 300)] == pytest.approx([middle, 0, 0])


def test_cycles_fill_the_run_and_each_may_start_lower() -> None:
    ours = factors({"type": "cosine", "cycles": 3, "cycle_peak": 0.5, "floor": 0.1, "length": "90 steps"}, 100)
    assert [ours[at] for at in (0, 30, 60)] == pytest.approx([1.0, 0.5, 0.25])
    assert ours[15] == pytest.approx(0.55)
    assert set(ours[90:]) == {0.1}


@settings(deadline=None)
@given(count=st.integers(1, 6), growth=st.sampled_from([1.0, 1.5, 2.0, 3.0]), length=st.integers(400, 3000))
def test_growing_cycles_end_together_with_the_length(count: int, growth: float, length: int) -> None:
    ours = made({"type": "cosine", "cycles": count, "cycle_growth": growth}, steps=length)
    values = [ours.factor(step) for step in range(length + 2)]
    rises = [step for step in range(1, length) if values[step] > values[step - 1]]
    assert len(rises) == count - 1
    assert values[length:] == [0.0, 0.0]
    assert values[length - 1] < 0.01


KINDS = [
    "constant",
    "cosine",
    {"type": "cosine", "cycles": 3, "cycle_growth": 1.7, "cycle_peak": 0.8},
    "linear",
    "polynomial",
    {"type": "step", "every": "2 epochs"},
    {"type": "multi_step", "milestones": ["90 steps", "95 steps"]},
    "exponential",
    "inverse_sqrt",
    "inverse",
    {"type": "wsd", "decay": "10 steps"},
    "plateau",
]


@settings(max_examples=200, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    warmup=st.integers(0, 85),
    shape=st.sampled_from(["linear", "exponential"]),
    start=st.none() | st.floats(0.001, 1),
    floor=st.none() | st.floats(0, 0.9),
    per=st.sampled_from(["step", "epoch"]),
    step=st.integers(0, 10**9),
)
def test_the_factor_is_a_share_at_every_step_also_beyond_the_end(
    kind: Any, warmup: int, shape: str, start: float | None, floor: float | None, per: str, step: int
) -> None:
    options = {"type": kind} if isinstance(kind, str) else kind
    options = {**options, "warmup": f"{warmup} steps", "per": per}
    if warmup:
        options |= {"warmup_shape": shape, "warmup_from": start}
    if options["type"] != "constant":
        options["floor"] = floor
    ours = made(options)
    values = [ours.factor(each) for each in [*range(120), step]]
    assert all(0 <= value <= 1 for value in values)
    assert values[-1] == ours.factor(step)
    if warmup < 90:
        assert all(value >= (floor or 0) - 1e-12 for value in values[100:120])


@given(warmup=st.integers(1, 60), kind=st.sampled_from(["constant", "cosine", "linear", "exponential", "inverse_sqrt", "polynomial"]))
def test_warm_up_rises_in_equal_parts_never_starts_at_zero_and_joins_the_schedule_at_the_base_rate(warmup: int, kind: str) -> None:
    ours = made({"type": kind, "warmup": f"{warmup} steps"})
    rises = [ours.factor(step + 1) - ours.factor(step) for step in range(warmup)]
    assert ours.factor(0) > 0
    assert ours.factor(warmup) == 1.0
    assert rises == pytest.approx([1 / (warmup + 1)] * warmup)


@given(warmup=st.integers(2, 60), start=st.none() | st.floats(0.001, 0.9))
def test_an_exponential_warm_up_rises_in_equal_ratios(warmup: int, start: float | None) -> None:
    ours = made({"type": "constant", "warmup": f"{warmup} steps", "warmup_shape": "exponential", "warmup_from": start})
    first = 1 / (warmup + 1) if start is None else start
    ratios = [ours.factor(step + 1) / ours.factor(step) for step in range(warmup)]
    assert ours.factor(0) == pytest.approx(first)
    assert ratios == pytest.approx([first ** (-1 / warmup)] * warmup)


@given(steps=st.integers(2, 400), kind=st.sampled_from(["cosine", "linear", "polynomial", "wsd"]))
def test_a_schedule_has_no_jump_where_its_pieces_join(steps: int, kind: str) -> None:
    fine = made({"type": kind, "warmup": f"{steps * 20} steps"}, steps=steps * 100)
    values = [fine.factor(step) for step in range(steps * 20 - 3, steps * 20 + 3)]
    assert all(abs(b - a) < 2 / (steps * 10) for a, b in pairwise(values))


@pytest.mark.parametrize("higher", [False, True])
@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize(("patience", "cooldown"), [(1, 0), (3, 0), (2, 2)])
def test_plateau_falls_where_torchs_does(higher: bool, relative: bool, patience: int, cooldown: int) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    reference = torch_lr.ReduceLROnPlateau(
        optimizer,
        mode="max" if higher else "min",
        factor=0.5,
        patience=patience - 1,
        threshold=0.05 if relative else 0.0,
        threshold_mode="rel" if relative else "abs",
        cooldown=cooldown,
        eps=0,
    )
    delta = {"min_delta": 0.05, "relative": True} if relative else {}
    ours = made({"type": "plateau", "patience": patience, "factor": 0.5, "cooldown": cooldown, **delta}, higher=higher)
    for value in [1.0, 0.9, 0.9, 0.95, 0.88, 0.8, 0.8, 0.8, 0.78, 0.8, 0.8, 0.7, 0.9, 0.9, 0.9, 1.0]:
        value = 2 - value if higher else value
        ours.observe(value)
        reference.step(value)
        assert ours.factor(0) == pytest.approx(optimizer.param_groups[0]["lr"])


def test_plateau_counts_nan_as_no_improvement_and_its_state_comes_back() -> None:
    ours = made({"type": "plateau", "patience": 2, "factor": 0.5})
    for value in (math.nan, math.nan):
        ours.observe(value)
    assert ours.factor(0) == 0.5
    again = made({"type": "plateau", "patience": 2, "factor": 0.5})
    again.load(json.loads(json.dumps(ours.state())))
    for each in (ours, again):
        each.observe(1.0)
        each.observe(1.0)
        each.observe(1.0)
    assert ours.factor(0) == again.factor(0) == 0.25


def test_plateau_falls_no_more_often_than_asked_and_watches_what_it_is_told() -> None:
    options = {"type": "plateau", "patience": 1, "factor": 0.5, "times": 2, "metric": "f1", "mode": "max"}
    ours = made(options, higher=False)
    for value in (0.5, 0.6, 0.7):
        ours.observe(value)
    assert ours.factor(0) == 1.0
    for _ in range(5):
        ours.observe(0.1)
    assert ours.factor(0) == 0.25
    assert ours.metric == "f1"


def test_a_chain_gives_each_part_its_stretch_as_its_run() -> None:
    chain = {
        "type": "chained",
        "parts": [
            {"schedule": {"type": "constant", "warmup": "1 run"}, "lasts": "2 epochs"},
            {"schedule": "linear", "lasts": "30 steps"},
            {"schedule": {"type": "cosine", "floor": 0.5}},
        ],
    }
    ours, cosine = made(chain), made({"type": "cosine", "floor": 0.5}, steps=50)
    assert [ours.factor(step) for step in (0, 19, 20, 35, 49)] == pytest.approx([1 / 21, 20 / 21, 1.0, 0.5, 1 / 30])
    assert [ours.factor(step) for step in range(50, 130)] == [cosine.factor(step) for step in range(80)]


def test_in_a_chain_only_the_part_whose_turn_it_is_hears_metrics_and_that_survives_a_restart() -> None:
    parts = [{"schedule": "constant", "lasts": "10 steps"}, {"schedule": {"type": "plateau", "patience": 2, "factor": 0.5}}]
    ours = made({"type": "chained", "parts": parts})
    ours.factor(3)
    for _ in range(9):
        ours.observe(1.0)
    ours.factor(10)
    ours.observe(1.0)
    ours.observe(1.0)
    assert ours.factor(11) == 1.0
    again = made({"type": "chained", "parts": parts})
    again.load(json.loads(json.dumps(ours.state())))
    again.factor(11)
    for each in (ours, again):
        each.observe(1.0)
    assert ours.factor(12) == again.factor(12) == 0.5


def test_a_product_multiplies() -> None:
    ours = factors({"type": "product", "parts": ["linear", {"type": "step", "every": "50 steps", "factor": 0.5}]})
    assert [ours[0], ours[40], ours[60]] == pytest.approx([1.0, 0.6, 0.2])


def test_schedules_of_schedules_know_what_they_listen_to() -> None:
    nested = {"type": "product", "parts": ["cosine", {"type": "chained", "parts": [{"schedule": {"type": "plateau", "metric": "auc"}}]}]}
    options = choose("schedule", nested)
    assert (listens(options), metric_of(options), build_schedule(options, Extent(10, 100)).metric) == (True, "auc", "auc")
    assert not listens(choose("schedule", "cosine"))
    with pytest.raises(ConfigError, match="listen to one metric"):
        made({"type": "product", "parts": ["plateau", {"type": "plateau", "metric": "auc"}]})


@pytest.fixture
def functions(tmp_path: Any) -> Any:
    (tmp_path / "mine.py").write_text(
        "def decay(step, epoch): return 0.95**epoch\n"
        "def steps(step): return 1 / (1 + step)\n"
        "def default(step, floor=0.5): return floor\n"
        "def negative(step): return 1.0 - step\n"
        "def nothing(step): pass\n"
        "def late(step): return float('nan') if step == 50 else 1.0\n"
        "def broken(step): raise KeyError('lost')\n"
    )
    return tmp_path / "mine.py"


def test_a_function_is_called_with_the_step_and_the_epoch_if_it_takes_it(functions: Any) -> None:
    ours = factors({"type": "lambda", "function": f"{functions}:decay"}, 100)
    assert [0.1 * ours[10 * epoch] for epoch in range(4)] == pytest.approx([0.1, 0.095, 0.09025, 0.0857375])
    assert 0.1 * ours[99] == pytest.approx(0.063025, rel=1e-4)
    assert made({"type": "lambda", "function": f"{functions}:steps", "warmup": "10 steps"}).factor(13) == 0.25
    assert made({"type": "lambda", "function": f"{functions}:default"}).factor(13) == 0.5


@pytest.mark.parametrize(
    ("name", "message"),
    [("negative", "returned -98.0 at step 99"), ("nothing", "returned None at step 0"), ("broken", "failed at step 0")],
)
def test_a_function_that_gives_no_multiplier_is_refused_before_the_run(functions: Any, name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        made({"type": "lambda", "function": f"{functions}:{name}"})


def test_a_function_that_fails_in_between_ends_the_run_and_is_no_wrong_request(functions: Any) -> None:
    ours = made({"type": "lambda", "function": f"{functions}:late"})
    with pytest.raises(TrainwrightError, match="at step 50") as caught:
        ours.factor(50)
    assert caught.value.exit_code == 1


SCHEDULERS = [
    ("CosineAnnealingLR", {"T_max": 40, "eta_min": 1e-5}),
    ("CosineAnnealingWarmRestarts", {"T_0": 7, "T_mult": 2}),
    ("StepLR", {"step_size": 30, "gamma": 0.3}),
    ("MultiStepLR", {"milestones": [10, 50]}),
    ("ExponentialLR", {"gamma": 0.97}),
    ("PolynomialLR", {"total_iters": 50, "power": 2.0}),
    ("LinearLR", {"total_iters": 30}),
    ("ConstantLR", {"total_iters": 30}),
    ("OneCycleLR", {"max_lr": 3e-3, "total_steps": 101}),
    ("CyclicLR", {"base_lr": 1e-4, "max_lr": 1e-3, "step_size_up": 9}),
]


@pytest.mark.parametrize(("name", "options"), SCHEDULERS)
def test_any_torch_scheduler_gives_the_rates_it_gives_in_a_loop(name: str, options: dict[str, Any]) -> None:
    theirs = torchs(lambda o: getattr(torch_lr, name)(o, **options), rate=2e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours = factors({"type": f"torch.optim.lr_scheduler.{name}", **options}, rate=2e-3)
    assert ours == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize(("name", "options"), SCHEDULERS)
def test_a_torch_scheduler_continues_bit_for_bit_and_may_be_asked_for_any_step(name: str, options: dict[str, Any]) -> None:
    wanted = factors({"type": f"torch.optim.lr_scheduler.{name}", **options}, rate=2e-3)
    ours = made({"type": f"torch.optim.lr_scheduler.{name}", **options}, rate=2e-3)
    ours.factor(60)
    again = made({"type": f"torch.optim.lr_scheduler.{name}", **options}, rate=2e-3)
    again.load(json.loads(json.dumps(ours.state())))
    assert again.factor(59) == wanted[59]
    assert [again.factor(step) for step in range(60, 100)] == wanted[60:]
    assert [again.factor(step) for step in (99, 98, 3, 50)] == [wanted[step] for step in (99, 98, 3, 50)]


class Epochs(PartConfig):
    type: str = "torch.optim.lr_scheduler.StepLR"
    step_size: int = 2
    every: str = "epoch"


def test_a_torch_scheduler_that_counts_epochs_moves_at_their_starts() -> None:
    ours = TorchSchedule(torch_lr.StepLR, Epochs(step_size=2), Extent(10, 100, 0.1))
    assert [ours.factor(step) for step in (0, 19, 20, 39, 40)] == pytest.approx([1, 1, 0.1, 0.1, 0.01])


def test_a_torch_scheduler_stays_where_it_ended() -> None:
    ours = made({"type": "torch.optim.lr_scheduler.OneCycleLR", "max_lr": 1.0, "total_steps": 50})
    assert ours.factor(49) == ours.factor(500)


def test_a_torch_scheduler_needs_the_base_rate_and_options_it_accepts() -> None:
    with pytest.raises(ConfigError, match="needs the base learning rate"):
        made({"type": "torch.optim.lr_scheduler.StepLR", "step_size": 3}, rate=None)
    with pytest.raises(ConfigError, match="refused its options"):
        made({"type": "torch.optim.lr_scheduler.OneCycleLR", "max_lr": 1.0})
    with pytest.raises(ConfigError, match="cannot be used here") as caught:
        made({"type": "torch.optim.lr_scheduler.ReduceLROnPlateau"})
    assert "type: plateau" in caught.value.fix


def test_a_class_of_ones_own_is_a_schedule_and_one_without_factor_is_refused(tmp_path: Any) -> None:
    (tmp_path / "own.py").write_text(
        "from trainwright.optim.schedules import ScheduleOptions\n"
        "from trainwright.optim.schedules.base import PureSchedule\n"
        "class Half(PureSchedule):\n"
        "    def __init__(self, extent, level: float = 0.5):\n"
        "        super().__init__(ScheduleOptions(type='half'), extent)\n"
        "        self.level = level\n"
        "    def shape(self, step):\n"
        "        return self.level\n"
        "class Not:\n"
        "    pass\n"
    )
    assert made({"type": f"{tmp_path}/own.py:Half", "level": 0.25}).factor(3) == 0.25
    with pytest.raises(ConfigError, match="is not a schedule"):
        made({"type": f"{tmp_path}/own.py:Not"})


@pytest.mark.parametrize(("three_phase", "steps"), [(False, 3), (False, 4), (True, 4), (True, 5)])
def test_the_usual_rise_is_fitted_to_a_short_run(three_phase: bool, steps: int) -> None:
    found = factors({"type": "one_cycle", "three_phase": three_phase}, steps, steps=steps)
    assert found[0] == pytest.approx(0.04) and found[1] == 1.0 and found[-1] == pytest.approx(4e-6)


@pytest.mark.parametrize(
    ("options", "steps", "message"),
    [
        ("cosine", None, "length of the run must be known"),
        ("exponential", None, "length of the run must be known"),
        ({"type": "constant", "warmup": "0.1 run"}, None, "length of the run must be known"),
        ({"type": "constant", "warmup": "10 s"}, 100, "is a time"),
        ({"type": "constant", "warmup": "101 steps"}, 100, "longer than the run"),
        ({"type": "step", "every": "0 steps"}, 100, "is 0 steps"),
        ({"type": "multi_step", "milestones": ["1 epoch", "10 steps"]}, 100, "milestones must increase"),
        ({"type": "multi_step", "milestones": ["11 epochs"]}, 100, "beyond the end of the run"),
        ({"type": "multi_step", "milestones": ["5 steps"], "warmup": "1 epoch"}, 100, "lies in the warm-up"),
        ({"type": "cosine", "cycles": 101}, 100, "shorter than a step"),
        ({"type": "wsd", "warmup": "60 steps", "decay": "50 steps"}, 100, "longer than the run"),
        ({"type": "one_cycle", "rise": "1 step"}, 100, "rise does not fit"),
        ({"type": "one_cycle", "rise": "60 steps", "three_phase": True}, 100, "rise does not fit"),
        ({"type": "one_cycle", "rise": "0.1 run"}, 10, "rise does not fit"),
        ("one_cycle", 2, "too short for one_cycle"),
        ({"type": "one_cycle", "three_phase": True}, 3, "too short for one_cycle"),
        ({"type": "linear", "min_learning_rate": 2.0}, 100, "above the base learning rate"),
        ({"type": "chained", "parts": [{"schedule": "linear", "lasts": "10 epochs"}, {"schedule": "linear"}]}, 100, "part 2 does not fit"),
    ],
)
def test_what_cannot_be_is_refused(options: Any, steps: int | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        made(options, steps=steps)
    assert caught.value.where.startswith("trainer.schedule")
    assert caught.value.fix


@pytest.mark.parametrize(
    "options",
    [
        {"type": "step", "factor": 1.5},
        {"type": "cosine", "floor": 0.1, "min_learning_rate": 1e-6},
        {"type": "cosine", "floor": -0.1},
        {"type": "cosine", "warmup_from": 0.5},
        {"type": "cosine", "warmup": "5 steps", "warmup_from": 0.0, "warmup_shape": "exponential"},
        {"type": "cosine", "cycles": 0},
        {"type": "cosine", "cycle": "0 steps"},
        {"type": "cosine", "cycle": "5 steps", "length": "10 steps"},
        {"type": "constant", "warmup_decay": 1.0},
        {"type": "plateau", "floor": 1.0},
        {"type": "plateau", "patience": 0},
        {"type": "chained", "parts": []},
        {"type": "chained", "parts": [{"schedule": "linear"}, {"schedule": "linear"}]},
        {"type": "lambda", "function": "nowhere.at:all"},
        {"type": "multi_step", "milestones": []},
        {"type": "exponential", "every": "0 epochs"},
    ],
)
def test_what_no_run_could_do_is_refused_when_the_configuration_is_read(options: Any) -> None:
    with pytest.raises(ValidationError):
        choose("schedule", options)


def test_a_share_of_the_run_is_not_rounded_up_for_a_rounding_error() -> None:
    from trainwright.config.durations import Duration

    assert Extent(10, 100).in_steps(Duration(0.07, "run"), "warmup") == 7


def test_every_schedule_says_what_it_is_and_loads() -> None:
    needed = {"multi_step": {"milestones": ["2 epochs"]}, "step": {"every": "2 epochs"}, "lambda": {"function": "math:exp"}}
    needed |= {"chained": {"parts": [{"schedule": "linear"}]}, "product": {"parts": ["linear"]}}
    for name in parts("schedule"):
        if name == "lambda":
            continue
        schedule = made({"type": name, **needed.get(name, {})})
        assert 0 <= schedule.factor(0) <= 1
        schedule.observe(1.0)
        schedule.load(schedule.state())


def test_schedules_of_ours_import_no_compiler() -> None:
    code = (
        "import sys; from trainwright.config.choice import choose; from trainwright.optim.schedules.base import Extent; "
        "from trainwright.optim.schedules.build import build_schedule; "
        "build_schedule(choose('schedule', 'cosine'), Extent(10, 100)).factor(3); "
        "sys.exit('torch._dynamo' in sys.modules or 'sympy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0
