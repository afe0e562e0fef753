"""Losses: outputs and truth → one number per row. This table imports no torch."""

from __future__ import annotations

from pydantic import Field

from trainwright.config.model import PartConfig
from trainwright.config.registry import Part


class BinaryCrossEntropyOptions(PartConfig):
    """Binary cross-entropy of one logit."""

    type: str = "binary_cross_entropy"
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Truth is moved this far towards one half."""


class CrossEntropyOptions(PartConfig):
    """Cross-entropy over classes."""

    type: str = "cross_entropy"
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of the truth spread over all classes."""


class FocalOptions(PartConfig):
    """Cross-entropy that gives well-classified rows less weight (Lin et al. 2017)."""

    type: str = "focal"
    gamma: float = Field(default=2.0, ge=0)
    """How strongly easy rows are discounted; 0 is cross-entropy."""


class SigmoidCrossEntropyOptions(PartConfig):
    """Binary cross-entropy of each value, averaged over values; for sets."""

    type: str = "sigmoid_cross_entropy"
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Truth is moved this far towards one half."""


class MSEOptions(PartConfig):
    """Squared error, averaged over the values of a row."""

    type: str = "mse"


class MAEOptions(PartConfig):
    """Absolute error, averaged over the values of a row."""

    type: str = "mae"


class HuberOptions(PartConfig):
    """Squared error near zero, absolute error far from it, averaged over the values of a row."""

    type: str = "huber"
    delta: float = Field(default=1.0, gt=0)
    """Where it changes, in units of the encoded target (standard deviations by default)."""


PARTS: dict[str, Part] = {
    "binary_cross_entropy": Part(
        "trainwright.nn.losses.binary_cross_entropy:BinaryCrossEntropy", BinaryCrossEntropyOptions, "cross-entropy of one logit (binary)"
    ),
    "cross_entropy": Part("trainwright.nn.losses.cross_entropy:CrossEntropy", CrossEntropyOptions, "cross-entropy over classes (category)"),
    "focal": Part("trainwright.nn.losses.focal:Focal", FocalOptions, "cross-entropy that discounts easy rows (binary, category)"),
    "sigmoid_cross_entropy": Part(
        "trainwright.nn.losses.sigmoid_cross_entropy:SigmoidCrossEntropy", SigmoidCrossEntropyOptions, "cross-entropy of each value (set)"
    ),
    "mse": Part("trainwright.nn.losses.mse:MSE", MSEOptions, "squared error (number, vector)"),
    "mae": Part("trainwright.nn.losses.mae:MAE", MAEOptions, "absolute error (number, vector)"),
    "huber": Part("trainwright.nn.losses.huber:Huber", HuberOptions, "squared near zero, absolute far from it (number, vector)"),
}
