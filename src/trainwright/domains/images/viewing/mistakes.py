"""Pictures that a model is most wrong about, with what is true, what it answers, and where its answer rests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trainwright.domains.facts import Rests, RunFacts
from trainwright.domains.images.viewing.report import paths_of, seen
from trainwright.domains.images.viewing.tiles import write_tile
from trainwright.metrics.examples import CLASSES, Answer, choose_rows, losses_of, say_answer
from trainwright.metrics.outcome import Outcome
from trainwright.report.figures import plural
from trainwright.runs.media.overlays import lay_over

SECTION = "Examples"
TARGETS = 2
"""Targets that examples are shown of."""
WORST = 24
"""Pictures on the wall of those it is most wrong about."""
METHODS = ("grad_cam", "attention_rollout", "integrated_gradients")
"""Ways of explaining that are tried; of a network that attends the second, of others the first."""
NAMES = {"grad_cam": "Grad-CAM", "attention_rollout": "attention rollout", "integrated_gradients": "integrated gradients"}


def show_mistakes(facts: RunFacts) -> list[dict[str, Any]]:
    """A wall of pictures with the largest loss, and single ones with where the answer rests: the worst, typical ones and the surest."""
    columns = [each for each in facts.of_type("image") if each in facts.features]
    if not columns:
        return []
    why = f"Pictures of the {facts.split} rows: those it is most wrong about, typical ones, and those it is surest and right about."
    blocks: list[dict[str, Any]] = []
    for number, (target, outcome) in enumerate(list(facts.outcomes.items())[:TARGETS]):
        if not outcome.usable:
            continue
        blocks += _wall(facts, columns[0], target, outcome, number)
        for kind, place in choose_rows(outcome):
            blocks += [_one(facts, column, place, target, say_answer(outcome, place), kind, number) for column in columns[:2]]
    return [{**each, "why": why} for each in blocks if each]


def _wall(facts: RunFacts, column: str, target: str, outcome: Outcome, number: int) -> list[dict[str, Any]]:
    losses = losses_of(outcome)
    order = np.argsort(-losses, kind="stable")[:WORST]
    tiles = []
    for place in order.tolist():
        picture = seen(facts, column, int(facts.rows[place]), None)
        if picture is None:
            continue
        file = write_tile(facts.folder, f"examples/{number}-worst-{place}.jpg", picture)
        tiles.append({"file": file, "caption": briefly(outcome, place), "mark": mark_of(outcome, place)})
    title, caption = "Most wrong", f"{len(tiles)} of {plural(len(outcome), 'picture')}, by what the answer is off by"
    return [{"type": "wall", "section": SECTION, "group": target, "title": title, "caption": caption, "tiles": tiles}] if tiles else []


def briefly(outcome: Outcome, place: int) -> list[Any]:
    """Truth and answer in a few words: `cat → dog 0.93`."""
    if outcome.kind in CLASSES:
        taken = int(outcome.labels[place])
        name = {"text": outcome.class_name(int(outcome.truth[place])), "style": "strong", "limit": 24}
        said = f" {outcome.scores[place, taken]:.2f}"
        return [name, said] if taken == int(outcome.truth[place]) else [name, f" → {outcome.class_name(taken)[:24]}{said}"]
    if outcome.kind == "set":
        wrong = np.flatnonzero(outcome.truth[place] != outcome.labels[place])
        missed = [outcome.class_name(each)[:24] for each in wrong if outcome.truth[place, each]]
        given = [outcome.class_name(each)[:24] for each in wrong if not outcome.truth[place, each]]
        return [_listed("missed", missed) + ("; " if missed and given else "") + _listed("wrong", given) or "right"]
    truth, scores = outcome.columns()
    return [{"text": f"{truth[place, 0]:.4g}", "style": "strong"}, f" → {scores[place, 0]:.4g}"]


def _listed(word: str, names: Sequence[str]) -> str:
    return f"{word} {', '.join(names[:3])}{' …' if len(names) > 3 else ''}" if names else ""


def mark_of(outcome: Outcome, place: int) -> str:
    """Whether the answer of a row is right, of answers that can be."""
    if outcome.kind not in (*CLASSES, "set"):
        return ""
    return "right" if np.all(outcome.truth[place] == outcome.labels[place]) else "wrong"


def _one(facts: RunFacts, column: str, place: int, target: str, answer: Answer, kind: str, number: int) -> dict[str, Any]:
    """A picture beside itself with where its answer rests; empty where there is no picture."""
    row = int(facts.rows[place])
    (path,) = paths_of(facts, column, np.array([row]))
    picture = seen(facts, column, row, None)
    if picture is None or path is None:
        return {}
    name = f"examples/{number}-{kind}-{place}-{facts.of_type('image').index(column)}"
    tiles = [{"file": write_tile(facts.folder, f"{name}.jpg", picture), "caption": "as the model sees it"}]
    rests = resting(facts, place, target, answer.output, column)
    for method, found in rests.items():
        drawn = lay_over(found.given, found.sizes if found.sizes.ndim == 2 else found.sizes.sum(axis=0))
        tiles.append({"file": write_tile(facts.folder, f"{name}-{method}.jpg", drawn), "caption": NAMES[method]})
    first = next(iter(rests.values()), None)
    named = f"'{first.output}'" if first is not None and answer.output else "the answer"
    note = f"Red is what speaks most for {named}." if rests else ""
    title = f"{kind.capitalize()}: row {row + 1}, {Path(path.partition('#')[0]).name}"
    block = {"type": "wall", "section": SECTION, "group": target, "title": title, "caption": answer.words, "wide": False}
    return {**block, "columns": 3, "tiles": tiles, "note": note}


def resting(facts: RunFacts, place: int, target: str, output: str, column: str) -> dict[str, Rests]:
    """Where an answer rests by each way that the network allows: Grad-CAM or, of one that attends, rollout; and integrated gradients."""
    if facts.rests is None:
        return {}
    found = {method: rests for method in METHODS if (rests := facts.rests(place, target, output, column, method)) is not None}
    if "attention_rollout" in found:
        found.pop("grad_cam", None)
    return {method: each for method, each in found.items() if each.given.ndim == 3}
