"""Methods fitted one after the other on labelled rows, and what cannot be fitted refused with what can."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from trainwright.calibration import PARTS, CalibrationMethod, ConformalOptions, TemperatureOptions
from trainwright.calibration.conformal import INTERVALS, SETS, Conformal, least_rows, too_few
from trainwright.calibration.criteria import is_of_sets
from trainwright.calibration.fitted import Calibrated
from trainwright.calibration.scaling import Scaling
from trainwright.calibration.thresholds import Threshold
from trainwright.calibration.together import Together
from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.config.registry import build
from trainwright.metrics.outcome import Outcome
from trainwright.metrics.table import BINARY, CATEGORY, CLASSES, SET, VALUES

STAGES = {"temperature": 0, "vector": 0, "thresholds": 1, "conformal": 2}
"""What comes first: thresholds and conformal scores are of probabilities as they are after scaling."""
USUAL_ALPHAS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5)
CLOSEST = {BINARY: "temperature", CATEGORY: "vector or conformal", SET: "thresholds or temperature", **dict.fromkeys(VALUES, "conformal")}
"""Kind of target → what fits it where something else does not."""


@dataclass(frozen=True)
class Labelled:
    """Rows with their truth that methods are fitted on: of one target, of a model's."""

    name: str
    kind: str
    """`binary`, `category`, `set`, `number` or `vector`."""
    truth: np.ndarray
    """As in `Outcome`."""
    scores: np.ndarray
    """Probabilities or values, as in `Outcome`."""
    logits: np.ndarray | None = None
    """[n, c]; one a row for two classes, or one for each."""
    classes: list[str] | None = None
    weights: np.ndarray | None = None
    rescore: Callable[[Scaling], np.ndarray] | None = None
    """The scores as the model gives them under a scaling; default: computed in float64."""
    sigma: np.ndarray | None = None
    quantiles: tuple[np.ndarray, np.ndarray] | None = None

    def outcome(self, threshold: Any = None) -> Outcome:
        """Truth and scores, decided at a threshold."""
        found = Outcome(self.kind, self.truth, self.scores, self.classes, weights=self.weights)
        return found if threshold is None else found.at_threshold(np.asarray(threshold) if np.ndim(threshold) else threshold)

    def scaled(self, scaling: Scaling) -> Labelled:
        """The same under a scaling of the logits."""
        if self.rescore is not None:
            return replace(self, scores=self.rescore(scaling))
        return replace(self, scores=probabilities(self.kind, scaling.apply(self.logits)))


def probabilities(kind: str, logits: np.ndarray) -> np.ndarray:
    """Probabilities of classes [n, c], binary as (negative, positive), or of each label of a set, in float64."""
    z = torch.as_tensor(np.asarray(logits, np.float64))
    if kind == SET:
        return z.sigmoid().numpy()
    found = torch.cat([(-z).sigmoid(), z.sigmoid()], dim=1) if z.shape[1] == 1 else z.softmax(dim=1)
    return found.numpy()


def fit_methods(methods: Sequence[CalibrationMethod], rows: Labelled) -> Calibrated:
    """What the methods find on these rows, scalings first; raises ConfigError where one does not fit them."""
    found = Calibrated()
    for method in in_order(methods):
        check_method(method, rows.name, rows.kind, rows.truth, rows.classes)
        made = build("calibration", method).fit(rows)
        if isinstance(made, Scaling):
            found, rows = replace(found, scaling=made), rows.scaled(made)
        elif isinstance(made, Conformal):
            found = replace(found, conformal=made)
        else:
            metric, thresholds = _as_thresholds(method, made)
            found = replace(found, thresholds=thresholds, metric=metric)
    return found


def _as_thresholds(method: CalibrationMethod, made: Any) -> tuple[str, list[Threshold]]:
    """What a method gave that is neither a scaling nor conformal; raises ConfigError where it is no choice of thresholds either."""
    if isinstance(made, tuple) and len(made) == 2 and all(isinstance(each, Threshold) for each in made[1]):
        return str(made[0]), list(made[1])
    fix = "give a Scaling, a Conformal, or (name of the metric, [Threshold, …]) of trainwright.calibration"
    raise ConfigError(f"'{method.type}' gives what is no fit: {type(made).__name__}", where="evaluation.calibration", fix=fix)


def in_order(methods: Sequence[CalibrationMethod]) -> list[CalibrationMethod]:
    """The methods as they are fitted; raises ConfigError for two of one stage, one of which would be lost."""
    for place, each in enumerate(methods):
        twice = next((other for other in methods[:place] if _meet(each, other)), None)
        if twice is not None:
            same = each.type if each.type == twice.type else f"{twice.type} and {each.type}"
            why = f"{same} are both asked for, and a target keeps one scaling, one choice of thresholds and one conformal method"
            raise ConfigError("two methods do the same for a target", where="evaluation.calibration", why=why, fix="leave one of them out")
    return sorted(methods, key=stage)


def stage(method: CalibrationMethod) -> int:
    """When a method is fitted; one of a person's own first."""
    return STAGES.get(method.type, 0)


def named(method: CalibrationMethod) -> list[str]:
    """The targets that a method names; a class of one's own that takes any option may have none."""
    return list(getattr(method, "targets", None) or ())


def _meet(first: CalibrationMethod, second: CalibrationMethod) -> bool:
    overlap = not named(first) or not named(second) or bool(set(named(first)) & set(named(second)))
    return stage(first) == stage(second) and overlap


def methods_for(methods: Sequence[CalibrationMethod], kinds: dict[str, str]) -> dict[str, list[CalibrationMethod]]:
    """Target → the methods that it gets, of targets by kind; raises ConfigError for a method that fits none of those it names."""
    found: dict[str, list[CalibrationMethod]] = {name: [] for name in kinds}
    for method in in_order(methods):
        unknown = next((each for each in named(method) if each not in kinds), None)
        if unknown is not None:
            fix = did_you_mean(unknown, kinds)
            raise ConfigError(f"'{unknown}' is no target that can be calibrated", where=f"calibration: {method.type}", fix=fix)
        chosen = named(method) or [name for name, kind in kinds.items() if fits(method, kind)]
        if not chosen:
            name = next(iter(kinds), "")
            raise _misfit(method, name, kinds.get(name, ""))
        for name in chosen:
            if not fits(method, kinds[name]):
                raise _misfit(method, name, kinds[name])
            found[name].append(method)
    return found


def usual_of(targets: Sequence[str], kinds: dict[str, str]) -> list[CalibrationMethod]:
    """What is fitted to these targets where nobody says what; raises ConfigError for one that there is not."""
    unknown = next((each for each in targets if each not in kinds), None)
    if unknown is not None:
        raise ConfigError(f"'{unknown}' is no target that can be calibrated", where="--target", fix=did_you_mean(unknown, kinds))
    chosen = {name: kinds[name] for name in targets}
    return [
        each.model_copy(update={"targets": each.targets or [name for name in chosen if fits(each, chosen[name])]})
        for each in usual_methods(chosen)
    ]


def usual_methods(kinds: dict[str, str]) -> list[CalibrationMethod]:
    """What is fitted where nobody says what: temperature for classes and labels, conformal intervals for numbers."""
    found: list[CalibrationMethod] = []
    if set(kinds.values()) & {*CLASSES, SET}:
        found.append(TemperatureOptions())
    numbers = [name for name, kind in kinds.items() if kind in VALUES]
    return [*found, ConformalOptions(targets=[] if len(numbers) == len(kinds) else numbers)] if numbers else found


def merge_methods(
    there: Sequence[CalibrationMethod], given: Sequence[CalibrationMethod], kinds: dict[str, str], whole: bool
) -> list[CalibrationMethod]:
    """The methods of a child: those given in place of what the parent has of their stage for the same targets, and all else that it has.

    `whole`: what is there was written for the child, and is all. The usual ones where nothing is given and nothing is there.
    """
    if whole or not given:
        return list(there) or usual_methods(kinds)
    kept = [left for each in there if (left := _beside(each, given, kinds)) is not None]
    return in_order([*kept, *given])


def _beside(method: CalibrationMethod, given: Sequence[CalibrationMethod], kinds: dict[str, str]) -> CalibrationMethod | None:
    """A method for the targets that none of those given takes over; None where nothing is left, or it cannot be told."""
    meeting = [each for each in given if _meet(method, each)]
    if not meeting:
        return method
    if not all(named(each) for each in meeting) or "targets" not in type(method).model_fields:
        return None
    over = {name for each in meeting for name in named(each)}
    left = [name for name in named(method) or [name for name, kind in kinds.items() if fits(method, kind)] if name not in over]
    return method.model_copy(update={"targets": left}) if left else None


def fits(method: CalibrationMethod, kind: str) -> bool:
    """Whether a method is for a kind of target; one of a person's own is for all."""
    if method.type not in PARTS:
        return True
    if method.type == "thresholds" and is_of_sets(getattr(method, "metric", "")):
        return kind == SET
    scores = {"lac": CLASSES, "aps": CLASSES, **dict.fromkeys(INTERVALS, VALUES)}
    return kind in PARTS[method.type].kinds and kind in scores.get(getattr(method, "score", ""), (kind,))


def _misfit(method: CalibrationMethod, name: str, kind: str) -> ConfigError:
    score = getattr(method, "score", "auto")
    shown = method.type if score == "auto" else f"{method.type} with score {score}"
    if not kind:
        return ConfigError(f"there is no target that {shown} fits", where="evaluation.calibration", fix="leave it out")
    if method.type == "thresholds" and is_of_sets(getattr(method, "metric", "")) and kind == BINARY:
        why = f"'{name}' is one label, and {method.metric} is of sets"  # type: ignore[attr-defined]
        return ConfigError("labels are decided together where there are several", where="calibration: thresholds", why=why, fix="use f1")
    nearest = CLOSEST.get(kind, "no method")
    if method.type == "conformal" and kind in (*CLASSES, *VALUES):
        nearest = f"score: {'lac or aps' if kind in CLASSES else 'residual'}"
    what = f"{shown} does not fit '{name}', which is a {kind}"
    return ConfigError(what, where=f"calibration: {method.type}", fix=f"use {nearest}")


def check_method(method: CalibrationMethod, name: str, kind: str, truth: np.ndarray, classes: Sequence[str] | None = None) -> None:
    """Raises ConfigError for what shows before anything is fitted: no rows, too few, classes that none of them has."""
    where = f"calibration: {method.type}"
    if not len(truth):
        why, fix = "there are none", "give the split validation rows, or name labelled rows: trainwright calibrate RUN DATA"
        raise ConfigError(f"'{name}' has no rows to calibrate on", where=where, why=why, fix=fix)
    if method.type == "conformal":
        _ensure_enough(method, name, len(truth))
    elif kind in (*CLASSES, SET):
        _ensure_classes(method, name, kind, np.asarray(truth), classes, where)
        if kind == SET and method.type == "thresholds" and is_of_sets(getattr(method, "metric", "")):
            # what a metric has against the labels shows by measuring any rows
            few = np.asarray(truth)[:8]
            Together(method.metric).value(Outcome(SET, few, few.astype(np.float64), list(classes) if classes else None))  # type: ignore[attr-defined]


def _ensure_enough(method: Any, name: str, rows: int) -> None:
    if why := too_few(rows, method.alpha):
        wide = next((each for each in USUAL_ALPHAS if each > method.alpha and least_rows(each) <= rows), None)
        fix = "give more labelled rows" + (f", or alpha {wide:g}" if wide else "")
        raise ConfigError(f"'{name}' has too few rows for a conformal method", where="calibration: conformal", why=why, fix=fix)


def _ensure_classes(method: CalibrationMethod, name: str, kind: str, truth: np.ndarray, classes: Sequence[str] | None, where: str) -> None:
    """Raises ConfigError where a fit has no bound, since rows of a class are absent."""
    more = "name rows that have all of them: trainwright calibrate RUN DATA; or another split"
    if kind == SET:
        lacking = [place for place in range(truth.shape[1]) if len(np.unique(truth[:, place])) < 2]
        if not lacking or (method.type != "vector" and len(lacking) < truth.shape[1]):
            return
        shown = _named(lacking, classes)
        fix = f"use temperature, which all labels share, or {more}" if method.type == "vector" else more
        raise ConfigError(f"'{name}': rows with and without {shown} are both needed", where=where, why="all have it, or none", fix=fix)
    present = set(np.unique(truth).tolist())
    width = max(len(classes or ()), 2)
    absent = [place for place in range(width) if place not in present]
    if len(present) < 2:
        only = _named(sorted(present), classes)
        raise ConfigError(f"'{name}': all rows to calibrate on are {only}", where=where, why="two classes are needed", fix=more)
    if absent and method.type == "vector":
        fix = f"use temperature, or {more}"
        raise ConfigError(
            f"'{name}': no row to calibrate on is {_named(absent, classes)}", where=where, why="its shift has no bound", fix=fix
        )


def _named(places: Sequence[int], classes: Sequence[str] | None, most: int = 5) -> str:
    named = [f"'{classes[each]}'" if classes is not None and each < len(classes) else str(each) for each in places[:most]]
    return ", ".join(named) + (f" and {len(places) - most} more" if len(places) > most else "")


def score_of(method: Any, kind: str) -> str:
    """The conformal score that `auto` means for a kind of target."""
    found: str = method.score
    return found if found != "auto" else "lac" if kind in CLASSES else "residual"


__all__ = ["INTERVALS", "SETS", "Labelled", "check_method", "fit_methods", "in_order", "methods_for", "score_of", "stage", "usual_methods"]
