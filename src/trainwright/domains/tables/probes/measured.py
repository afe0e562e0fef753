"""How well simple models do on the encoder's output: fitted on the run's training rows, measured on others, in pieces."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from trainwright.config.errors import DataError, RequestError
from trainwright.data.rows import Rows
from trainwright.domains.asked import ProbeOptions
from trainwright.domains.tables.embeddings import embed_rows
from trainwright.domains.tables.model import Model
from trainwright.domains.tables.probes.linear import LinearProbe
from trainwright.domains.tables.probes.nearest import NearestRows
from trainwright.features.spec import TargetSpec
from trainwright.metrics import default_metrics
from trainwright.metrics.target import TargetMetrics
from trainwright.systems.readout import original_units, scores
from trainwright.systems.supervised_metrics import outcome_of

log = logging.getLogger(__name__)

Probe = LinearProbe | NearestRows


def measure_probes(model: Model, asked: Sequence[ProbeOptions], train: Rows, rows: Rows, size: int) -> dict[str, Any]:
    """Probe → target → metric → value; raises RequestError for targets that have no one answer a row, DataError without rows."""
    targets = [spec for spec in model.encoder.spec.targets if not spec.positions]
    if not targets:
        what = "a probe answers each row once, and the targets have a class at every position"
        raise RequestError(what, where="evaluation.probe", fix="leave it out")
    if not len(train):
        raise DataError("there are no training rows to fit a probe to", where="evaluation.probe")
    vectors, truths = _collect(model, targets, train, size)
    log.info("probes are fitted to the embeddings of %s training rows, %s numbers each", f"{len(vectors):,}", f"{vectors.shape[1]:,}")
    made = {_label(each): {spec.name: _fitted(each, spec, vectors, truths[spec.name]) for spec in targets} for each in asked}
    measured = {name: {spec.name: _metrics(spec) for spec in targets} for name in made}
    for embedded, batch in embed_rows(model, rows, size):
        for name, probes in made.items():
            for spec in targets:
                measured[name][spec.name].update(_answers(spec, probes[spec.name], embedded, batch))
    return {name: {target: each.compute() for target, each in found.items()} for name, found in measured.items()}


def _collect(model: Model, targets: Sequence[TargetSpec], rows: Rows, size: int) -> tuple[Tensor, dict[str, Tensor]]:
    """The embeddings of the training rows and their encoded targets."""
    vectors: list[Tensor] = []
    truths: dict[str, list[Tensor]] = {spec.name: [] for spec in targets}
    for embedded, batch in embed_rows(model, rows, size):
        vectors.append(embedded)
        for name, pieces in truths.items():
            pieces.append(batch[f"target.{name}"])
    return torch.cat(vectors), {name: torch.cat(pieces) for name, pieces in truths.items()}


def _fitted(options: ProbeOptions, spec: TargetSpec, vectors: Tensor, truth: Tensor) -> Probe:
    probe: Probe
    if options.type == "knn":
        if options.k > len(vectors):
            what = f"there are {len(vectors)} training rows, and k is {options.k}"
            raise RequestError(what, where="evaluation.probe", fix=f"k: {len(vectors)} at most")
        probe = NearestRows(spec.kind, len(spec.classes or ()), options.k, options.metric)
    else:
        probe = LinearProbe(spec.kind, 1 if spec.kind in ("binary", "number") else spec.width, options.strength)
    probe.fit(vectors, truth)
    return probe


def _answers(spec: TargetSpec, probe: Probe, vectors: Tensor, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Scores and truth of some rows, as metrics read them."""
    numbers, truth = spec.kind in ("number", "vector"), batch[f"target.{spec.name}"]
    output = probe.outputs_of(vectors) if isinstance(probe, LinearProbe) else probe.scores_of(vectors)
    found = output if isinstance(probe, NearestRows) and not numbers else scores(spec, output)
    return {f"{spec.name}.scores": found, f"{spec.name}.truth": original_units(truth, spec.scale) if numbers else truth}


def _metrics(spec: TargetSpec) -> TargetMetrics:
    return TargetMetrics(spec.metrics or default_metrics(spec.kind), partial(outcome_of, spec.name, spec.kind), spec.classes, spec.kind)


def _label(options: ProbeOptions) -> str:
    return f"{options.k} nearest ({options.metric})" if options.type == "knn" else "linear probe"
