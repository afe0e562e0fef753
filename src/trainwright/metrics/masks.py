"""Metrics of whole masks: of the classes of each picture, then their mean, which is not what one confusion matrix of all pixels gives."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from trainwright.metrics.base import wide
from trainwright.metrics.formulas import Formula
from trainwright.metrics.outcome import Outcome


class PerImage(Formula):
    """The mean over pictures of the mean over the classes in it, true or predicted; without a pixel that counts it is none."""

    has_interval = False

    def ratio(self, hits: Tensor, predicted: Tensor, actual: Tensor) -> Tensor:
        """The value of each class [n, c] of a picture; NaN where it is in neither."""
        raise NotImplementedError

    def summary(self, batch: Any) -> Tensor:
        """The sum over the pictures of a batch, and how many they are, [2]."""
        hits, predicted, actual = count_by_image(batch)
        values = self.ratio(hits, predicted, actual)
        counts = actual.sum(dim=1) > 0
        return torch.stack([values.nanmean(dim=1)[counts].sum(), counts.sum().to(values.dtype)])

    def merge(self, first: Tensor, second: Tensor) -> Tensor:
        """The summary of the pictures of both."""
        return first + second

    def value_of(self, summary: Any) -> float:
        """The mean; NaN of no picture."""
        return float(summary[0] / summary[1]) if summary[1] else math.nan

    def measure(self, outcome: Outcome) -> float:
        return math.nan  # rows that are held say nothing of the picture they are of


class IoUPerImage(PerImage):
    """Intersection over union of each picture's classes, as torchmetrics' segmentation.MeanIoU has it."""

    def ratio(self, hits: Tensor, predicted: Tensor, actual: Tensor) -> Tensor:
        return hits / (predicted + actual - hits)


class DicePerImage(PerImage):
    """2 hits / (predictions + occurrences) of each picture's classes."""

    def ratio(self, hits: Tensor, predicted: Tensor, actual: Tensor) -> Tensor:
        return 2 * hits / (predicted + actual)


def count_by_image(batch: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Hits, predictions and occurrences of the classes in each picture of a batch, [n, c] each; pixels that do not count left out."""
    width, pixels = batch.width, math.prod(batch.positions)
    truth, labels = batch.truth, batch.labels
    images = len(truth) // pixels
    of_image = torch.arange(images, device=truth.device).repeat_interleave(pixels) * width
    kept = torch.ones_like(truth, dtype=torch.bool) if batch.keep is None else batch.keep

    def count(classes: Tensor, chosen: Tensor) -> Tensor:
        cells = torch.where(chosen, of_image + classes, images * width)
        found = torch.bincount(cells, minlength=images * width + 1)[: images * width]
        return found.reshape(images, width).to(wide(truth.device))

    return count(truth, kept & (truth == labels)), count(labels, kept), count(truth, kept)
