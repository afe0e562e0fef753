"""What a trained model of any kind can be asked: what it takes, what it gives, and its answers to rows."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from torch import Tensor

from trainwright.config.errors import RequestError
from trainwright.domains.forms import Columns as Columns
from trainwright.domains.forms import are_paths, as_given
from trainwright.domains.pieces import OnePiece, Pieces

if TYPE_CHECKING:
    from trainwright.domains.deliverable import Deliverable
    from trainwright.domains.sampling import Sampling
    from trainwright.explain.explanation import Explanation
    from trainwright.explain.study import Asked
    from trainwright.explain.subject import Subject
    from trainwright.parallel.world import World

Tensors = dict[str, Tensor]
Metrics = dict[str, dict[str, float]]
"""Target → metric → value."""


@dataclass(frozen=True)
class Field:
    """One thing by name that a model takes or gives for a row."""

    name: str
    type: str
    """The type of a column (`number`, `category`), or of the numbers of an array (`float32`)."""
    shape: tuple[int | None, ...]
    """Of one row: () for a single value; None where it differs from row to row."""


class Predictor(ABC):
    """A trained model that answers rows; `evaluate`, `predict` and `export` ask nothing else, whatever kind of run it is from.

    Rows are read once: by `read` from what a person gives, or by `own_rows` from a split of the run's own data. Both give what
    `answer` and `measure` take.
    """

    received: Path | None = None
    """The folder whose files name what is built; None where a configuration of one's own does."""
    endings: ClassVar[tuple[str, ...]]
    """The kinds of file that its predictions can be written to."""
    usual_split: ClassVar[str | None] = None
    """The split that is predicted where neither rows nor a split are named; None where one must be."""
    reads: Any = ()
    """Texts and paths that name what the run was made of, which predictions are never written over."""
    folders: Iterable[Path] = ()
    """Where relative ones of them lie, beside the working directory."""

    @property
    @abstractmethod
    def inputs(self) -> list[Field]:
        """What it takes of a row."""

    @property
    @abstractmethod
    def outputs(self) -> list[Field]:
        """What it gives for a row."""

    @abstractmethod
    def read(self, data: Any) -> Any:
        """Rows as they come, read for this model; raises DataError for what it cannot take."""

    def pieces(self, data: Any) -> Pieces:
        """Rows as they come, opened to be read and answered piece by piece where the kind of model can; raises as `read` does.

        A list of paths is several files, one after the other.
        """
        if are_paths(data):
            why, fix = "only a table's run reads several files", "name one file"
            raise RequestError("these are several files", where=", ".join(map(os.fspath, data[:4])), why=why, fix=fix)
        return OnePiece(self.read(data))

    def key(self) -> Any:
        """What its answers depend on beside the rows, as plain JSON; None where that cannot be said."""
        return None

    @abstractmethod
    def own_rows(self, split: str) -> Any:
        """The rows of a split of the run's own data; raises RequestError where there is no such split, or the data are gone."""

    @abstractmethod
    def preprocess(self, rows: Any) -> Tensors:
        """Rows as they come → the tensors that `forward` takes, rows first; rows that cannot be answered are left out."""

    @abstractmethod
    def forward(self, tensors: Tensors) -> Tensors:
        """The tensors of some rows → what the network says of them, rows first."""

    @abstractmethod
    def postprocess(self, tensors: Tensors) -> Columns:
        """What the network says → predictions in the words and units of the data."""

    @abstractmethod
    def answer(self, rows: Any) -> Columns:
        """Predictions for rows that were read, in their order."""

    @abstractmethod
    def measure(self, rows: Any, split: str) -> dict[str, Any]:
        """`{"rows", "metrics", …}` of rows that were read, as `split` (`test` or `validation`); raises DataError where targets lack."""

    def some_rows(self, split: str, count: int) -> Any:
        """Up to `count` rows of a split, spread evenly over it, as `own_rows` gives them; raises what that raises."""
        del count
        raise RequestError("this kind of run has no rows of its own that could be read again", where=f"--split {split}", fix="name rows")

    def measure_outputs(self, rows: Any, outputs: Mapping[str, np.ndarray]) -> tuple[Metrics, Metrics] | None:
        """The metrics of rows that were read by this model, and by what an artifact gave for them; None where that is not known."""
        del rows, outputs
        return None

    def decided_at(self, threshold: float | str) -> Predictor:
        """The same, with rows called positive from this probability, or the `tuned` one; raises RequestError for models without classes."""
        what, why = "a threshold decides between two classes", "only a table's run has targets with a class"
        raise RequestError(what, where=f"threshold {threshold}", why=why, fix="leave it out")

    def with_embeddings(self) -> Predictor:
        """The same, whose predictions hold what the encoders make of each row; raises RequestError for models without encoders."""
        what, why = "this model has no embeddings", "only a table's run has encoders"
        raise RequestError(what, where="--embeddings", why=why, fix="leave it out, or give what it embeds in its predict_step")

    def with_reasons(self) -> Predictor:
        """The same, that answers no row it cannot read, and says why in a column; raises RequestError for models without columns."""
        what, why = "rows of this model are not left out one by one", "only a table's run reads its rows value by value"
        raise RequestError(what, where="--bad-rows null", why=why, fix="leave it out")

    def sampling(self, options: Any, n: int, seed: int = 0) -> Sampling:
        """`n` samples under options of its kind (`SystemKind.sampling`), not made yet; raises RequestError for what they cannot be made of.

        All that can be wrong is told here, before anything is drawn or written.
        """
        raise RequestError("samples of this model take no options", where="sample", fix="leave them out")

    def work_beside(self, world: World) -> None:
        """Take the device of this process where several share the machine; before weights are loaded."""
        del world

    def sample(self, n: int, seed: int = 0) -> Any:
        """`n` new things, as the system's `sample` gives them; raises RequestError for a model that makes none."""
        raise RequestError("this model makes no samples", where="sample", why="it answers rows", fix="trainwright predict RUN DATA")

    def sample_form(self) -> tuple[tuple[float, float] | None, int]:
        """The values of its pictures that are black and white (None for what is no picture), and Hz of its sounds (0 for none)."""
        return (0.0, 1.0), 0

    def use_weights(self, weights: str) -> None:
        """Take other weights than those of the model, as `domains.chosen_weights` reads the words; before any are loaded."""
        raise RequestError("this model has its own weights alone", where=f"--weights {weights}", fix="leave it out")

    def deliverable(self) -> Deliverable:
        """The model as others can run it; raises RequestError for one that cannot be traced, with why."""
        why = "it does not say which tensors it takes and gives"
        raise RequestError("this kind of model cannot be traced", where="--to", why=why, fix="export the model as it is, without --to")

    def explainable(self, data: Any, split: str, target: str, labelled: bool) -> Subject:
        """The model over rows as they come, or a split of its own, as methods of explaining ask it; `labelled`: with their truth.

        `target` names what is explained, where there are several. Raises RequestError for a kind of model that cannot be explained.
        """
        what = "this kind of model says nothing of its inputs that could be explained"
        raise RequestError(what, where="explain", fix="give its predictor a method `explainable`")

    def explain(self, asked: Asked, data: Any = None, split: str = "test", target: str = "") -> Explanation:
        """What a method finds of the model for rows as they come, or for a split of the run's own data; raises RequestError, DataError."""
        from trainwright.config.registry import load
        from trainwright.explain.run import explain

        labelled = bool(getattr(load("explainer", asked.method.type), "needs_truth", False))
        return explain(self.explainable(data, split, target, labelled), asked)

    def about(self) -> dict[str, Any]:
        """Which model it is, for the head of a measurement."""
        return {}

    def usual_output(self, split: str) -> Path | None:
        """The file that predictions of a split go to where none is named; None where they are shown."""
        return None

    @property
    def writes_files(self) -> bool:
        """Whether predictions are files of their own (masks), so that they are written into a folder."""
        return False

    def write_files(self, rows: Any, columns: Any, folder: Path) -> Any:
        """Write predictions that are files into a folder; the columns with their paths in it."""
        return columns

    def export(self, folder: Path) -> None:  # noqa: B027 - most kinds add nothing
        """Write into the folder of an exported model what this kind adds to its files."""

    def predict(self, rows: Any) -> Any:
        """Predictions for rows as they come, in their order and, where they fit into it, in the form that the rows have.

        A DataFrame of pandas or polars gives one, a Series or a dict of single values (one row) the same, a list of such dicts a list of
        them; anything else gives `Columns`.
        """
        return as_given(self.answer(self.read(rows)), rows)

    def evaluate(self, rows: Any) -> dict[str, Any]:
        """`{"rows", "metrics", …}` of labelled rows as they come."""
        return self.measure(self.read(rows), "test")


def shapes_of(columns: Mapping[str, np.ndarray]) -> str:
    """Names and shapes of arrays, for a person: `p (10, 2)`."""
    return ", ".join(f"{name} {tuple(each.shape)}" for name, each in columns.items())
