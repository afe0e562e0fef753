"""How far two runs may be apart and still count as the same, for a program that decides by an exit code."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from trainwright.api.contrasts import MetricChange
from trainwright.config.errors import RequestError, did_you_mean
from trainwright.runs.weights import WeightsDifference

WHERE = "--tolerance"


@dataclass(frozen=True)
class Bound:
    """A largest difference, as a number or as a share of the first value."""

    size: float
    relative: bool = False

    def holds(self, first: float, second: float) -> bool:
        """Whether two values are no further apart; two that are not finite are so only if they are equal."""
        if not (math.isfinite(first) and math.isfinite(second)):
            return first == second or (math.isnan(first) and math.isnan(second))
        return abs(second - first) <= (self.size * abs(first) if self.relative else self.size)

    def __str__(self) -> str:
        return f"{self.size * 100:.6g}%" if self.relative else f"{self.size:.6g}"


@dataclass(frozen=True)
class Tolerance:
    """The bound of every metric, and those of metrics that have their own."""

    every: Bound | None
    single: Mapping[str, Bound]

    def beyond(self, found: Iterable[MetricChange], only: Mapping[str, list[str]]) -> list[str]:
        """What is further apart than allowed, in words; `only` has those of one run alone. Raises RequestError for an unknown name."""
        changes = [each for each in found if each.split != "train"]
        for name in self.single:
            if name not in {each.metric for each in changes}:
                known = sorted({each.metric for each in changes})
                raise RequestError(f"no metric '{name}' in both runs", where=f"{WHERE} {name}=", fix=did_you_mean(name, known))
        said = []
        for each in changes:
            bound = self.single.get(each.metric, self.every)
            if bound is None:
                continue
            name = " ".join(filter(None, (each.split, each.target, each.metric)))
            first, second = (math.nan if value is None else value for value in (each.first, each.second))
            if not bound.holds(first, second):
                apart = "is undefined in one" if each.difference is None else f"differs by {each.difference:+.4g}"
                said.append(f"{name} {apart} ({bound} allowed)")
        if not changes:
            said.append("no metric was measured in both")
        return said + [f"{name} is in the {which} alone" for which, names in only.items() for name in names if self.every is not None]

    def beyond_weights(self, found: WeightsDifference | None) -> list[str]:
        """The same of weights: tensors that are further apart, or not in both. A share is of a tensor's largest value in the first."""
        if found is None:
            return ["there are no weights to compare"]
        bound = self.every or Bound(0.0)
        far = [name for name, value in found.changed.items() if not _within(bound, value, found.scales.get(name, 0.0))]
        said = [f"{name} differs by {found.changed[name]} ({bound} allowed)" for name in far[:3]]
        said += [f"{len(far) - 3} more tensors differ by more than {bound}"] if len(far) > 3 else []
        other = [*found.missing, *found.extra, *found.reshaped]
        return said + ([f"{len(other)} tensors are not in both alike, as {other[0]}"] if other else [])


def _within(bound: Bound, difference: float | None, scale: float) -> bool:
    if difference is None or math.isnan(difference):
        return False
    return difference <= (bound.size * scale if bound.relative else bound.size)


def read_tolerance(given: Iterable[str | float]) -> Tolerance:
    """The tolerance that texts say: `0.01`, `1%` of the first value, or `accuracy=0.01` for one metric. Raises RequestError."""
    every: Bound | None = None
    single: dict[str, Bound] = {}
    for each in given:
        name, equals, value = str(each).rpartition("=")
        bound = _bound(value, str(each))
        if equals:
            single[name.strip()] = bound
        elif every is not None:
            raise RequestError("two tolerances are given for every metric", where=f"{WHERE} {each}", fix="name a metric: accuracy=0.01")
        else:
            every = bound
    return Tolerance(every, single)


def _bound(text: str, shown: str) -> Bound:
    share = text.strip().endswith("%")
    try:
        size = float(text.strip().removesuffix("%"))
    except ValueError:
        size = math.nan
    if not (math.isfinite(size) and size >= 0):
        fix = "write 0.01, 1% (of the first run's value), or accuracy=0.01"
        raise RequestError(f"'{text}' is no tolerance", where=f"{WHERE} {shown}", why="it is a number from 0 up, or a percentage", fix=fix)
    return Bound(size / 100 if share else size, share)
