"""Losses: model output and target → a loss per item, their sum and count; for every loss of torch.nn and a few more. Imports no torch."""

from __future__ import annotations

from trainwright.config.domains import PartTable
from trainwright.config.registry import Part
from trainwright.losses import options as of
from trainwright.losses.names import WORDS, find_alias, fold, tell_alias

_HERE = "trainwright.losses"

_VALUES = ("number", "vector")
_CLASSES = ("binary", "category")
_AT_POSITIONS = (*_CLASSES, "mask")
_YES_OR_NO = ("binary", "set")
_ALL_CLASSES = ("binary", "category", "set")

_PARTS: dict[str, Part] = {
    "cross_entropy": Part(
        f"{_HERE}.classes:CrossEntropy", of.CrossEntropyOptions, "logits against class indices or probabilities", _AT_POSITIONS
    ),
    "label_smoothing_cross_entropy": Part(
        f"{_HERE}.classes:LabelSmoothingCrossEntropy",
        of.LabelSmoothingCrossEntropyOptions,
        "cross-entropy with smoothed truth",
        _AT_POSITIONS,
    ),
    "soft_target_cross_entropy": Part(
        f"{_HERE}.classes:SoftTargetCrossEntropy", of.SoftTargetCrossEntropyOptions, "cross-entropy against class probabilities"
    ),
    "nll": Part(f"{_HERE}.classes:NLL", of.NLLOptions, "negative log-likelihood of class log-probabilities"),
    "focal": Part(f"{_HERE}.focal:Focal", of.FocalOptions, "cross-entropy that discounts easy items", (*_ALL_CLASSES, "mask")),
    "multi_margin": Part(f"{_HERE}.margins:MultiMargin", of.MultiMarginOptions, "multi-class hinge", _CLASSES),
    "linear_cross_entropy": Part(
        f"{_HERE}.heads:LinearCrossEntropy", of.LinearCrossEntropyOptions, "last layer and cross-entropy in one, saving memory"
    ),
    "adaptive_log_softmax_with_loss": Part(
        f"{_HERE}.heads:AdaptiveLogSoftmax", of.AdaptiveLogSoftmaxOptions, "last layer and loss for very many classes"
    ),
    "bce_with_logits": Part(f"{_HERE}.binary:BCEWithLogits", of.BCEWithLogitsOptions, "binary cross-entropy of logits", _ALL_CLASSES),
    "bce": Part(f"{_HERE}.binary:BCE", of.BCEOptions, "binary cross-entropy of probabilities"),
    "asymmetric": Part(
        f"{_HERE}.asymmetric:Asymmetric", of.AsymmetricOptions, "labels or classes, easy negatives discounted", ("category", "set")
    ),
    "multi_label_soft_margin": Part(
        f"{_HERE}.margins:MultiLabelSoftMargin", of.MultiLabelSoftMarginOptions, "binary cross-entropy averaged over labels", ("set",)
    ),
    "multi_label_margin": Part(f"{_HERE}.margins:MultiLabelMargin", of.MultiLabelMarginOptions, "multi-label hinge"),
    "dice": Part(f"{_HERE}.dice:Dice", of.DiceOptions, "overlap of masks, with cross-entropy on request", ("mask",)),
    "tversky": Part(f"{_HERE}.dice:Tversky", of.TverskyOptions, "overlap of masks; misses cost more than excess", ("mask",)),
    "lovasz": Part(f"{_HERE}.lovasz:Lovasz", of.LovaszOptions, "intersection over union of masks, made convex", ("mask",)),
    "mse": Part(f"{_HERE}.elementwise:MSE", of.MSEOptions, "squared error", _VALUES),
    "l1": Part(f"{_HERE}.elementwise:L1", of.L1Options, "absolute error", _VALUES),
    "huber": Part(f"{_HERE}.elementwise:Huber", of.HuberOptions, "squared near zero, delta × absolute far from it", _VALUES),
    "smooth_l1": Part(f"{_HERE}.elementwise:SmoothL1", of.SmoothL1Options, "squared near zero, absolute far from it", _VALUES),
    "gaussian_nll": Part(f"{_HERE}.gaussian:GaussianNLL", of.GaussianNLLOptions, "values under a normal distribution with a variance head"),
    "poisson_nll": Part(f"{_HERE}.elementwise:PoissonNLL", of.PoissonNLLOptions, "counts under a Poisson distribution"),
    "kl_div": Part(f"{_HERE}.elementwise:KLDiv", of.KLDivOptions, "Kullback-Leibler divergence of log-probabilities"),
    "soft_margin": Part(f"{_HERE}.elementwise:SoftMargin", of.SoftMarginOptions, "log(1 + exp(−y·x)), y of −1 and 1"),
    "hinge_embedding": Part(f"{_HERE}.elementwise:HingeEmbedding", of.HingeEmbeddingOptions, "distances of like and unlike pairs"),
    "cosine_embedding": Part(f"{_HERE}.pairs:CosineEmbedding", of.CosineEmbeddingOptions, "cosine of two embeddings, like or unlike"),
    "margin_ranking": Part(f"{_HERE}.pairs:MarginRanking", of.MarginRankingOptions, "which of two scores is higher"),
    "triplet_margin": Part(f"{_HERE}.triplets:TripletMargin", of.TripletMarginOptions, "anchor nearer to positive than to negative"),
    "triplet_margin_with_distance": Part(
        f"{_HERE}.triplets:TripletMarginWithDistance", of.TripletMarginWithDistanceOptions, "triplets with a distance of your own"
    ),
    "ctc": Part(f"{_HERE}.ctc:CTC", of.CTCOptions, "sequences without alignment"),
}

PARTS = PartTable("loss", _PARTS)
"""Registry name → loss."""

ALIASES = WORDS
"""Other words → the name in `PARTS`; torch's classes and functions are understood too (`names.py`)."""


def find_name(name: str) -> str:
    """The registered name behind any spelling of it; a name that is none comes back as it is."""
    if name in PARTS:
        return name
    folded = fold(name)
    return next((each for each in PARTS if fold(each) == folded), "") or find_alias(name) or name


def announce_name(name: str) -> str:
    """As `find_name`, and says once where the loss is called something else here."""
    standard = find_name(name)
    if standard in PARTS:
        tell_alias(name, standard, PARTS[standard].summary)
    return standard
