"""After training: the artifact, every number by split, the baselines, the analysis, results.json and the report."""

from __future__ import annotations

import logging
import math
from typing import Any

import numpy as np
import torch

from trainwright.baselines.run import BaselineResult, BaselineTarget, original_truth, run_baselines
from trainwright.calibration.blocks import calibration_blocks
from trainwright.calibration.fitting import Labelled
from trainwright.calibration.thresholds import tuned_threshold
from trainwright.config.clock import process_seconds
from trainwright.data.rows import Rows
from trainwright.domains.tables.analysis import Importance, analyse
from trainwright.domains.tables.analysis.of_rows import importance_of
from trainwright.domains.tables.baseline_columns import columns_beside, columns_given, files_given
from trainwright.domains.tables.blocks import write_table
from trainwright.domains.tables.calibration import Calibration, labelled_rows
from trainwright.domains.tables.measured_intervals import interval_column, measure_intervals, read_groups
from trainwright.domains.tables.model import Model, rows_at_once
from trainwright.domains.tables.position_metrics import measured_outputs
from trainwright.domains.tables.prepare import PreparedData
from trainwright.domains.tables.show import result_lines
from trainwright.domains.tables.told_blocks import domain_blocks
from trainwright.domains.tables.verdicts import tune_thresholds, verdicts
from trainwright.engine.trainer import FitResult
from trainwright.features.lazy import describe_files
from trainwright.features.row_weights import ROW_WEIGHT
from trainwright.features.table_rows import table_rows
from trainwright.files.whole import whole_file
from trainwright.metrics import compute, default_metrics
from trainwright.metrics.by_class import by_class
from trainwright.metrics.outcome import Outcome
from trainwright.runs.directory import RunDirectory
from trainwright.runs.results import build_results, put_loss
from trainwright.runs.signing import sign
from trainwright.runs.ways_on import to_a_later_end
from trainwright.systems.run_config import Config
from trainwright.systems.supervised import SupervisedSystem

log = logging.getLogger(__name__)

Outcomes = dict[str, dict[str, Outcome]]
"""Split → target → outcome."""


def finish(
    run: RunDirectory,
    config: Config,
    prepared: PreparedData,
    system: SupervisedSystem,
    fitted: FitResult,
    calibration: Calibration | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Measure the trained network, calibrate it where that is asked for, compare it, explain it, and write everything into the run.

    `calibration`: fitted on rows of its own; default: what `evaluation.calibration` says. Returns the content of results.json, and what
    `analyse` found.
    """
    system.eval()  # training left it in its own mode, in which dropout would be on in what follows
    model, size = Model(prepared.table.encoder, system), rows_at_once(prepared.table, config.trainer.evaluation_batch_size)
    model.look_through(config.evaluation.views)
    calibration = calibration or Calibration.asked(config.evaluation.calibration, prepared.spec.targets)
    before = calibrate(calibration, prepared, model, size)
    outcomes, losses, metrics, at_positions = measure(prepared, model, fitted, size)
    for split in before:
        calibration.measure(model, before[split], split)
    sha256 = model.save(run.model)
    sign(run.path)
    save_outcomes(run, prepared, outcomes.get("test", {}))
    baselines = compare_with_baselines(config, prepared)
    decided = outcomes.get("test") or outcomes.get("validation") or {}
    split = "test" if outcomes.get("test") else "validation"
    specs = {spec.name: spec for spec in prepared.spec.targets}
    wanted = {name: spec.metrics or default_metrics(spec.kind) for name, spec in specs.items()}
    bounds, drawn = intervals_of(config, prepared, decided, split, wanted)
    results = build_results(
        metrics=metrics,
        intervals={split: bounds} if bounds else {},
        resampling={split: drawn} if drawn else {},
        classes=classes_of(outcomes, wanted, at_positions),
        baselines={name: each.as_json() for name, each in baselines.items()},
        verdict=decide(config, prepared, model, decided, split, baselines) if baselines else {},
        timing={**fitted.timing, "total_seconds": process_seconds()},
        realised={**fitted.realised, "device": str(next(system.parameters()).device)},
        stopped_because=fitted.stopped_because,
        still_improving=bool(fitted.longer),
        go_on=to_a_later_end(run.path, fitted.longer),
        best=fitted.best,
        seed=config.run.seed,
        weights_sha256=sha256,
        calibration=calibration.fitted,
        files=describe_files(prepared.table.encoder.features),
    )
    found = explain(config, prepared, model, decided, losses.get(split, {}), split)
    more = [*calibration_blocks(calibration.fitted), *domain_blocks(run, config, prepared, model, decided, split)]
    write_table(run, found, prepared.targets, system, more)
    run.write_json("results.json", results)
    return results, found


def calibrate(calibration: Calibration, prepared: PreparedData, model: Model, size: int) -> dict[str, dict[str, Labelled]]:
    """Fit what was asked for, after which the model answers by it; split → target → rows as they were before. Nothing asked, nothing."""
    if not calibration.methods:
        return {}
    calibration.fit(model, split_rows(prepared, "validation"), size)
    rows = {split: split_rows(prepared, split) for split in ("validation", "test")}
    return {split: labelled_rows(model.system, each, size) for split, each in rows.items() if len(each)}


def measure(
    prepared: PreparedData, model: Model, fitted: FitResult, batch_size: int
) -> tuple[Outcomes, dict[str, dict[str, np.ndarray]], dict[str, Any], dict[str, Any]]:
    """Outcomes, losses by row, metrics, and classes at positions of validation and test rows with the best weights.

    Training metrics are the running ones.
    """
    system, device = model.system, next(model.system.parameters()).device
    outcomes: Outcomes = {}
    losses: dict[str, dict[str, np.ndarray]] = {}
    at_positions: dict[str, Any] = {}
    metrics: dict[str, Any] = {"train": by_target(fitted.train_metrics, prepared.targets)}
    for split in ("validation", "test"):
        rows = split_rows(prepared, split)
        if not len(rows):
            continue
        outputs, dense, at_positions[split] = measured_outputs(system, rows, batch_size, device)
        found = {key: value.cpu().numpy() for key, value in outputs.items()}
        if split == "validation":
            model.thresholds = choose_thresholds(prepared, model, found) | model.thresholds
        whole, weights = single_valued(prepared), found.get(ROW_WEIGHT)
        outcomes[split] = {name: model.outcome(name, found[f"{name}.truth"], found[f"{name}.scores"], weights) for name in whole}
        if split == "validation":
            model.tuned = tune_thresholds(outcomes[split])
        losses[split] = {name: found[f"{name}.loss"] for name in whole}
        measured = {name: compute(outcome, metrics_of(prepared, name)) for name, outcome in outcomes[split].items()}
        metrics[split] = {name: measured.get(name) or dense[name] for name in prepared.targets}
        counted = {head: found.get(f"{head.name}.counted", weights) for head in system.heads}
        means = {head: mean_loss(found[f"{head.name}.loss"], each) for head, each in counted.items()}
        put_loss(metrics[split], sum(head.weight * mean for head, mean in means.items()))
    return outcomes, losses, metrics, at_positions


def mean_loss(losses: np.ndarray, weights: np.ndarray | None) -> float:
    """The mean over rows by their weights; NaN where none counts."""
    if weights is not None and not weights.any():
        return math.nan
    return float(np.average(losses.astype(np.float64), weights=weights))


def decide(
    config: Config, prepared: PreparedData, model: Model, outcomes: dict[str, Outcome], split: str, baselines: dict[str, BaselineResult]
) -> dict[str, dict[str, Any]]:
    """Target → how the network stands beside the baselines, by groups of rows where intervals are drawn so."""
    column = interval_column(config)
    groups = read_groups(prepared.source, column, prepared.rows(split)) if column else None
    return verdicts(prepared, model, outcomes, split, baselines, config.run.seed, groups)


def intervals_of(
    config: Config, prepared: PreparedData, outcomes: dict[str, Outcome], split: str, metrics: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Intervals of the metrics of a split by target, and what was drawn for them; nothing where they are switched off."""
    asked = config.evaluation.intervals
    if asked is None:
        return {}, {}
    return measure_intervals(asked, interval_column(config), outcomes, metrics, prepared.source, prepared.rows(split), config.run.seed)


def classes_of(outcomes: Outcomes, metrics: dict[str, Any], at_positions: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Split → target → what each of its classes has."""
    found = {split: {name: by_class(each, metrics[name]) for name, each in of_split.items()} for split, of_split in outcomes.items()}
    found = {split: of_split | at_positions[split] for split, of_split in found.items()}
    return {split: {name: each for name, each in of_split.items() if each} for split, of_split in found.items()}


def single_valued(prepared: PreparedData) -> list[str]:
    """The targets with one value a row; those with a class at every position are measured batch by batch, and their rows not kept."""
    return [spec.name for spec in prepared.spec.targets if not spec.positions]


def split_rows(prepared: PreparedData, split: str) -> Rows:
    """The encoded rows of a split, as the trainer takes them."""
    return table_rows(prepared.table, getattr(prepared.table, split), training=split == "train")


def training_rows(prepared: PreparedData) -> Rows:
    """The encoded training rows as an epoch draws them."""
    rows = split_rows(prepared, "train")
    return rows if prepared.sampling is None else prepared.sampling.of(rows)


def metrics_of(prepared: PreparedData, target: str) -> list[Any]:
    """The metrics of a target: those configured, or the usual ones."""
    spec = next(each for each in prepared.spec.targets if each.name == target)
    return spec.metrics or default_metrics(spec.kind)


def choose_thresholds(prepared: PreparedData, model: Model, found: dict[str, np.ndarray]) -> dict[str, float]:
    """For binary targets: the given threshold, or with `tuned` the one with the best F1 on the validation rows."""
    chosen = {}
    for spec in prepared.spec.targets:
        if spec.kind != "binary" or spec.name in model.thresholds:
            continue
        if spec.threshold == "tuned":
            truth, scores = found[f"{spec.name}.truth"], found[f"{spec.name}.scores"]
            outcome = Outcome(spec.kind, truth, scores, spec.classes, weights=found.get(ROW_WEIGHT))
            best = tuned_threshold(outcome)
            chosen[spec.name] = best.threshold
            log.info("%s: threshold %.4g has the best F1 on the validation rows (%.4g)", spec.name, best.threshold, best.value)
        elif float(spec.threshold) != 0.5:
            chosen[spec.name] = float(spec.threshold)
    return chosen


def by_target(flat: dict[str, float], targets: list[str]) -> dict[str, Any]:
    """`{"<target>.<metric>": value, "loss": value}` as results.json nests it."""
    nested: dict[str, Any] = {name: {} for name in targets}
    longest_first = sorted(targets, key=len, reverse=True)  # `a.b.accuracy` is of the target `a.b`, should there be an `a` too
    for key, value in flat.items():
        owner = next((name for name in longest_first if key.startswith(f"{name}.")), None)
        if owner is not None:
            nested[owner][key.removeprefix(f"{owner}.")] = value
        elif key == "loss":
            put_loss(nested, value)
        else:
            nested[key] = value
    return nested


def save_outcomes(run: RunDirectory, prepared: PreparedData, outcomes: dict[str, Outcome]) -> None:
    """Rows, truth and scores of the test rows, so that two runs can be compared pair by pair."""
    run.outcomes.mkdir(exist_ok=True)
    for name, outcome in outcomes.items():
        extra: dict[str, Any] = {} if outcome.weights is None else {"weights": outcome.weights}
        with whole_file(run.outcomes / f"{file_name(name)}.npz") as temporary:
            np.savez(
                temporary,
                rows=prepared.in_source(prepared.rows("test")),
                truth=outcome.truth,
                scores=outcome.scores,
                target=np.array(name),
                kind=np.array(outcome.kind),
                classes=np.array(outcome.classes or []),
                threshold=np.array(outcome.threshold),
                **extra,
            )


def file_name(target: str) -> str:
    """A target's name as a file name."""
    return "".join(letter if letter.isalnum() or letter in "._- " else f"%{ord(letter):x}" for letter in target)


def compare_with_baselines(config: Config, prepared: PreparedData) -> dict[str, BaselineResult]:
    """Fit the simple models on the same training rows and measure them on the same others."""
    if not config.evaluation.baselines:
        return {}
    features = prepared.table.encoder.features
    columns = columns_given(prepared.columns, features)
    files = files_given(config.evaluation.baselines, prepared.columns, features)
    beside = columns_beside(config.evaluation.baselines, columns, prepared.source)
    names = ["train", *(name for name in ("validation", "test") if len(getattr(prepared.table, name)))]
    rows = {name: prepared.rows(name) for name in names}
    weights = prepared.table.blocks.get(ROW_WEIGHT)
    targets = [
        BaselineTarget(
            spec.name,
            spec.kind,
            spec.width,
            {name: original_truth(spec, prepared.table.blocks[f"target.{spec.name}"][getattr(prepared.table, name)]) for name in names},
            spec.classes,
            spec.metrics,
            None if weights is None else {name: weights[getattr(prepared.table, name)] for name in names},
        )
        for spec in prepared.spec.targets
        if not spec.positions
    ]
    if not targets:
        log.info("baselines do not predict positions")
        return {}
    read, seed = prepared.source.read, config.run.seed
    results = run_baselines(config.evaluation.baselines, read, columns, targets, rows, beside=beside, files=files, seed=seed)
    for name, result in results.items():
        if result.note:
            log.info("baseline %s: %s", name, result.note)
    return results


def explain(
    config: Config, prepared: PreparedData, model: Model, outcomes: dict[str, Outcome], losses: dict[str, np.ndarray], split: str
) -> dict[str, Any]:
    """What the test rows (validation rows where there are none) tell, as `analyse` gives it."""
    if not outcomes:
        return {}
    positions = getattr(prepared.table, split)
    specs = {spec.name: spec for spec in prepared.spec.targets}
    importance: Importance | None = None
    if config.evaluation.importance:
        importance = importance_of(model, prepared.table, positions, outcomes, config.run.seed)
    shown = [*prepared.targets, *prepared.inputs]
    tuned = {name: "f1" for name, spec in specs.items() if spec.threshold == "tuned"}
    tuned |= {name: each.metric for name, each in model.calibrated.items() if each.metric}
    with torch.no_grad():
        return analyse(
            outcomes,
            prepared.in_source(prepared.rows(split)),
            lambda rows: prepared.source.read(prepared.of_source(rows), shown),
            losses=losses,
            threshold_metrics=tuned,
            importance=importance,
        )


def say_result(results: dict[str, Any], targets: list[str]) -> None:
    """Print the result tables."""
    for line in result_lines(results, targets):
        log.info(line)
