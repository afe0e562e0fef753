"""A batch that grows when a metric stops improving: when, how far, with which learning rate, and the same after a restart."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from engine_runs import StopAt, config, fit, rows, same, system, table, weights
from hypothesis import given
from hypothesis import strategies as st

from trainwright.config.errors import ConfigError, Interrupted
from trainwright.engine.growth import Growth, begin_anew, build_growth, check_schedule
from trainwright.engine.growth_options import BatchGrowthOptions
from trainwright.engine.monitor import Monitor
from trainwright.engine.plan import Plan, make_plan
from trainwright.engine.trainer import Trainer


def plan_of(count: int = 100, batch: int = 8, **options: Any) -> Plan:
    return make_plan(config(batch_size=batch, **options), count)


def growth(plan: Plan | None = None, higher: bool = False, **options: Any) -> Growth:
    return Growth(BatchGrowthOptions.model_validate(options), "validation/loss", higher, plan or plan_of())


def grown_at(watched: Growth, values: list[float], plan: Plan) -> list[int]:
    """Evaluations, counted from 1, at whose epoch's end the batch grew; one evaluation an epoch."""
    found, batches_seen = [], 0
    for count, value in enumerate(values, 1):
        batches_seen += plan.steps_per_epoch
        watched.observe({"validation/loss": value})
        new = watched.at_epoch_end(plan, batches_seen)
        if new is not None:
            found.append(count)
            plan = new
    return found


def test_it_grows_after_so_many_evaluations_without_improvement() -> None:
    watched = growth(patience=3, times=9)
    assert grown_at(watched, [5, 4, 4, 4, 4, 4, 4, 4], plan_of()) == [5, 8]
    assert watched.batch_size == 32


def test_an_improvement_begins_the_patience_anew() -> None:
    assert grown_at(growth(patience=3), [5, 5, 5, 4, 4, 4, 4], plan_of()) == [7]


def test_evaluations_of_the_cool_down_do_not_count() -> None:
    assert grown_at(growth(patience=2, times=9, cooldown=3), [5] * 14, plan_of()) == [3, 8, 13]


def test_too_small_an_improvement_and_nan_are_none() -> None:
    assert grown_at(growth(patience=2, min_delta=0.5), [5, 4.9, 4.8, 1], plan_of()) == [3]
    assert grown_at(growth(patience=2), [5, math.nan, math.nan], plan_of()) == [3]
    assert grown_at(growth(patience=2), [math.nan, math.nan], plan_of()) == [2]


def test_higher_can_be_better() -> None:
    assert grown_at(growth(patience=2, higher=True), [1, 2, 3, 4], plan_of()) == []
    assert grown_at(growth(patience=2, higher=True), [4, 3, 2, 1], plan_of()) == [3]


def test_it_grows_no_more_often_and_no_further_than_asked() -> None:
    watched = growth(patience=1, times=2)
    assert len(grown_at(watched, [5] * 9, plan_of())) == 2 and watched.batch_size == 32
    watched = growth(patience=1, times=9, maximum=20)
    assert len(grown_at(watched, [5] * 9, plan_of())) == 2 and watched.batch_size == 20
    watched = growth(patience=1, times=9)
    grown_at(watched, [5] * 9, plan_of())
    assert watched.batch_size == 100  # all rows


@given(st.floats(1.01, 4), st.sampled_from(["none", "linear", "sqrt"]), st.integers(1, 6))
def test_the_learning_rate_follows_the_realised_batch(rate: float, rule: str, times: int) -> None:
    watched = growth(plan_of(5000), patience=1, times=times, rate=rate, scaling=rule)
    grown_at(watched, [5] * 20, plan_of(5000))
    ratio = watched.batch_size / 8
    assert watched.factor == pytest.approx({"none": 1.0, "linear": ratio, "sqrt": math.sqrt(ratio)}[rule])

    class Holder:
        base_learning_rate = 0.5

    holder = Holder()
    watched.apply(holder, 0.5)
    assert holder.base_learning_rate == pytest.approx(0.5 * watched.factor)


@given(st.integers(2, 300), st.integers(1, 40), st.lists(st.integers(1, 60), min_size=1, max_size=4), st.integers(5, 9), st.booleans())
def test_after_every_growth_each_epoch_takes_every_row_once(count: int, batch: int, steps: list[int], epochs: int, norm: bool) -> None:
    plan = make_plan(config(batch_size=batch, max_epochs=epochs), count, batch_statistics=norm)
    batches_seen = 0
    for epoch, more in enumerate(steps, 1):
        batches_seen += plan.steps_per_epoch
        grown = begin_anew(plan, min(plan.batch_size + more, count), batches_seen, epoch, batch_statistics=norm)
        assert (grown.epoch_of(batches_seen), grown.index_of(batches_seen)) == (epoch, 0)
        assert grown.rows_until(batches_seen) == plan.rows_until(batches_seen) == epoch * count
        bounds = [grown.bounds(index) for index in range(grown.steps_per_epoch)]
        assert bounds[0][0] == 0 and bounds[-1][1] == count
        assert all(before[1] == after[0] for before, after in itertools.pairwise(bounds))
        assert max(end - start for start, end in bounds) <= max(grown.micro_batch_size, grown.batch_size)
        plan = grown
    assert plan.max_steps is not None
    assert plan.epoch_of(plan.max_steps) == epochs and plan.index_of(plan.max_steps) == 0


def test_a_run_of_so_many_steps_stays_so_long() -> None:
    plan = make_plan(config(max_epochs=None, max_steps=77), 100)
    assert begin_anew(plan, 32, plan.steps_per_epoch, 1).max_steps == 77


def test_pieces_keep_their_size_and_a_whole_step_stays_whole() -> None:
    assert begin_anew(plan_of(), 16, 13, 1).micro_batch_size == 16
    assert begin_anew(replace(plan_of(), micro_batch_size=4), 16, 13, 1).micro_batch_size == 4


@given(st.lists(st.floats(0, 5) | st.just(math.nan), min_size=1, max_size=30), st.integers(0, 29), st.integers(1, 3), st.integers(0, 2))
def test_it_goes_on_after_a_restart_as_if_there_had_been_none(values: list[float], cut: int, patience: int, cooldown: int) -> None:
    def run(restarted: bool) -> list[tuple[int, float, Plan]]:
        first = plan_of(1000)
        watched, plan, batches_seen, found = growth(first, patience=patience, cooldown=cooldown, times=4), first, 0, []
        for place, value in enumerate(values):
            batches_seen += plan.steps_per_epoch
            watched.observe({"validation/loss": value})
            plan = watched.at_epoch_end(plan, batches_seen) or plan
            if restarted and place == cut:
                kept = json.loads(json.dumps(watched.state()))
                watched = growth(first, patience=patience, cooldown=cooldown, times=4)
                watched.load(kept)
                plan = watched.replan(first)
            found.append((watched.batch_size, watched.factor, plan))
        return found

    assert run(restarted=True) == run(restarted=False)


@pytest.mark.parametrize(
    ("schedule", "says"),
    [
        ({"type": "cosine"}, "needs the number of steps"),
        ({"type": "linear", "floor": 0.1}, "needs the number of steps"),
        ({"type": "constant", "warmup": "2 epochs"}, "counts in epochs"),
        ({"type": "constant", "warmup": "0.1 run"}, "needs the number of steps"),
        ({"type": "constant", "per": "epoch", "warmup": "5 steps"}, "counts in epochs"),
    ],
)
def test_a_schedule_that_counts_on_fixed_epochs_is_refused(schedule: dict[str, Any], says: str) -> None:
    section = config(schedule=schedule, max_epochs=20)
    with pytest.raises(ConfigError, match=says):
        check_schedule(section.schedule, make_plan(section, 100), False)


@pytest.mark.parametrize(
    "schedule", [{"type": "cosine"}, {"type": "linear", "min_learning_rate": 1e-5}, {"type": "constant", "warmup": "0.1 run"}]
)
def test_with_max_steps_a_schedule_over_the_run_is_fine(schedule: dict[str, Any]) -> None:
    section = config(schedule=schedule, max_epochs=None, max_steps=200)
    check_schedule(section.schedule, make_plan(section, 100), False)


@pytest.mark.parametrize(
    "schedule", ["constant", {"type": "constant", "warmup": "10 steps"}, {"type": "plateau"}, {"type": "inverse_sqrt"}]
)
def test_a_schedule_that_knows_no_epochs_is_fine(schedule: Any) -> None:
    section = config(schedule=schedule)
    check_schedule(section.schedule, make_plan(section, 100), False)


@pytest.mark.parametrize(
    ("options", "validated", "says"),
    [
        ({}, False, "nothing to watch"),
        ({"maximum": 8}, True, "cannot grow"),
        ({"metric": "los"}, True, "there is no metric 'los'"),
    ],
)
def test_what_cannot_be_watched_is_refused_before_the_first_step(options: dict[str, Any], validated: bool, says: str) -> None:
    section = config()
    with pytest.raises(ConfigError, match=says) as caught:
        asked = BatchGrowthOptions.model_validate(options)
        build_growth(asked, Monitor(section, system()), make_plan(section, 100), section.schedule, validated=validated)
    assert str(caught.value.where).startswith("trainer.batch_growth")


GROWING = {"patience": 1, "times": 2, "rate": 2.0, "scaling": "sqrt", "min_delta": 10.0}
"""Nothing improves by so much: the batch grows at the end of the second and of the third epoch."""


def test_the_run_takes_larger_steps_from_the_end_of_the_epoch_on(tmp_path: Path) -> None:
    _trained, result = fit(tmp_path, batch_growth=GROWING, max_epochs=4, train_rows=40, log_every="1 step", trained=system(dropout=0.0))
    assert result.epochs == 4
    assert result.steps == 5 + 5 + 3 + 2  # 40 rows in steps of 8, 8, 16, 32
    rates = [row["learning_rate"] / result.history[0]["learning_rate"] for row in result.history]
    wanted = [1.0] * 10 + [math.sqrt(2)] * 3 + [2.0] * 2
    assert [round(each, 6) for each in rates] == [round(each, 6) for each in wanted]
    assert [row["epoch"] for row in result.history if "validation/loss" in row] == [1, 2, 3, 4]


@pytest.mark.parametrize("at", [3, 8, 9, 10, 11, 12])
@pytest.mark.parametrize("norm", [False, True])
def test_a_run_that_grows_is_continued_bit_for_bit(tmp_path: Path, at: int, norm: bool) -> None:
    options: dict[str, Any] = {"batch_growth": GROWING, "max_epochs": 6, "train_rows": 33}
    whole, _ = fit(tmp_path / "whole", trained=system(norm=norm), **options)
    with pytest.raises(Interrupted):
        fit(tmp_path / "parted", trained=system(norm=norm), callbacks=[StopAt(at)], **options)
    parted, _ = fit(tmp_path / "parted", trained=system(norm=norm), resume=True, **options)
    assert same(weights(whole), weights(parted))
    assert table(tmp_path / "whole") == table(tmp_path / "parted")


def test_between_two_evaluations_within_an_epoch_nothing_changes(tmp_path: Path) -> None:
    _, result = fit(tmp_path, batch_growth=GROWING | {"times": 1}, evaluate_every="2 steps", max_epochs=3, train_rows=40)
    # evaluations after steps 2 and 4: the second is one too many, and the epoch ends after step 5
    assert result.steps == 5 + 3 + 3


def test_it_can_watch_the_training_rows(tmp_path: Path) -> None:
    growing = GROWING | {"split": "train", "metric": "loss", "times": 1}
    _, result = fit(tmp_path, batch_growth=growing, max_epochs=3, train_rows=40, validation_rows=0)
    assert result.steps == 5 + 5 + 3


def test_a_schedule_over_the_epochs_is_refused_by_the_trainer(tmp_path: Path) -> None:
    section = config(batch_growth=GROWING, schedule="cosine")
    with pytest.raises(ConfigError, match="needs the number of steps"):
        Trainer(section, device="cpu", console=False).fit(system(), rows(40), rows(9, seed=1), run=tmp_path)
    assert not list(tmp_path.iterdir())
