"""Losses that recipes of pictures ask for, by the numbers of timm 1.0.31 and torchvision 0.28.0, in double."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from trainwright.config.errors import DataError
from trainwright.config.registry import build
from trainwright.features.spec import TargetSpec
from trainwright.losses.options import AsymmetricOptions, BCEWithLogitsOptions, CrossEntropyOptions, FocalOptions
from trainwright.losses.shared_options import CriterionOptions
from trainwright.systems.row_losses import make_loss

LOGITS = torch.tensor([[2, 1, 0, -1], [0, 3, 1, 2]], dtype=torch.float64)
CLASSES = torch.tensor([0, 3])
LABELS = torch.tensor([[1, 0, 1, 0], [0, 1, 0, 1]], dtype=torch.float64)


@pytest.mark.parametrize(
    ("options", "target", "wanted"),
    [
        (CrossEntropyOptions(label_smoothing=0.1), CLASSES, 1.0401897),
        (BCEWithLogitsOptions(label_smoothing=0.1), CLASSES, 0.9785653),
        (BCEWithLogitsOptions(label_smoothing=0.1, reduction="batchmean"), CLASSES, 3.9142614),
        (BCEWithLogitsOptions(label_smoothing=0.1, threshold=0.2), CLASSES, 0.9535654),
        (FocalOptions(alpha=0.25), LABELS, 0.1555015),
        (AsymmetricOptions(reduction="batchmean"), LABELS, 0.4479708),
        (AsymmetricOptions(label_smoothing=0.1), CLASSES, 0.5818039),
    ],
)
def test_a_loss_is_that_of_timm_and_torchvision(options: CriterionOptions, target: Tensor, wanted: float) -> None:
    assert float(build("loss", options)(LOGITS, target)) == pytest.approx(wanted, abs=2e-7)
    kind = "set" if target.dim() == 2 else "category"
    rows = make_loss(options, TargetSpec("y", kind, 4, classes=list("abcd")))(LOGITS, target)
    assert float(rows.mean()) == pytest.approx(wanted, abs=2e-7)


def test_classes_that_the_model_lacks_are_refused() -> None:
    for options in (BCEWithLogitsOptions(), AsymmetricOptions()):
        with pytest.raises(DataError):
            build("loss", options).check(LOGITS, torch.tensor([0, 4]))
