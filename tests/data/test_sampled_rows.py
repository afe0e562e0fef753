"""Rows drawn by weights: in proportion to them, by (seed, epoch) alone, and with randomness of its own for each draw."""

from __future__ import annotations

import pickle
from itertools import permutations

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from trainwright.data.dataset_rows import DatasetRows
from trainwright.data.rows import TensorRows
from trainwright.data.sampled_rows import SampledRows, draw_rows


def numbered(count):
    return TensorRows({"input": torch.arange(count)})


def test_rows_are_drawn_in_proportion_to_their_weights():
    weights = np.array([1.0, 0.0, 2.0, 5.0, 0.0])
    counts = np.bincount(draw_rows(weights, 80_000, True, 3, 0), minlength=5)
    expected = 80_000 * weights / weights.sum()
    assert counts[1] == counts[4] == 0
    chosen = expected > 0
    assert ((counts - expected)[chosen] ** 2 / expected[chosen]).sum() < 13.8  # chi-square with 2 degrees of freedom, p = 0.001


def test_without_replacement_the_first_rows_are_those_of_drawing_one_after_the_other():
    weights = np.array([1.0, 2.0, 4.0, 0.0])
    seen = dict.fromkeys(permutations(range(3), 2), 0)
    for epoch in range(20_000):
        seen[tuple(draw_rows(weights, 2, False, 0, epoch).tolist())] += 1
    for (first, second), count in seen.items():
        chance = weights[first] / 7 * weights[second] / (7 - weights[first])
        assert count == pytest.approx(20_000 * chance, abs=4 * (20_000 * chance * (1 - chance)) ** 0.5)


def test_draws_follow_from_seed_and_epoch_alone():
    weights = np.linspace(0, 1, 50)
    rows, other = SampledRows(numbered(50), weights, 200), SampledRows(numbered(50), weights, 200)
    places = torch.arange(200)
    rows.begin_epoch(7, 3)
    wanted = rows.take(places)["input"]
    for epoch in (0, 5, 3):
        other.begin_epoch(7, epoch)
    again = pickle.loads(pickle.dumps(other))
    assert torch.equal(other.take(places)["input"], wanted)
    assert torch.equal(torch.cat([again.take(places[:70])["input"], again.take(places[70:])["input"]]), wanted)
    for seed, epoch in ((7, 4), (8, 3)):
        other.begin_epoch(seed, epoch)
        assert not torch.equal(other.take(places)["input"], wanted)


def test_all_rows_are_drawn_once_without_replacement_where_all_are_asked_for():
    rows = SampledRows(numbered(30), np.arange(1.0, 31.0), 30, replacement=False)
    rows.begin_epoch(0, 1)
    assert sorted(rows.take(torch.arange(30))["input"].tolist()) == list(range(30))
    assert len(rows) == 30
    assert rows.describe() == "30 draws from 30 rows in memory"


class Noisy(Dataset):
    """Samples of a number and noise drawn for it."""

    def __len__(self):
        return 3

    def __getitem__(self, row):
        return torch.tensor([float(row), float(torch.rand(()))]), torch.tensor(row)


def test_a_row_drawn_again_has_other_randomness_and_its_first_draw_that_of_the_row():
    plain = DatasetRows(Noisy(), ["input", "target"])
    rows = SampledRows(DatasetRows(Noisy(), ["input", "target"]), np.array([1.0, 1.0, 1.0]), 12)
    for each in (plain, rows):
        each.begin_epoch(5, 2)
    given, drawn = plain.take(torch.arange(3))["input"], rows.take(torch.arange(12))["input"]
    for row in range(3):
        noise = drawn[drawn[:, 0] == row, 1]
        assert len(noise) > 1
        assert len(noise.unique()) == len(noise)
        assert noise[0] == given[row, 1]
    assert torch.equal(rows.take(torch.tensor([9, 4]))["input"], drawn[[9, 4]])  # whatever was read before


def test_moved_rows_draw_the_same():
    rows = SampledRows(numbered(10), np.ones(10), 10)
    assert rows.to(torch.device("cpu")) is rows
    moved = rows.to(torch.device("meta"))
    assert moved is not rows
    assert len(moved) == 10
