"""A weighted sum of losses whose weights may follow the run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn

from trainwright.config.scheduled import Scheduled
from trainwright.losses.base import Count, Criterion, Terms
from trainwright.losses.function import row_count
from trainwright.losses.shared_options import CriterionOptions


class WeightedSum(Criterion):
    """Σ w_i · mean_i, as a sum over rows: n · Σ w_i S_i / C_i with n the rows, S_i and C_i the sum and the count of term i.

    The pieces of a step join exactly when every C_i is a fixed multiple of the rows, that is for all losses but those that leave items
    out or count them with class weights; `inexact` then says so once `check` has seen it, and `reduction: batchmean` for that term
    makes it exact. A single term keeps its own count, and is exact always.
    """

    def __init__(self, members: dict[str, Criterion], weights: dict[str, Scheduled]) -> None:
        super().__init__(CriterionOptions(type="weighted_sum"))
        self.members = nn.ModuleDict(members)
        self.weights = weights
        self._items: list[tuple[str, Any, Scheduled]] = [(name, members[name], weights[name]) for name in members]
        kinds = {each.kind for each in members.values()} - {""}
        self.kind = kinds.pop() if len(kinds) == 1 else ""
        self.changes = not all(each.is_constant for each in weights.values())
        self.takes = next(iter(members.values())).takes
        self.uses_target = any(each.uses_target for each in members.values())
        self.needs = tuple(dict.fromkeys(name for each in members.values() for name in each.needs))
        self.simple = self._direct = False

    @property
    def claimed(self) -> set[str | int]:
        """Keys and places of the batch that a term reads."""
        return {name for _, each, _ in self._items for name in each.claimed}

    @property
    def wants_targets(self) -> bool:
        """Whether `fit` must see the training targets first."""
        return any(each.wants_targets for _, each, _ in self._items)

    def fit(self, targets: Tensor | Iterable[Tensor]) -> None:
        """Computes what each term takes from the training targets."""
        kept = targets if isinstance(targets, Tensor) else list(targets)
        for _, each, _ in self._items:
            if each.wants_targets:
                each.fit(kept)

    def at(self, step: int, epoch: float) -> dict[str, float]:
        """The weight of every term at a place of the run."""
        return {name: weight.value(step, epoch) for name, _, weight in self._items}

    def terms(self, output: Any, target: Any, batch: Any = None, step: int = 0, epoch: float = 0.0) -> Terms:
        """n · Σ w_i mean_i over n rows; the parts are n · mean_i, without their weights. A term of weight 0 is not gone backwards from."""
        items: Count = row_count(target, batch, output)
        total: Tensor | None = None
        parts: dict[str, Tensor] = {}
        for name, each, scheduled in self._items:
            summed, count = each.total(output, target, batch)
            if len(self._items) == 1:
                items = count
            elif isinstance(count, Tensor) or count != items:
                summed = summed * (items / (count.clamp_min(1e-12) if isinstance(count, Tensor) else max(count, 1)))
            parts[name] = summed.detach()
            weight = scheduled.value(step, epoch)
            if weight != 0.0:  # 0 · inf would be NaN
                weighted = summed if weight == 1.0 else summed * weight
                total = weighted if total is None else total + weighted
        if total is None:
            total = summed * 0.0
        return Terms(total, items, parts)

    def total(self, output: Any, target: Any, batch: Any = None) -> tuple[Tensor, Count]:
        """The sum with the weights of the start of the run."""
        found = self.terms(output, target, batch)
        return found.total, found.count

    def arguments(self, output: Any, target: Any, batch: Any = None) -> list[Any]:
        """What the first term is called with."""
        found: list[Any] = self._items[0][1].arguments(output, target, batch)
        return found

    @property
    def bounded(self) -> bool:
        """Whether what the model gives must lie in a range for some term."""
        return any(each.bounded for _, each, _ in self._items)

    def check_held(self, output: Any, target: Any, batch: Any = None) -> None:
        """Checks the targets of all rows that are held, for every term; raises its DataError."""
        for _, each, _ in self._items:
            each.check_held(output, target, batch)

    def check(self, output: Any, target: Any, batch: Any = None) -> None:
        """Checks every term; raises its DataError."""
        for name, each, _ in self._items:
            each.check(output, target, batch)
            if len(self._items) > 1 and not each.wants_targets and isinstance(each.total(output, target, batch)[1], Tensor):
                self.inexact = (
                    f"'{name}' divides by a number that differs from one micro-batch to the next; reduction: batchmean for it is exact"
                )
