"""The artifact: everything needed to predict, in safetensors and JSON, and nothing that executes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor

from trainwright.calibration.fitted import Calibrated
from trainwright.calibration.scaling import ScaledLogits
from trainwright.config.errors import RunError
from trainwright.config.received import damage, ensure_right
from trainwright.config.trust import reading
from trainwright.data.joined_windows import join_all
from trainwright.data.rows import Rows, TensorRows
from trainwright.features.encoding import EncodedTable, TableEncoder
from trainwright.features.spec import TargetSpec
from trainwright.files.tensors import load_tensors, save_tensors
from trainwright.files.text import read_json, write_json
from trainwright.files.whole import whole_file
from trainwright.metrics.outcome import Outcome
from trainwright.metrics.table import SET
from trainwright.runs.ways_on import to_its_end
from trainwright.systems.base import build_system
from trainwright.systems.config import SupervisedConfig
from trainwright.systems.supervised import SupervisedSystem
from trainwright.systems.views import make_views

FORMAT, UNCALIBRATED = 2, 1
"""Of a model that was calibrated, or answers by several views, which a reader of 1 would answer with as if it was not; and of any other."""
ROWS = 512
"""Rows per forward pass when predicting: what a wide network makes of more fits no cache of a processor, and takes 2 to 3 times as long."""
DECODED = 64
"""The same of lazy columns: these are decoded together, and what a network makes of them takes several times as much memory."""


def rows_at_once(encoded: EncodedTable, asked: int | None = None) -> int:
    """Rows per forward pass: as many as are asked for, else by whether they have to be decoded."""
    return asked or (DECODED if encoded.references else ROWS)


@dataclass
class Model:
    """Fitted columns and a trained network, from which `TablePredictor` answers rows."""

    encoder: TableEncoder
    system: SupervisedSystem
    thresholds: dict[str, Any] = field(default_factory=dict)
    """Binary targets: the probability from which a row is called positive; sets: the same for every label [k]."""
    tuned: dict[str, dict[str, float]] = field(default_factory=dict)
    """Binary targets: the `threshold` with the best F1 on the validation rows, that `f1`, and `f1_at_half`, for whoever asks for it."""
    calibrated: dict[str, Calibrated] = field(default_factory=dict)
    """Target → what was fitted to it after training."""
    views: list[str] = field(default_factory=list)
    """Ways to look at every row, over which its answer is averaged."""

    def look_through(self, names: Sequence[str]) -> None:
        """Answer by the mean over these views of every row. Raises ConfigError for views that these rows cannot have."""
        self.system.look_through(make_views(self.encoder.spec, names) if names else [])
        self.views = list(names)

    def calibrate(self, calibrated: Mapping[str, Calibrated]) -> None:
        """Answer by what was fitted, in place of what was before."""
        self.calibrated = dict(calibrated)
        scalings = {name: ScaledLogits(each.scaling) for name, each in calibrated.items() if each.scaling is not None}
        self.system.scale_logits(scalings)
        self.thresholds |= {name: each.threshold for name, each in calibrated.items() if each.threshold is not None}

    def save(self, folder: Path) -> str:
        """Write the artifact into `folder`; returns the sha256 of its weights."""
        folder.mkdir(exist_ok=True)
        weights = folder / "model.safetensors"
        with whole_file(weights) as temporary:
            save_tensors(temporary, self.system.state_dict())
        write_json(folder / "features.json", self.encoder.state(), indent=None)
        about = {
            "format": FORMAT if self.calibrated or self.views else UNCALIBRATED,
            "system": "supervised",
            "model": self.system.config.model_dump(mode="json"),
            "thresholds": self.thresholds,
            "tuned": self.tuned,
            **({"calibration": {name: each.as_json() for name, each in self.calibrated.items()}} if self.calibrated else {}),
            **({"views": self.views} if self.views else {}),
        }
        write_json(folder / "model.json", about)
        return hashlib.sha256(weights.read_bytes()).hexdigest()

    @classmethod
    def load(cls, folder: Path, received: Path | None = None) -> Self:
        """Read an artifact; raises RunError when it is absent, damaged or from a newer format, ConfigError for code it may not name.

        `received` is the folder whose files name what is built: the run's, unless the artifact was exported.
        """
        with reading(received or folder.parent):
            return cls._read(folder)

    @classmethod
    def _read(cls, folder: Path) -> Self:
        about = read_json(folder / "model.json")
        if about is None:
            why = "training did not reach its end"
            raise RunError("this run has no model yet", where=str(folder), why=why, fix=to_its_end(folder.parent))
        if not isinstance(about, dict):
            raise damage(folder / "model.json", f"it holds a {type(about).__name__} where a mapping should be")
        if about.get("format") not in (FORMAT, UNCALIBRATED):
            raise RunError(
                f"the model has format {about.get('format')}, this version reads {FORMAT}",
                where=str(folder),
                fix="pip install -U trainwright",
            )
        try:
            encoder = TableEncoder.restore(read_json(folder / "features.json"))
            system = SupervisedSystem(SupervisedConfig.model_validate(about["model"]))
            build_system(system, encoder.spec)
            system.load_state_dict(load_tensors(folder / "model.safetensors"))
            calibrated = {spec.name: _fitted(about, spec) for spec in encoder.spec.targets if spec.name in about.get("calibration", {})}
        except (OSError, KeyError, TypeError, RuntimeError, ValueError, SafetensorError) as error:
            ensure_right(error, folder)
            why = " ".join(str(error).split())[:300] or type(error).__name__
            raise RunError(
                "the model of this run is damaged", where=str(folder), why=why, fix="restore the folder from a copy, or train again"
            ) from error
        system.eval()
        model = cls(encoder, system, dict(about.get("thresholds", {})), dict(about.get("tuned", {})))
        if calibrated:
            model.calibrate(calibrated)
        if about.get("views"):
            model.look_through([str(each) for each in about["views"]])
        return model

    def forward(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Encoded rows → the scores of every target: probabilities `[b, classes]`, or values in original units."""
        device = next(iter(self.system.parameters())).device
        inputs = {key: block.to(device) for key, block in tensors.items() if not key.startswith("target.")}
        with torch.inference_mode():
            return {key.removesuffix(".scores"): value.cpu() for key, value in self.system.predict_step(inputs).items()}

    def scores(self, blocks: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The same for arrays, some thousand rows at a time."""
        rows = TensorRows({key: torch.from_numpy(block) for key, block in blocks.items() if not key.startswith("target.")})
        return self.scores_of(rows, ROWS)

    def scores_of(self, rows: Rows, size: int) -> dict[str, np.ndarray]:
        """The same for rows of the trainer, `size` at a time, of windows joined to rows; raises ValueError where there are none."""
        found: dict[str, list[np.ndarray]] = {}
        for start in range(0, len(rows), size):
            for name, value in self.forward(rows.take(torch.arange(start, min(start + size, len(rows))))).items():
                found.setdefault(name, []).append(value.numpy())
        whole = {target: np.concatenate(pieces) for target, pieces in found.items()}
        return whole if rows.windows is None else join_all(rows.windows, whole)

    def outcome(self, target: str, truth: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> Outcome:
        """Truth (in original units) and scores of a target, decided at the model's threshold, with what rows weigh."""
        spec = next(each for each in self.encoder.spec.targets if each.name == target)
        return Outcome(spec.kind, truth, scores, spec.classes, as_decided(self.thresholds.get(target, 0.5)), weights)


def _fitted(about: Mapping[str, Any], spec: TargetSpec) -> Calibrated:
    """What was fitted to a target; raises ValueError, KeyError or TypeError for what does not fit it."""
    return Calibrated.from_json(about["calibration"][spec.name]).ensure_fits(spec.width, len(spec.classes or ()) if spec.kind == SET else 1)


def as_decided(threshold: Any) -> Any:
    """A threshold as an outcome takes it: a number, or one for each label [k]."""
    return np.asarray(threshold, np.float64) if isinstance(threshold, list) else float(threshold)
