"""Batch = micro-batch × accumulation, exactly or refused; and the learning rate that follows the batch."""

from __future__ import annotations

import math

import pytest
import torch
from engine_runs import config, system
from hypothesis import given
from hypothesis import strategies as st

from trainwright.config.errors import ConfigError
from trainwright.engine.assembly import normalises_over_batch
from trainwright.engine.batch import Sizes, largest_step, nearest_exact, realise_sizes, steps_in_epoch
from trainwright.engine.batch_options import LearningRateScaling
from trainwright.engine.dealing import micro_batches
from trainwright.engine.plan import make_plan
from trainwright.engine.scaling import learning_rate_of, scale, scale_learning_rate, with_learning_rate
from trainwright.optim.options import AdamWOptions, SAMOptions

numbers = st.integers(1, 300)
maybe = st.none() | numbers


def pieces_of(sizes: Sizes) -> list[int]:
    batch = {"x": torch.zeros(sizes.batch_size)}
    return [len(piece["x"]) for piece in micro_batches(batch, sizes.batch_size, sizes.micro_batch_size)]


@given(maybe, maybe, maybe, maybe, numbers)
def test_what_is_realised_is_what_the_step_does_or_the_request_is_refused(batch, micro, accumulation, rows, default):
    try:
        found = realise_sizes(batch, micro, accumulation, rows, default)
    except ConfigError as error:
        assert "batch_size: " in error.fix
        return
    pieces = pieces_of(found)
    assert sum(pieces) == found.batch_size
    assert len(pieces) == found.accumulation
    assert set(pieces[:-1]) <= {found.micro_batch_size}
    if rows is None:
        assert batch in (None, found.batch_size)
        assert micro in (None, found.micro_batch_size)
        assert accumulation in (None, found.accumulation)
    else:
        assert found.batch_size <= rows


@given(numbers, numbers)
def test_two_of_three_numbers_give_the_third(micro, accumulation):
    batch = micro * accumulation
    wanted = Sizes(batch, micro, accumulation)
    assert realise_sizes(None, micro, accumulation, None, 64) == wanted
    assert realise_sizes(batch, micro, None, None, 64) == wanted
    assert realise_sizes(batch, None, accumulation, None, 64) == wanted
    assert realise_sizes(batch, micro, accumulation, None, 64) == wanted


@given(numbers, numbers, numbers)
def test_a_request_that_does_not_fit_is_refused_with_ones_that_do(batch, micro, accumulation):
    for each in nearest_exact(Sizes(batch, micro, accumulation)):
        assert each.batch_size == each.micro_batch_size * each.accumulation
        assert realise_sizes(*each, None, 64) == each
    if batch != micro * accumulation:
        with pytest.raises(ConfigError, match="do not fit each other") as caught:
            realise_sizes(batch, micro, accumulation, None, 64)
        assert nearest_exact(Sizes(batch, micro, accumulation))[0].as_options() in caught.value.fix


def test_the_nearest_request_changes_least() -> None:
    assert nearest_exact(Sizes(100, 32, 3))[0] == Sizes(96, 32, 3)
    assert nearest_exact(Sizes(64, 10, 4))[0] == Sizes(64, 16, 4)
    with pytest.raises(ConfigError) as caught:
        realise_sizes(100, 32, 3, None, 64)
    assert "batch_size: 96, micro_batch_size: 32, accumulation: 3" in caught.value.fix
    assert "4 pieces, the last one smaller" in caught.value.fix
    assert "3 pieces of 32 are 96 rows, not 100" in caught.value.why


def test_a_ragged_last_piece_is_allowed_when_the_accumulation_is_left_open() -> None:
    assert realise_sizes(100, 32, None, None, 64) == Sizes(100, 32, 4)
    assert pieces_of(Sizes(100, 32, 4)) == [32, 32, 32, 4]
    assert realise_sizes(10, None, 4, None, 64) == Sizes(10, 3, 4)


@pytest.mark.parametrize(
    ("asked", "says"), [((9, None, 6), "parted into 6"), ((4, None, 8), "parted into 8"), ((16, 64, None), "a piece of")]
)
def test_what_cannot_be_met_is_refused(asked, says) -> None:
    with pytest.raises(ConfigError, match=says):
        realise_sizes(*asked, None, 64)


def test_what_is_left_open_follows_from_the_rows_and_stays_below_the_limit() -> None:
    assert realise_sizes(None, None, None, 150, 32) == Sizes(32, 32, 1)
    assert realise_sizes(0, None, None, 150, 32) == Sizes(32, 32, 1)
    assert realise_sizes(None, None, None, 10, 32) == Sizes(10, 10, 1)
    assert realise_sizes(None, None, 3, 150, 32) == Sizes(33, 11, 3)
    assert realise_sizes(None, 8, None, 150, 32) == Sizes(32, 8, 4)
    assert realise_sizes(None, None, None, 150, 32, limit=20) == Sizes(20, 20, 1)
    with pytest.raises(ConfigError, match="above max_batch_size"):
        realise_sizes(64, None, None, 150, 32, limit=20)


@given(st.integers(1, 400), st.integers(1, 128), st.booleans())
def test_steps_of_an_epoch_take_every_row_once(rows, batch, norm):
    batch = min(batch, rows)
    plan = make_plan(config(batch_size=batch), rows, batch_statistics=norm)
    assert steps_in_epoch(rows, batch, norm) == plan.steps_per_epoch
    lengths = [end - start for start, end in map(plan.bounds, range(plan.steps_per_epoch))]
    assert sum(lengths) == rows
    assert max(lengths) <= largest_step(rows, batch, plan.steps_per_epoch)


def test_batch_norm_is_seen() -> None:
    assert normalises_over_batch(system(norm=True)) and not normalises_over_batch(system())


@given(st.integers(1, 10_000), st.integers(1, 10_000))
def test_the_learning_rate_follows_the_batch_by_the_rule(batch, reference):
    assert scale(batch, reference, "none") == 1.0
    assert scale(batch, reference, "linear") == pytest.approx(batch / reference)
    assert scale(batch, reference, "sqrt") == pytest.approx(math.sqrt(batch / reference))


def test_the_rate_is_found_and_set_in_the_optimizer_inside() -> None:
    outer = SAMOptions.model_validate({"inner": {"type": "sgd", "learning_rate": 0.5}})
    assert learning_rate_of(outer) == 0.5
    assert learning_rate_of(with_learning_rate(outer, 0.25)) == 0.25
    doubled = scale_learning_rate(AdamWOptions(learning_rate=1e-3), LearningRateScaling(rule="linear", reference=32), 64)
    assert learning_rate_of(doubled) == pytest.approx(2e-3)
    assert learning_rate_of(scale_learning_rate(AdamWOptions(), LearningRateScaling(), 64)) == learning_rate_of(AdamWOptions())
