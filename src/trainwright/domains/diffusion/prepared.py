"""A run of a diffusion model: rows of what is made, the system, and what is written of both."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from trainwright.config.clock import process_seconds
from trainwright.data.expressions.selected import SelectedSource
from trainwright.data.rows import Rows
from trainwright.data.source import Source
from trainwright.domains.diffusion.artifact import Artifact
from trainwright.domains.diffusion.columns import UNASKED
from trainwright.domains.diffusion.data import Found, PreparedRows, check_every_row, look_at, open_columns, prepare_rows
from trainwright.domains.diffusion.findings import cautions, refuse_unfit
from trainwright.domains.diffusion.models.choosing import choose_backbone
from trainwright.domains.diffusion.system import DiffusionSystem, shape_for
from trainwright.domains.diffusion.told import sample_blocks, shown_media
from trainwright.domains.diffusion.training import suggest_training
from trainwright.domains.diffusion.transforms import transforms_of
from trainwright.domains.diffusion.units import Units
from trainwright.domains.kept_data import describe_kept, ensure_same_data, keep_data
from trainwright.domains.prepared import Finished, Prepared
from trainwright.domains.report import FORMAT, show_code, show_repeat, write_analysis
from trainwright.domains.row_check import CheckedRows
from trainwright.engine.result import FitResult
from trainwright.engine.trainer import Trainer
from trainwright.features.lazy import describe_files, lazy_features
from trainwright.files.whole import whole_file
from trainwright.runs.directory import RunDirectory
from trainwright.runs.results import build_results
from trainwright.runs.signing import sign
from trainwright.systems.base import build_system
from trainwright.systems.run_config import Config

log = logging.getLogger("trainwright.diffusion")


class PreparedDiffusion(Prepared):
    """What is made, with the network for it."""

    def __init__(self, config: Config, source: Source | None = None) -> None:
        self.data = prepare_rows(config, source)
        self.in_memory = source is not None
        self.found = look_at(self.data.rows("train"), self.data.layout, transforms_of(self.data.table.spec), config.run.seed)
        resolved = resolve_config(config, self.data, self.found)
        refuse_unfit(resolved.system, self.data, self.found)
        self.data.notes += cautions(resolved.system, self.data, self.found)
        self.data.notes += [line for each in lazy_features(self.data.table.encoder.features) for line in each.early_remarks()]
        super().__init__(resolved)

    @classmethod
    def check_before(cls, config: Config) -> None:
        """Look for the columns that are named."""
        open_columns(config)

    @classmethod
    def check_rows(cls, config: Config) -> CheckedRows:
        """Every row, and the files that it names."""
        return check_every_row(config)

    @cached_property
    def system(self) -> DiffusionSystem:
        """The denoiser round the network."""
        made = DiffusionSystem(self.config.system)
        build_system(made, self.data.layout, seed=self.config.run.seed)
        made.take_units(Units.of(self.data.table.encoder.features, self.data.parts.made))
        made.batch_transforms = transforms_of(self.data.table.spec)
        return made

    @cached_property
    def splits(self) -> Mapping[str, Rows]:
        """Rows to train on, and those held out."""
        return {name: rows for name in ("train", "validation", "test") if len(rows := self.data.rows(name)) or name == "train"}

    def describe_system(self) -> str:
        """The network and what it predicts."""
        return f"diffusion: {self.config.system.model.type}, {self.config.system.denoiser.type}"

    def lines(self) -> list[str]:
        """The source, what is made and what is told, the split."""
        data, shape = self.data, "×".join(map(str, self.data.layout.shape))
        made = ", ".join(data.parts.made[:6]) + (" …" if len(data.parts.made) > 6 else "")
        lines = [
            f"{data.source.name}: {len(data.source):,} rows",
            f"made: {made} ({data.layout.made.group.kind}, {shape}), from {self.found.low:.4g} to {self.found.high:.4g}, "
            f"deviation {self.found.deviation:.4g} (sigma_data {self.config.system.sigma_data:.4g})",
        ]
        if data.layout.conditional:
            label = f"{data.parts.label} ({len(data.layout.classes)} classes)" if data.parts.label else ""
            lines.append(f"told: {', '.join([each for each in (label, *data.parts.told) if each])}")
        if data.parts.left:
            left = [name if why == UNASKED else f"{name} ({why})" for name, why in data.parts.left.items()]
            lines.append(f"left out: {', '.join(left[:8])}{' …' if len(left) > 8 else ''}")
        return [*lines, *self.split_lines()]

    def split_lines(self) -> list[str]:
        """The split, and what a reader should know."""
        table = self.data.table
        sizes = f"{len(table.train):,} training, {len(table.validation):,} validation, {len(table.test):,} test rows"
        dropped = [f"note: {len(each.rows):,} rows were left out: {each.reason}" for each in table.dropped]
        return [f"split: {self.data.split.method}, {sizes}", *(f"note: {each}" for each in self.data.notes), *dropped]

    def check(self, trainer: Trainer) -> None:
        """Try every setting."""
        trainer.check(self.system, len(self.splits["train"]), len(self.splits.get("validation", ())))

    def describe_rows(self) -> dict[str, Any]:
        """The rows of each split, and the sha256 of the data."""
        return {**super().describe_rows(), "data (sha256)": self.data.source.fingerprint().get("sha256")}

    def refuse_other_data(self, found: RunDirectory) -> None:
        """Raise RunError when the data have another sha256 than when the run was started."""
        ensure_same_data(self.data.source, found)

    def record(self, run: RunDirectory) -> None:
        """Write data.json, splits.parquet, the head of the report, and data that were only in memory."""
        import pyarrow.parquet as pq

        if self.in_memory:
            self.config = keep_data(self.data.source, self.config, run)
        run.write_json("data.json", describe_kept(self.describe(), run) if self.in_memory else self.describe())
        numbers = np.arange(len(self.data.source))
        kept = self.data.source.kept[numbers] if isinstance(self.data.source, SelectedSource) else numbers
        with whole_file(run.splits) as temporary:
            pq.write_table(self.data.split.record(kept), temporary)
        self.data.split.hashes = None
        run.update(targets=[], source=self.data.source.name)
        self._write_report(run)

    def describe(self) -> dict[str, Any]:
        """The content of data.json."""
        data = self.data
        roles = {**dict.fromkeys(data.parts.made, "made"), **dict.fromkeys([*data.parts.told, *filter(None, [data.parts.label])], "told")}
        return {
            "source": {"name": data.source.name, "rows": len(data.source), "fingerprint": data.source.fingerprint()},
            "columns": [
                {"name": name, "type": data.parts.options[name].type, "why": data.parts.why[name], "role": role}
                for name, role in roles.items()
            ],
            "left_out": data.parts.left,
            "made": {"shape": list(data.layout.shape), "low": self.found.low, "high": self.found.high, "deviation": self.found.deviation},
            "classes": data.layout.classes,
            "split": {"method": data.split.method, "seed": data.split.seed, **{name: len(rows) for name, rows in self.splits.items()}},
            "dropped_rows": [each.summary() for each in data.table.dropped],
            "notes": data.notes,
        }

    def _write_report(self, run: RunDirectory, system: Any = None, more: Sequence[dict[str, Any]] = ()) -> None:
        command = run.command.read_text(encoding="utf-8").strip()
        about = ["Making more like ", {"text": ", ".join(self.data.parts.made[:4]), "style": "code", "limit": 40}]
        use = [
            show_code("Make more", "trainwright sample {run} -n 64 -o more"),
            show_code("From Python", "import trainwright as tw\n\nmore = tw.load({run}).sample(64, seed=1)", "python"),
            *show_repeat(command),
        ]
        content = {"format": FORMAT, "about": about, "facts": [], "cautions": [], "blocks": use, "shown_media": shown_media(more)}
        write_analysis(run, content, system, more)

    def finish(self, run: RunDirectory, fitted: FitResult) -> Finished:
        """Write the model, results.json and the report."""
        data = self.data
        self.system.eval()
        sha256 = Artifact(data.table.encoder, self.system, data.parts.made, data.parts.told).save(run.model)
        sign(run.path)
        results = build_results(
            metrics={split: {"": dict(found)} for split, found in fitted.metrics.items()},
            timing={**fitted.timing, "total_seconds": process_seconds()},
            realised=fitted.realised,
            stopped_because=fitted.stopped_because,
            still_improving=bool(fitted.longer),
            go_on=self.go_on(run, fitted.longer),
            best=fitted.best,
            seed=self.config.run.seed,
            weights_sha256=sha256,
            files=describe_files(data.table.encoder.features, said=data.notes),
        )
        held_out = self.splits.get("test") or self.splits.get("validation") or self.splits["train"]
        told = sample_blocks(run, self.system, self.splits["train"], held_out, transforms_of(data.table.spec))
        self._write_report(run, self.system, told)
        run.write_json("results.json", results)
        said = [
            f"{split}: " + "  ".join(f"{name} {value:.4g}" for name, value in found.items())
            for split, found in fitted.metrics.items()
            if found
        ]
        loss = fitted.metrics.get("test") or fitted.metrics.get("validation") or {}
        split = "test" if fitted.metrics.get("test") else "validation"
        return Finished({"target": "", "metric": "loss", "value": loss.get("loss"), "split": split}, said)


def resolve_config(config: Config, data: PreparedRows, found: Found) -> Config:
    """The configuration with the columns, the deviation and the network that were found, so that it repeats the run as it stands."""
    asked = config.system
    condition = [*filter(None, [data.parts.label]), *data.parts.told]
    measured = round(found.deviation, 4) or found.deviation
    system = asked.model_copy(
        update={
            "of": data.parts.made,
            "condition": condition,
            "columns": data.parts.options,
            "model": choose_backbone(asked.model, shape_for(asked, data.layout)),
            "sigma_data": measured if asked.sigma_data == "auto" else asked.sigma_data,
        }
    )
    stem = Path(data.source.name.removeprefix("builtin:")).name.split(".")[0] or "data"
    name = config.run.name or ("diffusion" if " " in stem else f"{stem}-diffusion")
    return config.model_copy(
        update={
            "system": system,
            "trainer": suggest_training(config.trainer, data.layout),
            "run": config.run.model_copy(update={"name": name}),
        }
    )
