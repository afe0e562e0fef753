"""What a report says of columns of pictures: how they were read, how large they are, and how the model sees them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from trainwright.config.errors import TrainwrightError
from trainwright.data.counters import fold
from trainwright.domains.facts import RunFacts
from trainwright.domains.images.reading.decoding import read_size
from trainwright.domains.images.reading.kinds import WORDS
from trainwright.domains.images.viewing.tiles import write_tile
from trainwright.features.npy import Unreadable

SECTION = "Pictures"
WHY = "How they were read, and how the model sees them."
COLUMNS = 3
"""Columns of pictures that are told of."""
MEASURED = 5000
"""Pictures whose size is read, evenly over the rows."""
SHOWN = 12
"""Pictures that are shown as the model sees them."""
VERSIONS = 4
"""Of how many of them augmented versions are shown, and how many of each."""
BARS = 30


def describe_pictures(facts: RunFacts) -> list[dict[str, Any]]:
    """Of each column of pictures how they were read, their sizes, and a wall of them as the model sees them, plain and augmented."""
    columns = [each for each in facts.of_type("image") if each in facts.features][:COLUMNS]
    return [block for column in columns for block in _describe(facts, column)]


def _describe(facts: RunFacts, column: str) -> list[dict[str, Any]]:
    place = {"section": SECTION, "group": column, "why": WHY}
    rows = np.concatenate([*facts.splits.values()]) if facts.splits else facts.rows
    sizes = sizes_of(facts, column, spread(rows, MEASURED))
    told = {**place, "type": "table", "title": "How they were read", "look": "pairs", "columns": ["", {"name": "", "limit": 200}]}
    told["rows"] = _read(facts, column, len(rows), sizes)
    decoding = _decoding(facts, column)
    return [
        told,
        *([{**place, **decoding}] if decoding else []),
        *({**place, **each} for each in histograms(sizes)),
        *({**place, **each} for each in walls(facts, column)),
    ]


def spread(rows: np.ndarray, most: int) -> np.ndarray:
    """At most so many of the rows, evenly over them."""
    rows = np.sort(rows)
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).round().astype(int)]


def paths_of(facts: RunFacts, column: str, rows: np.ndarray) -> list[str | None]:
    """Where the picture of each row (ascending numbers) is."""
    written = facts.read(rows, [column])[column].to_pylist()
    feature = facts.features[column]
    return [None if text is None else feature.path(int(row), str(text)) for row, text in zip(rows, written, strict=True)]


def sizes_of(facts: RunFacts, column: str, rows: np.ndarray) -> np.ndarray:
    """Height and width of the pictures (n, 2): of those that were decoded, else of some rows from the heads of their files."""
    feature = facts.features[column]
    if len(found := feature.counts.sizes()):
        return found
    found = []
    for path in paths_of(facts, column, rows):
        try:
            if path is not None:
                found.append(read_size(path, feature.decoding)[:2])
        except Unreadable:
            continue
    return np.array(found, np.int64).reshape(-1, 2)


def _read(facts: RunFacts, column: str, count: int, sizes: np.ndarray) -> list[list[Any]]:
    feature = facts.features[column]
    height, width = (*feature.shape[1:], 0, 0)[:2]
    said: list[list[Any]] = [["pictures", count], ["the model sees", f"{width}×{height} pixels, {_channels(feature.depth)}"]]
    if len(sizes):
        said.append(["the files have", say_sizes(sizes)])
    if len(sizes) < count:
        said.append(["sizes are of", f"{len(sizes):,} of them"])
    if feature.means:
        said.append(["normalised by mean", ", ".join(f"{each / 255:.3f}" for each in feature.means)])
        said.append(["and deviation", ", ".join(f"{each / 255:.3f}" for each in feature.deviations)])
    return said


def _decoding(facts: RunFacts, column: str) -> dict[str, Any] | None:
    """What pictures were like that are not plain, by kind with the first rows of each, and those that cannot be read; None for nothing."""
    feature = facts.features[column]
    rows: list[list[Any]] = [
        [{"text": WORDS[kind], "limit": 120}, count, ", ".join(str(row + 1) for row in feature.counts.rows(kind))]
        for kind, count in feature.counts.counts().items()
    ]
    done = "left out" if feature.config.unreadable == "skip" else "repaired or missing"
    rows += [[{"text": f"{done}: {why}", "limit": 200}, None, str(row + 1)] for row, why in sorted(feature.unusable.items())]
    if not rows:
        return None
    columns = [{"name": "pictures that", "limit": 200}, {"name": "how many", "format": "number"}, "rows, the first"]
    return {"type": "table", "title": "In decoding", "caption": f"{feature.counts.decoded:,} were", "columns": columns, "rows": rows}


def _channels(depth: int) -> str:
    return {1: "gray", 3: "RGB", 4: "RGB with opacity"}.get(depth, f"{depth} channels")


def say_sizes(sizes: np.ndarray) -> str:
    """Sizes in words: the only one, or from the smallest to the largest."""
    if len(np.unique(sizes, axis=0)) == 1:
        return f"{sizes[0, 1]}×{sizes[0, 0]} pixels each"
    areas = sizes.prod(axis=1)
    low, middle, high = (sizes[np.argsort(areas)[place]] for place in (0, len(areas) // 2, -1))
    return f"{low[1]}×{low[0]} to {high[1]}×{high[0]} pixels, the middle one {middle[1]}×{middle[0]}"


def histograms(sizes: np.ndarray) -> list[dict[str, Any]]:
    """How large pictures are, and how wide beside their height, where they differ."""
    made = []
    sides = np.sqrt(sizes.prod(axis=1)) if len(sizes) else np.zeros(0)
    if len(np.unique(sides)) > 1:
        made.append({"type": "bars", "title": "How large they are", "x_label": "√(width · height) in pixels", **_histogram(sides)})
    ratios = sizes[:, 1] / sizes[:, 0] if len(sizes) else sides
    if len(np.unique(ratios)) > 1:
        made.append({"type": "bars", "title": "How wide they are", "x_label": "width / height", **_histogram(ratios)})
    return made


def _histogram(values: np.ndarray) -> dict[str, Any]:
    count = int(np.clip(np.sqrt(len(values)) * 1.5, 5, BARS))
    counts, edges = np.histogram(values, bins=count)
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def walls(facts: RunFacts, column: str) -> list[dict[str, Any]]:
    """Training pictures as the model sees them where it is measured, and the first of them as it is trained on."""
    split = "train" if "train" in facts.splits else facts.split
    rows = spread(facts.splits.get(split, facts.rows), SHOWN)
    said = labels_of(facts, rows)
    plain = [(place, seen(facts, column, row, None)) for place, row in enumerate(rows)]
    tiles = [_tile(facts, column, f"{place}", picture, said[place]) for place, picture in plain if picture is not None]
    blocks = [_wall(tiles, "As the model sees them", "where it is measured and where it answers")]
    if facts.features[column].augmentation:
        some = rows[:: max(len(rows) // VERSIONS, 1)][:VERSIONS]
        drawn = [(row, version, seen(facts, column, row, version)) for row in some for version in range(VERSIONS)]
        names = {int(row): said[int(np.flatnonzero(rows == row)[0])] for row in some}
        tiles = [_tile(facts, column, f"{row}-{version}", each, names[int(row)]) for row, version, each in drawn if each is not None]
        drawn_wall = _wall(tiles, "As it is trained on them", f"{VERSIONS} drawn versions of each, as epochs draw them anew")
        blocks.append({**drawn_wall, "columns": VERSIONS})
    return [each for each in blocks if each["tiles"]]


def _wall(tiles: list[dict[str, Any]], title: str, caption: str) -> dict[str, Any]:
    return {"type": "wall", "title": title, "caption": caption, "tiles": tiles}


def _tile(facts: RunFacts, column: str, name: str, picture: np.ndarray, said: str) -> dict[str, Any]:
    number = facts.of_type("image").index(column)
    return {"file": write_tile(facts.folder, f"examples/seen-{number}-{name}.jpg", picture), "caption": said}


def seen(facts: RunFacts, column: str, row: int, version: int | None) -> np.ndarray | None:
    """A picture as the model is given it `(channels, height, width)`, of 0 to 255, None for none; `version`: as it is trained on."""
    (path,) = paths_of(facts, column, np.array([row]))
    decoder = facts.features[column].decoder(version is not None)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(fold(0, f"{column} {row} {version}") % 2**63)
        try:
            found = decoder.sample(path, int(row))
        except TrainwrightError:
            return None  # told where the rows are read
    return None if found is None else found.float().numpy()


def labels_of(facts: RunFacts, rows: np.ndarray) -> list[str]:
    """What is true of rows, by the first target."""
    target = next((name for name in facts.outcomes if name in facts.known), None)
    if target is None:
        return [""] * len(rows)
    found = facts.read(rows, [target])[target].to_pylist()
    return ["" if each is None else f"{each:.4g}" if isinstance(each, float) else str(each) for each in found]
