"""Metrics of rows as they come are those of all rows at once."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from trainwright.metrics import PARTS, label, options
from trainwright.metrics.evaluate import compute
from trainwright.metrics.outcome import Outcome
from trainwright.metrics.recent import RecentRows
from trainwright.metrics.stream import MetricStream

ROWS = 157


def rows_of(kind: str) -> tuple[Tensor, Tensor]:
    """Truth and scores that are not much better than chance, ties among them."""
    generator = torch.Generator().manual_seed(3)
    if kind in ("number", "vector"):
        shape = (ROWS,) if kind == "number" else (ROWS, 3)
        truth = 1e6 + torch.randn(shape, generator=generator, dtype=torch.float64)
        return truth, truth + 0.5 * torch.randn(shape, generator=generator, dtype=torch.float64)
    if kind == "set":
        return torch.rand(ROWS, 4, generator=generator) > 0.6, torch.rand(ROWS, 4, generator=generator).mul(8).round().div(8)
    width = 2 if kind == "binary" else 5
    scores = torch.randn(ROWS, width, generator=generator).mul(3).round().softmax(dim=1)
    return torch.randint(0, width, (ROWS,), generator=generator), scores


def asked(kind: str) -> list[Any]:
    """Every metric of a kind, and its averages."""
    found = [options(name) for name, part in PARTS.items() if kind in part.kinds]
    for average in ("micro", "macro", "weighted"):
        found += [options(name, average=average) for name in ("f1", "precision") if kind in PARTS[name].kinds]
    if kind == "set":
        found += [options("f1", average="samples"), options("jaccard", average="micro")]
    return list({label(each): each for each in found}.values())


def fed(kind: str, cuts: list[int], restart: bool = False) -> MetricStream:
    stream = MetricStream(kind, asked(kind))
    truth, scores = rows_of(kind)
    places = [0, *sorted(set(cuts)), ROWS]
    for start, end in pairwise(places):
        stream.update(truth[start:end], scores[start:end])
        if restart:
            again = MetricStream(kind, asked(kind))
            again.load({name: tensor.clone() for name, tensor in stream.tensors().items()})
            stream = again
    return stream


@pytest.mark.parametrize("kind", ["binary", "category", "set", "number", "vector"])
@settings(max_examples=8, deadline=None)
@given(cuts=st.lists(st.integers(1, ROWS - 1), max_size=12))
def test_every_metric_of_rows_in_pieces_is_that_of_the_whole(kind: str, cuts: list[int]) -> None:
    truth, scores = rows_of(kind)
    expected = compute(Outcome(kind, truth.numpy(), scores.numpy()), asked(kind))
    found = fed(kind, cuts).compute()
    assert list(found) == list(expected)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("kind", ["binary", "category", "set", "number", "vector"])
def test_a_state_that_was_saved_and_loaded_between_any_two_batches_gives_the_same_bits(kind: str) -> None:
    cuts = list(range(13, ROWS, 13))
    assert fed(kind, cuts, restart=True).compute() == fed(kind, cuts).compute()


def test_counts_do_not_grow_with_rows_and_scores_are_kept_within_their_bytes() -> None:
    sizes = []
    for batches in (3, 60):
        stream = MetricStream("category", [options("f1"), options("accuracy"), options("roc_auc")], budget=40_000)
        for seed in range(batches):
            scores = torch.rand(64, 100, generator=torch.Generator().manual_seed(seed)).softmax(dim=1)
            stream.update(torch.arange(64), scores)
        sizes.append(sum(each.nbytes for each in stream.tensors().values()))
    assert sizes[1] == sizes[0] < 50_000
    kept = len(stream.recent.rows["truth"])
    assert kept == 40_000 // (100 * 4 + 4) and stream.recent.partial
    assert math.isfinite(stream.compute()["roc_auc"])


def test_what_is_undefined_is_nan_and_a_class_that_is_none_is_refused() -> None:
    assert math.isnan(MetricStream("category", [options("accuracy")]).compute()["accuracy"])
    stream = MetricStream("category", [options("accuracy"), options("f1")])
    stream.update(torch.tensor([0, 1]), torch.tensor([[0.5, math.nan], [0.1, 0.9]]))
    assert all(math.isnan(each) for each in stream.compute().values())
    stream = MetricStream("category", [options("log_loss"), options("f1")])
    stream.update(torch.tensor([0, -100]), torch.tensor([[0.5, 0.5], [0.1, 0.9]]))
    with pytest.raises(ValueError, match="1 class indices lie outside"):
        stream.compute()
    with pytest.raises(ValueError, match="cannot have truth"):
        stream.update(torch.tensor([0, 1, 0]), torch.tensor([[0.5, 0.5], [0.1, 0.9]]))


@given(sizes=st.lists(st.integers(1, 30), min_size=1, max_size=40), limit=st.integers(1, 60))
def test_recent_rows_are_the_last_in_order(sizes: list[int], limit: int) -> None:
    recent, seen = RecentRows(budget=limit * 8), list[int]()
    for size in sizes:
        numbers = list(range(len(seen), len(seen) + size))
        seen += numbers
        recent.add({"row": torch.tensor(numbers)})
    assert recent.rows["row"].tolist() == seen[-limit:]
    assert recent.partial == (len(seen) > limit)


def test_moments_lose_no_digits_to_the_size_of_the_values() -> None:
    generator = np.random.default_rng(0)
    truth = 1e9 + generator.normal(size=1000)
    scores = truth + 0.1 * generator.normal(size=1000)
    stream = MetricStream("number", [options("r2")])
    for start in range(0, 1000, 7):
        stream.update(torch.tensor(truth[start : start + 7]), torch.tensor(scores[start : start + 7]))
    expected = 1 - ((scores - truth) ** 2).sum() / ((truth - truth.mean()) ** 2).sum()
    assert stream.compute()["r2"] == pytest.approx(expected, rel=1e-7)
