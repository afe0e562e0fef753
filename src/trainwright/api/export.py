"""The model of a finished run copied out of it, with its configuration, to a folder that predicts as the run does."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainwright.api.predictors.kinds import kind_of, open_place
from trainwright.config.errors import RequestError, RunError, TrainwrightError, did_you_mean
from trainwright.config.model import PartConfig
from trainwright.config.part_options import check_options
from trainwright.config.registry import build, parts
from trainwright.config.trust import as_received, trusting
from trainwright.deploy.delivery import PARITY, deliver, names_beside
from trainwright.deploy.exporters.base import Exporter, Trained
from trainwright.deploy.exporters.safetensors_folder import SafetensorsExporter
from trainwright.deploy.int8.gate import Gate
from trainwright.deploy.parity.proof import Parity
from trainwright.domains.place import Place, find_place, require_config
from trainwright.domains.predictor import Predictor
from trainwright.files.outputs import ensure_output, ensure_output_folder, write_output_folder
from trainwright.files.text import read_json
from trainwright.runs.signing import sign
from trainwright.runs.ways_on import to_its_end

PLAIN = "safetensors"
"""The format of a model as it is."""
OLD = {"torch": "pt2"}
"""What formats were called before, understood for one release."""


@dataclass(frozen=True)
class Exported:
    """What an export wrote."""

    files: list[Path]
    parity: Parity | None = None
    """How it answers beside the run's model; None for a format that holds no network that could answer."""


def export(
    path: str | os.PathLike[str],
    to: str = "",
    output: str | os.PathLike[str] | None = None,
    *,
    rows: Any = None,
    trust_code: bool = False,
    **options: Any,
) -> Exported:
    """Write the model of a finished run for others to run: `to` a format (`onnx`, `pt2`, …) with its options, or as it is.

    The artifact is proven on rows of the run, or on `rows`, and kept only where it answers as the run does. `output`: a file with the
    ending of the format, or a new or empty folder. Raises RunError when there is no model yet, RequestError for an unknown format or
    option, a place that is taken, and what cannot be traced; TrainwrightError where the artifact answers otherwise.
    """
    with trusting(trust_code):
        return export_run(path, None if output is None else Path(output), to, options, rows, "tw.export")


def export_run(
    path: str | os.PathLike[str],
    output: Path | None = None,
    form: str = "",
    options: Mapping[str, Any] | PartConfig | None = None,
    rows: Any = None,
    where: str = "command line",
    opened: Callable[[], Predictor] | None = None,
) -> Exported:
    """The same, with what messages call the place where options were given, and what opens its model where a path does not say it all."""
    form = form or form_of(output)
    exporter = make_exporter(form, options or {}, where)
    if output is not None:
        refuse_other_ending(output, form, exporter)
    place = find_place(path)
    if not require_config(place).has_model:
        why = "training did not reach its end"
        raise RunError("this run has no model yet", where=str(place.path), why=why, fix=to_its_end(place.path))
    name = place.run.name if place.run is not None else place.path.name
    if not isinstance(exporter, SafetensorsExporter):
        return export_as(place, output or Path(f"{name}-{form}"), exporter, rows, opened or (lambda: open_place(place)))
    added_by = open_place(place) if kind_of(place).adds_to_export else None
    return Exported(export_model(place, output or Path(f"{name}-model"), added_by, exporter))


def form_of(output: Path | None) -> str:
    """The format whose files end as `output` does; where none does, that of the model as it is."""
    if output is None or not output.suffix:
        return PLAIN
    endings = {each.load().suffix: name for name, each in parts("exporter").items()}
    found = [ending for ending in endings if ending and output.name.lower().endswith(ending)]
    return endings[max(found, key=len)] if found else PLAIN


def refuse_other_ending(output: Path, form: str, exporter: Exporter) -> None:
    """Raises RequestError for a place with the ending of another format than the one asked for."""
    name, other = output.name, form_of(output)
    if other in (PLAIN, OLD.get(form, form)) or (exporter.suffix and name.lower().endswith(exporter.suffix)):
        return
    stem = name[: -len(parts("exporter")[other].load().suffix)]
    mine = f"a file that ends in {exporter.suffix}" if exporter.suffix else "a folder"
    fix = f"-o {output.with_name(stem + exporter.suffix)}, or --to {other}"
    raise RequestError(f"'{name}' ends as {other} does", where=f"-o {output}", why=f"--to {form} writes {mine}", fix=fix)


def make_exporter(form: str, options: Mapping[str, Any] | PartConfig, where: str) -> Exporter:
    """The exporter of a format; raises RequestError for an unknown one, ConfigError for options that it does not have."""
    name, known = OLD.get(form, form), parts("exporter")
    if name not in known:
        fix = did_you_mean(name, known) or "leave --to out (trainwright list exporter shows the formats)"
        raise RequestError(f"there is no format '{form}'", where=f"{where}: --to", fix=fix)
    asked = options if isinstance(options, PartConfig) else check_options(known[name].config, name, dict(options), where=where)
    made: Exporter = build("exporter", asked)
    return made


def export_as(place: Place, output: Path, exporter: Exporter, rows: Any, opened: Callable[[], Predictor]) -> Exported:
    """The artifact of a format with what stands beside it, at a file of its ending, or in a folder that is whole or not there.

    Raises TrainwrightError for an artifact that answers otherwise than the run does, of which parity.json alone stays.
    """
    single = bool(exporter.suffix) and output.name.endswith(exporter.suffix)
    folder, name = (output.parent, output.name) if single else (output, f"model{exporter.suffix}")
    _ensure_free(place, output, [name, *names_beside(exporter)] if single else None)
    trained = Trained(place.path, opened(), shrinks=getattr(exporter.options, "shrink", False))
    with write_output_folder(folder, beside=single) as hidden:
        parity = deliver(trained, exporter, hidden / name, rows)
        written = sorted(each.relative_to(hidden) for each in hidden.rglob("*") if each.is_file())
    if parity is not None and not parity.passed:
        raise refuse_different(parity, folder / PARITY)
    return Exported([folder / each for each in written], parity)


def _ensure_free(place: Place, output: Path, names: list[str] | None) -> None:
    """Raises RequestError where something is in the way; the report of an export that failed is not."""
    folder = output if names is None else output.parent
    report = folder / PARITY
    if report.is_file() and (read_json(report) or {}).get("passed") is False:
        report.unlink()
    if names is None:
        ensure_output_folder(output, place.path)
        return
    ensure_output(output, place.path, make_folders=True)
    taken = next((each for each in names if (folder / each).exists()), None)
    if taken is not None:
        fix = f"name a folder: -o {output.stem}/{output.name}"
        raise RequestError(f"'{folder / taken}' is there already", where=f"-o {output}", why="an export replaces nothing", fix=fix)


def refuse_different(parity: Parity, report: Path) -> TrainwrightError:
    """The failure of an artifact that answers otherwise, with the row that shows it."""
    if parity.gate is not None:
        return refuse_loss(parity, parity.gate, report)
    worst = parity.worst
    why = f"row {worst.row} of {parity.source}, {worst.name}: {worst.run} by the run's model, {worst.artifact} by the artifact"
    why += "" if parity.cause is None else f"; {parity.cause}"
    what = f"{parity.artifact} does not answer as the run does, and was not kept"
    return TrainwrightError(what, where=f"{worst.over} of {parity.rows} rows", why=why, fix=f"{report} has every column")


def refuse_loss(parity: Parity, gate: Gate, report: Path) -> TrainwrightError:
    """The failure of an artifact of rounded weights that loses more than it may, with the layer that costs most."""
    worst = gate.worst
    what = f"{parity.artifact} loses {worst.points:.2f} points of {worst.of}, and was not kept"
    why = f"{worst.before:.4g} by the run's model, {worst.after:.4g} by the artifact, on {parity.rows} rows of {parity.source}"
    layers = parity.findings.get("int8", {}).get("layers", [])
    spare = f"--int8-skip {layers[0]['name']} leaves the layer float that costs most; " if layers else ""
    fix = f"{spare}--max-drop {math.ceil(worst.points * 10) / 10:g} allows it; {report} has every layer"
    return TrainwrightError(what, where=f"--max-drop {gate.limit:g}", why=why, fix=fix)


def export_model(place: Place, output: Path, predictor: Predictor | None, exporter: SafetensorsExporter) -> list[Path]:
    """The files of the model and what its predictor adds, in a folder that is whole or not there.

    Without a predictor the files alone. Raises RequestError when the place is taken or in a run, or the disk refuses.
    """
    ensure_output_folder(output, place.path)
    _export(place, output, predictor, exporter)
    return sorted(each for each in output.rglob("*") if each.is_file())


@as_received
def _export(place: Place, output: Path, predictor: Predictor | None, exporter: SafetensorsExporter) -> None:
    with write_output_folder(output) as folder:
        exporter.copy_model(place, folder)
        if predictor is not None:
            predictor.export(folder)
        sign(folder)
