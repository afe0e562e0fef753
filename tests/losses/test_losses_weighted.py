"""Weighted sums of losses: scheduled weights, parts that are logged, pieces that join."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from trainwright.losses.build import criterion
from trainwright.losses.choosing import choose_loss
from trainwright.systems.plain_options import PlainOptions

G = torch.Generator().manual_seed(0)
X, Y = torch.randn(6, 3, generator=G, dtype=torch.float64), torch.tensor([0, 1, 2, 1, 0, 2])
SOFT = torch.randn(6, 3, generator=G, dtype=torch.float64).softmax(1)
BOTH: list[Any] = [{"type": "mse", "weight": 2.0}, {"type": "l1", "weight": [0, 1.0, 0.0, 100]}]


def test_the_total_is_the_weighted_sum_of_the_means_and_parts_are_the_means() -> None:
    made = criterion(BOTH)
    for step, weight in ((0, 1.0), (50, 0.5), (100, 0.0)):
        found = made.terms(X, SOFT, step=step)
        expected = 2 * functional.mse_loss(X, SOFT) + weight * functional.l1_loss(X, SOFT)
        torch.testing.assert_close(found.total / found.count, expected)
        torch.testing.assert_close(found.parts["mse"] / found.count, functional.mse_loss(X, SOFT))
        torch.testing.assert_close(found.parts["l1"] / found.count, functional.l1_loss(X, SOFT))
    assert made.changes and not criterion([{"type": "mse", "weight": 2.0}]).changes


def test_losses_of_different_items_join_exactly_from_pieces() -> None:
    made = criterion([{"type": "cross_entropy", "weight": 1.0}, {"type": "mse", "weight": 3.0, "inputs": {"target": "soft"}}])
    batch = {"soft": SOFT}
    whole = made.terms(X, Y, batch)
    torch.testing.assert_close(whole.total / whole.count, functional.cross_entropy(X, Y) + 3 * functional.mse_loss(X, SOFT))
    pieces = [made.terms(X[a:b], Y[a:b], {"soft": SOFT[a:b]}) for a, b in ((0, 1), (1, 6))]
    torch.testing.assert_close(pieces[0].total + pieces[1].total, whole.total)
    made.check(X, Y, batch)
    assert made.inexact == ""


def test_one_weighted_loss_keeps_its_own_count_and_is_exact() -> None:
    made = criterion({"type": "mse", "weight": 0.5})
    total, count = made.total(X, SOFT)
    assert count == 18
    torch.testing.assert_close(total / count, 0.5 * functional.mse_loss(X, SOFT))
    weighted = criterion([{"type": "cross_entropy", "class_weight": [1.0, 2.0, 3.0], "weight": 0.5}])
    whole = weighted.total(X, Y)
    pieces = [weighted.total(X[a:b], Y[a:b]) for a, b in ((0, 2), (2, 6))]
    torch.testing.assert_close((pieces[0][0] + pieces[1][0]) / (pieces[0][1] + pieces[1][1]), whole[0] / whole[1])


def test_a_sum_that_cannot_join_exactly_says_so_and_batchmean_mends_it() -> None:
    loss = {"type": "cross_entropy", "class_weight": [1.0, 2.0, 3.0]}
    made = criterion([loss, {"type": "mse", "inputs": {"target": "soft"}}])
    made.check(X, Y, {"soft": SOFT})
    assert "'cross_entropy' divides by a number that differs" in made.inexact
    exact = criterion([{**loss, "reduction": "batchmean"}, {"type": "mse", "inputs": {"target": "soft"}}])
    exact.check(X, Y, {"soft": SOFT})
    assert exact.inexact == ""
    whole = exact.total(X, Y, {"soft": SOFT})
    pieces = [exact.total(X[a:b], Y[a:b], {"soft": SOFT[a:b]}) for a, b in ((0, 2), (2, 6))]
    torch.testing.assert_close(pieces[0][0] + pieces[1][0], whole[0])


def test_weight_is_the_terms_in_a_list_and_the_classes_where_a_loss_stands_alone() -> None:
    alone: Any = criterion({"type": "cross_entropy", "weight": [1.0, 2.0, 3.0]})
    torch.testing.assert_close(alone(X, Y), functional.cross_entropy(X, Y, torch.tensor([1.0, 2, 3], dtype=torch.float64)))
    listed: Any = criterion([{"type": "cross_entropy", "weight": [1.0, 3.0, 100]}])
    assert listed.at(0, 0.0) == {"cross_entropy": 1.0} and listed.at(100, 0.0) == {"cross_entropy": 3.0}


def test_terms_may_be_functions_and_modules_and_are_named_once_each() -> None:
    made: Any = criterion(
        [nn.MSELoss(), "mse", {"type": "mse", "name": "again", "weight": 0.1}, {"type": functional.l1_loss, "weight": 2.0}]
    )
    assert list(made.at(0, 0.0)) == ["mse", "mse_2", "again", "l1"]
    mean = functional.mse_loss(X, SOFT)
    torch.testing.assert_close(made(X, SOFT), 2.1 * mean + 2 * functional.l1_loss(X, SOFT))


def test_a_term_of_weight_0_cannot_spoil_the_total() -> None:
    made = criterion([{"type": "mse", "weight": 1.0}, {"type": lambda output, target: output.sum() / 0.0, "weight": 0.0, "name": "broken"}])
    found = made.terms(X, SOFT)
    assert found.total.isfinite() and not found.parts["broken"].isfinite()


def test_a_configuration_is_written_as_it_is_read() -> None:
    model = {"type": "torch.nn.Linear", "in_features": 3, "out_features": 3}
    for loss in ("CrossEntropyLoss", BOTH, {"type": "cross_entropy", "weight": "balanced"}, ["mse", {"type": "dice", "name": "overlap"}]):
        options = PlainOptions.model_validate({"model": model, "loss": loss})
        assert PlainOptions.model_validate(options.model_dump()) == options
        assert PlainOptions.model_json_schema()["properties"]["loss"]["anyOf"]


@pytest.mark.parametrize("loss", ["mse", {"type": "focal", "gamma": 1.0}])
def test_a_single_loss_is_no_list(loss: Any) -> None:
    assert not isinstance(choose_loss(loss), list)
