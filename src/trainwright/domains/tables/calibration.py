"""A table's model calibrated: the logits of labelled rows, methods fitted on them, and what they are worth on the test rows."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainwright.calibration import CalibrationMethod
from trainwright.calibration.fitted import Calibrated
from trainwright.calibration.fitting import Labelled, check_method, fit_methods, methods_for
from trainwright.calibration.in_words import describe_calibration
from trainwright.calibration.methods import criterion_of
from trainwright.calibration.scaling import ScaledLogits, Scaling
from trainwright.calibration.summary import summarise
from trainwright.config.errors import ConfigError
from trainwright.data.rows import Rows
from trainwright.domains.tables.model import Model
from trainwright.engine.evaluation import walk
from trainwright.features.encoding import EncodedTable
from trainwright.features.row_weights import ROW_WEIGHT
from trainwright.features.spec import TargetSpec
from trainwright.metrics.table import VALUES
from trainwright.metrics.whole import join_outputs
from trainwright.systems.readout import original_units, scores
from trainwright.systems.supervised import SupervisedSystem

log = logging.getLogger(__name__)

VALIDATION = "validation"


@dataclass
class Calibration:
    """The methods of each target, and the rows that they are fitted on where those are not the run's validation rows."""

    methods: dict[str, list[CalibrationMethod]]
    rows: Rows | None = None
    source: str = VALIDATION
    """What the rows are from, for a person."""
    fitted: dict[str, Any] = field(default_factory=dict)
    """Target → what results.json has of it."""

    @classmethod
    def asked(cls, methods: Sequence[CalibrationMethod], specs: Sequence[TargetSpec]) -> Calibration:
        """The methods by target; raises ConfigError for one that fits none of the targets it names."""
        found = methods_for(methods, {spec.name: spec.kind for spec in specs if not spec.positions})
        return cls({name: each for name, each in found.items() if each})

    def fit(self, model: Model, validation: Rows, batch_size: int) -> None:
        """Fit the methods on their rows, and let the model answer by them. Raises ConfigError for rows that they do not fit."""
        rows = validation if self.rows is None else self.rows
        labelled, found = labelled_rows(model.system, rows, batch_size), dict[str, Calibrated]()
        for name, methods in self.methods.items():
            found[name] = fit_methods(methods, labelled[name])
            self.fitted[name] = {
                "methods": [each.model_dump(mode="json") for each in methods],
                "fitted_on": self.source,
                "rows": len(labelled[name].truth),
                **found[name].as_json(),
                "notes": found[name].notes(),
            }
            for note in self.fitted[name]["notes"]:
                log.warning("calibration of '%s': %s", name, note)
        model.calibrate(found)

    def measure(self, model: Model, before: Mapping[str, Labelled], split: str) -> None:
        """Note what the fits are worth on the rows of a split, whose scores `before` were those of the model as it was trained."""
        for name, methods in self.methods.items():
            fitted = model.calibrated[name]
            after = before[name] if fitted.scaling is None else before[name].scaled(fitted.scaling)
            chosen = next((each for each in methods if each.type == "thresholds"), None)
            self.fitted[name][split] = summarise(fitted, before[name], after, None if chosen is None else criterion_of(chosen))  # type: ignore[arg-type]


def labelled_rows(system: SupervisedSystem, rows: Rows, batch_size: int) -> dict[str, Labelled]:
    """Target → truth, scores and logits of rows as the network was trained: without any scaling that it has."""
    kept = {head.name: head.scaling for head in system.heads if head.scaling is not None}
    system.scale_logits({})
    try:
        pieces: list[dict[str, Tensor]] = []
        device = next(system.parameters()).device
        walk(
            system,
            rows,
            lambda outputs, _: pieces.append(outputs),
            batch_size=batch_size,
            device=device,
            step=lambda batch, _: _read(system, batch),
        )
    finally:
        system.scale_logits(kept)
    found = {key: each.cpu().numpy() for key, each in join_outputs(pieces).items()}
    whole = rows.windows is None  # what windows answered is joined after their logits
    return {spec.name: _labelled(spec, found, whole) for spec in system.spec.targets if not spec.positions}


def _read(system: SupervisedSystem, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    found = {ROW_WEIGHT: batch[ROW_WEIGHT]} if ROW_WEIGHT in batch else {}
    joint = system.joint_outputs(batch)
    for spec in (each for each in system.spec.targets if each.name in joint):
        truth = batch[f"target.{spec.name}"]
        found[f"{spec.name}.truth"] = original_units(truth, spec.scale) if spec.kind in VALUES else truth
        found[f"{spec.name}.logits"], found[f"{spec.name}.scores"] = joint[spec.name], scores(spec, joint[spec.name])
    return found


def _labelled(spec: TargetSpec, found: Mapping[str, np.ndarray], whole: bool) -> Labelled:
    logits = found[f"{spec.name}.logits"] if whole and spec.kind not in VALUES else None

    def rescore(scaling: Scaling) -> np.ndarray:
        with torch.inference_mode():
            made: np.ndarray = scores(spec, ScaledLogits(scaling)(torch.from_numpy(found[f"{spec.name}.logits"]))).numpy()
        return made

    truth, said = found[f"{spec.name}.truth"], found[f"{spec.name}.scores"]
    return Labelled(spec.name, spec.kind, truth, said, logits, spec.classes, found.get(ROW_WEIGHT), rescore)


def check_calibration(methods: Sequence[CalibrationMethod], table: EncodedTable, given: EncodedTable | None = None) -> None:
    """Raises ConfigError before anything is fitted: for methods that fit no target, or rows (given, or validation) that do not do."""
    if not methods:
        return
    specs = {spec.name: spec for spec in table.spec.targets}
    for name, chosen in Calibration.asked(methods, list(specs.values())).methods.items():
        truth = table.blocks[f"target.{name}"][table.validation] if given is None else given.blocks[f"target.{name}"]
        for method in chosen:
            _check_model(method, name, windows=table.encoder.window is not None)
            check_method(method, name, specs[name].kind, truth, specs[name].classes)


def _check_model(method: CalibrationMethod, name: str, windows: bool) -> None:
    """Raises ConfigError for what a table's model does not give."""
    where, score = f"calibration: {method.type}", getattr(method, "score", "")
    if score in ("normalised", "quantile"):
        why, lacks = "a table's model gives one number for each", "sigma" if score == "normalised" else "quantiles"
        raise ConfigError(f"'{name}' has no {lacks}", where=where, why=why, fix="use score: residual")
    if windows and method.type in ("temperature", "vector"):
        why, fix = "the answers of its windows are joined after their logits", "use thresholds or conformal"
        raise ConfigError("a model of windows has no logits of rows to scale", where=where, why=why, fix=fix)


def calibration_lines(fitted: Mapping[str, Any]) -> list[str]:
    """What came of it, a line for each target and method."""
    return [line for target, found in fitted.items() for line in describe_calibration(target, found)]
