"""Which one number sums a target up: accuracy where classes are alike in size, one that sees the rare class where they are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trainwright.config.model import PartConfig
from trainwright.metrics import headline, options
from trainwright.metrics.outcome import Outcome
from trainwright.metrics.table import BINARY, CATEGORY, CLASSES

RARE = 0.2
"""A class is rare below this share of what it would have if all were of one size: 10 % of two classes, 2 % of ten."""
MOSTLY = 0.8
"""With several classes, accuracy also says little where one makes up at least this share of the rows."""
JUDGED = 15
"""Training rows of a class, of which about three are tested: with fewer, the mean over classes hangs on single rows."""

ENOUGH = 10
"""Measured rows of a class below which a number hangs on single rows of it: no interval made of the same rows shows that."""
_BY_CLASS = frozenset({"balanced_accuracy", "f1", "precision", "recall", "iou", "mcc", "kappa", "roc_auc", "average_precision"})
"""Metrics in which a class of several weighs more than its share of the rows."""


@dataclass(frozen=True)
class Headline:
    """The metric that decides, and why it is not the usual one; `rare` is the class that made it so."""

    metric: PartConfig
    why: str = ""
    rare: str = ""


def choose_headline(kind: str, counts: Sequence[int], classes: Sequence[str] | None = None, asked: Sequence[PartConfig] = ()) -> Headline:
    """The headline of a target whose training rows hold `counts` rows of each class; the first of the metrics that were asked for, if any.

    With two classes and a rare positive one it is the average precision, with a rare negative one ROC AUC, which does not ask which of
    them counts; with several, balanced accuracy, in which each class counts alike, unless one of them is too rare to judge by.
    """
    if asked:
        return Headline(asked[0])
    usual = Headline(headline(kind))
    present = [each for each in counts if each]
    if kind not in CLASSES or len(present) < 2:
        return usual
    total, fewest, most = sum(present), min(present), max(present)
    if fewest >= RARE * total / len(present) and not (len(present) > 2 and most >= MOSTLY * total):
        return usual
    named = list(classes) if classes is not None else [str(place) for place in range(len(counts))]
    place = list(counts).index(fewest)
    rare, common = named[place], named[list(counts).index(most)]
    uneven = f"{_percent(fewest / total)} of the training rows are '{rare}'"
    if kind == CATEGORY and fewest < JUDGED and most < MOSTLY * total:
        why = f"Classes are uneven: {uneven}, too few to judge by. Balanced accuracy, in which each class counts alike, is in the table."
        return Headline(usual.metric, why, rare)
    alone = f"'{common}' for every row is right on {_percent(most / total)}"
    return Headline(options(_metric_of(kind, place)), f"Not by accuracy: {uneven}, and {alone}.", rare)


def _metric_of(kind: str, rare: int) -> str:
    """Average precision is of the positive class, the second: of a common one it is near 1 whatever is predicted."""
    if kind == CATEGORY:
        return "balanced_accuracy"
    return "average_precision" if kind == BINARY and rare == 1 else "roc_auc"


def say_too_few(outcome: Outcome, metric: str) -> str:
    """`too few rows of 'fraud' to tell (1 of 600)`, where nothing follows from a metric of so few rows of a class; else empty.

    With two classes that holds of every metric, with several of those in which each class counts alike.
    """
    if outcome.kind not in CLASSES or not len(outcome) or (outcome.kind == CATEGORY and metric not in _BY_CLASS):
        return ""
    counts = np.bincount(outcome.truth, minlength=outcome.scores.shape[1])
    places = np.flatnonzero(counts < ENOUGH) if outcome.kind == BINARY else np.flatnonzero((counts > 0) & (counts < ENOUGH))
    if not len(places):
        return ""
    place = int(places[np.argmin(counts[places])])
    named = outcome.classes[place] if outcome.classes else str(place)
    return f"too few rows of '{named}' to tell ({counts[place]:,} of {len(outcome):,})"


def _percent(share: float) -> str:
    """A share as a person says it, with digits enough to tell it from 0 and from 1."""
    for digits in (0, 1, 2, 3):
        shown = f"{100 * share:.{digits}f}"
        if 0 < float(shown) < 100:
            break
    return f"{shown} %"
