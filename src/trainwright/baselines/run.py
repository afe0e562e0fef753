"""Fitting the baselines on the rows that trained the network and measuring them the same way."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from trainwright.baselines.base import Baseline, drawn_rows
from trainwright.baselines.inputs import InputColumns, Inputs
from trainwright.config.errors import RequestError, TrainwrightError
from trainwright.config.model import PartConfig
from trainwright.config.registry import build
from trainwright.features.spec import TargetSpec
from trainwright.metrics import compute, default_metrics
from trainwright.metrics.outcome import Outcome
from trainwright.metrics.table import CLASSES, SET

MAX_TRAINING_ROWS = 100_000
MAX_SCORED_ROWS = 100_000
MAX_SCORES = 50_000_000
"""Scores, one for each row and class, that a baseline is asked for at most: they are held in memory, eight bytes each."""

Read = Callable[[np.ndarray, list[str]], pa.Table]
"""`source.read`: row numbers and column names → a table in that order."""


@dataclass(frozen=True)
class BaselineTarget:
    """A target with its true values by split, in the order of that split's rows; values as in `Outcome`."""

    name: str
    kind: str
    width: int
    truth: Mapping[str, np.ndarray]
    classes: list[str] | None = None
    metrics: list[PartConfig] = field(default_factory=list)
    weights: Mapping[str, np.ndarray] | None = None
    """How much rows count, by split; None where all count alike."""

    def weights_of(self, split: str, rows: np.ndarray) -> np.ndarray | None:
        """What the rows at these positions of a split weigh."""
        return None if self.weights is None else np.asarray(self.weights[split], np.float64)[rows]


@dataclass
class BaselineResult:
    """What a baseline scored, by split and target; `note` says where it took less than everything, or why there is nothing."""

    name: str
    outcomes: dict[str, dict[str, Outcome]] = field(default_factory=dict)
    metrics: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    rows: dict[str, np.ndarray] = field(default_factory=dict)
    """Positions within the split of the rows that were scored."""
    seconds: float = 0.0
    note: str = ""
    limits: list[str] = field(default_factory=list)
    """Where it saw less than the network: `trained on 20,000 of 90,000 rows`."""

    def as_json(self) -> dict[str, Any]:
        """Its entry in results.json: metrics by split and target, seconds, note."""
        return {**self.metrics, "seconds": round(self.seconds, 3), **({"note": self.note} if self.note else {})}


def original_truth(spec: TargetSpec, encoded: np.ndarray) -> np.ndarray:
    """Encoded target values as true values: class indices and multi-hot as they are, numbers and vectors in original units, float64."""
    if spec.scale is None:
        return encoded
    values = encoded.astype(np.float64) * np.asarray(spec.scale["std"]) + np.asarray(spec.scale["mean"])
    if spec.scale.get("transform") == "log":
        # numbers below zero were left as they are
        values = np.where(values < 0, values, np.expm1(np.maximum(values, 0)))
    return values.reshape(len(values)) if spec.kind == "number" else values


def run_baselines(
    baselines: Sequence[PartConfig],
    read: Read,
    columns: Mapping[str, str | PartConfig],
    targets: Sequence[BaselineTarget],
    rows: Mapping[str, np.ndarray],
    *,
    beside: Mapping[str, str | PartConfig] | None = None,
    files: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> dict[str, BaselineResult]:
    """Fits every baseline on `rows["train"]` and measures it on the other row sets; a failure is a note in its result, not an error.

    `columns` gives the type (or its options) of every input column, `beside` that of others which only baselines name; `files`
    the input columns of files as they were fitted, for baselines that read such; `rows` the row numbers of `train` and of the splits to
    score.
    At most 100,000 rows of each are read, drawn at random, and the note says so.
    """
    if not baselines:
        return {}
    splits = [name for name in rows if name != "train" and len(rows[name])]
    limits = {"train": MAX_TRAINING_ROWS, **dict.fromkeys(splits, MAX_SCORED_ROWS)}
    chosen = {name: drawn_rows(len(rows[name]), limit, seed) for name, limit in limits.items()}
    positions = {name: np.arange(len(rows[name])) if each is None else each for name, each in chosen.items()}
    named = {name_baseline(each): each for each in baselines}
    wanted = {name: files_for(each, files or {}) for name, each in named.items()}
    reader = InputColumns({**(beside or {}), **columns}, {name: each for one in wanted.values() for name, each in one.items()})
    shared = tuple(name for name in reader.names if name in columns)
    given = {name: tuple(getattr(each, "columns", ())) or tuple(wanted[name]) or shared for name, each in named.items()}
    try:
        tables = {name: read(rows[name][each], reader.names) for name, each in positions.items()}
        reader.fit(tables["train"])
        inputs = {
            names: {name: reader.read(table, len(positions[name]), names, rows[name][positions[name]]) for name, table in tables.items()}
            for names in set(given.values())
        }
    except (TrainwrightError, ValueError, MemoryError) as error:
        return {name: BaselineResult(name, note=f"not run because {_reason(error)}") for name in given}
    notes = [f"{len(each):,} of {len(rows[name]):,} {name} rows were read" for name, each in chosen.items() if each is not None]
    return {name: _run_one(each, inputs[given[name]], targets, positions, notes, seed) for name, each in named.items()}


def files_for(options: PartConfig, files: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of files that a baseline reads: of its types, those that it names or all."""
    named = getattr(options, "columns", None)
    found = {name: each for name, each in files.items() if each.kind in getattr(options, "reads", ())}
    return {name: each for name, each in found.items() if not named or name in named}


def name_baseline(options: PartConfig) -> str:
    """What a baseline is called: its type, and the columns where it is given some of its own."""
    columns = getattr(options, "columns", None)
    return f"{options.type} of {', '.join(columns)}" if columns else options.type


def _run_one(
    options: PartConfig,
    inputs: dict[str, Inputs],
    targets: Sequence[BaselineTarget],
    positions: dict[str, np.ndarray],
    notes: list[str],
    seed: int,
) -> BaselineResult:
    result, splits = BaselineResult(name_baseline(options)), [name for name in inputs if name != "train"]
    start = time.perf_counter()
    failures, baseline = [], None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sklearn's advice on convergence speaks to its caller, not to the reader of a report
        for target in targets:
            try:
                if baseline is None:
                    baseline = _prepare(options, inputs, splits, seed)
                truth = np.asarray(target.truth["train"])[positions["train"]]
                _refuse_scores(target, sum(len(positions[split]) for split in splits))
                baseline.weights = target.weights_of("train", positions["train"])
                scores = baseline.scores(target.kind, target.width, truth)
            except (TrainwrightError, ValueError, MemoryError) as error:
                failures.append(f"not run for '{target.name}' because {_reason(error)}")
                continue
            result.rows = _scored_rows(baseline, splits, positions)
            _record(result, target, dict(zip(splits, scores, strict=True)), result.rows)
    result.seconds = time.perf_counter() - start
    read = [] if options.type == "constant" else [each for each in notes if " train rows " in each]
    given = ["given " + each.replace(" train rows were read", " training rows") for each in read]
    result.rows = result.rows or {name: positions[name] for name in splits}
    result.limits = list(dict.fromkeys([*given, *(baseline.notes if baseline is not None else [])]))
    result.note = "; ".join(dict.fromkeys([*notes, *(baseline.notes if baseline is not None else []), *failures]))
    return result


def _refuse_scores(target: BaselineTarget, rows: int) -> None:
    """Raises RequestError where a score for each row and class would be more than memory is there for."""
    if target.kind in (*CLASSES, SET) and rows * target.width > MAX_SCORES:
        what = f"{rows:,} rows with {target.width:,} classes have more scores than the {MAX_SCORES:,} that are held"
        raise RequestError(what, fix="evaluation.baselines=[]")


def _prepare(options: PartConfig, inputs: dict[str, Inputs], splits: list[str], seed: int) -> Baseline:
    baseline: Baseline = build("baseline", options, seed=seed)
    baseline.prepare(inputs["train"], [inputs[name] for name in splits])
    return baseline


def _scored_rows(baseline: Baseline, splits: list[str], positions: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Positions within each split of the rows that it scores: all that were read, or those that it chose."""
    chosen = getattr(baseline, "scored", None)
    if chosen is None:
        return {name: positions[name] for name in splits}
    return {name: positions[name][each] for name, each in zip(splits, chosen, strict=True)}


def _record(result: BaselineResult, target: BaselineTarget, scores: dict[str, np.ndarray], positions: dict[str, np.ndarray]) -> None:
    for split, each in scores.items():
        weights = target.weights_of(split, positions[split])
        outcome = Outcome(target.kind, np.asarray(target.truth[split])[positions[split]], each, target.classes, weights=weights)
        result.outcomes.setdefault(split, {})[target.name] = outcome
        result.metrics.setdefault(split, {})[target.name] = compute(outcome, target.metrics or default_metrics(target.kind))


def _reason(error: Exception) -> str:
    """The first line of an error, as the rest of a sentence, with what helps."""
    known = isinstance(error, TrainwrightError)
    text, fix = (error.what, error.fix) if known else (str(error), "")  # type: ignore[attr-defined]
    said = text.splitlines()[0].rstrip(".") if text else type(error).__name__
    return f"{said} ({fix})" if fix else said
