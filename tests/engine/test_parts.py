"""The engine's small parts, each alone."""

from __future__ import annotations

import math
import os
import signal
from itertools import pairwise
from typing import Any

import pytest
import torch
from engine_runs import system
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from trainwright.config.durations import Duration
from trainwright.config.errors import ConfigError
from trainwright.engine.config import TrainerConfig
from trainwright.engine.interrupt import Interrupts
from trainwright.engine.interval import NEVER, Interval
from trainwright.engine.monitor import BestEvaluations, Monitor, resolve
from trainwright.engine.plan import DEFAULT_STEPS, automatic_batch_size, make_plan
from trainwright.engine.running import RunningLoss, RunningValues
from trainwright.engine.system import Loss
from trainwright.engine.timing import PhaseTimer


def config(**options: Any) -> TrainerConfig:
    return TrainerConfig.model_validate(options)


@given(rows=st.integers(1, 5000), batch=st.integers(1, 300), norm=st.booleans())
def test_the_steps_of_an_epoch_take_every_row_once_and_none_takes_a_single_row_where_that_cannot_be(
    rows: int, batch: int, norm: bool
) -> None:
    plan = make_plan(config(batch_size=batch, max_epochs=2), rows, batch_statistics=norm)
    bounds = [plan.bounds(index) for index in range(plan.steps_per_epoch)]
    assert bounds[0][0] == 0
    assert bounds[-1][1] == rows
    assert all(end == start for (_, end), (start, _) in pairwise(bounds))
    sizes = [end - start for start, end in bounds]
    assert all(size == plan.batch_size for size in sizes[:-1])
    assert plan.max_steps == 2 * len(sizes)
    if norm and rows > 1 and plan.batch_size > 1:
        assert min(sizes) > 1


@given(rows=st.integers(1, 10**8))
def test_the_automatic_batch_size_is_a_power_of_two_within_bounds(rows: int) -> None:
    size = automatic_batch_size(rows)
    assert 16 <= size <= 1024
    assert size & (size - 1) == 0


@pytest.mark.parametrize(
    ("options", "steps", "limit"),
    [
        ({"max_steps": 7}, 7, "max_steps"),
        ({"max_epochs": 3}, 30, "max_epochs"),
        ({"max_time": "2 s"}, None, "max_time"),
        ({}, DEFAULT_STEPS, "max_epochs"),
    ],
)
def test_the_end_of_the_run_is_what_was_asked_for(options: dict[str, Any], steps: int | None, limit: str) -> None:
    plan = make_plan(config(batch_size=10, **options), 100)
    assert (plan.max_steps, plan.limit) == (steps, limit)


def test_two_ends_of_a_run_and_no_rows_are_refused() -> None:
    with pytest.raises((ConfigError, ValidationError), match="max_epochs and max_steps"):
        make_plan(config(max_epochs=1, max_steps=1), 10)
    with pytest.raises(ConfigError, match="no training rows"):
        make_plan(config(max_epochs=1), 0)


@given(value=st.integers(1, 50), unit=st.sampled_from(["steps", "epochs"]), step=st.integers(0, 500))
def test_a_cadence_of_steps_is_due_exactly_where_it_says_next(value: int, unit: str, step: int) -> None:
    plan = make_plan(config(batch_size=10, max_epochs=100), 70)
    interval = Interval(Duration(value, unit), plan, "here")
    following = interval.next_step(step)
    assert interval.due(following)
    assert not any(interval.due(between) for between in range(step + 1, following))


def test_a_cadence_of_time_is_due_when_the_time_has_passed() -> None:
    now = [100.0]
    plan = make_plan(config(batch_size=10, max_time="1 h"), 70)
    interval = Interval(Duration(0.5, "run"), plan, "here", clock=lambda: now[0])
    assert interval.next_step(4) == NEVER
    assert interval.next_due_at() == interval._last + 1800
    now[0] += 1799
    assert not interval.due(5)
    now[0] += 1
    assert interval.due(5)
    interval.done()
    assert not interval.due(6)


def test_a_cadence_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="is never"):
        Interval(Duration(0, "steps"), make_plan(config(batch_size=10, max_epochs=1), 70), "trainer.log_every")


@given(values=st.lists(st.one_of(st.floats(-5, 5), st.just(math.nan)), max_size=20), keep=st.integers(1, 4), higher=st.booleans())
def test_the_best_are_the_best_and_never_nan_and_the_earlier_wins_a_tie(values: list[float], keep: int, higher: bool) -> None:
    best = BestEvaluations(higher, keep)
    for step, value in enumerate(values):
        best.offer(step, value)
    numbers = [(step, value) for step, value in enumerate(values) if not math.isnan(value)]
    numbers.sort(key=lambda entry: ((-entry[1] if higher else entry[1]), entry[0]))
    assert best.entries == numbers[:keep]
    again = BestEvaluations(higher, keep)
    again.load(best.state())
    assert again.entries == best.entries


@pytest.mark.parametrize(("asked", "found"), [("loss", "loss"), ("age.rmse", "age.rmse"), ("accuracy", "kind.accuracy")])
def test_a_metric_is_found_by_its_name_alone_when_only_one_has_it(asked: str, found: str) -> None:
    assert resolve(asked, ["loss", "age.rmse", "kind.accuracy"]) == found


def test_a_metric_that_is_not_there_is_refused_with_the_nearest_and_one_of_several_with_all() -> None:
    with pytest.raises(ConfigError) as error:
        resolve("kind.acuracy", ["loss", "kind.accuracy"])
    assert "did you mean 'kind.accuracy'" in str(error.value)
    with pytest.raises(ConfigError, match="could be several"):
        resolve("rmse", ["a.rmse", "b.rmse"])
    with pytest.raises(ConfigError, match="there is no metric 'acuracy'"):
        Monitor(config(monitor="acuracy"), system())


@pytest.mark.parametrize(("monitor", "mode", "higher"), [("auto", "auto", False), ("accuracy", "auto", True), ("accuracy", "min", False)])
def test_which_way_is_better_follows_from_the_metric_unless_said(monitor: str, mode: str, higher: bool) -> None:
    assert Monitor(config(monitor=monitor, mode=mode), system()).higher is higher


def test_the_running_loss_is_the_mean_over_items_and_keeps_its_parts() -> None:
    running = RunningLoss()
    running.add(Loss(torch.tensor(6.0), 3, {"a": torch.tensor(1.0)}))
    running.add(Loss(torch.tensor(2.0), torch.tensor(1), {"a": torch.tensor(2.0), "b": torch.tensor(4.0)}))
    expected = {"loss": 2.0, "loss/a": 0.75, "loss/b": 1.0}
    assert running.means() == expected
    again = RunningLoss()
    again.load(running.tensors())
    assert again.means() == expected
    running.reset()
    assert math.isnan(running.means()["loss"])


@given(losses=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), saves=st.sets(st.integers(0, 59)), rows=st.sets(st.integers(0, 59)))
def test_the_running_loss_is_the_same_to_the_bit_whenever_it_was_saved_or_logged(
    losses: list[float], saves: set[int], rows: set[int]
) -> None:
    whole, cut = RunningLoss(), RunningLoss()
    for batch_number, loss in enumerate(losses):
        for running in (whole, cut):
            running.add(Loss(torch.tensor(loss), 3, {"a": torch.tensor(loss / 7)}), batch_number)
        if batch_number in rows:
            cut.begin_row(evaluated=False)
        if batch_number in saves:
            saved, cut = cut.tensors(), RunningLoss()
            cut.load(saved)
    assert cut.means_since_evaluation() == whole.means_since_evaluation() == whole.means()
    if rows:
        whole.begin_row(evaluated=True)
        assert whole.means_since_evaluation() == {}


def test_a_loss_that_is_not_finite_is_found_again_after_a_restart() -> None:
    running = RunningLoss()
    for batch_number in range(5):
        running.add(Loss(torch.tensor(math.inf if batch_number == 3 else 1.0), 1), batch_number)
    again = RunningLoss()
    again.load(running.tensors())
    assert again.first_not_finite() == running.first_not_finite() == 3
    assert not math.isfinite(again.means()["loss"])


@given(
    values=st.lists(st.tuples(st.sampled_from(["float", "float32", "bfloat16"]), st.floats(-9, 9)), min_size=1, max_size=30),
    at=st.integers(0, 29),
)
def test_logged_values_of_several_formats_are_the_same_to_the_bit_whenever_they_were_saved(values: list[Any], at: int) -> None:
    whole, cut = RunningValues(), RunningValues()
    for place, (kind, value) in enumerate(values):
        for running in (whole, cut):
            running.add("x", value if kind == "float" else torch.tensor([value], dtype=getattr(torch, kind)))
            running.add("last", value, "last")
        if place == at:
            saved, cut = cut.tensors(), RunningValues()
            cut.load(saved)
    assert cut.values() == whole.values()
    assert whole.values()["last"] == values[-1][1]


def test_every_moment_belongs_to_one_phase() -> None:
    timing = PhaseTimer()
    with timing.phase("train"), timing.phase("evaluate"):
        pass
    first = timing.read()
    assert set(first) == {"train", "evaluate", "checkpoint", "other"}
    timing.load({"train": 10.0})
    assert timing.read()["train"] == 10.0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_sets_a_flag_and_the_handlers_come_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with Interrupts() as interrupts:
        os.kill(os.getpid(), number)
        assert interrupts.requested == number
        assert interrupts.name == number.name
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGXCPU])
def test_a_lost_terminal_and_a_spent_limit_ask_to_save_and_may_come_again(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_DFL)  # the tests themselves may run under nohup
    try:
        with Interrupts() as interrupts:
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)
            assert interrupts.name == number.name
        assert signal.getsignal(number) == signal.SIG_DFL
    finally:
        signal.signal(number, before)


def test_a_terminal_that_goes_away_is_not_heard_under_nohup() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts() as interrupts:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not interrupts.requested
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_signal_is_heard_where_standard_error_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> int:
        raise OSError(5, "Input/output error")

    with Interrupts() as interrupts, monkeypatch.context() as patched:
        patched.setattr(os, "write", gone)
        os.kill(os.getpid(), signal.SIGTERM)
        assert interrupts.name == "SIGTERM"
