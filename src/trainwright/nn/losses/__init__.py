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


_HERE = "trainwright.nn.losses"
_CLASSES = ("binary", "category")
_VALUES = ("number", "vector")

PARTS: dict[str, Part] = {
    "binary_cross_entropy": Part(
        f"{_HERE}.binary_cross_entropy:BinaryCrossEntropy", BinaryCrossEntropyOptions, "cross-entropy of one logit (binary)", ("binary",)
    ),
    "cross_entropy": Part(
        f"{_HERE}.cross_entropy:CrossEntropy", CrossEntropyOptions, "cross-entropy over classes (binary, category)", _CLASSES
    ),
    "focal": Part(f"{_HERE}.focal:Focal", FocalOptions, "cross-entropy that discounts easy rows (binary, category)", _CLASSES),
    "sigmoid_cross_entropy": Part(
        f"{_HERE}.sigmoid_cross_entropy:SigmoidCrossEntropy",
        SigmoidCrossEntropyOptions,
        "cross-entropy of each value (set)",
        ("set",),
    ),
    "mse": Part(f"{_HERE}.mse:MSE", MSEOptions, "squared error (number, vector)", _VALUES),
    "mae": Part(f"{_HERE}.mae:MAE", MAEOptions, "absolute error (number, vector)", _VALUES),
    "huber": Part(f"{_HERE}.huber:Huber", HuberOptions, "squared near zero, absolute far from it (number, vector)", _VALUES),
}

_KINDS_OF_TORCH: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("L1Loss", "MSELoss", "SmoothL1Loss", "HuberLoss"), _VALUES),
    "BCEWithLogitsLoss": ("binary", "set"),
    "MultiLabelSoftMarginLoss": ("set",),
    **dict.fromkeys(("CrossEntropyLoss", "MultiMarginLoss"), ("category",)),
    # what follows takes probabilities, log-probabilities, −1 and 1, counts, or more than one output: no decoder and column give these
    **dict.fromkeys(("BCELoss", "NLLLoss", "NLLLoss2d", "KLDivLoss", "PoissonNLLLoss", "GaussianNLLLoss", "CTCLoss"), ()),
    **dict.fromkeys(("SoftMarginLoss", "HingeEmbeddingLoss", "CosineEmbeddingLoss", "MarginRankingLoss", "MultiLabelMarginLoss"), ()),
    **dict.fromkeys(("TripletMarginLoss", "TripletMarginWithDistanceLoss", "AdaptiveLogSoftmaxWithLoss", "LinearCrossEntropyLoss"), ()),
}
_FUNCTIONS_OF_TORCH = {
    "binary_cross_entropy": "BCELoss",
    "binary_cross_entropy_with_logits": "BCEWithLogitsLoss",
    "cross_entropy": "CrossEntropyLoss",
    "hinge_embedding_loss": "HingeEmbeddingLoss",
    "huber_loss": "HuberLoss",
    "kl_div": "KLDivLoss",
    "l1_loss": "L1Loss",
    "mse_loss": "MSELoss",
    "multi_margin_loss": "MultiMarginLoss",
    "multilabel_margin_loss": "MultiLabelMarginLoss",
    "multilabel_soft_margin_loss": "MultiLabelSoftMarginLoss",
    "nll_loss": "NLLLoss",
    "poisson_nll_loss": "PoissonNLLLoss",
    "smooth_l1_loss": "SmoothL1Loss",
    "soft_margin_loss": "SoftMarginLoss",
}
KINDS_AT: dict[str, tuple[str, ...]] = {
    f"{module}{name}": kinds
    for module in ("torch.nn.", "torch.nn:", "torch.nn.modules.loss.", "torch.nn.modules.loss:")
    for name, kinds in _KINDS_OF_TORCH.items()
} | {f"torch.nn.functional{mark}{name}": _KINDS_OF_TORCH[same] for mark in ".:" for name, same in _FUNCTIONS_OF_TORCH.items()}
"""A loss of torch by its path → the kinds of target it is for; its outputs are those of the decoder: logits, or standardised values."""
