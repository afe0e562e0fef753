"""Which rows of a split are shown as examples, and what is said of each: what is true, and what was answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from trainwright.metrics.outcome import Outcome

WORST, TYPICAL, BEST = 3, 2, 2
CLASSES = ("binary", "category")
NAMED = 6
"""Labels that are named of a row."""
LEAST = 1e-7


@dataclass(frozen=True)
class Answer:
    """What is said of a row."""

    words: list[Any]
    """The truth and the answer, as pieces of text."""
    output: str
    """The class whose answer is looked into: of a row that is wrong the one that is farthest off."""


def choose_rows(outcome: Outcome) -> list[tuple[str, int]]:
    """(worst, typical or best, place of the row); worst first. Of labels, best and typical rows have one where any has."""
    if not len(outcome) or not outcome.usable:
        return []
    losses = losses_of(outcome)
    order = np.argsort(-losses, kind="stable")
    worst = order[: min(WORST, max(1, len(order) // 3))].tolist()
    rest = [each for each in order[len(worst) :].tolist() if outcome.kind != "set" or outcome.truth[each].any()]
    rest = rest or order[len(worst) :].tolist()
    best = rest[-BEST:] if len(rest) > 2 * BEST else rest[-1:]
    between = rest[: -len(best)] if best else []
    middle = max(len(between) // 2 - TYPICAL // 2, 0)
    chosen = [("worst", worst), ("typical", between[middle : middle + TYPICAL]), ("best", best[::-1])]
    return [(kind, int(place)) for kind, places in chosen for place in places]


def losses_of(outcome: Outcome) -> np.ndarray:
    """What each row (n) is off by: nats of the true class, of labels their mean; of numbers the size of the error in the target's units."""
    if outcome.kind in CLASSES:
        found: np.ndarray = -np.log(np.maximum(outcome.own, LEAST))
        return found
    if outcome.kind == "set":
        total = np.zeros(len(outcome))
        for label in range(outcome.width):  # one after the other: nothing as large as the scores is made
            said = np.where(outcome.truth[:, label], outcome.scores[:, label], 1 - outcome.scores[:, label])
            total -= np.log(np.maximum(said, LEAST))
        return total / max(outcome.width, 1)
    truth, scores = outcome.columns()
    errors: np.ndarray = np.sqrt(((truth - scores) ** 2).mean(axis=1))
    return errors


def say_answer(outcome: Outcome, place: int) -> Answer:
    """What is true of a row and what was answered, in words."""
    if outcome.kind == "set":
        return _say_labels(outcome, place)
    if outcome.kind in CLASSES:
        return _say_class(outcome, place)
    truth, scores = outcome.columns()
    return Answer([f"truth {_numbers(truth[place])}, predicted ", _strong(_numbers(scores[place]))], "")


def _numbers(values: np.ndarray) -> str:
    return ", ".join(f"{each:.4g}" for each in values[:NAMED]) + (" …" if len(values) > NAMED else "")


def _strong(text: str) -> dict[str, Any]:
    return {"text": text, "style": "strong", "limit": 60}


def _say_class(outcome: Outcome, place: int) -> Answer:
    truth, taken = int(outcome.truth[place]), int(outcome.labels[place])
    scores = outcome.scores[place]
    said = [_strong(outcome.class_name(truth)), f" {scores[truth]:.2f}"]
    if outcome.kind == "binary":
        said.append(f" ('{outcome.class_name(1)}' from {float(np.asarray(outcome.threshold)):.2f})")
    if taken != truth:
        said += [", taken for ", _strong(outcome.class_name(taken)), f" {scores[taken]:.2f}"]
    return Answer(said, outcome.class_name(taken))


def _say_labels(outcome: Outcome, place: int) -> Answer:
    """Labels that were found, missed and wrongly given, with their probability and the threshold; a label is missed below it."""
    truth, scores = outcome.truth[place], outcome.scores[place]
    cuts = np.broadcast_to(outcome.threshold, outcome.width)
    given = scores >= cuts
    groups = (("right", truth & given), ("missed", truth & ~given), ("wrong", ~truth & given))
    said: list[Any] = []
    for word, which in groups:
        places = np.flatnonzero(which)[np.argsort(-scores[which], kind="stable")]
        for number, label in enumerate(places[:NAMED].tolist()):
            said += [("; " if said else "") + f"{word} " if number == 0 else ", ", _strong(outcome.class_name(label))]
            said.append(f" {scores[label]:.2f} (from {cuts[label]:.2f})")
        said += [f" and {len(places) - NAMED} more"] if len(places) > NAMED else []
    if not truth.any():
        said = ["no label is true", *(["; ", *said] if said else [", none was given"])]
    return Answer(said, outcome.class_name(_farthest(truth, scores, given)))


def _farthest(truth: np.ndarray, scores: np.ndarray, given: np.ndarray) -> int:
    """The label that is farthest off of those that are wrong; of a row without one the surest of those that are true, or of all."""
    wrong = truth != given
    if wrong.any():
        return int(np.argmax(np.where(wrong, np.where(truth, 1 - scores, scores), -1)))
    return int(np.argmax(np.where(truth, scores, -1) if truth.any() else scores))
