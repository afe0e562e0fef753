"""`evaluations/step-N.npz`: values per class and points of curves of every evaluation, in numpy's own format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from trainwright.engine.monitor import BestEvaluations
from trainwright.files.whole import sweep, whole_file

FOLDER = "evaluations"
History = str
"""`all`, `best` or `none`: of which evaluations files are kept."""
MOST_BYTES = 1 << 20
"""Bytes of arrays in one file; an array that would pass them is left out."""


class EvaluationFiles:
    """Writes a file for each evaluation that is logged; as a tracker, it forgets those of steps that a run goes back behind."""

    shown_name = ""

    def __init__(self, run: Path, history: History, best: BestEvaluations) -> None:
        self.folder, self.history, self.best = run / FOLDER, history, best
        self._taken: tuple[int, dict[str, np.ndarray]] | None = None

    def take(self, step: int, details: Callable[[], Mapping[str, np.ndarray]]) -> None:
        """Hear of an evaluation; what there is to keep is found now, and written with its row."""
        self._taken = None if self.history == "none" else (step, bound_arrays(details()))

    def begin(self, step: int) -> list[dict[str, float]]:
        """Continue after `step` updates: files of later steps are removed, and written anew when they are reached again."""
        if self.folder.is_dir():
            sweep(self.folder)  # what a process that was killed left half written
        for place, path in self._files():
            if place > step:
                path.unlink()
        return []

    def log(self, row: Mapping[str, float]) -> None:
        """Write the file of an evaluation, whole or not. Raises OSError when the disk refuses."""
        taken, self._taken = self._taken, None
        if taken is None or taken[0] != row["step"] or not taken[1]:
            return
        step, arrays = taken
        if self.history == "best" and self.best.steps[:1] != [step]:
            return
        values = {name.removeprefix("validation/"): value for name, value in row.items() if name.startswith("validation/")}
        self.folder.mkdir(exist_ok=True)
        with whole_file(self.folder / f"step-{step}.npz") as temporary, temporary.open("wb") as file:
            np.savez(
                file,
                step=np.array(step),
                metric_names=np.array(list(values), dtype=np.str_),
                metric_values=np.array(list(values.values()), dtype=np.float64),
                **arrays,  # type: ignore[arg-type]
            )

    def sync(self) -> None:
        """Nothing: a file is whole when its row is written."""

    def close(self) -> None:
        """Nothing is open."""

    def settle(self) -> None:
        """Where the best is kept alone: remove those that were the best before it, once the run has ended."""
        if self.history == "best":
            for step, path in self._files():
                if [step] != self.best.steps[:1]:
                    path.unlink()

    def _files(self) -> list[tuple[int, Path]]:
        return [(int(path.stem.removeprefix("step-")), path) for path in self.folder.glob("step-*.npz") if path.stem[5:].isdecimal()]


def bound_arrays(details: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays, smallest first, as far as they fit into a file."""
    kept, used = set[str](), 0
    for name, each in sorted(details.items(), key=lambda item: item[1].nbytes):
        used += each.nbytes
        if used <= MOST_BYTES:
            kept.add(name)
    return {name: each for name, each in details.items() if name in kept}


def settle_files(trackers: Iterable[Any]) -> None:
    """Let those among trackers that keep files of evaluations know that the run has ended."""
    for each in trackers:
        if isinstance(each, EvaluationFiles):
            each.settle()
