"""The model of a finished run copied out of it, with its configuration, to a folder that predicts as the run does."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from trainwright.api.predictors.kinds import kind_of, open_place
from trainwright.config.errors import RequestError, RunError, did_you_mean
from trainwright.config.registry import build, parts
from trainwright.config.trust import as_received
from trainwright.deploy.exporters.base import Exporter, Trained
from trainwright.deploy.exporters.description import describe_deliverable
from trainwright.domains.place import Place, find_place, require_config
from trainwright.domains.predictor import Predictor
from trainwright.files.outputs import ensure_output_folder, write_output_folder
from trainwright.files.tensors import save_tensors
from trainwright.files.text import write_json
from trainwright.runs.signing import sign
from trainwright.runs.ways_on import to_its_end
from trainwright.weights.files import read_weights_file
from trainwright.weights.half import Half, in_half

COLUMNS = "columns.json"
OLD = {"torch": "pt2"}
"""What formats were called before, understood for one release."""


def export_run(path: str | os.PathLike[str], output: Path | None = None, form: str = "", dtype: Half | None = None) -> list[Path]:
    """The files that `export_model` writes of the run at `path`, to a folder of its name where none is named; or those of a `form`.

    With `dtype` its weights are rounded to half precision.

    Raises RunError when there is no model yet, RequestError for an unknown form, when the place is taken or in a run, or the disk refuses.
    """
    if form and dtype is not None:
        fix = "leave one of them out: a format writes numbers as it wants to"
        raise RequestError("half precision is for the model's own files", where="command line: --dtype", fix=fix)
    exporter = _exporter(OLD.get(form, form)) if form else None
    place = find_place(path)
    if not require_config(place).has_model:
        why = "training did not reach its end"
        raise RunError("this run has no model yet", where=str(place.path), why=why, fix=to_its_end(place.path))
    name = place.run.name if place.run is not None else place.path.name
    if exporter is not None:
        return export_as(place, output or Path(f"{name}-{form}"), exporter)
    kind = kind_of(place)
    return export_model(place, output or Path(f"{name}-model"), open_place(place) if kind.adds_to_export else None, dtype)


def _exporter(name: str) -> Exporter:
    """The exporter of a format; raises RequestError for an unknown one."""
    known = parts("exporter")
    if name not in known:
        fix = did_you_mean(name, known) or "leave --to out (trainwright list exporter shows the formats)"
        raise RequestError(f"there is no format '{name}'", where="command line: --to", fix=fix)
    made: Exporter = build("exporter", known[name].config(type=name))
    return made


def export_as(place: Place, output: Path, exporter: Exporter) -> list[Path]:
    """The artifact of a format and how its inputs are read, in a folder that is whole or not there. Raises RequestError, RunError."""
    ensure_output_folder(output, place.path)
    trained = Trained(place.path, open_place(place))
    with write_output_folder(output) as folder:
        exporter.write(trained, folder / f"model{exporter.suffix}")
        if exporter.opens:
            write_json(folder / COLUMNS, describe_deliverable(trained.deliverable))
    return sorted(each for each in output.rglob("*") if each.is_file())


def export_model(place: Place, output: Path, predictor: Predictor | None, dtype: Half | None = None) -> list[Path]:
    """The files of the model and what its predictor adds, in a folder that is whole or not there.

    Without a predictor the files alone. Raises RequestError when the place is taken or in a run, or the disk refuses.
    """
    ensure_output_folder(output, place.path)
    _export(place, output, predictor, dtype)
    return sorted(each for each in output.rglob("*") if each.is_file())


@as_received
def _export(place: Place, output: Path, predictor: Predictor | None, dtype: Half | None) -> None:
    with write_output_folder(output) as folder:
        _copy_model(place, folder, dtype)
        if predictor is not None:
            predictor.export(folder)
        sign(folder)


def _copy_model(place: Place, folder: Path, dtype: Half | None) -> None:
    """The files of the model and the configuration; links are not followed out of the run."""
    for each in sorted(place.model.rglob("*")):
        target = folder / each.relative_to(place.model)
        if each.is_symlink():
            raise RunError("a run has links in its model", where=str(each), why=f"it leads to {os.readlink(each)}", fix="remove the link")
        if each.is_dir():
            target.mkdir()
        elif dtype is not None and each.suffix == ".safetensors" and each.name.startswith("model"):
            tensors, metadata, _ = read_weights_file(each)
            save_tensors(target, in_half(tensors, dtype, str(each)), metadata)
        else:
            shutil.copyfile(each, target)
    shutil.copyfile(place.config, folder / "config.yaml")
