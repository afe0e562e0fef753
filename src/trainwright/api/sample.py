"""New things from a trained model: as the system gives them, or as files in a new folder."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainwright.config.errors import RequestError
from trainwright.domains.predictor import Predictor
from trainwright.files.outputs import ensure_output_folder, write_output_folder
from trainwright.runs.media import Media
from trainwright.runs.media.samples import GRID, SampleForm, write_apart, write_grid

WEIGHTS = ("averaged", "raw", "best", "last")
"""Of a run, beside those of its model: the averages or the trained ones of its last checkpoint, its best checkpoint, its last."""


@dataclass(frozen=True)
class Sampled:
    """What was written where, and what it was made by."""

    folder: Path
    files: list[str]
    about: dict[str, Any]

    @property
    def kinds(self) -> dict[str, int]:
        """Ending → how many files, without the pictures that show all of them."""
        return dict(Counter(Path(each).suffix for each in self.files if Path(each).name != GRID))


def sample_files(predictor: Predictor, n: int, seed: int, output: str | Path, weights: str = "") -> Sampled:
    """`n` samples in a new folder: pictures, sounds and texts each in a file, arrays in one; pictures also side by side in `grid.png`.

    `weights` as `choose_weights`. Raises RequestError for a model that makes none, n below 1, or a folder that is taken.
    """
    ensure_count(n)
    ensure_output_folder(output, predictor.reads)
    choose_weights(predictor, weights)
    given = predictor.sample(n, seed)
    with write_output_folder(output) as temporary:
        media, form = Media(temporary), SampleForm(*predictor.sample_form())
        files = [path.relative_to(temporary).as_posix() for path in write_apart(media, given, form)]
        files += [path.relative_to(temporary).as_posix() for path in write_grid(media, given, form)]
    return Sampled(Path(output), files, predictor.about())


def ensure_count(n: int) -> None:
    """Raises RequestError for a number of samples below 1."""
    if n < 1:
        raise RequestError(f"{n} samples cannot be made", where="-n", fix="ask for 1 or more")


def choose_weights(predictor: Predictor, weights: str) -> None:
    """Take other weights than those of the run's model: one of `WEIGHTS`, or a file, run or checkpoint. Before any are loaded."""
    if weights:
        predictor.use_weights(weights)
