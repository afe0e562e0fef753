"""Metrics of masks: from one confusion matrix, streamed and merged, as scikit-learn and torchmetrics have them; and per picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from trainwright.config.choice import choose
from trainwright.config.errors import ConfigError
from trainwright.features.spec import TargetSpec
from trainwright.metrics.target import TargetMetrics
from trainwright.systems.supervised_metrics import RowLosses, SupervisedMetrics, outcome_of

NAMES = ["iou", "dice", "accuracy", "balanced_accuracy", "iou_per_image", "dice_per_image", {"type": "iou", "average": "weighted"}]


def measure(predicted: Tensor, truth: Tensor, classes: int, names: list[Any] = NAMES, step: int = 1) -> tuple[dict[str, float], Any]:
    """The metrics of masks (n, h, w) in pieces of `step` pictures, each piece in a metric of its own, merged."""
    scores = torch.nn.functional.one_hot(predicted, classes).movedim(-1, 1).float()
    whole: TargetMetrics | None = None
    for start in range(0, len(truth), step):
        outputs = {"m.scores": scores[start : start + step], "m.truth": truth[start : start + step]}
        made = TargetMetrics(
            [choose("metric", each) for each in names], lambda found: outcome_of("m", "category", found), None, "category", True
        )
        made.update(outputs)
        if whole is None:
            whole = made
        else:
            whole.merge([made])
    assert whole is not None
    return whole.compute(), whole


def masks_of(confusion: list[list[int]]) -> tuple[Tensor, Tensor]:
    """A picture of one line with these true (rows) and predicted (columns) classes."""
    pairs = [(t, p) for t, row in enumerate(confusion) for p, count in enumerate(row) for _ in range(count)]
    return torch.tensor([[[p for _, p in pairs]]]), torch.tensor([[[t for t, _ in pairs]]])


def test_the_numbers_of_one_confusion_matrix() -> None:
    found, made = measure(*masks_of([[17, 0, 1], [2, 6, 0], [1, 1, 2]]), 3)
    wanted = {"iou": 0.625397, "dice": 0.755388, "accuracy": 0.833333, "balanced_accuracy": 0.731481, "iou_weighted": 0.716825}
    assert {name: found[name] for name in wanted} == pytest.approx(wanted, abs=1e-6)
    np.testing.assert_allclose(made.details()["iou.per_class"], [0.809524, 0.666667, 0.4], atol=1e-6)
    np.testing.assert_allclose(made.details()["dice.per_class"], [0.894737, 0.8, 0.571429], atol=1e-6)


@pytest.mark.parametrize("step", [1, 3, 4])
def test_streamed_and_merged_they_are_those_of_scikit_learn_with_pixels_left_out_and_without(step: int) -> None:
    arrays, golden = read_golden()
    predicted, truth = (torch.from_numpy(arrays[name]).long() for name in ("pred", "target"))
    found, _ = measure(predicted, truth, 5, step=step)
    assert found == pytest.approx(golden["whole"], abs=1e-6)
    ignored = torch.from_numpy(arrays["target_ignore255"]).long()
    found, _ = measure(predicted, torch.where(ignored == 255, -100, ignored), 5, step=step)
    assert {name: found[name] for name in golden["ignored"]} == pytest.approx(golden["ignored"], abs=1e-9)


def read_golden() -> tuple[Any, Any]:
    folder = Path(__file__).parent
    return np.load(folder / "golden_masks.npz"), json.loads((folder / "golden_masks.json").read_text())


def test_a_class_that_is_nowhere_is_left_out_and_named_and_ignored_pixels_may_hold_anything() -> None:
    truth = torch.tensor([[[0, 0, 1], [1, 1, -100]]])
    predicted = truth.clamp_min(0)
    predicted[0, 1, 2] = 3
    found, made = measure(predicted, truth, 4)
    assert set(found.values()) == {1.0}
    np.testing.assert_array_equal(made.details()["iou.per_class"], [1, 1, np.nan, np.nan])


def test_nothing_that_counts_is_undefined_and_no_error() -> None:
    found, _ = measure(torch.zeros(2, 2, 2, dtype=torch.long), torch.full((2, 2, 2), -100), 3)
    assert all(np.isnan(each) for each in found.values())


def test_the_loss_is_over_the_rows_with_a_pixel_that_counts() -> None:
    spec = TargetSpec("m", "category", 2, positions=(1, 2), metrics=[choose("metric", "iou")])
    made = SupervisedMetrics([spec], lambda outputs, losses=True: outputs, joint=False)
    scores = torch.full((2, 2, 1, 2), 0.5)
    truth = torch.tensor([[[0, 1]], [[-100, -100]]])
    made.update({"m.scores": scores, "m.truth": truth, "m.loss": torch.tensor([0.7, 0.0]), "m.counted": torch.tensor([True, False])})
    assert made.compute()["loss"] == pytest.approx(0.7)


@pytest.mark.parametrize("name", ["roc_auc", "f1"])
def test_metrics_that_hold_every_pixel_or_have_another_name_for_masks_are_refused(name: str) -> None:
    from trainwright.metrics.evaluate import instance

    with pytest.raises(ConfigError, match=f"metric '{name}' is not defined for the mask target") as error:
        instance(name, "mask")
    assert "dice" in str(error.value.fix)


def test_a_loss_over_nothing_says_that_nothing_counts(caplog: pytest.LogCaptureFixture) -> None:
    losses = RowLosses({"mask": 1.0})
    losses.update({"mask.loss": torch.zeros(3), "mask.counted": torch.zeros(3)})
    assert np.isnan(losses.compute()["loss"]) and np.isnan(losses.compute()["loss"])
    assert caplog.text.count("the loss of 'mask' is undefined: nothing counts in these rows") == 1
    losses.update({"mask.loss": torch.ones(2), "mask.counted": torch.ones(2)})
    assert losses.compute() == {"loss": 1.0}
