"""When a checkpoint is due follows from counts and a clock; no run is needed to ask."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import pytest
from engine_runs import fit
from hypothesis import given
from hypothesis import strategies as st

from trainwright.config.durations import Duration
from trainwright.engine.callbacks import LambdaCallback
from trainwright.engine.config import TrainerConfig
from trainwright.engine.interval import Interval
from trainwright.engine.plan import Plan, make_plan
from trainwright.engine.saving.when import AT_LEAST_EVERY, NOTHING, Due, SaveIntervals, SavePolicy, SavePosition, job_end


class Hands:
    """A clock that is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def plan() -> Plan:
    return make_plan(TrainerConfig.model_validate({"batch_size": 10, "max_epochs": 10}), 100)


def policy(clock: Hands, min_interval: float = 1e9, deadline: float = float("inf"), **every: str) -> SavePolicy:
    intervals = SaveIntervals(**{name: Interval(Duration.parse(text), plan(), name, clock) for name, text in every.items()})
    return SavePolicy(intervals, min_interval, deadline=deadline, clock=clock)


def due_steps(asked: SavePolicy, busy: set[int] = frozenset()) -> dict[int, Due]:  # type: ignore[assignment]
    """What is due at each step of a run in which all that is due is written."""
    found = {}
    for step in range(1, 41):
        due = asked.due(SavePosition(step, step, busy=step in busy))
        if due:
            asked.count_attempt(due)
            found[step] = due
    return found


def test_intervals_say_what_is_due_and_what_stays() -> None:
    found = due_steps(policy(Hands(), every="8 steps", keep="2 epochs", weights="12 steps"))
    assert {step for step, due in found.items() if due.whole} == {8, 16, 20, 24, 32, 40}
    assert {step for step, due in found.items() if due.keep} == {20, 40}
    assert {step for step, due in found.items() if due.weights} == {12, 24, 36}
    assert not found[12].whole


@given(busy=st.sets(st.integers(1, 40)))
def test_what_stays_is_of_its_own_step_however_long_writing_takes_and_the_rest_comes_later(busy: set[int]) -> None:
    asked = policy(Hands(), every="4 steps", keep="20 steps", weights="15 steps")
    found = due_steps(asked, busy)
    assert {step for step, due in found.items() if due.keep} == {20, 40}
    assert {step for step, due in found.items() if due.weights} == {15, 30}
    for step in range(4, 41, 4):
        free = next((later for later in range(step, 41) if later not in busy or found.get(later, NOTHING).whole), None)
        assert free is None or any(found.get(later, NOTHING).whole for later in range(step, free + 1))
    assert asked.postponed <= len(busy)


def test_an_evaluation_soon_after_a_checkpoint_writes_none() -> None:
    clock = Hands()
    asked = policy(clock, min_interval=10.0, every="1000 steps")
    clock.now = 9.0
    assert not asked.due(SavePosition(1, 1, evaluated=True))
    clock.now = 10.0
    assert not asked.due(SavePosition(2, 2))
    assert asked.due(SavePosition(2, 2, evaluated=True)) == Due(whole=True)
    asked.count_attempt(Due(whole=True))
    assert not asked.due(SavePosition(3, 3, evaluated=True))


def test_a_long_time_is_reason_enough_where_no_interval_was_asked_for() -> None:
    clock = Hands()
    asked, often = policy(clock), policy(clock, every="1000 steps")
    clock.now = AT_LEAST_EVERY
    assert asked.due(SavePosition(5, 5)) == Due(whole=True)
    assert not often.due(SavePosition(5, 5))


def test_the_end_of_the_run_is_saved_once() -> None:
    asked = policy(Hands(), keep="5 steps")
    assert asked.due(SavePosition(7, 7, ending=True)) == Due(whole=True)
    assert asked.due(SavePosition(10, 10, ending=True)) == Due(whole=True, keep=True)
    assert not asked.due(SavePosition(10, 10, ending=True, saved=True))


def test_one_is_due_before_a_deadline_and_none_for_one_that_is_over() -> None:
    clock = Hands()
    asked = policy(clock, deadline=100.0, every="1000 steps")
    assert asked.next_due_at() == 100.0
    clock.now = 99.0
    assert not asked.due(SavePosition(5, 5))
    clock.now = 101.0
    assert asked.due(SavePosition(6, 6)) == Due(whole=True)
    asked.count_attempt(Due(whole=True))
    assert not asked.due(SavePosition(7, 7))
    assert asked.next_due_at() == float("inf")
    assert policy(clock, deadline=50.0).next_due_at() == float("inf")


def test_what_the_disk_refused_and_was_to_stay_is_made_up_for_by_the_next_one() -> None:
    asked = policy(Hands(), every="4 steps", keep="20 steps")
    refused = asked.due(SavePosition(20, 20))
    asked.count_attempt(refused)
    asked.owe(refused)
    assert not asked.due(SavePosition(21, 21))
    made_up = asked.due(SavePosition(24, 24))
    assert made_up == Due(whole=True, keep=True)
    asked.count_attempt(made_up)
    assert asked.due(SavePosition(28, 28)) == Due(whole=True)


def test_what_was_torn_is_due_again_at_once() -> None:
    asked = policy(Hands(), every="4 steps")
    torn = asked.due(SavePosition(4, 4))
    asked.count_attempt(torn)
    asked.owe(torn, soon=True)
    assert asked.due(SavePosition(5, 5)) == Due(whole=True)


def test_the_first_place_where_something_may_be_due_is_known_before() -> None:
    clock = Hands()
    asked = policy(clock, every="8 steps", keep="1 epoch", weights="30 s")
    assert asked.next_step(3, 3) == 8
    assert asked.next_step(8, 9) == 10
    assert asked.next_due_at() == 30.0
    assert policy(clock).next_step(3, 3) is None


def test_slurm_says_when_the_time_of_a_job_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_END_TIME", raising=False)
    assert job_end() == math.inf
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time()) + 3600))
    assert job_end() == pytest.approx(time.perf_counter() + 3600, abs=60)
    monkeypatch.setenv("SLURM_JOB_END_TIME", "tomorrow")
    assert job_end() == math.inf


def test_a_run_saves_before_its_job_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(time.time() + 3600))
    seen = []

    def later(session: Any, *_: Any) -> None:
        seen.append(sorted(each.name for each in tmp_path.glob("checkpoints/step-*")))
        session.parts.saver.policy._clock = lambda: time.perf_counter() + 3540 * (session.step >= 10)
        session.clock.next_due_at = session.parts.saver.policy.next_due_at() - 3540 * (session.step >= 10)

    fit(tmp_path, callbacks=[LambdaCallback(on_train_batch_end=later)], checkpoint={"min_interval": "1 h"}, evaluate_every="100 steps")
    assert seen[9] == []
    assert next(found for found in seen if found) in (["step-00000010"], ["step-00000011"])
    assert seen[-1] == seen[12]
