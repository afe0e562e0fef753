"""A trained system of one's own measured on a split, its predictions, and its export: without training, nothing in the run changed."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from trainwright.api.adapting import plain_module
from trainwright.api.config import Config, checked, is_supervised, read_config
from trainwright.api.own.prepare import OpenedSystem, prepare_own, trainer_for
from trainwright.api.own.prepared import POSITION, WEIGHTS
from trainwright.checkpoint.weights import load_weights
from trainwright.config.compose import Composed
from trainwright.config.errors import ConfigError, RequestError, RunError
from trainwright.config.received import damage
from trainwright.config.trust import as_received
from trainwright.engine.trainer import Trainer
from trainwright.files.outputs import ensure_output, ensure_output_folder, write_output, write_output_folder
from trainwright.files.tensors import save_tensors
from trainwright.files.text import read_json
from trainwright.runs.directory import RunDirectory
from trainwright.runs.media.files import write_npz
from trainwright.runs.signing import sign
from trainwright.runs.ways_on import to_its_end

log = logging.getLogger("trainwright.fit")


@dataclass
class Trained:
    """A system with weights, and the step and epoch they are from."""

    config: Config
    prepared: OpenedSystem
    engine: Trainer
    source: str
    """Where the weights are from, for a person to read."""
    folder: Path | None
    """The run's directory; None for weights from elsewhere."""
    received: Path | None = None
    """The run whose files name what is built, which may be somebody else's; None where a configuration of one's own does."""


@as_received
def from_run(found: RunDirectory, split: str, overrides: Any = ()) -> Trained:
    """The system of a run with its kept weights, or those of its last checkpoint, and the data of one split."""
    config = read_config(found.config, list(overrides))
    weights = found.model / WEIGHTS
    source = weights if weights.is_file() else found.path
    made = _with_weights(config, split, str(source), found.path, _position_in(found) if weights.is_file() else None)
    return replace(made, received=found.received)


@as_received
def from_config(composed: Composed, split: str, weights: str) -> Trained:
    """The system of a configuration with weights of a file, run, checkpoint or URL."""
    config = checked(composed)
    if is_supervised(config.system):
        fix = f"name its run: trainwright {split} RUN, or trainwright evaluate RUN DATA"
        raise RequestError("a table's configuration does not say how its columns were fitted", where="system", fix=fix)
    return replace(_with_weights(config, split, weights, None, None), received=composed.received)


def _with_weights(config: Config, split: str, source: str, folder: Path | None, position: dict[str, int] | None) -> Trained:
    prepared = prepare_own(config, only=split)
    report = load_weights(plain_module(prepared.system), source)
    engine = trainer_for(config, "")
    place = position or _position_of(source) or {"step": report.step or 0, "epoch": report.epoch or 0}
    engine.position = (int(place["step"]), int(place["epoch"]))
    engine.media_folder = (folder or Path()) / "media"
    return Trained(config, prepared, engine, source, folder)


def _position_of(source: str) -> dict[str, int] | None:
    """Step and epoch of the model of a run; None for weights from elsewhere, which may tell themselves."""
    try:
        found = RunDirectory.open(source)
    except RunError:
        return None
    return _position_in(found)


def _position_in(found: RunDirectory) -> dict[str, int] | None:
    """Step and epoch that stand beside the weights of a run; raises RunError where they are no whole numbers."""
    path = found.model / POSITION
    place = read_json(path)
    if place is None:
        return None
    kept: dict[str, Any] = {name: place.get(name) for name in ("step", "epoch")} if isinstance(place, dict) else {"step": None}
    wrong = next((name for name, each in kept.items() if type(each) is not int or each < 0), None)
    if wrong is not None:
        raise damage(path, f"its {wrong} is no whole number")
    return kept


@as_received
def measure_split(trained: Trained, split: str) -> dict[str, float]:
    """Metrics of a split (`validation` or `test`)."""
    measure = trained.engine.validate if split == "validation" else trained.engine.test
    return measure(trained.prepared.system, _rows(trained, split))


@as_received
def predict_split(trained: Trained, split: str = "predict") -> dict[str, Tensor]:
    """What `predict_step` gives for a split."""
    return trained.engine.predict(trained.prepared.system, _rows(trained, split))


def _rows(trained: Trained, split: str) -> Any:
    return trained.prepared.splits[split]


def ensure_predictions(path: Path, inputs: Any, folders: Iterable[Path] = ()) -> None:
    """Raises ConfigError for an ending other than .safetensors or .npz, RequestError where it cannot or must not be written."""
    if path.suffix not in (".safetensors", ".npz"):
        raise ConfigError(f"'{path.suffix}' names no format", where=f"-o {path}", fix="end the name in .safetensors or .npz")
    ensure_output(path, inputs, folders=folders)


def write_predictions(outputs: dict[str, Tensor], path: Path) -> None:
    """Predictions as .safetensors or .npz, whole or not at all. Raises RequestError when the disk refuses."""
    with write_output(path) as temporary:
        if path.suffix == ".safetensors":
            save_tensors(temporary, {name: each.cpu() for name, each in outputs.items()})
        else:
            write_npz(temporary, {name: each.cpu().numpy() for name, each in outputs.items()})


@as_received
def export_model(found: RunDirectory, place: Path, own: bool) -> list[Path]:
    """The model of a finished run copied to `place`, with its configuration; a system's own `export(folder)` is called too.

    The folder is whole or not there. Raises RunError when there is no model yet, RequestError when the place is taken or in a run, or the
    disk refuses.
    """
    # The last file of a model that is written: one whose writer was killed has weights and cannot be used.
    if not any((found.model / last).is_file() for last in (POSITION, "model.json")):
        why = "training did not reach its end"
        raise RunError("this run has no model yet", where=str(found.path), why=why, fix=to_its_end(found.path))
    ensure_output_folder(place, found.path)
    with write_output_folder(place) as folder:
        _copy_model(found, folder)
        if own:
            _export_own(found, folder)
        sign(folder)
    return sorted(each for each in place.rglob("*") if each.is_file())


def _copy_model(found: RunDirectory, folder: Path) -> None:
    """The files of the model and the configuration; links are not followed out of the run."""
    for each in sorted(found.model.rglob("*")):
        target = folder / each.relative_to(found.model)
        if each.is_symlink():
            raise RunError("a run has links in its model", where=str(each), why=f"it leads to {os.readlink(each)}", fix="remove the link")
        if each.is_dir():
            target.mkdir()
        else:
            shutil.copyfile(each, target)
    shutil.copyfile(found.config, folder / "config.yaml")


def _export_own(found: RunDirectory, folder: Path) -> None:
    """What the system's own `export(folder)` writes, if it has one."""
    prepared = prepare_own(read_config(found.config))
    export = getattr(prepared.system, "export", None)
    if export is not None:
        load_weights(plain_module(prepared.system), str(found.model / WEIGHTS))
        export(folder)
