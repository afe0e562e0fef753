"""The learning-rate range test: its curve, what it chooses, and that it leaves nothing behind."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from engine_runs import config, rows, same, system, weights
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from trainwright.config.durations import Duration
from trainwright.data.rows import TensorRows
from trainwright.engine.batch_options import TuningOptions
from trainwright.engine.scaling import with_learning_rate
from trainwright.engine.trainer import Trainer
from trainwright.engine.tuning import settle_auto
from trainwright.engine.tuning.learning_rate import left_the_ground, neighbours, rates_between, smooth, suggest_rate
from trainwright.systems.plain import PlainSystem


def trainer(optimizer: Any = "sgd", **tuning: Any) -> Trainer:
    section = config(optimizer=optimizer, batch_size=16)
    options = TuningOptions(max_time=Duration(20, "s"), **tuning)
    changes = {"optimizer": with_learning_rate(section.optimizer, "auto"), "tuning": options}
    return Trainer(section.model_copy(update=changes), seed=3, device="cpu", console=False)


def bowl(curvature: float) -> tuple[PlainSystem, TensorRows]:
    """A quadratic bowl: gradient descent with rate r multiplies the error by 1 − r · curvature, so it diverges above 2 / curvature."""
    model = nn.Linear(1, 1, bias=False, dtype=torch.float64)
    nn.init.constant_(model.weight, 1.0)
    x = torch.full((64, 1), math.sqrt(curvature / 2), dtype=torch.float64)  # the mean squared error of w·x has the curvature 2x²
    return PlainSystem(model, ["input"], "mse", None), TensorRows({"input": x, "target": torch.zeros(64, 1, dtype=torch.float64)})


@pytest.mark.parametrize("curvature", [0.5, 4.0, 100.0, 1000.0])
def test_the_rate_chosen_descends_a_bowl_fast_and_does_not_leave_it(curvature: float) -> None:
    found = settle_auto(trainer(), *bowl(curvature)).rate
    assert found is not None and found.chosen is not None
    assert 0.1 / curvature < found.chosen < 2 / curvature


def test_the_curve_is_what_gradient_descent_does() -> None:
    found = settle_auto(trainer(), *bowl(4.0)).rate
    assert found is not None
    error, wanted = 1.0, []
    for rate in found.rates:
        wanted.append(error**2 * 2.0)
        error *= 1 - rate * 4.0
    assert found.losses == pytest.approx(wanted, rel=1e-9)


def test_the_test_ends_when_the_loss_leaves_the_ground() -> None:
    found = settle_auto(trainer(), *bowl(100.0)).rate
    assert found is not None
    assert found.rates[-1] < 1.0 and len(found.rates) < 100
    assert all(math.isfinite(each) for each in found.losses)


def test_nothing_of_the_test_is_left() -> None:
    trained = system(norm=True)
    before, state = weights(trained), torch.get_rng_state()
    settle_auto(trainer("adamw", range_steps=30), trained, rows(60))
    assert same(before, weights(trained))
    assert torch.equal(state, torch.get_rng_state())
    assert all(each.grad is None for each in trained.parameters())


def test_the_same_rows_give_the_same_rate() -> None:
    first, second = (settle_auto(trainer("adamw"), system(), rows(60)).rate for _ in range(2))
    assert first is not None and second is not None
    assert (first.losses, first.chosen) == (second.losses, second.chosen)


def test_where_no_rate_lowers_the_loss_the_default_stays() -> None:
    noise = torch.Generator().manual_seed(1)
    model = nn.Linear(1, 1)
    data = TensorRows({"input": torch.zeros(64, 1), "target": torch.randn(64, 1, generator=noise).sign()})
    nn.init.zeros_(model.bias)
    model.bias.requires_grad_(False)
    found = settle_auto(trainer("adamw"), PlainSystem(model, ["input"], "mse", None), data)
    assert found.rate is not None and found.rate.chosen is None
    assert found.chosen == {"optimizer.learning_rate": 1e-3}
    assert "not found" in found.lines()[0]


@pytest.mark.parametrize("kind", ["adamw", "sgd", "lion", {"type": "sam", "inner": "sgd"}])
def test_the_rate_found_trains_better_than_rates_far_from_it(kind: Any) -> None:
    found = settle_auto(trainer(kind), system(dropout=0.0, width=32), rows(256)).chosen["optimizer.learning_rate"]

    def loss_with(rate: float) -> float:
        section = trainer(kind).config
        options = with_learning_rate(section.optimizer, rate)
        trained = system(dropout=0.0, width=32)
        engine = Trainer(
            config(batch_size=16, max_epochs=8, trackers=[]).model_copy(update={"optimizer": options}), device="cpu", console=False
        )
        with TemporaryDirectory() as folder:
            result = engine.fit(trained, rows(256), rows(128, seed=1), run=Path(folder))
        return min(row["validation/loss"] for row in result.history if "validation/loss" in row)

    best = loss_with(found)
    assert best < loss_with(found / 100)
    assert best < 0.6 < loss_with(found / 10_000)


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=40), st.integers(0, 6))
def test_the_mean_over_neighbours_is_that_of_the_definition(losses: list[float], each_side: int) -> None:
    padded = torch.nn.functional.pad(torch.tensor(losses, dtype=torch.float64), (each_side, each_side))
    counts = torch.nn.functional.pad(torch.ones(len(losses), dtype=torch.float64), (each_side, each_side))
    window = 2 * each_side + 1
    wanted = padded.unfold(0, window, 1).sum(1) / counts.unfold(0, window, 1).sum(1)
    assert smooth(losses, each_side) == pytest.approx(wanted.tolist(), abs=1e-9)


def test_rates_rise_by_equal_ratios() -> None:
    rates = rates_between(1e-7, 10.0, 100)
    assert (rates[0], rates[-1]) == (pytest.approx(1e-7), pytest.approx(10.0))
    ratios = [after / before for before, after in itertools.pairwise(rates)]
    assert ratios == pytest.approx([ratios[0]] * 99)
    assert neighbours(rates) == 4 and neighbours(rates_between(1e-7, 10.0, 200)) == 8


def test_a_curve_of_noise_or_of_few_points_chooses_nothing() -> None:
    rates = rates_between(1e-7, 10.0, 60)
    noise = torch.randn(60, generator=torch.Generator().manual_seed(0)) * 0.01
    assert suggest_rate(rates, (1 + noise).tolist()) is None
    assert suggest_rate(rates[:5], [5.0, 4.0, 3.0, 2.0, 1.0]) is None


def test_a_loss_below_zero_can_leave_the_ground_too() -> None:
    assert not left_the_ground([0.0, -1, -2, -3, -4, -5, -6, -7, -8, -9, -10, -11], 0)
    assert left_the_ground([0.0, -1, -2, -3, -4, -5, -6, -7, -8, -9, -10, 40], 0)
    assert left_the_ground([1.0, math.nan], 0)
