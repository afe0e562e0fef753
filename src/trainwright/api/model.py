"""The artifact: everything needed to predict, in safetensors and JSON, and nothing that executes."""

from __future__ import annotations

import hashlib
import logging
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import torch
from safetensors import SafetensorError

from trainwright.config.errors import RunError
from trainwright.config.received import damage
from trainwright.config.trust import reading
from trainwright.data.expressions.selected import given_rows
from trainwright.data.rows import TensorRows
from trainwright.data.source import Source
from trainwright.features.encoding import EncodedTable, TableEncoder
from trainwright.features.table_rows import table_rows
from trainwright.files.tensors import load_tensors, save_tensors
from trainwright.files.text import read_json, write_json
from trainwright.files.whole import whole_file
from trainwright.metrics.outcome import Outcome
from trainwright.runs.ways_on import to_its_end
from trainwright.systems.base import build_system
from trainwright.systems.config import SupervisedConfig
from trainwright.systems.supervised import SupervisedSystem

FORMAT = 1
ROWS = 8192
"""Rows per forward pass when predicting."""
DECODED = 256
"""Rows that are decoded at a time when predicting."""
log = logging.getLogger(__name__)


@dataclass
class Model:
    """Fitted columns and a trained network: takes rows as they come, gives predictions in the words and units of the data."""

    encoder: TableEncoder
    system: SupervisedSystem
    thresholds: dict[str, float] = field(default_factory=dict)
    """Binary targets: the probability from which a row is called positive."""

    def save(self, folder: Path) -> str:
        """Write the artifact into `folder`; returns the sha256 of its weights."""
        folder.mkdir(exist_ok=True)
        weights = folder / "model.safetensors"
        with whole_file(weights) as temporary:
            save_tensors(temporary, self.system.state_dict())
        write_json(folder / "features.json", self.encoder.state(), indent=None)
        about = {
            "format": FORMAT,
            "system": "supervised",
            "model": self.system.config.model_dump(mode="json"),
            "thresholds": self.thresholds,
        }
        write_json(folder / "model.json", about)
        return hashlib.sha256(weights.read_bytes()).hexdigest()

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read an artifact; raises RunError when it is absent, damaged or from a newer format, ConfigError for code it may not name."""
        with reading(folder.parent):
            return cls._read(folder)

    @classmethod
    def _read(cls, folder: Path) -> Self:
        about = read_json(folder / "model.json")
        if about is None and (folder / "position.json").is_file():
            run = shlex.quote(str(folder.parent))
            fix = f"trainwright predict {run} --split NAME, or tw.load_weights(system, {str(folder.parent)!r}) into a system made by you"
            raise RunError("this is the model of a system of your own", where=str(folder), why="it predicts what its data give", fix=fix)
        if about is None:
            why = "training did not reach its end"
            raise RunError("this run has no model yet", where=str(folder), why=why, fix=to_its_end(folder.parent))
        if not isinstance(about, dict):
            raise damage(folder / "model.json", f"it holds a {type(about).__name__} where a mapping should be")
        if about.get("format") != FORMAT:
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
        except (OSError, KeyError, TypeError, RuntimeError, ValueError, SafetensorError) as error:
            why = " ".join(str(error).split())[:300] or type(error).__name__
            raise RunError(
                "the model of this run is damaged", where=str(folder), why=why, fix="restore the folder from a copy, or train again"
            ) from error
        system.eval()
        return cls(encoder, system, dict(about.get("thresholds", {})))

    def encode(self, source: Source, *, targets: bool | None = False) -> EncodedTable:
        """The rows of a source as the network takes them; raises DataError for missing columns or values it cannot read."""
        return self.encoder.encode(source, targets=targets)

    def scores(self, blocks: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Scores of every target for encoded rows: probabilities (n, classes), or values in original units."""
        inputs = {key: torch.from_numpy(block) for key, block in blocks.items() if not key.startswith("target.")}
        device = next(iter(self.system.parameters())).device
        rows, found = TensorRows(inputs), dict[str, list[np.ndarray]]()
        with torch.inference_mode():
            for start in range(0, len(rows), ROWS):
                piece = {key: block[start : start + ROWS].to(device) for key, block in rows.blocks.items()}
                for key, value in self.system.predict_step(piece).items():
                    found.setdefault(key.removesuffix(".scores"), []).append(value.cpu().numpy())
        return {target: np.concatenate(pieces) for target, pieces in found.items()}

    def scores_of(self, encoded: EncodedTable) -> dict[str, np.ndarray]:
        """The same for the rows of an encoded table; of lazy columns a few rows are decoded at a time."""
        if not encoded.references:
            return self.scores(encoded.blocks)
        rows, found = table_rows(encoded, np.arange(len(encoded.rows))), dict[str, list[np.ndarray]]()
        for start in range(0, len(rows), DECODED):
            piece = rows.take(torch.arange(start, min(start + DECODED, len(rows))))
            for name, value in self.scores({key: each.numpy() for key, each in piece.items()}).items():
                found.setdefault(name, []).append(value)
        return {target: np.concatenate(pieces) for target, pieces in found.items()}

    def predict(self, source: Source) -> pa.Table:
        """One row of predictions per row of the source, in its order; rows that a `drop` policy or `data.where` leaves out are null."""
        encoded = self.encode(source)
        say_counts(source, encoded)
        scores = self.scores_of(encoded) if len(encoded.rows) else {}
        columns: dict[str, pa.Array] = {}
        for target in self.encoder.targets:
            outputs: dict[str, Any] = {"scores": scores.get(target, self._nothing(target))}
            if target in self.thresholds:
                outputs["threshold"] = np.asarray(self.thresholds[target])
            columns |= self.encoder.features[target].decode(outputs)
        table = pa.table(columns)
        total, kept = given_rows(source)
        if len(encoded.rows) == total:
            return table
        at = np.full(total, -1, np.int64)
        at[encoded.rows if kept is None else kept[encoded.rows]] = np.arange(len(encoded.rows))
        return table.take(pa.array(at, mask=at < 0))

    def _nothing(self, target: str) -> np.ndarray:
        spec = next(each for each in self.encoder.spec.targets if each.name == target)
        return np.zeros((0, len(spec.classes)) if spec.classes else (0,) if spec.width == 1 else (0, spec.width))

    def outcome(self, target: str, truth: np.ndarray, scores: np.ndarray) -> Outcome:
        """Truth (in original units) and scores of a target, decided at the model's threshold."""
        spec = next(each for each in self.encoder.spec.targets if each.name == target)
        return Outcome(spec.kind, truth, scores, spec.classes, self.thresholds.get(target, 0.5))


def say_counts(source: Source, encoded: EncodedTable) -> None:
    """Log what was unknown, dropped or left over in new rows, and what is missing at over twice the rate of training."""
    encoded.say_invalid()
    for note in source.notes:
        log.info("note: %s: %s", source.name, note)
    if encoded.extra_columns:
        log.info("note: %s: columns that training did not know were left out: %s", source.name, ", ".join(encoded.extra_columns[:12]))
    for name, counts in encoded.counts.items():
        if counts.unknown:
            log.warning("column '%s': %s values were never seen in training and count as unknown", name, f"{counts.unknown:,}")
        feature, rows = encoded.encoder.features[name], len(encoded.rows)
        usual = feature.missing_in_training / max(feature.fitted_rows, 1)
        if name in encoded.encoder.inputs and counts.missing > 2 * usual * rows:
            shown = f"{counts.missing:,} of {rows:,} values are missing ({usual:.1%} in training)"
            log.info("note: column '%s': %s", name, shown)
    for dropped in encoded.dropped:
        log.warning("%s rows are left without a prediction: %s", f"{len(dropped.rows):,}", dropped.reason)
