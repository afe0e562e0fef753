"""Losses of a column of labels are those that others publish, a mean over the labels of a row; weights come from the data."""

import torch
from torch import Tensor
from torch.nn import functional

from trainwright.config.choice import choose
from trainwright.features.spec import TargetSpec
from trainwright.systems.row_losses import make_loss

torch.manual_seed(0)
LOGITS = torch.randn(40, 5, dtype=torch.float64) * 3
TRUTH = (torch.rand(40, 5) < torch.tensor([0.05, 0.2, 0.5, 0.7, 0.3])).double()


def of_column(loss: object, **more: object) -> Tensor:
    """What every row costs a column of five labels."""
    target = TargetSpec("tags", "set", 5, list("abcde"), **more)  # type: ignore[arg-type]
    return make_loss(choose("loss", loss), target)(LOGITS, TRUTH)


def test_weights_from_the_data_are_the_pos_weight_of_torch() -> None:
    weights = [(40 - count) / max(count, 1) for count in TRUTH.sum(dim=0).tolist()]
    positive = torch.tensor(weights, dtype=torch.float64)
    expected = functional.binary_cross_entropy_with_logits(LOGITS, TRUTH, pos_weight=positive, reduction="none").mean(dim=1)
    torch.testing.assert_close(of_column("bce_with_logits", class_weights=weights), expected, rtol=1e-6, atol=1e-9)


def test_focal_is_that_of_torchvision() -> None:
    """`torchvision.ops.sigmoid_focal_loss(inputs, targets, alpha=0.25, gamma=2)`, its lines as they are published."""
    p, ce = LOGITS.sigmoid(), functional.binary_cross_entropy_with_logits(LOGITS, TRUTH, reduction="none")
    p_t = p * TRUTH + (1 - p) * (1 - TRUTH)
    expected = (0.25 * TRUTH + 0.75 * (1 - TRUTH)) * ce * (1 - p_t) ** 2
    torch.testing.assert_close(of_column({"type": "focal", "alpha": 0.25}), expected.mean(dim=1), rtol=1e-5, atol=1e-9)


def test_asymmetric_is_that_of_its_authors() -> None:
    """`AsymmetricLoss(gamma_neg=4, gamma_pos=1, clip=0.05)` of Ridnik et al., which sums over all; here a row's mean."""
    positive, negative = LOGITS.sigmoid(), (1 - LOGITS.sigmoid() + 0.05).clamp(max=1)
    loss = TRUTH * positive.clamp(min=1e-8).log() + (1 - TRUTH) * negative.clamp(min=1e-8).log()
    pt = positive * TRUTH + negative * (1 - TRUTH)
    expected = -(loss * (1 - pt) ** (1 * TRUTH + 4 * (1 - TRUTH)))
    torch.testing.assert_close(of_column("asymmetric"), expected.mean(dim=1), rtol=1e-10, atol=1e-12)
