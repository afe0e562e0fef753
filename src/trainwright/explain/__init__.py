"""Why a model answers what it answers: methods by name, over named inputs of any model. This table imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trainwright.config.model import PartConfig
from trainwright.config.registry import Part

Scale = Literal["answer", "logit"]
"""`answer`: a probability, or a value in the target's own units; `logit`: what the network gives before that."""
MOST_PLAYERS = 10
"""Columns, or groups of them, that exact Shapley values are computed for."""


class IntegratedGradientsOptions(PartConfig):
    """The gradient along the straight way from a baseline to the row, times that way (Sundararajan et al. 2017)."""

    type: str = "integrated_gradients"
    of: Scale = "answer"
    """What is explained: the answer, or what the network gives before it becomes one."""
    steps: int = Field(default=50, ge=1, le=10_000)
    """Points of the way at which the gradient is taken, by Gauss-Legendre."""
    most_steps: int = Field(default=800, ge=1, le=100_000)
    """The points are doubled up to so many for rows whose sum is off by more than `tolerance`."""
    tolerance: float = Field(default=0.05, gt=0)
    """How far the sum of a row may be from the difference that it explains, as a share of it, before its points are doubled."""


class GradCamOptions(PartConfig):
    """Where a convolution saw what speaks for a class (Selvaraju et al. 2017): its channels, weighted by their mean gradient."""

    type: str = "grad_cam"
    layer: str = ""
    """The layer that is looked at, by its name in the model; the last convolution unless given."""
    relu: bool = True
    """Show only what speaks for the class; without it also what speaks against it."""


class OcclusionOptions(PartConfig):
    """What the answer loses when a column, or a window of an array, is replaced by the baseline (Zeiler and Fergus 2014)."""

    type: str = "occlusion"
    of: Scale = "answer"
    """What is explained: the answer, or what the network gives before it becomes one."""
    window: list[int] = []
    """Sizes of the window along the dimensions of an array, 0 for a whole one; an eighth of each unless given."""
    stride: list[int] = []
    """How far it moves; its own size unless given. Where windows overlap, a place has the mean of those over it."""


class AttentionRolloutOptions(PartConfig):
    """How much each token can have reached the output through all layers of attention (Abnar and Zuidema 2020)."""

    type: str = "attention_rollout"
    layer: str = ""
    """A pattern of names of the modules whose attention counts (`blocks.*`); all of them unless given."""
    residual: float = Field(default=0.5, ge=0, lt=1)
    """The share of a token that passes each layer by the residual connection."""
    token: Literal["auto", "mean", "first", "last"] = "auto"
    """The token that is read out: `auto` is the class token where the model is known to have one, else the mean of all."""


class PermutationOptions(PartConfig):
    """How much worse a metric becomes when the values of a column, or of a group, are shuffled between rows (Breiman 2001)."""

    type: str = "permutation"
    metric: str = ""
    """The metric; the one that picks the best checkpoint unless given."""
    repeats: int = Field(default=5, ge=1, le=1_000)
    """How often each is shuffled."""


class ShapleyOptions(PartConfig):
    """What each column adds to the answer, averaged over all orders in which columns take their values (Shapley 1953); exact."""

    type: str = "shapley"
    of: Scale = "answer"
    """What is explained: the answer, or what the network gives before it becomes one."""


class PartialDependenceOptions(PartConfig):
    """The mean answer when a column has one value in all rows, over its values (Friedman 2001), with the curves of single rows."""

    type: str = "partial_dependence"
    of: Scale = "answer"
    """What is explained: the answer, or what the network gives before it becomes one."""
    grid: int = Field(default=20, ge=2, le=1_000)
    """Values of a number that are tried, evenly between the two quantiles; all of its values where it has no more than that."""
    low: float = Field(default=0.05, ge=0, lt=1)
    """The quantile of the rows at which the grid begins."""
    high: float = Field(default=0.95, gt=0, le=1)
    """The quantile at which it ends."""
    curves: int = Field(default=50, ge=0, le=10_000)
    """Rows whose own curve is kept (individual conditional expectation), drawn by the seed."""


_HERE = "trainwright.explain"
PARTS = {
    "integrated_gradients": Part(
        f"{_HERE}.integrated_gradients:IntegratedGradients", IntegratedGradientsOptions, "gradients from a baseline to the row"
    ),
    "occlusion": Part(f"{_HERE}.occlusion:Occlusion", OcclusionOptions, "columns or windows replaced by a baseline, one at a time"),
    "shapley": Part(f"{_HERE}.shapley:Shapley", ShapleyOptions, f"exact Shapley values of at most {MOST_PLAYERS} columns or groups"),
    "permutation": Part(f"{_HERE}.shuffled:Permutation", PermutationOptions, "a metric with a column or a group shuffled between rows"),
    "partial_dependence": Part(
        f"{_HERE}.partial_dependence:PartialDependence", PartialDependenceOptions, "the mean answer over the values of a column"
    ),
    "grad_cam": Part(f"{_HERE}.grad_cam:GradCam", GradCamOptions, "where a convolution saw what speaks for a class"),
    "attention_rollout": Part(
        f"{_HERE}.attention_rollout:AttentionRollout", AttentionRolloutOptions, "tokens that can have reached the output by attention"
    ),
}
"""Name → method."""
ALIASES = {
    "ig": "integrated_gradients",
    "gradcam": "grad_cam",
    "rollout": "attention_rollout",
    "permutation_importance": "permutation",
    "pdp": "partial_dependence",
    "shap": "shapley",
}
"""Other words for them."""


def find_name(name: str) -> str:
    """The name of a method that may be given by another word for it."""
    return ALIASES.get(name.lower().replace("-", "_"), name)
