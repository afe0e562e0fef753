"""How a table's network stands beside the baselines: by which number, on which rows, and what to try next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from trainwright.baselines.comparison import verdict
from trainwright.baselines.run import BaselineResult
from trainwright.calibration.thresholds import tuned_threshold
from trainwright.config.places import spell_key
from trainwright.domains.tables.model import Model
from trainwright.domains.tables.prepare import PreparedData
from trainwright.features.spec import TargetSpec
from trainwright.metrics import compute_one, label
from trainwright.metrics.balance import ENOUGH, Headline, choose_headline
from trainwright.metrics.outcome import Outcome
from trainwright.metrics.table import BINARY, CLASSES

TUNED_ON = 50_000
"""Validation rows at most on which a threshold that nobody asked for is looked for."""
GAIN = 0.05
"""By how much the F1 of a tuned threshold must exceed that of calling every row positive for it to be advised."""


def headline_of_target(prepared: PreparedData, spec: TargetSpec) -> Headline:
    """The number that sums a target up, chosen by the classes of the training rows."""
    if spec.kind not in CLASSES or spec.positions:
        return choose_headline(spec.kind, (), None, spec.metrics)
    truth = prepared.table.blocks[f"target.{spec.name}"][prepared.table.train]
    return choose_headline(spec.kind, np.bincount(truth.astype(np.int64), minlength=spec.width).tolist(), spec.classes, spec.metrics)


def verdicts(
    prepared: PreparedData,
    model: Model,
    outcomes: Mapping[str, Outcome],
    split: str,
    baselines: Mapping[str, BaselineResult],
    seed: int,
    groups: np.ndarray | None = None,
) -> dict[str, dict[str, Any]]:
    """Target → its verdict as in results.json; `groups`: int64 of each row of the split, where rows of one are drawn together."""
    seen, found = prepared.seen_of(split), {}
    for spec in prepared.spec.targets:
        if spec.name not in outcomes:
            continue
        chosen = headline_of_target(prepared, spec)
        made = verdict(spec.name, outcomes[spec.name], baselines, chosen.metric, split=split, seed=seed, seen=seen, groups=groups)
        few = _few_of_the_rare(spec, chosen, outcomes[spec.name], seen, made)
        notes = [*_given_away(prepared, spec.name), chosen.why, few, *made["notes"], _between_times(prepared)]
        advice = [*_against_rarity(spec, chosen, model), *_against_duplicates(prepared, made), *_against_trees(made)]
        found[spec.name] = {**made, "notes": [each for each in notes if each], "advice": advice}
    return found


def tune_thresholds(outcomes: Mapping[str, Outcome]) -> dict[str, dict[str, float]]:
    """Binary target → the threshold with the best F1 on these (validation) rows, its F1, and that at 0.5 and of all rows as positive."""
    found = {}
    for name, whole in outcomes.items():
        if whole.kind != BINARY or len(np.unique(whole.truth)) < 2:
            continue
        few = len(whole) <= TUNED_ON
        outcome = whole if few else whole.take(np.linspace(0, len(whole) - 1, TUNED_ON).astype(np.int64))
        best, every = tuned_threshold(outcome), compute_one(outcome.at_threshold(0.0), "f1")
        of_all = {"f1_of_all": every, "positives": float(best.positives)}
        found[name] = {"threshold": best.threshold, "f1": best.value, "f1_at_half": best.at_half, **of_all}
    return found


def headline_of(results: Mapping[str, Any], prepared: PreparedData) -> dict[str, Any]:
    """The one number of a run's listing: target, metric, value, split; that of the verdict where there is one."""
    spec = prepared.spec.targets[0]
    metric = label(headline_of_target(prepared, spec).metric)
    for split in ("test", "validation"):
        value = (results["metrics"].get(split, {}).get(spec.name) or {}).get(metric)
        if value is not None:
            decided = results["verdict"].get(spec.name) or {}
            told = decided.get("network") if decided.get("metric") == metric else None
            return {"target": spec.name, "metric": metric, "value": value if told is None else told, "split": split}
    return {"target": spec.name, "metric": metric, "value": None, "split": ""}


def _given_away(prepared: PreparedData, target: str) -> list[str]:
    """The columns that alone nearly give the target away and were used: the number is theirs, then."""
    named = [f"'{leak.column}'" for leak in prepared.leaks if leak.target == target and leak.column in prepared.inputs]
    if not named:
        return []
    alone = f"{', '.join(named[:3])} alone nearly {'gives' if len(named) == 1 else 'give'} the target away"
    return [f"{alone}: if that is not known when predicting, all of these numbers are too good."]


def _between_times(prepared: PreparedData) -> str:
    """Rows in order of time that were split at random are easier than those to come."""
    name = prepared.ordered_by
    return f"Rows are in order of '{name}' and were split at random: expect less on rows that come later." if name else ""


def _against_rarity(spec: TargetSpec, chosen: Headline, model: Model) -> list[str]:
    """What helps to find the rows of a rare class."""
    if not chosen.rare:
        return []
    advice = []
    tuned = model.tuned.get(spec.name)
    if spec.kind == BINARY and tuned and spec.name not in model.thresholds and _worth_tuning(tuned):
        gain = f"F1 of the validation rows {tuned['f1_at_half']:.3g} → {tuned['f1']:.3g} at {tuned['threshold']:.3g}"
        key = spell_key(("columns", spec.name, "threshold"))
        advice.append(f"{key}=tuned decides where it suits them ({gain}); predict --threshold tuned does it with this model")
    if spec.class_weights is None:
        key = spell_key(("columns", spec.name, "class_weights"))
        advice.append(f"{key}=auto makes rare classes count alike in training; its probabilities are no frequencies then")
    if spec.kind == BINARY and spec.classes and chosen.rare == spec.classes[0]:
        key = spell_key(("columns", spec.name, "positive"))
        advice.append(f"{key}={chosen.rare} makes the rare class the positive one, which F1 and average precision are of")
    return advice


def _worth_tuning(tuned: Mapping[str, float]) -> bool:
    """Whether a threshold finds more than 0.5 and than calling every row positive, as far as ten positive rows can show it."""
    return tuned["positives"] >= ENOUGH and tuned["f1"] > tuned["f1_at_half"] and tuned["f1"] >= tuned["f1_of_all"] + GAIN


def _against_duplicates(prepared: PreparedData, made: Mapping[str, Any]) -> list[str]:
    count = len(prepared.duplicates.train_rows)
    if not made.get("seen") or not count or not np.isin(prepared.duplicates.train_rows, prepared.rows("train")).any():
        return []
    return [f"data.duplicates=drop leaves the {count:,} training rows out that are also in validation or test"]


def _against_trees(made: Mapping[str, Any]) -> list[str]:
    """What brings a network nearer to trees, which cut each column wherever it helps."""
    if made.get("standing") != "behind" or made.get("name") != "boosting":
        return []
    return ["a larger network: model.combiner=tabm model.combiner.members=32 model.combiner.width=256"]


def _few_of_the_rare(spec: TargetSpec, chosen: Headline, outcome: Outcome, seen: np.ndarray, made: Mapping[str, Any]) -> str:
    """That a number rests on very few rows of the rare class, which no interval from the same rows shows."""
    if not chosen.rare or spec.classes is None or made["standing"] == "too few":  # the verdict itself says it then
        return ""
    compared = outcome.truth if made["rows"] == made["of"] else outcome.truth[~seen]
    found = int((compared == spec.classes.index(chosen.rare)).sum())
    if found >= ENOUGH:
        return ""
    verb = "is" if found == 1 else "are"
    return f"Of the {len(compared):,} rows compared {found} {verb} '{chosen.rare}': the number hangs on single rows."
