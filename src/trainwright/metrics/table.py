"""The table of metrics and their options; importing it loads neither numpy nor torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from trainwright.config.domains import PartTable
from trainwright.config.errors import ConfigError
from trainwright.config.model import PartConfig
from trainwright.config.registry import Part
from trainwright.metrics.pair_options import (
    CenterOptions,
    FeaturesOptions,
    InceptionScoreOptions,
    KIDOptions,
    MMDOptions,
    NearestOptions,
    NeighbourOptions,
    NetworkOptions,
    RangeOptions,
    SpectrumOptions,
    SSIMOptions,
)

BINARY, CATEGORY, NUMBER, VECTOR, SET = "binary", "category", "number", "vector", "set"
PICTURE, SIGNAL = "picture", "signal"
MASK = "mask"
"""A class at every position; what is measured is made of counts, so that nothing is held however many positions there are."""
"""What output and target of metrics of pairs are; no column's target is one."""
CLASSES = (BINARY, CATEGORY)
VALUES = (NUMBER, VECTOR)


class PlainOptions(PartConfig):
    """A metric without options."""


class AveragingOptions(PartConfig):
    """How the values of the classes (or labels of a set) become one."""

    average: Literal["auto", "binary", "macro", "micro", "weighted", "samples"] = "auto"
    """`binary`: of the positive class; `macro`: mean over classes; `micro`: over all decisions; `weighted`: by class frequency; `samples`:
    mean over rows (sets). `auto` is binary for binary targets, macro for the others."""

    def check_target(self, kind: str, width: int | None = None) -> None:
        """Raises ConfigError for `binary` of anything but a binary target, and `samples` of anything but sets."""
        if {"binary": kind != BINARY, "samples": kind != SET}.get(self.average, False):
            what = f"metric '{self.type}' cannot average '{self.average}' for a {kind} target"
            raise ConfigError(what, fix="use auto, macro, micro or weighted")


class FBetaOptions(AveragingOptions):
    """How much recall counts beside precision, and how the values of classes become one."""

    beta: float = Field(default=2.0, gt=0)
    """Recall counts this many times as much as precision: 2 misses fewer, 0.5 has fewer false alarms."""


class KappaOptions(PartConfig):
    """What a wrong class costs."""

    weights: Literal["none", "linear", "quadratic"] = "none"
    """`none`: all wrong classes alike; `linear` and `quadratic`: by how far it is from the true one in the order of the classes."""

    def check_target(self, kind: str, width: int | None = None) -> None:
        """Raises ConfigError for weights of a label set, whose labels are each there or not."""
        if kind == SET and self.weights != "none":
            raise ConfigError(f"kappa of label sets has no {self.weights} weights", why="a label is there or not", fix="leave weights out")


class RankingOptions(PartConfig):
    """How the one-against-rest values of several classes become one; binary targets always use the positive class."""

    average: Literal["macro", "weighted", "micro", "samples"] = "macro"
    """`macro`: mean over the classes that occur; `weighted`: by class frequency; `micro`: of all decisions of all classes together;
    `samples`: mean over the rows (sets) where it is defined."""

    def check_target(self, kind: str, width: int | None = None) -> None:
        """Raises ConfigError for `samples` of anything but sets."""
        if self.average == "samples" and kind != SET:
            what = f"metric '{self.type}' cannot average 'samples' for a {kind} target"
            raise ConfigError(what, fix="use macro, weighted or micro")


class SetOverlapOptions(PartConfig):
    """How the overlap of predicted and true sets becomes one value."""

    average: Literal["samples", "macro", "micro", "weighted"] = "samples"
    """`samples`: mean over rows; `macro`: mean over labels; `micro`: over all decisions; `weighted`: by how many rows have each label."""


class TopKOptions(PartConfig):
    """How many classes a prediction may name."""

    k: int = Field(default=3, ge=1)
    """A row counts as right when its class is among the `k` most probable."""

    def check_target(self, kind: str, width: int | None = None) -> None:
        """Raises ConfigError for more than there are classes: the value would be 1 whatever is predicted."""
        if width is not None and self.k > width:
            what = f"metric '{self.type}' counts the {self.k} most probable of {width} classes"
            why = "every row would count as right, whatever is predicted"
            raise ConfigError(what, why=why, fix=f"write k: {width - 1} or less")


class CalibrationOptions(PartConfig):
    """How probabilities are grouped."""

    bins: int = Field(default=15, ge=1, le=1000)
    """Bins of equal width between 0 and 1."""
    norm: Literal["l1", "l2", "max"] = "l1"
    """How the gaps of the bins become one: `l1` their mean over rows, `l2` the root of the mean square, `max` the largest."""


@dataclass(frozen=True)
class MetricPart(Part):
    """A registered metric: which way is better, and the range of its values."""

    higher_is_better: bool = True
    low: float = 0.0
    high: float = 1.0
    paired: bool = False
    """Whether it is given output and target as they are, rows of pictures or signals, and is no metric of a column's target."""
    along: bool = False
    """Whether it is of what is found along the one axis of a sample that has a class at every position."""
    decided: bool = False
    """Whether it is of labels that were decided, and of sets, so that thresholds can be chosen by it."""


def _part(
    path: str,
    config: type[PartConfig],
    summary: str,
    kinds: tuple[str, ...],
    *,
    up: bool = True,
    low: float = 0.0,
    high: float = 1.0,
    decided: bool = False,
) -> MetricPart:
    return MetricPart(f"trainwright.metrics.{path}", config, summary, kinds, up, low, high, decided=decided)


def _pair(
    path: str, config: type[PartConfig], summary: str, kinds: tuple[str, ...], *, up: bool = True, low: float = 0.0, high: float = math.inf
) -> MetricPart:
    return MetricPart(f"trainwright.metrics.{path}", config, summary, kinds, up, low, high, True)


_INF = math.inf
_ALL_LABELS = (*CLASSES, SET)
_AT_POSITIONS = (*CLASSES, MASK)

_PARTS: dict[str, MetricPart] = {
    "accuracy": _part("labels:Accuracy", PlainOptions, "share of rows with the right class", _AT_POSITIONS),
    "balanced_accuracy": _part("labels:BalancedAccuracy", PlainOptions, "mean recall of the classes that occur", _AT_POSITIONS),
    "f1": _part("labels:F1", AveragingOptions, "harmonic mean of precision and recall", _ALL_LABELS, decided=True),
    "precision": _part(
        "labels:Precision", AveragingOptions, "share of predictions of a class that are right", (*_ALL_LABELS, MASK), decided=True
    ),
    "recall": _part("labels:Recall", AveragingOptions, "share of rows of a class that are found", (*_ALL_LABELS, MASK), decided=True),
    "iou": _part("labels:IoU", AveragingOptions, "intersection over union of a class: overlap of its pixels, or its rows", _AT_POSITIONS),
    "dice": _part("labels:Dice", AveragingOptions, "overlap of the pixels of a class, counted over all pictures", (MASK,)),
    "iou_per_image": _part(
        "masks:IoUPerImage", PlainOptions, "intersection over union of each picture's classes, mean over pictures", (MASK,)
    ),
    "dice_per_image": _part("masks:DicePerImage", PlainOptions, "Dice of each picture's classes, mean over pictures", (MASK,)),
    "fbeta": _part(
        "labels:FBeta", FBetaOptions, "F-beta: recall counts beta times as much as precision", (*_ALL_LABELS, MASK), decided=True
    ),
    "mcc": _part(
        "agreement:MCC", PlainOptions, "Matthews correlation of true and predicted class", (*_ALL_LABELS, MASK), low=-1.0, decided=True
    ),
    "kappa": _part("agreement:Kappa", KappaOptions, "agreement beyond chance (Cohen)", (*_ALL_LABELS, MASK), low=-1.0, decided=True),
    "roc_auc": _part("ranking:ROCAUC", RankingOptions, "area under the ROC curve", _ALL_LABELS),
    "average_precision": _part("ranking:AveragePrecision", RankingOptions, "area under the precision-recall curve, as steps", _ALL_LABELS),
    "pr_auc": _part("ranking:PRAUC", RankingOptions, "area under the precision-recall curve, by trapezoids", _ALL_LABELS),
    "log_loss": _part(
        "probabilities:LogLoss",
        PlainOptions,
        "mean of -log of the probability of the truth, nats",
        (*_ALL_LABELS, MASK),
        up=False,
        high=_INF,
    ),
    "brier": _part("probabilities:Brier", PlainOptions, "mean squared error of the probabilities", _AT_POSITIONS, up=False, high=2.0),
    "top_k_accuracy": _part(
        "probabilities:TopKAccuracy", TopKOptions, "share of rows whose class is among the k most probable", _ALL_LABELS
    ),
    "precision_at_k": _part("top_labels:PrecisionAtK", TopKOptions, "share of the k most probable labels that are a row's own", (SET,)),
    "recall_at_k": _part("top_labels:RecallAtK", TopKOptions, "share of a row's labels among the k most probable", (SET,)),
    "ece": _part("probabilities:ECE", CalibrationOptions, "expected calibration error", (*_ALL_LABELS, MASK), up=False),
    "r2": _part("numbers:R2", PlainOptions, "share of the variance explained; 0 is the mean's", VALUES, low=-_INF),
    "rmse": _part("numbers:RMSE", PlainOptions, "root mean squared error, in units of the target", VALUES, up=False, high=_INF),
    "mse": _part("numbers:MSE", PlainOptions, "mean squared error", VALUES, up=False, high=_INF),
    "mae": _part("numbers:MAE", PlainOptions, "mean absolute error, in units of the target", VALUES, up=False, high=_INF),
    "median_ae": _part("numbers:MedianAE", PlainOptions, "median absolute error, in units of the target", VALUES, up=False, high=_INF),
    "mape": _part("numbers:MAPE", PlainOptions, "mean of |error| / |truth|; undefined when a true value is 0", VALUES, up=False, high=_INF),
    "smape": _part("numbers:SMAPE", PlainOptions, "mean of 2 |error| / (|truth| + |prediction|)", VALUES, up=False, high=2.0),
    "pearson": _part("numbers:Pearson", PlainOptions, "linear correlation of truth and prediction", VALUES, low=-1.0),
    "spearman": _part("numbers:Spearman", PlainOptions, "rank correlation of truth and prediction", VALUES, low=-1.0),
    "explained_variance": _part("numbers:ExplainedVariance", PlainOptions, "as R², with a constant offset forgiven", VALUES, low=-_INF),
    "max_error": _part("numbers:MaxError", PlainOptions, "largest absolute error, in units of the target", VALUES, up=False, high=_INF),
    "cosine": _part("numbers:Cosine", PlainOptions, "mean cosine of the angle between true and predicted vector", (VECTOR,), low=-1.0),
    "jaccard": _part("sets:Jaccard", SetOverlapOptions, "shared labels over all labels of truth and prediction", (SET,), decided=True),
    "hamming": _part("sets:Hamming", PlainOptions, "share of label decisions that are wrong", (SET,), up=False, decided=True),
    "subset_accuracy": _part("sets:SubsetAccuracy", PlainOptions, "share of rows with exactly the right set", (SET,), decided=True),
    "ranking_loss": _part("label_ranking:RankingLoss", PlainOptions, "share of pairs of labels in the wrong order", (SET,), up=False),
    "coverage_error": _part(
        "label_ranking:CoverageError", PlainOptions, "labels needed to have all true ones", (SET,), up=False, high=_INF
    ),
    "label_ranking_average_precision": _part(
        "label_ranking:LabelRankingAveragePrecision", PlainOptions, "share of true among labels scored as high as a true one", (SET,)
    ),
    "psnr": _pair("pictures:PSNR", RangeOptions, "peak signal-to-noise ratio, dB, mean over pictures", (PICTURE,), low=-_INF),
    "ssim": _pair("pictures:SSIM", SSIMOptions, "structural similarity under a Gaussian window", (PICTURE,), low=-1.0, high=1.0),
    "ms_ssim": _pair("pictures:MSSSIM", SSIMOptions, "structural similarity at five scales", (PICTURE,), high=1.0),
    "lpips": _pair("pictures:LPIPS", NetworkOptions, "distance of feature maps of a network of one's own", (PICTURE,), up=False),
    "snr": _pair("waves:SNR", CenterOptions, "signal-to-noise ratio, dB, mean over signals", (SIGNAL,), low=-_INF),
    "si_sdr": _pair("waves:SISDR", CenterOptions, "scale-invariant signal-to-distortion ratio, dB", (SIGNAL,), low=-_INF),
    "prd": _pair("waves:PRD", CenterOptions, "percent root-mean-square difference", (SIGNAL,), up=False),
    "log_spectral_distance": _pair("waves:LogSpectralDistance", SpectrumOptions, "distance of log spectra, dB", (SIGNAL,), up=False),
    "fid": _pair("frechet:FID", FeaturesOptions, "Fréchet distance of made from real rows by features", (PICTURE, SIGNAL), up=False),
    "kid": _pair("kernels:KID", KIDOptions, "kernel distance of made from real rows, unbiased", (PICTURE, SIGNAL), up=False, low=-_INF),
    "mmd": _pair("kernels:MMD", MMDOptions, "maximum mean discrepancy under Gaussian kernels", (PICTURE, SIGNAL), up=False, low=-_INF),
    "inception_score": _pair(
        "inception:InceptionScore",
        InceptionScoreOptions,
        "how sure a classifier is of each made row, and of how many classes",
        (PICTURE, SIGNAL),
        low=1.0,
    ),
    "nearest": _pair("nearest:Nearest", NearestOptions, "median distance of made rows to the nearest training row", (PICTURE, SIGNAL)),
    "prdc": _pair("neighbours:PRDC", NeighbourOptions, "precision, recall, density, coverage of made rows", (PICTURE, SIGNAL)),
}

PARTS = PartTable("metric", _PARTS)
"""Registry name → metric."""
