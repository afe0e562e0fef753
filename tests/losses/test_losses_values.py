"""Golden values of the losses, and closed forms of those torch does not have."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from trainwright.config.errors import ConfigError, DataError
from trainwright.losses.build import criterion

G = torch.Generator().manual_seed(0)
LOGITS = torch.randn(6, 4, generator=G)
Y = torch.tensor([0, 1, 2, 3, 1, 1])
MASK = torch.randint(0, 2, (6, 4), generator=G).float()


def test_cross_entropy_has_the_golden_values() -> None:
    output, target = torch.arange(1.0, 13).view(3, 4), torch.tensor([1, 2, 3])
    each = [criterion("cross_entropy")(output[row : row + 1], target[row : row + 1]).item() for row in range(3)]
    assert each == pytest.approx([2.4402, 1.4402, 0.4402], abs=5e-5)
    assert criterion("cross_entropy")(output, target).item() == pytest.approx(sum(each) / 3)


def test_binary_cross_entropy_has_the_golden_values() -> None:
    logits, target = torch.tensor([0.5, -0.8, 1.2]), torch.tensor([1.0, 0, 1])
    assert criterion("bce_with_logits")(logits, target).item() == pytest.approx(0.36949, abs=5e-6)
    of_probabilities = criterion("bce")(logits.sigmoid(), target).item()
    assert of_probabilities == pytest.approx(0.36949, abs=5e-6)


@pytest.mark.parametrize(("smoothing", "first", "second"), [(0.0, 0.3133, 1.3133), (0.1, 0.3633, 1.2633)])
def test_label_smoothing_has_the_golden_values(smoothing: float, first: float, second: float) -> None:
    made = criterion({"type": "label_smoothing_cross_entropy", "smoothing": smoothing})
    logits = torch.tensor([[1.0, 0.0]])
    assert made(logits, torch.tensor([0])).item() == pytest.approx(first, abs=5e-5)
    assert made(logits, torch.tensor([1])).item() == pytest.approx(second, abs=5e-5)


def test_soft_target_cross_entropy_has_the_golden_value_and_refuses_to_broadcast() -> None:
    logits, one_hot = torch.tensor([[0.0, 1, 0, 0, 1]]), torch.eye(5)[[1, 4]]
    target = 0.7 * one_hot + 0.3 * one_hot.flip(0)
    made = criterion("SoftTargetCrossEntropy")
    assert made(logits.expand(2, 5), target).item() == pytest.approx(1.1326, abs=5e-5)
    with pytest.raises(DataError, match=r"the model gives \(1, 5\) for a target of \(2, 5\)"):
        made(logits, target)


def test_mean_squared_error_has_the_golden_value_for_any_scale() -> None:
    assert criterion("MSELoss")(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 5.0])).item() == 6.5
    assert criterion({"type": "mse", "reduction": "batchmean"})(torch.ones(2, 3), torch.zeros(2, 3)).item() == 3.0


def test_focal_without_discount_is_cross_entropy_and_with_it_the_formula() -> None:
    plain = criterion({"type": "focal", "gamma": 0.0})
    torch.testing.assert_close(plain(LOGITS, Y), functional.cross_entropy(LOGITS, Y))
    torch.testing.assert_close(plain(LOGITS, MASK), functional.binary_cross_entropy_with_logits(LOGITS, MASK))
    p = LOGITS.softmax(1).gather(1, Y[:, None]).squeeze(1)
    torch.testing.assert_close(criterion({"type": "focal", "gamma": 2.0})(LOGITS, Y), (-((1 - p) ** 2) * p.log()).mean())
    weighted = criterion({"type": "focal", "alpha": 0.25})(LOGITS, MASK)
    truth = torch.where(MASK == 1, LOGITS.sigmoid(), 1 - LOGITS.sigmoid())
    alpha = torch.where(MASK == 1, 0.25, 0.75)
    torch.testing.assert_close(weighted, (-alpha * (1 - truth) ** 2 * truth.log()).mean())


def test_focal_leaves_out_ignored_pixels() -> None:
    output, target = torch.randn(2, 4, 3, 3, generator=G), torch.randint(0, 4, (2, 3, 3), generator=G)
    target[:, 0] = -100
    made = criterion({"type": "focal", "gamma": 0.0})
    torch.testing.assert_close(made(output, target), functional.cross_entropy(output, target))


def test_asymmetric_is_the_formula_of_the_paper() -> None:
    p = LOGITS.sigmoid()
    shifted = (p - 0.05).clamp_min(0)
    expected = -(MASK * (1 - p) * p.log() + (1 - MASK) * shifted**4 * (1 - shifted).log()).mean()
    torch.testing.assert_close(criterion("asymmetric")(LOGITS, MASK), expected)
    symmetric = criterion({"type": "asymmetric", "gamma_neg": 0.0, "gamma_pos": 0.0, "clip": 0.0})
    torch.testing.assert_close(symmetric(LOGITS, MASK), functional.binary_cross_entropy_with_logits(LOGITS, MASK))


def test_no_gradient_goes_through_a_detached_discount() -> None:
    logits = LOGITS.clone().requires_grad_()
    criterion({"type": "asymmetric", "detach_weight": True, "clip": 0.0})(logits, MASK).backward()
    p = LOGITS.sigmoid()
    discount = torch.where(MASK == 1, 1 - p, p**4)
    torch.testing.assert_close(logits.grad, discount * (p - MASK) / MASK.numel())


def dice_by_hand(p: Tensor, t: Tensor, smooth: float) -> float:
    found = []
    for row, truth in zip(p, t, strict=True):
        found += [1 - (2 * (a * b).sum() + smooth) / (a.sum() + b.sum() + smooth) for a, b in zip(row, truth, strict=True)]
    return float(torch.stack(found).mean())


def test_dice_is_the_formula_for_masks_and_for_class_indices() -> None:
    output, masks = torch.randn(3, 2, 4, 4, generator=G), torch.randint(0, 2, (3, 2, 4, 4), generator=G).float()
    assert criterion("dice")(output, masks).item() == pytest.approx(dice_by_hand(output.sigmoid(), masks, 1.0), abs=1e-6)
    index = masks[:, 0].long()
    one_hot = torch.stack([1 - masks[:, 0], masks[:, 0]], dim=1)
    soft = output.softmax(1)
    assert criterion("dice")(output, index).item() == pytest.approx(dice_by_hand(soft, one_hot, 1.0), abs=1e-6)
    inner = criterion({"type": "dice", "background": False, "smooth": 0.0})
    assert inner(output, index).item() == pytest.approx(dice_by_hand(soft[:, 1:], one_hot[:, 1:], 0.0), abs=1e-6)
    both = criterion({"type": "dice", "cross_entropy": 0.5})(output, index)
    expected = dice_by_hand(soft, one_hot, 1.0) + 0.5 * functional.cross_entropy(output, index).item()
    assert both.item() == pytest.approx(expected, abs=1e-6)


def test_dice_of_a_perfect_mask_is_0_and_an_empty_one_costs_nothing() -> None:
    sure = torch.full((1, 1, 2, 2), 40.0)
    made = criterion({"type": "dice", "smooth": 0.0})
    assert made(sure, torch.ones(1, 1, 2, 2)).item() == pytest.approx(0, abs=1e-6)
    exact = criterion({"type": "dice", "smooth": 0.0, "activation": "none"})
    assert exact(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)).item() == 0


def test_dice_leaves_out_pixels_and_joins_from_pieces() -> None:
    output, index = torch.randn(4, 3, 2, 2, generator=G), torch.randint(0, 3, (4, 2, 2), generator=G)
    index[0, 0] = -100
    changed = output.clone()
    changed[0, :, 0] = 9.0
    made = criterion({"type": "dice", "cross_entropy": 1.0})
    torch.testing.assert_close(made(output, index), made(changed, index))
    pieces = [made.total(output[a:b], index[a:b]) for a, b in ((0, 1), (1, 4))]
    torch.testing.assert_close((pieces[0][0] + pieces[1][0]) / (pieces[0][1] + pieces[1][1]), made(output, index))


@pytest.mark.parametrize("variance", ["softplus", "exp"])
def test_the_variance_head_may_be_two_channels_of_anything(variance: str) -> None:
    output, target = torch.randn(5, 2, generator=G), torch.randn(5, generator=G)
    var = functional.softplus(output[:, 1]) if variance == "softplus" else output[:, 1].exp()
    expected = functional.gaussian_nll_loss(output[:, 0], target, var)
    made = criterion({"type": "gaussian_nll", "variance": variance})
    torch.testing.assert_close(made(output, target), expected)
    torch.testing.assert_close(made({"mean": output[:, 0], "variance": output[:, 1]}, target), expected)
    wide = torch.randn(5, 6, generator=G)
    head = functional.softplus(wide[:, 3:]) if variance == "softplus" else wide[:, 3:].exp()
    torch.testing.assert_close(made(wide, wide[:, :3] + 1), functional.gaussian_nll_loss(wide[:, :3], wide[:, :3] + 1, head))


def test_a_negative_variance_makes_the_loss_nan_rather_than_something_else() -> None:
    mean, target = torch.zeros(2), torch.ones(2)
    assert math.isnan(criterion("gaussian_nll")((mean, torch.tensor([1.0, -1.0])), target).item())


def test_one_variance_for_a_row_serves_all_its_values() -> None:
    mean, target, var = torch.randn(4, 3, generator=G), torch.randn(4, 3, generator=G), torch.rand(4, 1, generator=G) + 0.1
    made = criterion("gaussian_nll")
    torch.testing.assert_close(made((mean, var), target), functional.gaussian_nll_loss(mean, target, var))
    torch.testing.assert_close(made((mean, var.squeeze(1)), target), functional.gaussian_nll_loss(mean, target, var))


def test_weights_of_channels_stand_along_dimension_1_of_images() -> None:
    output, target = torch.randn(2, 3, 5, 3, generator=G), torch.randint(0, 2, (2, 3, 5, 3), generator=G).float()
    positive = torch.tensor([1.0, 2.0, 4.0])
    made = criterion({"type": "bce_with_logits", "pos_weight": [1.0, 2.0, 4.0]})
    expected = functional.binary_cross_entropy_with_logits(output, target, pos_weight=positive.view(3, 1, 1))
    torch.testing.assert_close(made(output, target), expected)


def test_balanced_weights_are_rows_over_classes_and_rows_of_the_class() -> None:
    made: Any = criterion({"type": "cross_entropy", "weight": "balanced"})
    assert made.wants_targets
    with pytest.raises(ConfigError, match="balanced weights of the loss 'cross_entropy' are not computed"):
        made(LOGITS, Y)
    made.fit(Y)
    expected = torch.tensor([6 / (4 * 1), 6 / (4 * 3), 6 / 4, 6 / 4])
    torch.testing.assert_close(made.class_weight, expected)
    torch.testing.assert_close(made(LOGITS, Y), functional.cross_entropy(LOGITS, Y, expected))
    pieces: Any = criterion({"type": "cross_entropy", "class_weight": "balanced"})
    pieces.fit(Y[a:b] for a, b in ((0, 2), (2, 6)))
    torch.testing.assert_close(pieces.class_weight, expected)


def test_balanced_weights_are_saved_and_need_no_targets_when_read_back() -> None:
    made: Any = criterion({"type": "cross_entropy", "weight": "balanced"})
    made.fit(Y)
    again = criterion({"type": "cross_entropy", "weight": "balanced"})
    again.load_state_dict(made.state_dict())
    torch.testing.assert_close(again(LOGITS, Y), made(LOGITS, Y))
    assert not criterion({"type": "cross_entropy", "weight": [1.0] * 4}).state_dict()


def test_a_class_that_no_training_row_has_weighs_1() -> None:
    made: Any = criterion({"type": "cross_entropy", "weight": "balanced"})
    made.fit(torch.tensor([0, 0, 1]))
    assert made.total(LOGITS, Y)[0].isfinite()
    assert made.class_weight.tolist() == [0.75, 1.5, 1.0, 1.0]


def test_balanced_positives_are_negatives_over_positives_of_each_label() -> None:
    made: Any = criterion({"type": "bce_with_logits", "pos_weight": "balanced"})
    made.fit(torch.tensor([[1.0, 0], [0, 0], [0, 0], [0, 0]]))
    assert made.pos_weight.tolist() == [3.0, 1.0]
    single: Any = criterion({"type": "bce_with_logits", "pos_weight": "balanced"})
    single.fit(torch.tensor([1.0, 0, 0, 0]))
    assert single.pos_weight.tolist() == [3.0]
    with pytest.raises(DataError, match="there are no training targets"):
        single.fit(torch.zeros(0))


def test_weights_for_another_number_of_classes_are_refused() -> None:
    with pytest.raises(ConfigError, match="class_weight has 2 values for 4 classes"):
        criterion({"type": "cross_entropy", "weight": [1.0, 2.0]})(LOGITS, Y)
