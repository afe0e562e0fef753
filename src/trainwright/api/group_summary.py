"""What a group of runs shows: each point of its grid with mean and standard deviation, paired differences, and which point is the best."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from trainwright.api.contrasts import known_direction
from trainwright.api.pooled import Pooled, pool_folds
from trainwright.config.errors import RunError
from trainwright.files.text import plain, read_json
from trainwright.runs.group import FOLD, SEED, GroupDirectory, Member

LEVEL = 0.95
Settings = dict[str, str]
"""Option → its value as text."""


@dataclass(frozen=True)
class Spread:
    """A metric over several runs."""

    metric: str
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean."""
        return statistics.fmean(self.values)

    @property
    def deviation(self) -> float | None:
        """The sample standard deviation (n − 1); None for fewer than two."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    def __str__(self) -> str:
        return f"{self.mean:.4f}" + ("" if self.deviation is None else f" ± {self.deviation:.4f}")

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {"mean": self.mean, "sd": self.deviation, "n": len(self.values), "min": min(self.values), "max": max(self.values)}


@dataclass(frozen=True)
class Point:
    """One combination of the grid's values, and the runs that differ by seed and fold alone."""

    settings: Settings
    members: tuple[Member, ...]
    numbers: Mapping[str, Mapping[str, float]]
    """Member → its numbers, of those that are finished."""

    @property
    def name(self) -> str:
        """What tells it from the others, in words; `all runs` where there is no grid."""
        return ", ".join(f"{key.rpartition('.')[2]}={value}" for key, value in self.settings.items()) or "all runs"

    @property
    def complete(self) -> bool:
        """Whether each of its runs is finished."""
        return all(each.name in self.numbers for each in self.members)

    def spread(self, metric: str) -> Spread | None:
        """A metric over its finished runs; None where none has it."""
        found = [self.numbers[each.name].get(metric) for each in self.members if each.name in self.numbers]
        values = tuple(each for each in found if each is not None)
        return Spread(metric, values) if values else None

    def by_rows(self, metric: str) -> dict[str, float]:
        """A metric by fold, the mean over seeds in each; by seed where there are no folds."""
        found: dict[str, list[float]] = {}
        for each in self.members:
            value = self.numbers.get(each.name, {}).get(metric)
            if value is not None:
                found.setdefault(each.settings.get(FOLD, each.settings.get(SEED, "")), []).append(value)
        return {key: statistics.fmean(values) for key, values in found.items()}


@dataclass(frozen=True)
class PairedDifference:
    """A metric of one point less that of another, over the folds (or else seeds) that both have finished."""

    settings: Settings
    name: str
    metric: str
    values: tuple[float, ...]
    ratio: float = 0.0
    """Rows measured on to rows learned from, where pairs have other rows each; 0 where they all have the same."""
    better: str = ""
    """`better` or `worse` than the other, where its number says so and it is known which way is better."""

    @property
    def mean(self) -> float:
        """The mean of the differences."""
        return statistics.fmean(self.values)

    @property
    def deviation(self) -> float | None:
        """Their sample standard deviation; None for fewer than two."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the mean by Student's t with n − 1 degrees of freedom; None for fewer than two pairs.

        Where pairs have other rows each, which overlap in training, the variance is (1/n + ratio) · sd² instead of sd²/n (Nadeau and
        Bengio 2003, the corrected resampled t-test).
        """
        if (deviation := self.deviation) is None:
            return None
        half = t_quantile((1 + LEVEL) / 2, len(self.values) - 1) * deviation * math.sqrt(1 / len(self.values) + self.ratio)
        return self.mean - half, self.mean + half

    @property
    def clear(self) -> bool | None:
        """Whether the interval leaves zero out; None where there is none."""
        return None if self.interval is None else not self.interval[0] <= 0 <= self.interval[1]

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        found = {"settings": self.settings, "metric": self.metric, "mean": self.mean, "sd": self.deviation, "n": len(self.values)}
        return {**found, "interval": self.interval, "clear": self.clear, "standing": self.better, "ratio": self.ratio}


def t_quantile(share: float, freedom: int) -> float:
    """The quantile of Student's t distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, share))


@dataclass
class Summary:
    """A group as it is now; what follows from its finished runs."""

    group: GroupDirectory
    found: dict[str, dict[str, Any]]
    """Member → its status and headline."""
    numbers: dict[str, dict[str, float]]
    """Member → every number of its results, of those that are finished."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Finished member whose results cannot be read → why."""

    @classmethod
    def of(cls, group: GroupDirectory) -> Summary:
        """Look at every member."""
        found = {each.name: each.summarize() for each in group.members}
        numbers, unreadable = {}, {}
        for each in group.members:
            if found[each.name]["status"] == "finished":
                try:
                    numbers[each.name] = each.metrics()
                except RunError as error:
                    unreadable[each.name] = error.why or error.what
                    found[each.name] = {**found[each.name], "status": "unreadable"}
        return cls(group, found, numbers, unreadable)

    @cached_property
    def headline(self) -> str:
        """The metric that sums a run up, as `target.metric`, of the first that is finished; empty where none has one."""
        for each in self.group.members:
            given = (read_json(each.run / "run.json") or {}).get("headline") if each.name in self.numbers else None
            if isinstance(given, dict) and given.get("metric"):
                return ".".join(str(part) for part in (given.get("target"), given["metric"]) if part)
        return ""

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """The headline metric on validation and test rows, as far as runs have it, else on those of training."""
        there = {name for each in self.numbers.values() for name in each}
        named = [f"{split}.{self.headline}" for split in ("validation", "test", "train")] if self.headline else []
        return tuple([each for each in named if each in there][:2])

    @cached_property
    def points(self) -> tuple[Point, ...]:
        """The combinations of the grid, in order; one where there is no grid."""
        places: dict[tuple[str, ...], list[Member]] = {}
        for each in self.group.members:
            places.setdefault(tuple(each.settings[key] for key in self.group.grid), []).append(each)
        return tuple(Point(dict(zip(self.group.grid, values, strict=True)), tuple(found), self.numbers) for values, found in places.items())

    @cached_property
    def pooled(self) -> tuple[Pooled, ...]:
        """Each target over the test rows of all folds, of the finished runs that differ by fold alone."""
        return tuple(pool_folds([each for each in self.group.members if each.name in self.numbers]))

    @property
    def selection(self) -> str:
        """The metric by which the best point is chosen: the headline on validation rows; empty where that was not measured."""
        return next((each for each in self.metrics if each.startswith("validation.")), "")

    @cached_property
    def direction(self) -> bool | None:
        """Whether more of the headline metric is better; None where that is not known."""
        return known_direction(self.headline) if self.headline else None

    @cached_property
    def ranked(self) -> tuple[Point, ...]:
        """Points whose runs are all finished, the best on validation rows first; none where that cannot be said."""
        if not self.selection or self.direction is None:
            return ()
        means = [(spread.mean, each) for each in self.points if each.complete and (spread := each.spread(self.selection)) is not None]
        usable = [(mean, each) for mean, each in means if math.isfinite(mean)]
        return tuple(each for _, each in sorted(usable, key=lambda found: -found[0] if self.direction else found[0]))

    @property
    def best(self) -> Point | None:
        """The best point of a grid on validation rows; the earlier of equal ones. None without a grid, and where it cannot be said."""
        return self.ranked[0] if self.group.grid and self.ranked else None

    @cached_property
    def ties(self) -> tuple[Point, ...]:
        """Other points whose mean is that of the best."""
        if self.best is None:
            return ()
        means = [spread.mean for each in self.ranked if (spread := each.spread(self.selection)) is not None]
        return tuple(each for mean, each in zip(means[1:], self.ranked[1:], strict=True) if math.isclose(mean, means[0], rel_tol=1e-12))

    def why_no_best(self) -> str:
        """Why no point is the best of a grid."""
        if not self.numbers:
            return "no run is finished"
        if not self.selection:
            return "no run measured the headline metric on validation rows, and test rows choose nothing"
        if self.direction is None:
            return f"which way '{self.headline}' is better is not known"
        return "no point of the grid has all of its runs finished"

    @property
    def unfinished(self) -> dict[str, list[str]]:
        """Status → the members that have it, of those that are not finished."""
        found: dict[str, list[str]] = {}
        for name, each in self.found.items():
            if each["status"] != "finished":
                found.setdefault(str(each["status"]), []).append(name)
        return found

    @cached_property
    def reference(self) -> Point | None:
        """What others are compared with: the best point, else the first."""
        return (self.best or self.points[0]) if len(self.points) > 1 else None

    @cached_property
    def differences(self) -> tuple[PairedDifference, ...]:
        """Of every other point to the reference, for each metric shown, over the folds or seeds that both have finished."""
        if self.reference is None:
            return ()
        return tuple(
            each
            for metric in self.metrics
            for point in self.points
            if point is not self.reference and (each := self._difference(point, metric)) is not None
        )

    def _difference(self, point: Point, metric: str) -> PairedDifference | None:
        if self.reference is None:
            return None
        ours, theirs = point.by_rows(metric), self.reference.by_rows(metric)
        values = tuple(ours[key] - theirs[key] for key in ours if key in theirs)
        if not values:
            return None
        mean = statistics.fmean(values)
        better = "" if self.direction is None or not mean else "better" if (mean > 0) == self.direction else "worse"
        return PairedDifference(point.settings, point.name, metric, values, self._ratio(metric.partition(".")[0]), better)

    def _ratio(self, split: str) -> float:
        """Rows of a split to those of training, where members have other rows each; 0 where all have the same."""
        return self._rows.get(split, 0) / self._rows["train"] if self.rows_differ and self._rows.get("train") else 0.0

    @cached_property
    def rows_differ(self) -> bool:
        """Whether pairs have other test rows: folds, or seeds that the split follows."""
        if FOLD in self.group.axes:
            return True
        seeds = {self._split_of(each).get("seed") for each in self.group.members if each.name in self.numbers}
        return SEED in self.group.axes and len(seeds) > 1

    @cached_property
    def _rows(self) -> dict[str, int]:
        """Split → its rows, of the first finished member that says it."""
        told = (self._split_of(each) for each in self.group.members if each.name in self.numbers)
        found = next((each for each in told if each), {})
        return {name: int(found[name]) for name in ("train", "validation", "test") if isinstance(found.get(name), int)}

    def _split_of(self, member: Member) -> dict[str, Any]:
        try:
            found = (read_json(member.run / "data.json") or {}).get("split")
        except RunError:
            return {}
        return found if isinstance(found, dict) else {}

    def interval_method(self, difference: PairedDifference) -> str:
        """What an interval is, in words."""
        if difference.ratio:
            split = difference.metric.partition(".")[0]
            why = f"{split} rows / training rows = {difference.ratio:.2g}"
            return f"95 % interval by the corrected resampled t (Nadeau and Bengio), {why}"
        return "95 % interval by the paired t"

    def by_axis(self) -> dict[str, dict[str, dict[str, Spread]]]:
        """Axis of a grid of several → value → metric → its spread over all finished runs with that value."""
        if len(self.group.grid) < 2:
            return {}
        found: dict[str, dict[str, dict[str, Spread]]] = {}
        for axis in self.group.grid:
            values = dict.fromkeys(each.settings[axis] for each in self.group.members)
            found[axis] = {value: self._spreads(each for each in self.group.members if each.settings[axis] == value) for value in values}
        return found

    def _spreads(self, members: Iterable[Member]) -> dict[str, Spread]:
        listed = Point({}, tuple(members), self.numbers)
        return {metric: spread for metric in self.metrics if (spread := listed.spread(metric)) is not None}

    def to_dict(self) -> dict[str, Any]:
        """The group as JSON can hold it."""
        found: dict[str, Any] = plain(
            {
                "folder": str(self.group.folder),
                "axes": list(self.group.axes),
                "members": [self._member(each) for each in self.group.members],
                "metrics": list(self.metrics),
                "points": [
                    {
                        "settings": each.settings,
                        "members": [one.name for one in each.members],
                        "finished": sum(one.name in self.numbers for one in each.members),
                        "metrics": {metric: spread.to_dict() for metric in self.metrics if (spread := each.spread(metric)) is not None},
                    }
                    for each in self.points
                ],
                "by_axis": {
                    axis: {value: {name: each.to_dict() for name, each in spreads.items()} for value, spreads in values.items()}
                    for axis, values in self.by_axis().items()
                },
                "pooled": [each.to_dict() for each in self.pooled],
                "best": self._best(),
                "differences": [self._describe_difference(each) for each in self.differences],
            }
        )
        return found

    def _member(self, member: Member) -> dict[str, Any]:
        told = {"name": member.name, "settings": member.settings, "run": str(member.run)}
        return {**self.found[member.name], **told, "metrics": self.numbers.get(member.name, {})}

    def _best(self) -> dict[str, Any] | None:
        if not self.group.grid:
            return None
        if self.best is None:
            return {"settings": None, "why": self.why_no_best()}
        return {"settings": self.best.settings, "metric": self.selection, "ties": [each.settings for each in self.ties]}

    def _describe_difference(self, difference: PairedDifference) -> dict[str, Any]:
        against = {} if self.reference is None else self.reference.settings
        return {**difference.to_dict(), "against": against, "method": self.interval_method(difference)}


def count_statuses(unfinished: Mapping[str, Sequence[str]]) -> str:
    """Members that are not finished, in words: `1 failed (seed=3), 2 waiting`."""
    shown = [f"{len(names)} {status} ({', '.join(names[:4])}{', …' if len(names) > 4 else ''})" for status, names in unfinished.items()]
    return ", ".join(shown)
