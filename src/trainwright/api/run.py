"""A run as Python sees it: its numbers, its model, its files."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainwright.config.errors import RunError
from trainwright.runs.directory import RunDirectory
from trainwright.runs.results import read_results
from trainwright.runs.ways_on import to_its_end

if TYPE_CHECKING:
    from trainwright.api.export import Exported
    from trainwright.explain.explanation import Explanation


class Run:
    """A run directory: `metrics`, `results`, `predict`, `evaluate`, `report`."""

    def __init__(self, directory: RunDirectory, trust_code: bool = False, *, model: Any = None, loss: Any = None) -> None:
        """`model`, `loss`: the objects that a run of `tw.fit` was trained with, which its files only name."""
        self.directory, self.trust_code, self.given = directory, trust_code, (model, loss)

    @property
    def path(self) -> Path:
        """The run directory."""
        return self.directory.path

    @property
    def status(self) -> str:
        """`created`, `running`, `finished`, `interrupted` or `failed`."""
        return self.directory.status

    @cached_property
    def results(self) -> dict[str, Any]:
        """The content of results.json; raises RunError when training has not reached its end."""
        found = read_results(self.path)
        if found is None:
            why = "training did not reach its end"
            raise RunError("this run has no results yet", where=str(self.path), why=why, fix=to_its_end(self.path))
        return found

    @property
    def metrics(self) -> dict[str, Any]:
        """Split (`train`, `validation`, `test`) → target → metric → value."""
        return dict(self.results["metrics"])

    @cached_property
    def predictor(self) -> Any:
        """What answers rows with the trained model; raises RunError when there is none, ConfigError for code it may not name."""
        return self._opened()

    def _opened(self) -> Any:
        from trainwright.api.predictors.kinds import open_place
        from trainwright.domains.place import find_place

        model, loss = self.given
        return open_place(find_place(self.directory), model=model, loss=loss, trust_code=self.trust_code)

    @property
    def model(self) -> Any:
        """The trained network: of a table with its fitted columns, of a system of one's own the module; raises as `predictor` does."""
        return self.predictor.model

    def predict(self, data: Any, *, threshold: float | str | None = None) -> Any:
        """Predictions for new rows; raises DataError for rows that the model cannot take.

        Of a table's run `threshold` (0 to 1, or `tuned`: the best F1 on the validation rows) decides what is called positive.

        A DataFrame (pandas, polars) gives one, a Series or a dict of single values (one row) the same, a list of such dicts a list of them.
        Of a table's run anything else gives an Arrow table. Other runs take the arrays of a batch by name: a file (.npz, .safetensors, a
        table), a mapping, tensors, a Dataset or a DataLoader, and give what `predict_step` gives, as arrays by name.
        """
        return (self.predictor if threshold is None else self.predictor.decided_at(threshold)).predict(data)

    def sample(
        self,
        n: int,
        *,
        seed: int = 0,
        weights: str = "",
        batch_size: int = 64,
        callback: Callable[[Mapping[str, Any]], None] | None = None,
        **options: Any,
    ) -> Any:
        """`n` new things: what the system's `sample(n, generator)` makes, or what a kind of system with `options` of its own does.

        Equal seeds make equal ones. `weights` are those of `trainwright sample --weights`: `averaged`, `raw`, `best`, `last`, `ema=0.999`,
        or a file, run or checkpoint. Of diffusion (n, …): `options` are the flags of the command (`sampler="dpmpp_2m"`, `steps=20`,
        `class_=3`, `guidance=2.5`), sample k is the same whatever n and `batch_size`, and `callback` is told of each step (`x`, `i`,
        `sigma`, `sigma_hat`, `denoised`, `first`).

        Raises RequestError for a model that makes none, as that of a table does, for n below 1, and for options that cannot be.
        """
        from trainwright.api.sample import Asked, sample_of
        from trainwright.config.part_options import plain_value
        from trainwright.domains.place import find_place

        asked = Asked(*map(plain_value, (n, seed, weights, None, batch_size)))
        return sample_of(self._opened if weights else lambda: self.predictor, find_place(self.directory), asked, options, callback)

    def evaluate(self, data: Any) -> dict[str, dict[str, float]]:
        """Target → metric → value on labelled rows; a system of one's own has one target, called ''. Raises DataError without targets."""
        found: dict[str, dict[str, float]] = self.predictor.evaluate(data)["metrics"]
        return found

    def explain(
        self,
        data: Any = None,
        method: str = "integrated_gradients",
        *,
        split: str = "test",
        target: str = "",
        output: str | int = "",
        columns: Sequence[str] = (),
        groups: Sequence[Sequence[str]] = (),
        baseline: str = "",
        rows: int = 1000,
        row: Sequence[int] = (),
        seed: int = 0,
        batch_size: int = 256,
        folder: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> Explanation:
        """Why the model answers rows as it does; raises RequestError for what cannot be asked, saying what can.

        The result has `ranked` columns, shares by `rows`, `maps`, `curves`, and `as_json()`. `data` are as `predict` takes them, or
        nothing for a split of the run's own. `method` and its `options` are those of `trainwright list explainer`; `output` is the class
        that is explained (the likeliest of each row unless named); `folder` gets the page, pictures and numbers.
        """
        from trainwright.api.explain import explain_with, read_asked

        asked = read_asked(
            method,
            options,
            columns=columns,
            groups=groups,
            output=str(output),
            baseline=baseline,
            rows=rows,
            row=row,
            seed=seed,
            batch_size=batch_size,
        )
        return explain_with(self.predictor, asked, data, split=split, target=target, folder=folder)

    def export(self, to: str = "", output: str | os.PathLike[str] | None = None, *, rows: Any = None, **options: Any) -> Exported:
        """Write the model for others to run, as `tw.export` does; raises what that raises."""
        from trainwright.api.export import export_run

        place = None if output is None else Path(output)
        return export_run(self.path, place, to, options, rows, where="run.export", opened=self._opened)

    def report(self) -> Path:
        """Draws report.html anew and returns its path."""
        from trainwright.api.report import write_report

        return write_report(self.path)

    def _repr_html_(self) -> str:
        from trainwright.api.run_html import run_html

        return run_html(self.directory)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, {self.status})"


def load(path: str | os.PathLike[str], *, trust_code: bool = False, model: Any = None, loss: Any = None) -> Run:
    """The run at `path`, or the latest in that folder of runs; raises RunError when there is none.

    A model that somebody else made or changed consists of registered parts only; with `trust_code` it may also name code, which is run.
    A run of `tw.fit` predicts once it is given its `model` again, `nn.Module` or class of the same layers, and measures by the loss that
    it names, or by `loss`.
    """
    return Run(RunDirectory.open(path), trust_code, model=model, loss=loss)
