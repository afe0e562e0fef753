"""Metrics of rows as they come are those of all rows at once: in pieces, joined from shards, saved and loaded, spilled to a file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from trainwright.metrics import PARTS, label, options
from trainwright.metrics.batch_outcome import MOST_CONFUSED, BatchOutcome
from trainwright.metrics.evaluate import compute
from trainwright.metrics.outcome import Outcome
from trainwright.metrics.recent import RecentRows
from trainwright.metrics.store import AllRows
from trainwright.metrics.target import TargetMetrics

ROWS = 157
KINDS = ["binary", "category", "many", "set", "number", "vector"]
COUNTED = ("accuracy", "balanced_accuracy", "f1", "precision", "recall", "iou", "mcc", "kappa", "roc_auc", "max_error", "median_ae")


def kind_of(name: str) -> str:
    return "category" if name == "many" else name


def rows_of(name: str) -> tuple[Tensor, Tensor]:
    """Truth and scores that are not much better than chance, ties among them."""
    generator = torch.Generator().manual_seed(3)
    if name in ("number", "vector"):
        shape = (ROWS,) if name == "number" else (ROWS, 3)
        truth = 1e6 + torch.randn(shape, generator=generator, dtype=torch.float64)
        return truth, truth + 0.5 * torch.randn(shape, generator=generator, dtype=torch.float64)
    if name == "set":
        return torch.rand(ROWS, 4, generator=generator) > 0.6, torch.rand(ROWS, 4, generator=generator).mul(8).round().div(8)
    width = {"binary": 2, "many": MOST_CONFUSED + 3}.get(name, 5)
    scores = torch.randn(ROWS, width, generator=generator).mul(3).round().softmax(dim=1)
    return torch.randint(0, width, (ROWS,), generator=generator), scores


def asked(kind: str) -> list[Any]:
    """Every metric of a kind, and its averages."""
    found = [options(name) for name, part in PARTS.own.items() if kind in part.kinds]
    for average in ("micro", "macro", "weighted"):
        found += [options(name, average=average) for name in ("f1", "precision", "iou") if kind in PARTS.own[name].kinds]
    if kind == "set":
        found += [options("f1", average="samples"), options("jaccard", average="micro")]
    return list({label(each): each for each in found}.values())


def read(kind: str, outputs: Mapping[str, Tensor]) -> BatchOutcome:
    return BatchOutcome(kind, outputs["truth"], outputs["scores"])


def metrics_for(kind: str, wanted: list[Any] | None = None) -> TargetMetrics:
    return TargetMetrics(wanted or asked(kind), lambda outputs: read(kind, outputs))


def fed(name: str, cuts: list[int], restart: bool = False) -> TargetMetrics:
    metric = metrics_for(kind_of(name))
    truth, scores = rows_of(name)
    for start, end in pairwise([0, *sorted(set(cuts)), ROWS]):
        metric.update({"truth": truth[start:end], "scores": scores[start:end]})
        if restart:
            again = metrics_for(kind_of(name))
            again.load({key: tensor.clone() for key, tensor in metric.tensors().items()})
            metric = again
    return metric


def same_as(found: Mapping[str, float], expected: Mapping[str, float], moments: float = 1e-9) -> None:
    """Equal to the bit where a metric is made of counts or of the order of scores, to 1e-12 where of sums."""
    assert list(found) == list(expected)
    for name, value in expected.items():
        if name.startswith(COUNTED) and not name.endswith(("_samples", "_at_k")):
            assert found[name] == value or (math.isnan(value) and math.isnan(found[name])), name
        else:
            # sums of squares round a mean of a million have no more digits, in whatever order they are added
            tolerance = moments if name in ("r2", "pearson", "explained_variance", "rmse", "mse") else 1e-12
            assert found[name] == pytest.approx(value, rel=tolerance, abs=1e-12, nan_ok=True), name


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=8, deadline=None)
@given(cuts=st.lists(st.integers(1, ROWS - 1), max_size=12))
def test_every_metric_of_rows_in_pieces_is_that_of_the_whole(name: str, cuts: list[int]) -> None:
    truth, scores = rows_of(name)
    same_as(fed(name, cuts).compute(), compute(Outcome(kind_of(name), truth.numpy(), scores.numpy()), asked(kind_of(name))))


@pytest.mark.parametrize("name", KINDS)
def test_three_shards_joined_are_the_whole(name: str) -> None:
    truth, scores = rows_of(name)
    shards = []
    for start, end in ((0, 40), (40, 41), (41, ROWS)):
        shards.append(metrics_for(kind_of(name)))
        shards[-1].update({"truth": truth[start:end], "scores": scores[start:end]})
    unseen = metrics_for(kind_of(name))
    unseen.merge(shards)
    shards[0].merge(shards[1:])
    whole = compute(Outcome(kind_of(name), truth.numpy(), scores.numpy()), asked(kind_of(name)))
    for joined in (shards[0], unseen):
        same_as(joined.compute(), whole)


@pytest.mark.parametrize("name", KINDS)
def test_a_state_that_was_saved_and_loaded_between_any_two_batches_gives_the_same_bits(name: str) -> None:
    cuts = list(range(13, ROWS, 13))
    assert repr(fed(name, cuts, restart=True).compute()) == repr(fed(name, cuts).compute())


@pytest.mark.parametrize("name", KINDS)
def test_scores_beyond_the_limit_lie_in_a_file_and_give_the_same(name: str) -> None:
    kind = kind_of(name)
    wanted = [each for each in asked(kind) if each.type in ("roc_auc", "average_precision", "spearman", "median_ae")]
    found = []
    for limit in (0, 400, 1 << 30):
        metric = metrics_for(kind, wanted)
        metric.store = AllRows(limit)
        truth, scores = rows_of(name)
        for start in range(0, ROWS, 10):
            metric.update({"truth": truth[start : start + 10], "scores": scores[start : start + 10]})
        found.append(repr(metric.compute()))
        outcome = metric.store.outcome(kind, None).whole()
        assert torch.equal(torch.from_numpy(outcome.truth.astype(np.float64)), truth.double())
        assert (metric.store._file is not None) == (limit < 1 << 30) and metric.store._bytes <= limit
    assert found[0] == found[1] == found[2]


def test_counts_do_not_grow_with_rows_and_recent_scores_are_kept_within_their_bytes() -> None:
    sizes = []
    for batches in (3, 60):
        metric = metrics_for("category", [options("f1"), options("accuracy"), options("roc_auc")])
        metric.for_training(40_000)
        for seed in range(batches):
            scores = torch.rand(64, 100, generator=torch.Generator().manual_seed(seed)).softmax(dim=1)
            metric.update({"truth": torch.arange(64), "scores": scores})
        sizes.append(sum(each.nbytes for each in metric.tensors().values()))
    assert sizes[1] == sizes[0] < 50_000
    assert isinstance(metric.store, RecentRows) and metric.store.partial and "most recent rows" in metric.holds
    assert len(metric.store.rows["truth"]) == 40_000 // (100 * 4 + 1)
    assert math.isfinite(metric.compute()["roc_auc"])


def test_what_is_undefined_is_nan_and_a_class_that_is_none_is_refused() -> None:
    assert math.isnan(metrics_for("category", [options("accuracy")]).compute()["accuracy"])
    metric = metrics_for("category", [options("accuracy"), options("f1")])
    metric.update({"truth": torch.tensor([0, 1]), "scores": torch.tensor([[0.5, math.nan], [0.1, 0.9]])})
    assert all(math.isnan(each) for each in metric.compute().values())
    metric = metrics_for("category", [options("log_loss"), options("f1")])
    metric.update({"truth": torch.tensor([0, -100]), "scores": torch.tensor([[0.5, 0.5], [0.1, 0.9]])})
    with pytest.raises(ValueError, match="class indices lie outside"):
        metric.compute()
    with pytest.raises(ValueError, match="cannot have truth"):
        metric.update({"truth": torch.tensor([0, 1, 0]), "scores": torch.tensor([[0.5, 0.5], [0.1, 0.9]])})


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
    metric = metrics_for("number", [options("r2")])
    for start in range(0, 1000, 7):
        metric.update({"truth": torch.tensor(truth[start : start + 7]), "scores": torch.tensor(scores[start : start + 7])})
    expected = 1 - ((scores - truth) ** 2).sum() / ((truth - truth.mean()) ** 2).sum()
    assert metric.compute()["r2"] == pytest.approx(expected, rel=1e-7)
