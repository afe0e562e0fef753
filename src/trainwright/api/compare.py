"""Two runs side by side: what was asked, what they ran on, how they did, and whether their weights are the same."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainwright.api.contrasts import MetricChange, metric_changes
from trainwright.config.errors import RunError
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
        """0 when the weights are identical, else 1."""
        return 0 if self.identical else 1

    def render(self) -> str:
        """The comparison as text for a terminal."""
        lines = [f"first:  {self.first}", f"second: {self.second}", *self.notes]
        if not self.weights_only:
            sections = (("configuration", self.config), ("code", self.code), ("environment", self.environment), ("data", self.data))
            for title, found in sections:
                agreement = self.code_agreement if title == "code" else "the same"
                lines += ["", f"{title}: {agreement if not found else ''}".rstrip(), *_change_lines(found)]
            lines += ["", "metrics (second − first):" if self.metrics else "metrics: none in common", *_metric_lines(self.metrics)]
        lines += ["", "weights: " + "\n  ".join(self.weights.lines() if self.weights else ["not to be compared; see above"])]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON can hold it."""
        found: dict[str, Any] = {"first": self.first, "second": self.second, "identical": self.identical, "notes": self.notes}
        found["weights"] = self.weights.to_dict() if self.weights else None
        if not self.weights_only:
            for name in ("config", "code", "environment", "data"):
                found[name] = [vars(each) for each in getattr(self, name)]
            found["code_agreement"] = self.code_agreement if not self.code else "different"
            found["metrics"] = [each.to_dict() for each in self.metrics]
        cleaned: dict[str, Any] = plain(found)
        return cleaned


def compare(a: str | os.PathLike[str], b: str | os.PathLike[str], weights_only: bool = False) -> Comparison:
    """Compare two runs; with `weights_only` two runs, model folders, checkpoints or safetensors files, by their weights alone.

    Raises RunError when one is none of these, or damaged. Things other than runs are compared by their weights alone.
    """
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
        found.metrics = metric_changes(first, second)
        found.notes += [each for each in (other_test_rows(first, second),) if each]
    _add_weights(found, first, second)
    return found


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


def _change_lines(found: list[Change]) -> list[str]:
    width = min(max((len(each.name) for each in found), default=0), 44)
    lines = [f"  {each.name:<{width}}  {_cut(each.first)} → {_cut(each.second)}" for each in found[:SHOWN]]
    return lines + ([f"  … {len(found) - SHOWN} more"] if len(found) > SHOWN else [])


def _cut(value: Any, limit: int = 60) -> str:
    text = str(value) if value is not None else "null"
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _metric_lines(found: list[MetricChange]) -> list[str]:
    if not found:
        return []
    head = ("split", "target", "metric", "first", "second", "difference", "95 % interval", "")
    rows = [head, *[each.cells() for each in found[:SHOWN]]]
    widths = [max(len(row[index]) for row in rows) for index in range(len(head))]
    lines = ["  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return lines + ([f"  … {len(found) - SHOWN} more"] if len(found) > SHOWN else [])
