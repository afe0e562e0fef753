"""The loss of every item: torch's `reduction="none"`, with the same sum as the step takes."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from core_losses import PARTS
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_cases import CASES, Case
from torch import Tensor

from trainwright.losses.base import Criterion
from trainwright.losses.build import criterion

OTHERS: dict[str, tuple[dict[str, Any], Any, Tensor]] = {
    "focal of classes": ({"type": "focal", "ignore_index": 1}, torch.randn(5, 3, 4), torch.randint(0, 3, (5, 4))),
    "focal of labels": ({"type": "focal", "alpha": 0.3}, torch.randn(5, 3), torch.rand(5, 3).round()),
    "asymmetric": ({"type": "asymmetric"}, torch.randn(5, 3), torch.rand(5, 3).round()),
    "dice": ({"type": "dice", "cross_entropy": 0.5}, torch.randn(5, 3, 4), torch.randint(0, 3, (5, 4))),
    "tversky": ({"type": "tversky", "gamma": 0.75, "ignore_index": 1}, torch.randn(5, 3, 4), torch.randint(0, 3, (5, 4))),
    "lovasz": ({"type": "lovasz", "ignore_index": 1}, torch.randn(5, 3, 4), torch.randint(0, 3, (5, 4))),
    "smoothed": ({"type": "label_smoothing_cross_entropy"}, torch.randn(5, 3), torch.randint(0, 3, (5,))),
    "soft": ({"type": "soft_target_cross_entropy"}, torch.randn(5, 3), torch.randn(5, 3).softmax(1)),
    "smoothed labels": ({"type": "bce_with_logits", "label_smoothing": 0.2}, torch.randn(5, 3), torch.rand(5, 3).round()),
    "adaptive": (
        {"type": "adaptive_log_softmax_with_loss", "in_features": 8, "n_classes": 12, "cutoffs": [2, 6]},
        torch.randn(5, 8),
        torch.randint(0, 12, (5,)),
    ),
    "linear": ({"type": "linear_cross_entropy", "in_features": 8, "num_classes": 4}, torch.randn(5, 8), torch.randint(0, 4, (5,))),
}


def items_of(made: Criterion, output: Any, target: Any, batch: Any = None) -> Tensor:
    return made.each(*made.arguments(output, target, batch))


def one_by_one(case: Case, output: Any, target: Any, batch: dict[str, Tensor]) -> Tensor:
    loss = copy.deepcopy(case.torch_loss)
    loss.reduction = "none"  # type: ignore[assignment]
    found = case.call(loss, output, target, batch)
    return found / batch["target_lengths"] if "target_lengths" in batch else found


@pytest.mark.parametrize("name", CASES)
def test_the_loss_of_every_item_is_torchs_and_sums_up_to_the_loss_of_a_step(name: str) -> None:
    case = CASES[name]
    made = criterion(case.options)

    @settings(max_examples=6, deadline=None)
    @given(st.integers(2, 7), st.integers(0, 10_000))
    def holds(rows: int, seed: int) -> None:
        output, target, batch = case.make(rows, torch.Generator().manual_seed(seed))
        items = items_of(made, output, target, batch)
        assert items.shape[0] == rows
        expected = one_by_one(case, output, target, batch)
        per_row = [each.reshape(rows, -1).double().mean(1) for each in (items, expected)]  # torch averages labels of a row already
        torch.testing.assert_close(*per_row)
        torch.testing.assert_close(items.sum(), made.total(output, target, batch)[0])

    holds()


@pytest.mark.parametrize("name", OTHERS)
def test_the_items_of_other_losses_sum_up_to_the_loss_of_a_step(name: str) -> None:
    options, output, target = OTHERS[name]
    made = criterion(options)
    items = items_of(made, output, target)
    assert items.shape[0] == 5 and bool((items >= 0).all())
    torch.testing.assert_close(items.sum(), made.total(output, target)[0])


def test_every_loss_is_looked_at_item_by_item() -> None:
    assert {each.options["type"] for each in CASES.values()} | {each[0]["type"] for each in OTHERS.values()} == set(PARTS)


@pytest.mark.parametrize("smoothing", [0.1, 0.5])
def test_smoothed_labels_are_moved_towards_one_half(smoothing: float) -> None:
    output, target = torch.randn(6, 3, dtype=torch.float64), torch.rand(6, 3).round().double()
    made = criterion({"type": "bce_with_logits", "label_smoothing": smoothing})
    p, t = output.sigmoid(), target * (1 - smoothing) + smoothing / 2
    torch.testing.assert_close(made(output, target), -(t * p.log() + (1 - t) * (1 - p).log()).mean())
