"""Masks in a report: picture, truth and answer side by side, those with the most wrong pixels first."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainwright.domains.facts import RunFacts
from trainwright.domains.images.masks.files import spread_colours
from trainwright.domains.images.viewing.report import seen
from trainwright.domains.images.viewing.tiles import write_tile
from trainwright.runs.media.overlays import as_pixels

SECTION = "Masks"
LOOKED_AT = 200
"""Rows that are answered to find the worst, evenly over those that are measured."""
WORST, BEST = 8, 2
"""Pictures that are shown, and how many of them with the fewest wrong pixels."""
SHARE = 0.6
"""Of the colours of classes over the picture."""
LEGEND = 40
"""Classes whose colour is told."""


def show_masks(facts: RunFacts) -> list[dict[str, Any]]:
    """Of each target of masks pictures with what is true and what is answered, and the colours of classes."""
    pictures = [each for each in facts.of_type("image") if each in facts.features]
    targets = [each for each in facts.of_type("mask") if each in facts.features]
    if not pictures or facts.answers is None:
        return []
    return [block for target in targets for block in _show(facts, pictures[0], target)]


def _show(facts: RunFacts, column: str, target: str) -> list[dict[str, Any]]:
    feature = facts.features[target]
    colours = np.array(feature.colours or spread_colours(feature.count), np.uint8)
    places = np.unique(np.linspace(0, len(facts.rows) - 1, min(LOOKED_AT, len(facts.rows))).round().astype(int)).tolist()
    wrong = {place: share_wrong(*facts.answers(place, target)) for place in places}  # type: ignore[misc]
    order = sorted((place for place in places if not np.isnan(wrong[place])), key=lambda place: -wrong[place])
    chosen = list(dict.fromkeys([*order[:WORST], *order[-BEST:]]))
    place = {"section": SECTION, "group": target}
    why = f"Pictures of the {facts.split} rows, those with the most wrong pixels first; gray pixels do not count."
    blocks = [{**place, "why": why, **_legend(facts, feature.names, colours, target)}]
    return blocks + [{**place, **found} for each in chosen if (found := _one(facts, column, target, each, wrong[each], colours))]


def share_wrong(truth: np.ndarray, answer: np.ndarray) -> float:
    """The share of pixels that count whose class is another; NaN where none counts."""
    counts = truth >= 0
    return float((truth != answer)[counts].mean()) if counts.any() else float("nan")


def _legend(facts: RunFacts, names: list[str], colours: np.ndarray, target: str) -> dict[str, Any]:
    tiles = []
    for number, (name, colour) in enumerate(list(zip(names, colours, strict=False))[:LEGEND]):
        chip = np.broadcast_to(colour, (24, 48, 3)).astype(np.uint8)
        tiles.append(
            {"file": write_tile(facts.folder, f"examples/class-{target}-{number}.jpg", chip), "caption": {"text": name, "limit": 24}}
        )
    return {"type": "wall", "title": "Classes", "tiles": tiles, "columns": 8}


def _one(facts: RunFacts, column: str, target: str, place: int, wrong: float, colours: np.ndarray) -> dict[str, Any] | None:
    row = int(facts.rows[place])
    picture = seen(facts, column, row, None)
    if picture is None or facts.answers is None:
        return None
    truth, answer = facts.answers(place, target)
    drawn = {"picture": as_pixels(picture), "truth": painted(picture, truth, colours), "answer": painted(picture, answer, colours)}
    files = {said: write_tile(facts.folder, f"examples/mask-{target}-{place}-{said}.jpg", pixels) for said, pixels in drawn.items()}
    tiles = [{"file": file, "caption": said} for said, file in files.items()]
    return {
        "type": "wall",
        "title": f"Row {row + 1}",
        "caption": f"{wrong:.1%} of its pixels are wrong",
        "tiles": tiles,
        "columns": 3,
        "wide": False,
    }


def painted(picture: np.ndarray, classes: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """The colours of classes `(height, width)` over a picture `(channels, height, width)`; gray where the class is negative."""
    below = as_pixels(picture).astype(np.float64)
    over = np.where(classes[..., None] < 0, 128, colours[np.maximum(classes, 0)])
    return np.rint(SHARE * over + (1 - SHARE) * below).astype(np.uint8)
