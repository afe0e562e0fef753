"""The options of every loss: the arguments of torch's losses. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from trainwright.config.errors import ConfigError
from trainwright.losses.shared_options import BalancedWeights, CriterionOptions, LabelWeightedOptions, WeightedOptions, Weights


class L1Options(CriterionOptions):
    """Absolute error."""

    type: str = "l1"


class MSEOptions(CriterionOptions):
    """Squared error."""

    type: str = "mse"


class SmoothL1Options(CriterionOptions):
    """Squared error over beta near zero, absolute error far from it."""

    type: str = "smooth_l1"
    beta: float = Field(default=1.0, ge=0)
    """Where it changes."""


class HuberOptions(CriterionOptions):
    """Squared error near zero, delta times the absolute error far from it."""

    type: str = "huber"
    delta: float = Field(default=1.0, gt=0)
    """Where it changes."""


class PoissonNLLOptions(CriterionOptions):
    """Negative log-likelihood of counts under a Poisson distribution."""

    type: str = "poisson_nll"
    log_input: bool = True
    """The model gives the logarithm of the rate; false: the rate."""
    full: bool = False
    """Add Stirling's approximation of log(target!)."""
    eps: float = Field(default=1e-8, gt=0)
    """Added to the rate within the logarithm where the model gives the rate."""


class GaussianNLLOptions(CriterionOptions):
    """Negative log-likelihood under a normal distribution whose mean and variance the model gives."""

    type: str = "gaussian_nll"
    full: bool = False
    """Add ½ log 2π."""
    eps: float = Field(default=1e-6, gt=0)
    """The smallest variance."""
    variance: Literal["given", "softplus", "exp"] = "given"
    """How the second output becomes the variance: as it is, softplus of it, or exp of it (a log-variance)."""


class KLDivOptions(CriterionOptions):
    """Kullback-Leibler divergence; the model gives log-probabilities. `reduction: batchmean` is the mathematical definition."""

    type: str = "kl_div"
    log_target: bool = False
    """The target holds log-probabilities too."""
    log_softmax: bool = False
    """The model gives logits: take log-softmax over dimension 1 first."""


class BCEOptions(LabelWeightedOptions):
    """Binary cross-entropy of probabilities."""

    type: str = "bce"


class BCEWithLogitsOptions(LabelWeightedOptions):
    """Binary cross-entropy of logits; of one class among several each class is a yes or no (Wightman et al. 2021)."""

    other_words: ClassVar[dict[str, str]] = {
        **LabelWeightedOptions.other_words,
        "smoothing": "label_smoothing",
        "target_threshold": "threshold",
    }

    type: str = "bce_with_logits"
    pos_weight: BalancedWeights = None
    """The weight of positives of each label, or `balanced`: negatives / positives of the training targets."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Truth is moved this far towards one half; of one class among several towards one over their number."""
    threshold: float | None = Field(default=None, ge=0, lt=1)
    """Truth above this counts as 1, the rest as 0, after smoothing and mixing: timm's `--bce-target-thresh`."""


class SoftMarginOptions(CriterionOptions):
    """log(1 + exp(−y·x)) for targets of −1 and 1."""

    type: str = "soft_margin"


class HingeEmbeddingOptions(CriterionOptions):
    """x where y = 1, max(0, margin − x) where y = −1: x is a distance."""

    type: str = "hinge_embedding"
    margin: float = Field(default=1.0, ge=0)
    """How far apart unlike pairs should be."""


class CosineEmbeddingOptions(CriterionOptions):
    """1 − cos where y = 1, max(0, cos − margin) where y = −1, of two embeddings."""

    type: str = "cosine_embedding"
    margin: float = Field(default=0.0, ge=-1, le=1)
    """The cosine unlike pairs may have."""


class MarginRankingOptions(CriterionOptions):
    """max(0, −y·(x1 − x2) + margin): y = 1 where the first should be ranked higher, −1 where the second."""

    type: str = "margin_ranking"
    margin: float = Field(default=0.0, ge=0)
    """By how much."""


class MultiMarginOptions(WeightedOptions):
    """Multi-class hinge loss."""

    one_per_class: ClassVar[bool] = True

    type: str = "multi_margin"
    p: Literal[1, 2] = 1
    """The power of the hinge."""
    margin: float = Field(default=1.0, ge=0)
    """By how much the true class should lead."""


class MultiLabelMarginOptions(CriterionOptions):
    """Multi-label hinge loss; a row of the target lists its classes and then −1."""

    type: str = "multi_label_margin"


class MultiLabelSoftMarginOptions(LabelWeightedOptions):
    """Binary cross-entropy of logits, averaged over the labels of a row."""

    type: str = "multi_label_soft_margin"


class TripletMarginOptions(CriterionOptions):
    """max(0, d(anchor, positive) − d(anchor, negative) + margin)."""

    type: str = "triplet_margin"
    margin: float = Field(default=1.0, gt=0)
    """By how much the negative should be farther away."""
    p: float = Field(default=2.0, gt=0)
    """The norm of the distance."""
    eps: float = Field(default=1e-6, ge=0)
    """Added to differences, for gradients at zero."""
    swap: bool = False
    """Use the distance of positive and negative where it is smaller (Balntas et al. 2016)."""


class TripletMarginWithDistanceOptions(CriterionOptions):
    """Triplet loss with a distance of one's own."""

    type: str = "triplet_margin_with_distance"
    distance_function: str | dict[str, Any] | SkipJsonSchema[Callable[..., Any]] | None = None
    """`./my.py:distance`, a class such as `torch.nn.CosineSimilarity`, `type` and its options, or a function; None: Euclidean."""
    margin: float = Field(default=1.0, gt=0)
    """By how much the negative should be farther away."""
    swap: bool = False
    """Use the distance of positive and negative where it is smaller."""


class NLLOptions(WeightedOptions):
    """Negative log-likelihood of class log-probabilities."""

    type: str = "nll"
    ignore_index: int | None = None
    """Targets of this class are left out; None is −100 for pixels and tokens, and none where a row has one class."""
    log_softmax: bool = False
    """The model gives logits: take log-softmax over dimension 1 first."""


class CrossEntropyOptions(WeightedOptions):
    """Cross-entropy of logits against class indices or class probabilities."""

    one_per_class: ClassVar[bool] = True
    other_words: ClassVar[dict[str, str]] = {**WeightedOptions.other_words, "smoothing": "label_smoothing"}

    type: str = "cross_entropy"
    ignore_index: int | None = None
    """Targets of this class are left out; None is −100 for pixels and tokens, and none where a row has one class."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of the truth spread over all classes."""


class LabelSmoothingCrossEntropyOptions(WeightedOptions):
    """Cross-entropy of logits whose truth is spread over all classes by a share of 0.1."""

    one_per_class: ClassVar[bool] = True
    other_words: ClassVar[dict[str, str]] = {**WeightedOptions.other_words, "label_smoothing": "smoothing"}

    type: str = "label_smoothing_cross_entropy"
    smoothing: float = Field(default=0.1, ge=0, lt=1)
    """Share of the truth spread over all classes."""
    ignore_index: int | None = None
    """Targets of this class are left out; None is −100 for pixels and tokens, and none where a row has one class."""


class SoftTargetCrossEntropyOptions(CriterionOptions):
    """Cross-entropy of logits against class probabilities, as mixup gives them."""

    type: str = "soft_target_cross_entropy"


class FocalOptions(WeightedOptions):
    """Cross-entropy that gives well-classified items less weight (Lin et al. 2017): class indices, or 0/1 for each logit."""

    type: str = "focal"
    gamma: float = Field(default=2.0, ge=0)
    """How strongly easy items are discounted; 0 is cross-entropy."""
    alpha: float | None = Field(default=None, ge=0, le=1)
    """With 0/1 targets: the weight of ones; zeros have 1 − alpha."""
    ignore_index: int | None = None
    """Targets of this class are left out; None is −100 for pixels and tokens, and none where a row has one class."""

    def check_target(self, kind: str, width: int | None = None) -> None:
        """Raises ConfigError for options that mean nothing for a column, `alpha` for one of several classes among them."""
        super().check_target(kind, width)
        if self.alpha is not None and kind == "category":
            why = "it is the weight of ones, and zeros have 1 − alpha"
            raise ConfigError("alpha of the loss 'focal' has no meaning for classes", why=why, fix="write class_weights of the column")


class AsymmetricOptions(CriterionOptions):
    """Loss of many labels, or of one class among several, that discounts easy negatives more than positives (Ridnik et al. 2021)."""

    other_words: ClassVar[dict[str, str]] = {"smoothing": "label_smoothing"}

    type: str = "asymmetric"
    gamma_neg: float = Field(default=4.0, ge=0)
    """How strongly easy negatives are discounted."""
    gamma_pos: float = Field(default=1.0, ge=0)
    """How strongly easy positives are discounted."""
    clip: float = Field(default=0.05, ge=0, lt=1)
    """Negatives below this probability cost nothing."""
    eps: float = Field(default=1e-8, gt=0)
    """The smallest probability in a logarithm."""
    detach_weight: bool = False
    """No gradient through the discount."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Labels are moved this far towards one half; of one class among several this share is spread over all (timm's `eps`, 0.1)."""


class OverlapOptions(LabelWeightedOptions):
    """What losses by overlap have: on logits (b, c, …), with cross-entropy added on request."""

    smooth: float = Field(default=1.0, ge=0)
    """Added above and below the fraction, so that empty masks are defined."""
    activation: Literal["auto", "softmax", "sigmoid", "none"] = "auto"
    """What turns the output into probabilities; auto: softmax for class indices, sigmoid for masks."""
    background: bool = True
    """Count class 0 in the overlap."""
    absent: Literal["count", "skip"] = "count"
    """Classes of which a row has no pixel: they cost what is predicted of them, or nothing but cross-entropy."""
    cross_entropy: float = Field(default=0.0, ge=0)
    """Weight of the cross-entropy added, averaged over the pixels of a row."""
    ignore_index: int | None = -100
    """Pixels of this class are left out."""


class DiceOptions(OverlapOptions):
    """1 − soft Dice of each class of each row."""

    type: str = "dice"
    squared: bool = False
    """Squares in the denominator (Milletari et al. 2016)."""


class TverskyOptions(OverlapOptions):
    """1 − Tversky index of each class of each row: `alpha` and `beta` of 0.5 are Dice, of 1 the intersection over union."""

    type: str = "tversky"
    alpha: float = Field(default=0.3, ge=0)
    """What a pixel costs that was predicted and is not of the class."""
    beta: float = Field(default=0.7, ge=0)
    """What a pixel costs that is of the class and was missed."""
    gamma: float = Field(default=1.0, gt=0)
    """The cost of a class to this power; above 1 classes that are nearly right count less (Abraham & Khan 2019 write 1/γ)."""


class LovaszOptions(CriterionOptions):
    """The Lovász extension of the intersection over union, of each class that is there in a row."""

    type: str = "lovasz"
    cross_entropy: float = Field(default=0.0, ge=0)
    """Weight of the cross-entropy added, averaged over the pixels of a row."""
    ignore_index: int | None = -100
    """Pixels of this class are left out."""


class CTCOptions(CriterionOptions):
    """Connectionist temporal classification: log-probabilities (t, b, c) against sequences (b, s) and the lengths of both."""

    type: str = "ctc"
    blank: int = Field(default=0, ge=0)
    """The class that stands for nothing."""
    zero_infinity: bool = False
    """Rows whose target is longer than their input cost nothing."""
    log_softmax: bool = False
    """The model gives logits: take log-softmax over classes first."""
    batch_first: bool = False
    """The model gives (b, t, c)."""


class AdaptiveLogSoftmaxOptions(CriterionOptions):
    """Adaptive softmax for very many classes (Grave et al. 2017); it holds the last layer, the model gives its input."""

    type: str = "adaptive_log_softmax_with_loss"
    in_features: int = Field(gt=0)
    """Values the model gives for each row."""
    n_classes: int = Field(gt=1)
    """Classes, the most frequent first."""
    cutoffs: list[Annotated[int, Field(ge=1)]]
    """Where clusters of classes end."""
    div_value: float = Field(default=4.0, gt=0)
    """How much smaller each cluster is."""
    head_bias: bool = False
    """Bias in the head."""


class LinearCrossEntropyOptions(WeightedOptions):
    """Last layer and cross-entropy in one, without logits in memory (torch 2.13 or newer); the model gives the layer's input."""

    type: str = "linear_cross_entropy"
    class_weight: Weights = None
    """A weight for each class."""
    in_features: int = Field(gt=0)
    """Values the model gives for each row."""
    num_classes: int = Field(gt=1)
    """Classes."""
    out_features: list[Annotated[int, Field(ge=1)]] = []
    """Further dimensions of the target."""
    bias: bool = False
    """Bias in the layer."""
    ignore_index: int | None = None
    """Targets of this class are left out; None is −100."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of the truth spread over all classes."""
    options: dict[str, Any] | None = None
    """Options of torch.nn.LinearCrossEntropyOptions; None computes all logits at once."""
