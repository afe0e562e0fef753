"""A diffusion model that was trained: it makes samples, and measures how well it takes noise from rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from trainwright.config.errors import DataError, RequestError, RunError
from trainwright.config.trust import as_received
from trainwright.data.rows import Rows
from trainwright.domains.chosen_weights import choose_weights
from trainwright.domains.deliverable import Deliverable
from trainwright.domains.diffusion.artifact import Artifact
from trainwright.domains.diffusion.asked import read_asked
from trainwright.domains.diffusion.prepared import PreparedDiffusion
from trainwright.domains.diffusion.sample_options import SampleOptions
from trainwright.domains.diffusion.sampled import DiffusionSampling
from trainwright.domains.forms import as_rows
from trainwright.domains.place import Place
from trainwright.domains.predictor import Columns, Field, Predictor, Tensors
from trainwright.domains.sampling import draw_all
from trainwright.engine.device import find_device
from trainwright.engine.trainer import Trainer
from trainwright.features.table_rows import table_rows
from trainwright.parallel.world import World
from trainwright.runs.configured import with_config
from trainwright.systems.run_config import Config, read_config

OF_SAMPLING = ("sampler", "sigmas", "steps", "sigma_min", "sigma_max", "guidance")
"""Settings of the system that say how a trained model makes samples."""
NO_ANSWERS = "it makes new things, and answers no rows"


class DiffusionPredictor(Predictor):
    """Makes samples; rows of its own columns are measured by the loss."""

    endings: ClassVar[tuple[str, ...]] = (".npy",)

    def __init__(self, config: Config, artifact: Artifact, place: Place) -> None:
        self.config, self.artifact, self.place = config, artifact, place
        self.received = place.received
        self.trainer = Trainer(config.trainer, seed=config.run.seed, device=config.run.device, history="none")
        self.reads = config.model_dump(mode="json")
        self.from_weights: dict[str, Any] = {}

    @property
    def model(self) -> Any:
        """The system, with its weights."""
        return self.artifact.system

    @property
    def inputs(self) -> list[Field]:
        """The columns that say which one is made, and those of which more are made."""
        features = self.artifact.encoder.features
        return [Field(name, each.kind, each.row_shape) for name, each in features.items()]

    @property
    def outputs(self) -> list[Field]:
        """One sample."""
        return [Field(self.artifact.made[0], "float32", self.artifact.system.layout.shape)]

    def read(self, data: Any) -> Rows:
        """Rows by the columns of training; raises DataError for columns that lack."""
        encoder = self.artifact.encoder
        encoded = encoder.encode(encoder.read(as_rows(data, set())), targets=bool(encoder.targets))
        if not len(encoded.rows):
            raise DataError("no row is left", where=str(data), why="every row lacks a value that is wanted", fix="give rows with values")
        return table_rows(encoded, torch.arange(len(encoded.rows)).numpy())

    def own_rows(self, split: str) -> Rows:
        """The rows of a split, read again as the run's configuration says; raises RunError when the data changed or it is empty."""
        if self.place.run is None:
            fix = "name the rows, or the run itself"
            raise RequestError("an exported model has no rows of its own", where=f"--split {split}", fix=fix)
        run = with_config(self.place.path)
        prepared = PreparedDiffusion(read_config(run.config))
        prepared.refuse_other_data(run)
        if split not in prepared.splits:
            raise RunError(f"this run has no {split} rows", where=str(run.path), fix="see data.split of its config.yaml")
        return prepared.splits[split]

    def preprocess(self, rows: Any) -> Tensors:
        """The blocks of rows as they come."""
        read = self.read(rows)
        return dict(read.take(torch.arange(len(read))))

    def forward(self, tensors: Tensors) -> Tensors:
        """Raises RequestError: nothing is predicted."""
        raise RequestError("a diffusion model predicts nothing", where="predict", why=NO_ANSWERS, fix="trainwright sample RUN")

    def postprocess(self, tensors: Tensors) -> Columns:
        """What was made, as arrays."""
        return {name: each.cpu().numpy() for name, each in tensors.items()}

    def deliverable(self) -> Deliverable:
        """Raises RequestError: there are no answers that an artifact could give."""
        why = f"{NO_ANSWERS}: its samples come of many steps from noise, which a sampler takes outside of the network"
        fix = f"trainwright sample {self.place.path} draws from it; export it as it is, without --to, and sample from that folder elsewhere"
        raise RequestError("a diffusion model is exported to no other format", where="--to", why=why, fix=fix)

    def answer(self, rows: Any) -> Columns:
        """Raises RequestError: nothing is predicted."""
        raise RequestError("a diffusion model predicts nothing", where="predict", why=NO_ANSWERS, fix="trainwright sample RUN")

    def measure(self, rows: Rows, split: str) -> dict[str, Any]:
        """The mean loss of rows, under noise that is the same in every run; and samples beside them, where that is asked for."""
        walk = self.trainer.validate if split == "validation" else self.trainer.test
        self.trainer.training_rows = lambda: self.own_rows("train")
        found, told = walk(self.artifact.system, rows), self.trainer.measured_by
        return {"rows": len(rows), **({"samples": told} if told else {}), "metrics": {"": found}}

    def sampling(self, options: SampleOptions, n: int, seed: int = 0) -> DiffusionSampling:
        """As in `Predictor`: `n` samples by what was asked for."""
        asked = read_asked(options, self.artifact, n)
        return DiffusionSampling(self.artifact.system, asked, options, seed, lambda: self.trainer.sampling(self.artifact.system, seed))

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """`n` samples in the units of the data, as the run's options say: sample number k follows from (seed, k)."""
        return draw_all(self.sampling(SampleOptions(), n, seed), n).samples

    def use_weights(self, weights: str) -> None:
        """Take other weights: see `choose_weights`."""
        chosen = choose_weights(weights, self.place, self.config.trainer.ema)
        report = chosen.load(self.artifact.system)
        self.from_weights = {"weights": chosen.source, "step": report.step, "epoch": report.epoch}

    def work_beside(self, world: World) -> None:
        """Take the device of this process."""
        self.trainer.device = find_device(self.config.run.device, world)

    def sample_form(self) -> tuple[tuple[float, float] | None, int]:
        """Pictures go from −1 to 1; what is none is saved as numbers."""
        return self.artifact.system.units.range, 0

    def about(self) -> dict[str, Any]:
        """Where the weights are from."""
        return self.from_weights or {"weights": str(self.place.model)}


@as_received
def open_diffusion(place: Place, settings: Sequence[Any] = (), *, model: Any = None, loss: Any = None) -> DiffusionPredictor:
    """The predictor of a run or an exported model. Raises RunError where there is no model yet."""
    if model is not None or loss is not None:
        raise RequestError("this run's files say what its model is", where="tw.load(model)", why=str(place.config), fix="leave it out")
    artifact = Artifact.load(Path(place.model), place.received)
    config = read_config(place.config, list(settings))
    if settings:
        ensure_trained_so(config, read_config(place.config))
    chosen = {name: getattr(config.system, name) for name in OF_SAMPLING}
    artifact.system.config = artifact.system.config.model_copy(update=chosen)
    return DiffusionPredictor(config, artifact, place)


def ensure_trained_so(asked: Config, trained: Config) -> None:
    """Raise RequestError for settings of the system that a model which was trained cannot be given any more."""
    fields = [name for name in type(asked.system).model_fields if name not in OF_SAMPLING]
    changed = next((name for name in fields if getattr(asked.system, name) != getattr(trained.system, name)), None)
    if changed is not None:
        why, fix = f"what says how samples are made is {', '.join(OF_SAMPLING)}", "leave it out: a model is measured as it was trained"
        raise RequestError(f"system.{changed} of a trained model cannot be another", where=f"system.{changed}", why=why, fix=fix)
