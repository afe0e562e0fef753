"""Losses of anchor, positive and negative; they have no target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from trainwright.config.errors import ConfigError
from trainwright.config.foreign import found_at
from trainwright.losses.base import Count, Criterion, Reduction, reduce_items
from trainwright.losses.options import TripletMarginOptions, TripletMarginWithDistanceOptions
from trainwright.losses.pairs import alike

Distance = Callable[[Tensor, Tensor], Tensor]


class TripletMargin(Criterion):
    """max(0, d(a, p) − d(a, n) + margin), d the p-norm over the last dimension (Balntas et al. 2016)."""

    options: TripletMarginOptions
    takes = ("anchor", "positive", "negative")
    uses_target = False

    def compute(self, reduction: Reduction, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """The loss of every triplet, or their sum."""
        if anchor.shape != positive.shape or anchor.shape != negative.shape:
            alike(self.name, anchor, positive, negative)
        options = self.options
        return functional.triplet_margin_loss(
            anchor, positive, negative, options.margin, options.p, options.eps, options.swap, reduction=reduction
        )

    def count(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Count:
        """Triplets."""
        return anchor.numel() // anchor.shape[-1]

    def check_arguments(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> None:
        """Refuses embeddings of different shapes."""
        alike(self.name, anchor, positive, negative)


class TripletMarginWithDistance(Criterion):
    """max(0, d(a, p) − d(a, n) + margin), d a function of one's own that gives one number per triplet."""

    options: TripletMarginWithDistanceOptions
    takes = ("anchor", "positive", "negative")
    uses_target = False

    def __init__(self, options: TripletMarginWithDistanceOptions, distance: Distance | None = None) -> None:
        super().__init__(options)
        self.distance = distance or distance_at(options.distance_function)

    def sum(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> tuple[Tensor, Count]:
        """The sum over triplets, and their number: as many as the distance gives."""
        each = self.each(anchor, positive, negative)
        return each.sum(), each.numel()

    def compute(self, reduction: Reduction, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """The loss of every triplet, or their sum."""
        options = self.options
        each = functional.triplet_margin_with_distance_loss(
            anchor, positive, negative, distance_function=self.distance, margin=options.margin, swap=options.swap, reduction="none"
        )
        if each.dim() == 0 or len(each) != len(anchor):
            why = f"it gives {tuple(each.shape)} for {len(anchor)} triplets"
            raise ConfigError("the distance gives not one number per triplet", where="loss", why=why, fix="reduce over the last dimension")
        return reduce_items(each, reduction)

    def check_arguments(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> None:
        """Refuses embeddings of different shapes."""
        alike(self.name, anchor, positive, negative)


def distance_at(given: str | dict[str, Any] | Distance | None) -> Distance:
    """The distance given, or the one at a path, made with its options where it is a class; Euclidean when there is none."""
    if given is None:
        return nn.PairwiseDistance()
    if callable(given):
        return given
    options = dict(given) if isinstance(given, dict) else {"type": given}
    if not isinstance(options.get("type"), str):
        raise ConfigError("the distance has no type", where="loss: distance_function", fix="write {type: ./my.py:distance}")
    found = found_at(options.pop("type"))[0]
    try:
        made: Distance = found(**options) if isinstance(found, type) or options else found
    except TypeError as error:
        raise ConfigError(
            "the distance cannot be made",
            where="loss: distance_function",
            why=str(error),
            fix="give it other options",
        ) from error
    return made
