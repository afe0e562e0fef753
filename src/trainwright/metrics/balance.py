"""Which one number sums a target up: accuracy where classes are alike in size, one that sees the rare class where they are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainwright.config.model import PartConfig
from trainwright.metrics import headline, options
from trainwright.metrics.table import BINARY, CATEGORY, CLASSES

RARE = 0.2
"""A class is rare below this share of what it would have if all were of one size: 10 % of two classes, 2 % of ten."""
MOSTLY = 0.8
"""With several classes, accuracy also says little where one makes up at least this share of the rows."""
JUDGED = 15
"""Training rows of a class, of which about three are tested: with fewer, the mean over classes hangs on single rows."""


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


def _percent(share: float) -> str:
    """A share as a person says it, with digits enough to tell it from 0 and from 1."""
    for digits in (0, 1, 2, 3):
        shown = f"{100 * share:.{digits}f}"
        if 0 < float(shown) < 100:
            break
    return f"{shown} %"
