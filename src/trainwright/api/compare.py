"""Two runs side by side: what was asked, what they ran on, how they did, and whether their weights are the same."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainwright.api.conclusion import Conclusion, conclude, conclusion_lines
from trainwright.api.contrasts import MetricChange, metric_changes, only_in_one
from trainwright.api.tolerance import Tolerance, read_tolerance
from trainwright.config.errors import RequestError, RunError
from trainwright.files.text import plain
from trainwright.runs.differences import (
    Change,
    code_agreement,
    code_changes,
    config_changes,
    data_changes,
    environment_changes,
    other_test_rows,
)
from trainwright.runs.directory import RunDirectory
from trainwright.runs.weights import WeightsDifference, compare_weights

WEIGHTS = ("model.safetensors", "system.safetensors")
SHOWN = 60


@dataclass
class Comparison:
    """The differences between two runs, or between two sets of weights; `identical` is about the weights."""

    first: str
    second: str
    weights: WeightsDifference | None = None
    weights_files: tuple[str, str] | None = None
    config: list[Change] = field(default_factory=list)
    code: list[Change] = field(default_factory=list)
    environment: list[Change] = field(default_factory=list)
    data: list[Change] = field(default_factory=list)
    metrics: list[MetricChange] = field(default_factory=list)
    conclusions: list[Conclusion] = field(default_factory=list)
    """What is said of the headline metric of each target."""
    beyond: list[str] | None = None
    """What is further apart than the tolerance allows; None when none was given."""
    notes: list[str] = field(default_factory=list)
    code_agreement: str = "the same"
    """What is said of the code when no difference was found."""
    weights_only: bool = False

    @property
    def identical(self) -> bool:
        """Whether both have weights and they are the same, bit for bit."""
        return self.weights is not None and self.weights.identical

    @property
    def exit_code(self) -> int:
        """0 when the weights are identical or, where a tolerance was given, when nothing is beyond it; else 1."""
        return int(not self.identical) if self.beyond is None else int(bool(self.beyond))

    def render(self) -> str:
        """The comparison as text for a terminal: what a person wants to know, differences of the request, and all else."""
        lines = [*self._opening(), "", f"first:  {self.first}", f"second: {self.second}", *self.notes]
        if not self.weights_only:
            lines += ["", *_section("configuration", self.config, "the same")]
            lines += ["", *(_metric_lines(self.metrics) or ["metrics: none in common"])]
            for title, found in (("data", self.data), ("code", self.code), ("environment", self.environment)):
                lines += ["", *_section(title, found, self.code_agreement if title == "code" else "the same")]
        lines += ["", *self._weights_lines()]
        return "\n".join(lines).lstrip("\n")

    def _opening(self) -> list[str]:
        lines = conclusion_lines(self.conclusions)
        if self.identical or self.weights_only:
            lines.append("the weights are identical" if self.identical else "the weights differ")
        if self.beyond is not None:
            lines += [f"beyond the tolerance: {each}" for each in self.beyond[:SHOWN]] or ["all is within the tolerance"]
        return lines

    def _weights_lines(self) -> list[str]:
        first, *rest = self.weights.lines() if self.weights else ["not to be compared; see above"]
        return [f"weights: {first}", *(f"  {each}" for each in rest)]

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON can hold it."""
        found: dict[str, Any] = {"first": self.first, "second": self.second, "identical": self.identical, "notes": self.notes}
        found["weights"] = self.weights.to_dict() if self.weights else None
        if not self.weights_only:
            for name in ("config", "code", "environment", "data"):
                found[name] = [vars(each) for each in getattr(self, name)]
            found["code_agreement"] = self.code_agreement if not self.code else "different"
            found["metrics"] = [each.to_dict() for each in self.metrics]
            found["conclusions"] = [each.to_dict() for each in self.conclusions]
        if self.beyond is not None:
            found["beyond_tolerance"] = self.beyond
        cleaned: dict[str, Any] = plain(found)
        return cleaned


def compare(
    a: str | os.PathLike[str],
    b: str | os.PathLike[str],
    weights_only: bool = False,
    tolerance: float | str | Iterable[str | float] | None = None,
) -> Comparison:
    """Compare two runs; with `weights_only` two runs, model folders, checkpoints or safetensors files, by their weights alone.

    `tolerance` (`0.01`, `1%` of the first value, `accuracy=0.01`, or several) bounds metrics of test and validation rows, or else weights.
    Raises RunError when one is none of these, or damaged, RequestError for a tolerance that is none. Things other than runs are compared
    by their weights alone.
    """
    given = None if tolerance is None else read_tolerance([tolerance] if isinstance(tolerance, str | int | float) else tolerance)
    first, note_a = _resolve(a)
    second, note_b = _resolve(b)
    notes = [note for note in (note_a, note_b) if note]
    both_runs = all((each / "run.json").is_file() for each in (first, second))
    if not both_runs and not weights_only:
        notes.append("not both are runs, so only their weights are compared")
    found = Comparison(str(first), str(second), notes=notes, weights_only=weights_only or not both_runs)
    if not found.weights_only:
        found.config, found.code = config_changes(first, second), code_changes(first, second)
        found.code_agreement = code_agreement(first, second)
        found.environment, found.data = environment_changes(first, second), data_changes(first, second)
        found.metrics, pairings = metric_changes(first, second)
        found.conclusions = conclude(found.metrics, pairings, first)
        found.notes += [each for each in (other_test_rows(first, second),) if each]
    _add_weights(found, first, second)
    if given is not None:
        found.beyond = _beyond(found, given, first, second)
    return found


def _beyond(found: Comparison, given: Tolerance, first: Path, second: Path) -> list[str]:
    """What is further apart than allowed: metrics of runs, else weights. Raises RequestError for metrics where weights are compared."""
    if not found.weights_only:
        return given.beyond(found.metrics, only_in_one(first, second))
    if given.single:
        name = next(iter(given.single))
        raise RequestError("weights have no metrics", where=f"--tolerance {name}=", fix="give one number, or compare two runs as a whole")
    return given.beyond_weights(found.weights)


def _add_weights(found: Comparison, first: Path, second: Path) -> None:
    """Two unfinished runs can still be compared in all else; two sets of weights cannot."""
    try:
        files = weights_file(first), weights_file(second)
    except RunError as error:
        if found.weights_only:
            raise
        found.notes.append(f"{error.where}: {error.what}")
        return
    found.weights = compare_weights(*files)
    found.weights_files = (str(files[0]), str(files[1]))
    if files[0].name != files[1].name:
        found.notes.append(f"weights compared: {files[0]} and {files[1]}")


def _resolve(named: str | os.PathLike[str]) -> tuple[Path, str]:
    """A file, a folder with weights, or the run that a path means, with the note of its resolution."""
    path = Path(named)
    if path.is_file():
        return path, ""
    if os.fspath(named) and path.is_dir() and not (path / "run.json").is_file() and any((path / name).is_file() for name in WEIGHTS):
        return path, ""
    run = RunDirectory.open(named)
    return run.path, run.note


def weights_file(path: Path) -> Path:
    """The safetensors file of a run (its model, else its newest checkpoint), a model folder, a checkpoint, or itself.

    A checkpoint is verified first. Raises RunError when there are no weights or the checkpoint is damaged.
    """
    if path.is_file():
        return path
    if (path / "run.json").is_file():
        folders = [path / "model", *sorted((path / "checkpoints").glob("step-*"), reverse=True)]
    else:
        folders = [path]
    for folder in folders:
        for name in WEIGHTS:
            if (folder / name).is_file():
                _verify(folder)
                return folder / name
    raise RunError(
        "there are no weights here yet", where=str(path), why="no model and no checkpoint was written", fix="let the run write one"
    )


def _verify(folder: Path) -> None:
    from trainwright.checkpoint.manifest import MANIFEST, Damaged, verify

    if not (folder / MANIFEST).is_file():
        return
    try:
        verify(folder)
    except Damaged as damage:
        raise RunError("this checkpoint is damaged", where=str(folder), why=str(damage), fix="compare another checkpoint") from damage


def _section(title: str, found: list[Change], agreement: str) -> list[str]:
    """What differs of one thing, below its name."""
    if not found:
        return [f"{title}: {agreement}"]
    width = min(max(len(each.name) for each in found), 44)
    lines = [f"  {each.name:<{width}}  {_cut(each.first)} → {_cut(each.second)}" for each in found[:SHOWN]]
    return [f"{title}:", *lines, *([f"  … {len(found) - SHOWN} more"] if len(found) > SHOWN else [])]


def _cut(value: Any, limit: int = 60) -> str:
    text = str(value) if value is not None else "null"
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _metric_lines(found: list[MetricChange]) -> list[str]:
    """A table for each split and target, with the same columns."""
    shown = found[:SHOWN]
    head = ("", "first", "second", "difference", "95 % interval", "better")
    widths = [max(len(cell) for cell in column) for column in zip(head, *(each.cells() for each in shown), strict=True)]
    lines: list[str] = []
    for split, target in dict.fromkeys((each.split, each.target) for each in shown):
        of = [each.cells() for each in shown if (each.split, each.target) == (split, target)]
        rows = [head, *of] if not lines else of
        lines.append(f"metrics of {split} rows{f', {target}' if target else ''} (difference: second − first):")
        lines += ["  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return lines + ([f"  … {len(found) - SHOWN} more"] if len(found) > SHOWN else [])
