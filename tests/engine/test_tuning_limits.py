"""Limits of the trials of batch sizes: how many, how often halved, with or without a copy of the weights, and who is told of the best."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import trainwright as tw
from trainwright.config.errors import ConfigError, TrainwrightError
from trainwright.engine.tuning.batch_size import Search
from trainwright.engine.tuning.trials import Trial


def search(fits: int, **limits: Any) -> tuple[Search, list[tuple[int, float, int]]]:
    """Trials of a device on which up to `fits` rows fit, larger sizes being faster."""
    told: list[tuple[int, float, int]] = []

    def measure(size: int) -> Trial:
        return Trial(size, size, "fits" if size <= fits else "out of memory", 1.0 if size <= fits else None)

    return Search(measure, largest=1024, on_best=lambda *each: told.append(each), **limits), told


def test_no_more_sizes_are_tried_than_asked_for_and_the_best_so_far_is_told() -> None:
    found, told = search(1024, max_trials=3)
    assert found.run() == 32 and sorted(found.trials) == [8, 16, 32] and found.limited_by == "trials"
    assert told == [(8, 8.0, 1), (16, 16.0, 2), (32, 32.0, 3)]


def test_sizes_are_halved_as_often_as_asked_for() -> None:
    found, told = search(2, halving_limit=2)
    assert found.run() == 3 or found.choose() == 2
    assert told[0] == (2, 2.0, 3)
    with pytest.raises(TrainwrightError, match=r"trainer\.tuning\.halving_limit allows no smaller size"):
        search(2, halving_limit=1)[0].run()
    with pytest.raises(TrainwrightError, match=r"trainer\.tuning\.max_trials allows no smaller size"):
        search(2, max_trials=2)[0].run()


def test_weights_are_put_back_unless_no_copy_is_wanted() -> None:
    data = (torch.randn(64, 4), torch.randint(0, 2, (64,)))
    told: list[int] = []
    model = nn.Linear(4, 2)
    before = model.weight.detach().clone()
    found = tw.tune_batch_size(model, data, max_trials=2, on_best_batch_size_updated=lambda size, speed, count: told.append(size))
    assert torch.equal(model.weight, before) and len(found.trials) == 2 and told and told[0] == 8
    tw.tune_batch_size(model, data, max_trials=1, snapshot_weights=False)
    assert not torch.equal(model.weight, before) and torch.allclose(model.weight, before, atol=1e-3)
    with pytest.raises(ConfigError, match="max_trials"):
        tw.tune_batch_size(model, data, max_trials=0)
