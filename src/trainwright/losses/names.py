"""What losses are called elsewhere, and what they are called here: torch's word without `Loss`. Imports no torch."""

from __future__ import annotations

import logging

log = logging.getLogger("trainwright.losses")

TORCH: dict[str, str] = {
    "L1Loss": "l1",
    "MSELoss": "mse",
    "SmoothL1Loss": "smooth_l1",
    "HuberLoss": "huber",
    "PoissonNLLLoss": "poisson_nll",
    "GaussianNLLLoss": "gaussian_nll",
    "KLDivLoss": "kl_div",
    "BCELoss": "bce",
    "BCEWithLogitsLoss": "bce_with_logits",
    "SoftMarginLoss": "soft_margin",
    "HingeEmbeddingLoss": "hinge_embedding",
    "CosineEmbeddingLoss": "cosine_embedding",
    "MarginRankingLoss": "margin_ranking",
    "MultiMarginLoss": "multi_margin",
    "MultiLabelMarginLoss": "multi_label_margin",
    "MultiLabelSoftMarginLoss": "multi_label_soft_margin",
    "TripletMarginLoss": "triplet_margin",
    "TripletMarginWithDistanceLoss": "triplet_margin_with_distance",
    "NLLLoss": "nll",
    "NLLLoss2d": "nll",
    "CrossEntropyLoss": "cross_entropy",
    "CTCLoss": "ctc",
    "AdaptiveLogSoftmaxWithLoss": "adaptive_log_softmax_with_loss",
    "LinearCrossEntropyLoss": "linear_cross_entropy",
}
"""Class of torch.nn → the name of its loss."""

FUNCTIONS: dict[str, str] = {
    "l1_loss": "l1",
    "mse_loss": "mse",
    "smooth_l1_loss": "smooth_l1",
    "huber_loss": "huber",
    "poisson_nll_loss": "poisson_nll",
    "kl_div": "kl_div",
    "binary_cross_entropy": "bce",
    "binary_cross_entropy_with_logits": "bce_with_logits",
    "soft_margin_loss": "soft_margin",
    "hinge_embedding_loss": "hinge_embedding",
    "multi_margin_loss": "multi_margin",
    "multilabel_margin_loss": "multi_label_margin",
    "multilabel_soft_margin_loss": "multi_label_soft_margin",
    "nll_loss": "nll",
    "cross_entropy": "cross_entropy",
}
"""Function of torch.nn.functional that takes output and target → the name of its loss."""

WORDS: dict[str, str] = {
    **dict.fromkeys(("mae", "mean_absolute_error", "absolute_error"), "l1"),
    **dict.fromkeys(("mean_squared_error", "squared_error", "l2"), "mse"),
    **dict.fromkeys(("binary_cross_entropy", "binary_cross_entropy_with_logits", "sigmoid_cross_entropy"), "bce_with_logits"),
    "binary_weighted_cross_entropy": "bce_with_logits",
    **dict.fromkeys(("softmax_cross_entropy", "categorical_cross_entropy", "sparse_categorical_cross_entropy", "ce"), "cross_entropy"),
    "negative_log_likelihood": "nll",
    **dict.fromkeys(("sigmoid_focal", "categorical_focal_cross_entropy", "binary_focal_cross_entropy"), "focal"),
    **dict.fromkeys(("kl", "kldiv", "kl_divergence"), "kl_div"),
    "gaussian": "gaussian_nll",
    "poisson": "poisson_nll",
    "hinge": "hinge_embedding",
    "triplet": "triplet_margin",
    "triplet_with_distance": "triplet_margin_with_distance",
    "adaptive_log_softmax": "adaptive_log_softmax_with_loss",
    "asymmetric_loss_multi_label": "asymmetric",
}
"""What keras, Ludwig, timm and others say, and what was said here before → the name of the loss."""

CLASSES = ("", "nn.", "torch.nn.", "torch.nn.modules.loss.")
FUNCTIONAL = ("torch.nn.functional.", "nn.functional.", "F.")

_told: set[str] = set()


def fold(name: str) -> str:
    """A name without capitals, strokes and the word loss: `CrossEntropyLoss`, `cross-entropy` and `cross_entropy` are one."""
    return name.replace("-", "").replace("_", "").lower().removesuffix("loss")


_FOLDED = {fold(name): name for name in TORCH.values()} | {fold(word): name for word, name in WORDS.items()}


def find_alias(name: str) -> str:
    """The name of the loss behind another spelling of it; empty where there is none."""
    path = name.replace(":", ".") if name.startswith("torch.") else name
    before, dot, last = path.rpartition(".")
    if f"{before}{dot}" in FUNCTIONAL:
        return FUNCTIONS.get(last, "")
    if last in TORCH and f"{before}{dot}" in CLASSES:
        return TORCH[last]
    return "" if dot or ":" in path else _FOLDED.get(fold(name), "")


def is_functional(name: str) -> bool:
    """Whether it is the path of a function of torch.nn.functional."""
    return name.replace(":", ".").startswith(FUNCTIONAL)


def tell_alias(written: str, standard: str, summary: str) -> None:
    """Says once what a loss is called here, where libraries differ about it; torch's own classes and functions need no word."""
    is_word = "." not in written and ":" not in written
    if is_word and fold(written) != fold(standard) and written not in _told:
        _told.add(written)
        log.warning("the loss '%s' is called %s here: %s", written, standard, summary)
