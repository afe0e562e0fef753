"""What a person wants to know of two runs first: which is better, by how much, and whether that is more than chance."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainwright.api.contrasts import MetricChange, Pairing
from trainwright.runs.results import read_results

SHOWN = 6
"""Targets that are told of."""


@dataclass(frozen=True)
class Conclusion:
    """What is said of the headline metric of one target."""

    change: MetricChange
    pairing: Pairing

    @property
    def better(self) -> str:
        """`first`, `second`, `neither` (equal, or not clear), or nothing where only the numbers can be told."""
        if self.change.low is None:
            return ""
        verdict = self.change.verdict
        return verdict.removesuffix(" better") if verdict.endswith(" better") else "neither"

    def lines(self) -> list[str]:
        """The first line says it, the second by how much."""
        change, pairing = self.change, self.pairing
        name = f"{change.metric} of {change.target}" if change.target else change.metric
        values = f"{name} is {_text(change.first)} and {_text(change.second)}"
        rows = f"the same {pairing.rows:,} test rows" if pairing.same else f"{change.split} rows"
        said = f"{self._heading()}: {values} on {rows}"
        if not pairing.comparable:
            return [said, f"  {pairing.why}"]
        if change.difference is None:
            return [said]
        by = f"  second − first: {change.difference:+.4g}"
        if change.low is not None and change.high is not None:
            zero = ", which includes zero: no more than chance" if change.low <= 0 <= change.high and change.difference else ""
            return [said, f"{by}, 95 % interval {change.low:+.4g} to {change.high:+.4g}{zero}"]
        return [said, f"{by}; whether that is more than chance is not known: {self._why()}" if change.difference else by]

    def _why(self) -> str:
        """Why nothing but the numbers can be told."""
        return self.pairing.why or ("" if self.change.low is not None else self.pairing.few)

    def _heading(self) -> str:
        if not self.pairing.comparable:
            return "not comparable"
        if self.better in ("first", "second"):
            return f"the {self.better} is better"
        if self.change.difference == 0:
            return "equal"
        if self.better == "neither":
            return "no clear difference"
        ahead = self.change.ahead
        return f"the {ahead} has the better number" if ahead else "the numbers differ"

    def to_dict(self) -> dict[str, Any]:
        """The conclusion as JSON can hold it."""
        change = self.change
        return {
            "target": change.target, "metric": change.metric, "split": change.split, "better": self.better, "difference": change.difference,
            "interval": None if change.low is None else [change.low, change.high],
            "same_rows": self.pairing.same, "comparable": self.pairing.comparable, "why": self._why(),
        }  # fmt: skip


def conclude(found: Iterable[MetricChange], pairings: dict[str, Pairing], first: Path) -> list[Conclusion]:
    """One conclusion for each target that both measured: its headline metric, of test rows where there are some."""
    verdicts = (read_results(first) or {}).get("verdict", {})
    changes = list(found)
    targets = dict.fromkeys(each.target for each in changes)
    chosen = []
    for target in targets:
        of_target = [each for each in changes if each.target == target and each.difference is not None]
        split = next((each.split for each in of_target if each.split in ("test", "validation")), "")
        of_split = [each for each in of_target if each.split == split]
        if not of_split or (not target and len(targets) > 1):  # the loss of all targets, beside them
            continue
        headline = (verdicts.get(target) or {}).get("metric")
        change = next((each for each in of_split if each.metric == headline), of_split[0])
        pairing = pairings.get(target, Pairing(False, "no predictions of single rows are kept"))
        kept = split == "test" or not pairing.comparable
        chosen.append(Conclusion(change, pairing if kept else Pairing(False, f"these are {split} rows")))
    return chosen


def conclusion_lines(found: list[Conclusion]) -> list[str]:
    """What is said of each target, of very many the first."""
    lines = [line for each in found[:SHOWN] for line in each.lines()]
    return lines + ([f"… {len(found) - SHOWN} more targets are below"] if len(found) > SHOWN else [])


def _text(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
