"""Metrics that pictures are measured by: ties, absent classes, calibration and label sets, with the numbers of reference libraries."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import Tensor

from domains.images.golden_pictures import FOLDER, PICTURES
from trainwright.metrics import Outcome, compute
from trainwright.metrics.pictures import PSNR, SSIM

LOGITS = np.array([[2, 1, 0, -1], [0, 3, 1, 2], [1, 1, 1, 0], [0.5, 2, 0.1, 0], [0, 0, 4, 1]], float)
TRUTH = np.array([0, 3, 2, 0, 2])
SCORES = np.array(
    [[0.9, 0.2, 0.6], [0.3, 0.8, 0.4], [0.6, 0.4, 0.1], [0.2, 0.1, 0.5], [0.7, 0.6, 0.55], [0.35, 0.9, 0.45]],
)
LABELS = np.array([[1, 0, 1], [0, 1, 0], [1, 1, 0], [0, 0, 1], [1, 0, 0], [0, 1, 1]], bool)


def test_classes_with_a_tie_and_one_that_is_absent() -> None:
    """scikit-learn 1.9 and torchmetrics 1.9; of equal scores the lower class is first, so that row 2 is the third of its three."""
    shares = np.exp(LOGITS)
    outcome = Outcome("category", TRUTH, shares / shares.sum(axis=1, keepdims=True), list("abcd"))
    wanted = {"accuracy": 0.4, "top_k_accuracy_1": 0.4, "top_k_accuracy_2": 0.8, "top_k_accuracy_3": 1.0}
    wanted |= {"balanced_accuracy": 1 / 3, "recall": 0.25, "log_loss": 1.0176713, "brier": 0.6144564}
    wanted |= {"ece": 0.2654821, "ece_10": 0.2654821, "ece_max": 0.3169812}
    assert compute(outcome, list(wanted)) == pytest.approx(wanted, abs=1e-6)


def test_the_average_precision_of_a_class_without_positives_is_left_out_of_the_mean() -> None:
    outcome = Outcome("set", LABELS, SCORES, list("abc"))
    wanted = {"average_precision": 0.907407, "label_ranking_average_precision": 1.0, "coverage_error": 1.5, "hamming": 0.222222}
    assert compute(outcome, [*wanted, "subset_accuracy"]) == pytest.approx(wanted | {"subset_accuracy": 0.5}, abs=1e-6)
    without = Outcome("set", LABELS & [True, True, False], SCORES, list("abc"))
    assert compute(without, ["average_precision"]) == pytest.approx({"average_precision": 0.958333}, abs=1e-6)


NOISE = json.loads((FOLDER / "noise.json").read_text())


def noisy_and_clean() -> tuple[Tensor, Tensor]:
    """The six pictures with noise and without, `(6, 3, 64, 64)` of 0 to 255."""
    clean = torch.from_numpy(PICTURES["images"]).permute(0, 3, 1, 2).double()
    return clean + torch.from_numpy(np.load(FOLDER / "noise.npz")["noise"]).permute(0, 3, 1, 2), clean


@pytest.mark.parametrize("number", range(6))
def test_noise_is_measured_as_by_scikit_image_and_torchmetrics(number: int) -> None:
    noisy, clean = (each[number : number + 1] for each in noisy_and_clean())
    known = list(NOISE.values())[number]
    assert float((noisy - clean).square().mean()) == pytest.approx(known["mse"], abs=1e-9)
    assert measured(PSNR(data_range=255), noisy, clean) == pytest.approx(known["skimage psnr"], rel=1e-9)
    assert measured(SSIM(data_range=255), noisy, clean) == pytest.approx(known["skimage ssim gaussian"], abs=1e-9)
    assert measured(SSIM(border="padded"), noisy / 255, clean / 255) == pytest.approx(known["torchmetrics ssim"], abs=1e-6)


def test_of_several_pictures_the_mean_is_given_whatever_the_batches() -> None:
    noisy, clean = (each / 255 for each in noisy_and_clean())
    known = NOISE["all"]
    for pieces in ([6], [1, 3, 2]):
        psnr, ssim = PSNR(), SSIM(border="padded")
        for one, other in zip(noisy.split(pieces), clean.split(pieces), strict=True):
            psnr.update(one, other)
            ssim.update(one, other)
        assert float(psnr.compute()["psnr"]) == pytest.approx(known["torchmetrics psnr per picture"], rel=1e-6)
        assert float(ssim.compute()[ssim.name]) == pytest.approx(known["torchmetrics ssim"], abs=1e-6)


def measured(metric: PSNR | SSIM, output: Tensor, target: Tensor) -> float:
    metric.update(output, target)
    return float(metric.compute()[metric.name])
