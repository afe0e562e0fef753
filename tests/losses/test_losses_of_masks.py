"""Losses of masks: against their formulas by hand, in pieces, and with pixels and rows that do not count."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from trainwright.config.choice import choose
from trainwright.engine.step import mean_of
from trainwright.engine.system import Loss
from trainwright.features.spec import TargetSpec
from trainwright.losses.build import criterion
from trainwright.systems.row_losses import make_loss

LOSSES: list[Any] = [
    "cross_entropy",
    "focal",
    {"type": "dice", "cross_entropy": 1.0},
    {"type": "tversky", "alpha": 0.3, "beta": 0.7, "gamma": 0.75},
    {"type": "lovasz", "cross_entropy": 0.5},
]


def at_positions(given: Any, classes: int = 3, **more: Any) -> Any:
    return make_loss(choose("loss", given), TargetSpec("mask", "category", classes, positions=(4, 5), **more))


def some_masks() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(4, 3, 4, 5, generator=generator), torch.randint(0, 3, (4, 4, 5), generator=generator)


def lovasz_by_hand(p: Tensor, t: Tensor) -> float:
    """Of one class of one row, by Berman et al. 2018, algorithm 1: p and t flat."""
    errors, order = (t - p).abs().sort(descending=True)
    truth = t[order]
    jaccard = [1 - float((t.sum() - truth[: i + 1].sum()) / (t.sum() + (1 - truth[: i + 1]).sum())) for i in range(len(t))]
    return sum(float(error) * (now - before) for error, now, before in zip(errors, jaccard, [0.0, *jaccard[:-1]], strict=True))


def test_lovasz_is_its_algorithm_for_the_classes_that_are_there() -> None:
    output, truth = some_masks()
    truth[0] = truth[0].clamp_max(1)
    p = output.softmax(1)
    for row in range(4):
        there = truth[row].unique().tolist()
        wanted = sum(lovasz_by_hand(p[row, c].flatten(), (truth[row] == c).flatten().float()) for c in there) / len(there)
        assert criterion("lovasz").compute("none", output, truth)[row].item() == pytest.approx(wanted, abs=1e-6)


def test_tversky_of_halves_is_dice_and_of_ones_the_intersection_over_union() -> None:
    output, truth = some_masks()
    half = criterion({"type": "tversky", "alpha": 0.5, "beta": 0.5, "smooth": 0.0})
    dice = criterion({"type": "dice", "smooth": 0.0})
    torch.testing.assert_close(half.compute("none", output, truth), dice.compute("none", output, truth))
    p, t = output.softmax(1).flatten(2), torch.nn.functional.one_hot(truth, 3).movedim(-1, 1).flatten(2).float()
    both, either = (p * t).sum(2), (p + t - p * t).sum(2)
    whole = criterion({"type": "tversky", "alpha": 1.0, "beta": 1.0, "smooth": 0.0})
    torch.testing.assert_close(whole.compute("none", output, truth), (1 - both / either).mean(1))


def test_weights_of_classes_weigh_their_overlap() -> None:
    output, truth = some_masks()
    each = [criterion({"type": "dice", "weight": [float(c == k) for c in range(3)]}).compute("none", output, truth) for k in range(3)]
    weighed = criterion({"type": "dice", "weight": [1.0, 2.0, 5.0]}).compute("none", output, truth)
    torch.testing.assert_close(weighed, (each[0] + 2 * each[1] + 5 * each[2]) / 8)
    named = at_positions({"type": "dice"}, class_weights=[1.0, 2.0, 5.0])
    torch.testing.assert_close(named(output, truth), weighed)


@pytest.mark.parametrize("given", LOSSES, ids=lambda given: given if isinstance(given, str) else given["type"])
def test_the_loss_of_a_row_depends_on_no_other_and_on_no_pixel_that_is_left_out(given: Any) -> None:
    output, truth = some_masks()
    loss = at_positions(given)
    torch.testing.assert_close(loss(output, truth), torch.cat([loss(output[at : at + 1], truth[at : at + 1]) for at in range(4)]))
    truth[:, 1] = -100
    before = loss(output, truth)
    output[:, :, 1] += 50 * torch.randn(4, 3, 5)
    torch.testing.assert_close(loss(output, truth), before)


@pytest.mark.parametrize("given", LOSSES, ids=lambda given: given if isinstance(given, str) else given["type"])
def test_a_row_of_ignored_pixels_costs_nothing_has_no_gradient_and_is_not_counted(given: Any) -> None:
    output, truth = some_masks()
    truth[2] = -100
    output.requires_grad_()
    loss = at_positions(given)
    each = loss(output, truth)
    each.sum().backward()
    assert each[2] == 0 and bool((output.grad[2] == 0).all()) and bool(output.grad.isfinite().all())  # type: ignore[index]
    assert loss.counted(truth).tolist() == [True, True, False, True]


def test_a_step_in_which_nothing_counts_has_the_loss_0() -> None:
    nothing = torch.zeros(())
    assert float(mean_of([Loss(nothing, 0), Loss(nothing, 0)])) == 0.0
    assert float(mean_of([Loss(nothing, torch.tensor(0))])) == 0.0
