"""Criteria: model output and target → sum and count, for every loss of torch.nn and a few more. This table imports no torch."""

from __future__ import annotations

from trainwright.config.registry import Part
from trainwright.losses import options as of

_HERE = "trainwright.losses"

PARTS: dict[str, Part] = {
    "l1": Part(f"{_HERE}.elementwise:L1", of.L1Options, "absolute error"),
    "mse": Part(f"{_HERE}.elementwise:MSE", of.MSEOptions, "squared error"),
    "smooth_l1": Part(f"{_HERE}.elementwise:SmoothL1", of.SmoothL1Options, "squared near zero, absolute far from it"),
    "huber": Part(f"{_HERE}.elementwise:Huber", of.HuberOptions, "squared near zero, delta × absolute far from it"),
    "poisson_nll": Part(f"{_HERE}.elementwise:PoissonNLL", of.PoissonNLLOptions, "counts under a Poisson distribution"),
    "gaussian_nll": Part(f"{_HERE}.gaussian:GaussianNLL", of.GaussianNLLOptions, "values under a normal distribution with a variance head"),
    "kl_div": Part(f"{_HERE}.elementwise:KLDiv", of.KLDivOptions, "Kullback-Leibler divergence of log-probabilities"),
    "bce": Part(f"{_HERE}.binary:BCE", of.BCEOptions, "binary cross-entropy of probabilities"),
    "bce_with_logits": Part(f"{_HERE}.binary:BCEWithLogits", of.BCEWithLogitsOptions, "binary cross-entropy of logits"),
    "soft_margin": Part(f"{_HERE}.elementwise:SoftMargin", of.SoftMarginOptions, "log(1 + exp(−y·x)), y of −1 and 1"),
    "hinge_embedding": Part(f"{_HERE}.elementwise:HingeEmbedding", of.HingeEmbeddingOptions, "distances of like and unlike pairs"),
    "cosine_embedding": Part(f"{_HERE}.pairs:CosineEmbedding", of.CosineEmbeddingOptions, "cosine of two embeddings, like or unlike"),
    "margin_ranking": Part(f"{_HERE}.pairs:MarginRanking", of.MarginRankingOptions, "which of two scores is higher"),
    "multi_margin": Part(f"{_HERE}.margins:MultiMargin", of.MultiMarginOptions, "multi-class hinge"),
    "multi_label_margin": Part(f"{_HERE}.margins:MultiLabelMargin", of.MultiLabelMarginOptions, "multi-label hinge"),
    "multi_label_soft_margin": Part(
        f"{_HERE}.margins:MultiLabelSoftMargin", of.MultiLabelSoftMarginOptions, "binary cross-entropy averaged over labels"
    ),
    "triplet_margin": Part(f"{_HERE}.triplets:TripletMargin", of.TripletMarginOptions, "anchor nearer to positive than to negative"),
    "triplet_margin_with_distance": Part(
        f"{_HERE}.triplets:TripletMarginWithDistance", of.TripletMarginWithDistanceOptions, "triplets with a distance of your own"
    ),
    "nll": Part(f"{_HERE}.classes:NLL", of.NLLOptions, "negative log-likelihood of class log-probabilities"),
    "cross_entropy": Part(f"{_HERE}.classes:CrossEntropy", of.CrossEntropyOptions, "logits against class indices or probabilities"),
    "label_smoothing_cross_entropy": Part(
        f"{_HERE}.classes:LabelSmoothingCrossEntropy", of.LabelSmoothingCrossEntropyOptions, "cross-entropy with smoothed truth"
    ),
    "soft_target_cross_entropy": Part(
        f"{_HERE}.classes:SoftTargetCrossEntropy", of.SoftTargetCrossEntropyOptions, "cross-entropy against class probabilities"
    ),
    "focal": Part(f"{_HERE}.focal:Focal", of.FocalOptions, "cross-entropy that discounts easy items"),
    "asymmetric": Part(f"{_HERE}.asymmetric:Asymmetric", of.AsymmetricOptions, "multi-label, easy negatives discounted most"),
    "dice": Part(f"{_HERE}.dice:Dice", of.DiceOptions, "overlap of masks, with cross-entropy on request"),
    "ctc": Part(f"{_HERE}.ctc:CTC", of.CTCOptions, "sequences without alignment"),
    "adaptive_log_softmax_with_loss": Part(
        f"{_HERE}.heads:AdaptiveLogSoftmax", of.AdaptiveLogSoftmaxOptions, "last layer and loss for very many classes"
    ),
    "linear_cross_entropy": Part(
        f"{_HERE}.heads:LinearCrossEntropy", of.LinearCrossEntropyOptions, "last layer and cross-entropy in one, saving memory"
    ),
}

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
"""Class of torch.nn → the name of its criterion."""

ALIASES: dict[str, str] = {
    **TORCH,
    **{f"torch.nn.{name}": part for name, part in TORCH.items()},
    **{f"nn.{name}": part for name, part in TORCH.items()},
    **{f"torch.nn.modules.loss.{name}": part for name, part in TORCH.items()},
    "mae": "l1",
    "kl": "kl_div",
    "kldiv": "kl_div",
    "gaussian": "gaussian_nll",
    "poisson": "poisson_nll",
    "hinge": "hinge_embedding",
    "triplet": "triplet_margin",
    "triplet_with_distance": "triplet_margin_with_distance",
    "binary_cross_entropy": "bce_with_logits",
    "binary_cross_entropy_with_logits": "bce_with_logits",
    "multilabel_margin": "multi_label_margin",
    "multilabel_soft_margin": "multi_label_soft_margin",
    "adaptive_log_softmax": "adaptive_log_softmax_with_loss",
    "LabelSmoothingCrossEntropy": "label_smoothing_cross_entropy",
    "SoftTargetCrossEntropy": "soft_target_cross_entropy",
    "FocalLoss": "focal",
    "AsymmetricLoss": "asymmetric",
    "DiceLoss": "dice",
}
"""Other spellings → the name in `PARTS`."""


def spelled(name: str) -> str:
    """The registered name behind any spelling of it; a name that is none comes back as it is."""
    folded = name.replace("-", "_")
    return ALIASES.get(name) or ALIASES.get(folded) or (folded if folded in PARTS else name)
