"""A run of a system of one's own as a predictor: its configuration makes the system, its weights are loaded, its trainer walks the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ClassVar, Concatenate, ParamSpec, TypeVar

import numpy as np
import torch
from torch import nn

from trainwright.adapters.lightning.documents import remember
from trainwright.adapters.lightning.system import LightningSystem, given_by_place, is_lightning
from trainwright.adapters.returning_loss import ReturningLossSystem
from trainwright.api.adapting import adapt_module, plain_module, wanted_dtype
from trainwright.api.own.prepare import DEFAULT_BATCH, given_splits, made_system, open_rows, prepare_own, trainer_for
from trainwright.api.own.prepared import POSITION, WEIGHTS
from trainwright.api.predictors.arrays import rows_given
from trainwright.api.predictors.explained import SystemSubject
from trainwright.api.predictors.given import system_given
from trainwright.api.predictors.measured import measure_output, spread_rows
from trainwright.api.predictors.recorded import inputs_of, kind_of, list_fields, recorded_by_place, recorded_inputs
from trainwright.config.compose import Composed
from trainwright.config.errors import DataError, RequestError, did_you_mean
from trainwright.config.own_code import describe_failure
from trainwright.config.received import damage
from trainwright.config.trust import as_received, consents, trusting
from trainwright.data.forms import rows_from
from trainwright.data.rows import Rows, TensorRows, as_blocks
from trainwright.domains.chosen_weights import ChosenWeights, choose_weights
from trainwright.domains.deliverable import Deliverable
from trainwright.domains.place import Place, find_place, require_config
from trainwright.domains.predictor import Field, Metrics, Predictor, Tensors
from trainwright.engine.adapted import as_system
from trainwright.engine.device import find_device
from trainwright.engine.outputs import in_float32
from trainwright.engine.sampling import sample_form
from trainwright.explain.explanation import Explanation
from trainwright.explain.study import Asked
from trainwright.files.text import read_json
from trainwright.metrics.whole import join_outputs
from trainwright.parallel.world import World
from trainwright.systems.base import build_system
from trainwright.systems.facts import Facts
from trainwright.systems.plain import PlainSystem
from trainwright.systems.run_config import Config, check_config, read_config, takes_columns
from trainwright.systems.trial import call_own_code

FAILS = (RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError)
"""What a person's step may raise over rows that it was not written for."""


S = TypeVar("S", bound="SystemPredictor")
P = ParamSpec("P")
R = TypeVar("R")


def _as_its_files_may(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """The method, with all that it builds named by the files of the run, and with the consent that its predictor was opened with."""
    inside = as_received(method)

    @wraps(method)
    def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with trusting(self.trusts):
            return inside(self, *args, **kwargs)

    return call


class SystemPredictor(Predictor):
    """Answers rows by `predict_step`: arrays by the names of a batch, from a file or from Python, or a split of the run's own data."""

    endings: ClassVar[tuple[str, ...]] = (".safetensors", ".npz", ".csv", ".parquet", ".jsonl")
    usual_split: ClassVar[str | None] = "predict"

    def __init__(
        self,
        config: Config,
        weights: str,
        *,
        place: Place | None = None,
        received: Path | None = None,
        model: nn.Module | None = None,
        loss: Any = None,
    ) -> None:
        """`weights`: where they are from; `model`, `loss`: objects of Python, in place of what the configuration makes."""
        self.config, self.weights, self.place, self.received = config, weights, place, received
        self.given, self.loss = model, loss
        self.trainer = trainer_for(config, "")
        self.trainer.media_folder = (place.path if place else Path()) / "media"
        self.system: Any = None
        self.example: Any = None
        self.recorded = [] if place is None else recorded_inputs(place.model)
        self.by_place = place is not None and recorded_by_place(place.model)
        self.read_last: Rows | None = None
        self.trusts = consents()
        self.chosen: ChosenWeights | None = None
        self.reads = config.model_dump(mode="json")

    @property
    def model(self) -> Any:
        """The module, with its weights."""
        return plain_module(self._ready())

    @property
    def inputs(self) -> list[Field]:
        """The blocks of a batch that the system takes, as they were when it was trained."""
        return self.recorded or inputs_of(self._ready(), self.example)

    @property
    def outputs(self) -> list[Field]:
        """What `predict_step` gives for two rows, of its data or of nothing but zeros."""
        zeros = self._zeros()
        system = self._ready(TensorRows(zeros) if zeros else None)
        blocks = zeros if isinstance(system, PlainSystem) and zeros else as_blocks(self.example)
        return [Field(name, *kind_of(each)) for name, each in self.forward(blocks).items()]

    def _zeros(self) -> Tensors:
        """Two rows of zeros, as the rows of training were."""
        return {each.name: torch.zeros(2, *map(int, each.shape), dtype=getattr(torch, each.type)) for each in self.recorded}  # type: ignore[arg-type]

    @_as_its_files_may
    def read(self, data: Any) -> Rows:
        """Rows by the names of a batch, floats in the model's dtype; raises DataError for names that the system does not have."""
        given = rows_given(data)
        made = self._make()
        rows: Rows = rows_from(
            given, "predict", wanted_dtype(made), where=_name_of(data), batch_size=DEFAULT_BATCH, unlabelled=True, keeps_arrays=True
        )
        self._ready(rows)
        if isinstance(self.system, LightningSystem | ReturningLossSystem):
            self.system.positional = given_by_place(given, rows) or (self.by_place and isinstance(given, Mapping))
        self.read_last = self._fit_rows(rows, _name_of(data))
        return self.read_last

    @_as_its_files_may
    def own_rows(self, split: str) -> Rows:
        """The rows of a split of the data that the configuration names."""
        if self.given is not None:
            return self._ready_rows(split)
        prepared = prepare_own(self.config, only=split)
        self._take(prepared.system, (prepared.splits.get("train") or prepared.splits[split]).example())
        return prepared.splits[split]

    @_as_its_files_may
    def some_rows(self, split: str, count: int) -> Rows:
        """Up to `count` rows of a split: spread evenly over it, or the first where they come in order."""
        return spread_rows(self.own_rows(split), count)

    def measure_outputs(self, rows: Rows, outputs: Mapping[str, np.ndarray]) -> tuple[Metrics, Metrics] | None:
        """The metrics of rows with their target by a plain model, and by the `output` of an artifact of it."""
        return measure_output(self._ready(), self.blocks_of(rows), self.answer(rows), outputs)

    def preprocess(self, rows: Any) -> Tensors:
        """The blocks of rows as they come."""
        return self.blocks_of(self.read(rows))

    @_as_its_files_may
    def forward(self, tensors: Tensors) -> Tensors:
        """What `predict_step` gives for the blocks of some rows."""
        self._ready(rows := TensorRows(tensors))
        return self.trainer.predict(self.system, rows)

    def postprocess(self, tensors: Tensors) -> dict[str, np.ndarray]:
        """The same as arrays; half precision becomes float32, which more programs read."""
        return {name: each.cpu().numpy() for name, each in in_float32(tensors).items()}

    @_as_its_files_may
    def answer(self, rows: Rows) -> dict[str, np.ndarray]:
        """What `predict_step` gives for rows that were read, joined in their order."""
        with self._explain_failures(rows):
            return self.postprocess(self.trainer.predict(self.system, rows))

    @_as_its_files_may
    def measure(self, rows: Rows, split: str) -> dict[str, Any]:
        """`{"rows", "metrics": {"": {metric: value}}}`, as the trainer measures a split."""
        walk = self.trainer.validate if split == "validation" else self.trainer.test
        self.trainer.training_rows = lambda: self.own_rows("train")
        with self._explain_failures(rows):
            found = walk(self.system, rows)
        told = self.trainer.measured_by
        return {"rows": len(rows), **({"samples": told} if told else {}), "metrics": {"": found}}

    @_as_its_files_may
    def sample(self, n: int, seed: int = 0) -> Any:
        """`n` things that the system's `sample` makes from noise of the seed; raises RequestError for a system without one."""
        zeros = self._zeros()
        return self.trainer.sample(self._ready(TensorRows(zeros) if zeros else None), n, seed)

    @_as_its_files_may
    def sample_form(self) -> tuple[tuple[float, float] | None, int]:
        """How its samples are to be read."""
        form = sample_form(as_system(self._ready()))
        return form.range, form.rate

    def use_weights(self, weights: str) -> None:
        """Take other weights, before any are loaded: see `choose_weights`."""
        self.chosen = choose_weights(weights, self.place, self.config.trainer.ema)
        self.weights = self.chosen.source

    def work_beside(self, world: World) -> None:
        """Take the device of this process."""
        self.trainer.device = find_device(self.config.run.device, world)

    @_as_its_files_may
    def deliverable(self) -> Deliverable:
        """`predict_step` as a module, for the device that all machines have; raises RequestError for one that takes no rows by name."""
        from trainwright.api.predictors.deliverable import SystemDeliverable

        fields = self.inputs
        return SystemDeliverable(self, self._ready(self._rows_of_nothing()).to("cpu"), fields)

    def _rows_of_nothing(self) -> Rows | None:
        zeros = self._zeros()
        return TensorRows(zeros) if zeros else None

    @_as_its_files_may
    def explainable(self, data: Any, split: str, target: str, labelled: bool) -> SystemSubject:
        """One of the tensors that the system gives, over rows as they come or those of a split."""
        rows = self.own_rows(split) if data is None else self.read(data)
        with self._explain_failures(rows):
            return SystemSubject(self.system, rows, [each.name for each in self.inputs], target, self.trainer)

    @_as_its_files_may
    def explain(self, asked: Asked, data: Any = None, split: str = "test", target: str = "") -> Explanation:
        """What a method finds of the system."""
        return super().explain(asked, data, split, target)

    @_as_its_files_may
    def export(self, folder: Path) -> None:
        """What the system's own `export(folder)` writes, if it has one."""
        export = getattr(self._ready(), "export", None)
        if export is not None:
            export(folder)

    def about(self) -> dict[str, Any]:
        """Where the weights are from, and their place in the run."""
        self._ready()
        step, epoch = self.trainer.position
        return {"weights": self.weights, "step": step, "epoch": epoch}

    def usual_output(self, split: str) -> Path | None:
        """A file named by the split; rows that were given are shown."""
        return Path(f"predictions-{split}.safetensors") if split else None

    def _make(self) -> nn.Module:
        """The module before it is built for its data."""
        if self.system is not None:
            return plain_module(self.system)
        return self.given if self.given is not None else made_system(self.config)

    @_as_its_files_may
    def _ready(self, rows: Rows | None = None) -> Any:
        """The system with its weights, built for its own data, or for `rows` where it does not ask what those are."""
        if self.system is not None:
            return self.system
        if self.given is not None and rows is None and is_lightning(self.given):
            self._take(adapt_module(self.given), None)
        elif self.given is not None:
            rows = self._ready_rows("train") if rows is None else rows
            self._take(system_given(self.given, self.config, rows, self.loss), rows.example())
        elif rows is None or not self.recorded or self.config.system.type != "plain":
            self.own_rows("train")
        else:
            made, example = adapt_module(made_system(self.config)), rows.example()
            call_own_code("the model cannot be built", lambda: build_system(made, Facts(len(rows), example, {})), "system")
            self._take(made, example)
        return self.system

    def _ready_rows(self, split: str) -> Rows:
        """Rows of the data of the configuration, for a module that is given; raises RequestError where it names none."""
        given, where = self._make(), str(self.place.path if self.place else split)
        if self.config.data is None:
            why = "its data were objects of the Python program that trained it, which no file describes"
            fix = f"name the rows, arrays of a batch by name: trainwright evaluate {where} rows.npz (or predict)"
            raise RequestError("this run has no rows of its own here", where=where, why=why, fix=fix)
        found, _ = given_splits(self.config, given)
        if split not in found:
            raise RequestError(f"the data have no {split} split", where="data", fix=f"they have: {', '.join(found)}")
        rows = open_rows(self.config, split, found[split], given)
        self._ready(rows)
        return rows

    def _take(self, system: Any, example: Any) -> None:
        """Load the weights into the system that was made, once."""
        if self.system is not None:
            return
        if isinstance(system, LightningSystem):
            system.positional = system.positional or self.by_place
            remember(system.model, self._read_kept())
        report = (self.chosen or ChosenWeights(self.weights)).load(plain_module(system))
        known = None if self.chosen else _position_of(self.place, self.weights)
        place = known or {"step": report.step or 0, "epoch": report.epoch or 0}
        self.trainer.position = (int(place["step"]), int(place["epoch"]))
        self.system, self.example = system, example

    def _read_kept(self) -> Any:
        """What a LightningModule put into the checkpoint of the weights; None where that is no longer there."""
        step = (_position_of(self.place, self.weights) or {}).get("step") if self.place is not None else None
        path = None if step is None or self.place is None else self.place.path / "checkpoints" / f"step-{step:08d}" / "trainer.json"
        found = None if path is None else read_json(path)
        return found.get("lightning") if isinstance(found, dict) else None

    def _fit_rows(self, rows: Rows, where: str) -> Rows:
        """The rows, whole numbers as floats where the model takes floats; raises DataError for blocks that it needs and they lack."""
        if rows.batched or not isinstance(self.system, PlainSystem):
            return rows
        there = as_blocks(rows.example())
        lacking = next((each.name for each in self.inputs if each.name not in there), None)
        if lacking is not None:
            why = f"they hold {', '.join(there)}; this model takes {list_fields(self.inputs)}"
            raise DataError(f"the rows have no '{lacking}'", where=where, why=why, fix=did_you_mean(lacking, there))
        if not isinstance(rows, TensorRows):
            return rows
        wanted, floats = wanted_dtype(self.system.model), {each.name for each in self.inputs if each.type.startswith(("float", "bfloat"))}
        whole = {name for name, each in rows.blocks.items() if name in floats and not each.is_floating_point()}
        return TensorRows({name: each.to(wanted) if name in whole else each for name, each in rows.blocks.items()})

    def blocks_of(self, rows: Rows) -> Tensors:
        """The blocks of all these rows."""
        if not rows.batched:
            return as_blocks(rows.take(torch.arange(len(rows))))
        return join_outputs([as_blocks(rows.take(torch.tensor([place]))) for place in range(len(rows))])

    @contextmanager
    def _explain_failures(self, rows: Rows) -> Iterator[None]:
        """Failures of a step over rows that a person gave, of another form than those of training, as what does not fit."""
        try:
            yield
        except RequestError:
            raise
        except FAILS as error:
            there, known = inputs_of(None, rows.example()), self.recorded or inputs_of(None, self.example)
            if rows is not self.read_last or (known and all(each in there for each in known)):
                raise
            why = f"{describe_failure(error)[:300]}; it was trained on {list_fields(known)}"
            fix = "give rows by these names and of these shapes; --traceback shows where it failed"
            raise DataError(f"the system cannot take rows of {list_fields(there)}", where="predict", why=why, fix=fix) from error


def open_system(place: Place, settings: Sequence[Any] = (), *, model: Any = None, loss: Any = None) -> SystemPredictor:
    """The predictor of a run with its kept weights, or those of its last checkpoint."""
    if loss is not None:
        raise RequestError("the configuration of this run says its loss", where="tw.load(loss)", why=str(place.config), fix="leave it out")
    return _open(require_config(place), settings, model)


@as_received
def _open(place: Place, settings: Sequence[Any], model: Any) -> SystemPredictor:
    config = read_config(place.config, list(settings))
    return SystemPredictor(config, weights_in(place), place=place, received=place.received, model=model)


@as_received
def open_weights(composed: Composed, weights: str) -> SystemPredictor:
    """The predictor of a configuration with weights of a file, run, checkpoint or URL."""
    config = check_config(composed)
    if takes_columns(config.system):
        fix = "name its run: trainwright test RUN, or trainwright evaluate RUN DATA"
        raise RequestError("a table's configuration does not say how its columns were fitted", where="system", fix=fix)
    made = SystemPredictor(config, weights, received=composed.received)
    made.reads, made.folders = [weights, composed.files, composed.values], composed.folders
    return made


def weights_in(place: Place) -> str:
    """The model's weights, or those of the last checkpoint of a run that did not come to its end."""
    kept = place.model / WEIGHTS
    return str(kept if kept.is_file() else place.path)


def _position_of(place: Place | None, weights: str) -> dict[str, int] | None:
    """Step and epoch of a model that is kept; None for weights from elsewhere, which may tell themselves."""
    if place is None:
        try:
            place = find_place(weights)
        except RequestError:
            return None
        return _position_in(place.model)
    return _position_in(place.model) if (place.model / WEIGHTS).is_file() else None


def _position_in(folder: Path) -> dict[str, int] | None:
    """Step and epoch that stand beside the weights of a run; raises RunError where they are no whole numbers."""
    path = folder / POSITION
    place = read_json(path)
    if place is None:
        return None
    kept: dict[str, Any] = {name: place.get(name) for name in ("step", "epoch")} if isinstance(place, dict) else {"step": None}
    wrong = next((name for name, each in kept.items() if type(each) is not int or each < 0), None)
    if wrong is not None:
        raise damage(path, f"its {wrong} is no whole number")
    return kept


def _name_of(data: Any) -> str:
    return str(data) if isinstance(data, str | Path) else f"the rows ({type(data).__name__})"
