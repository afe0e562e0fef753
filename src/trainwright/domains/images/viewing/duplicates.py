"""Pictures that are in several splits, or have several labels: the same bytes, or nearly the same; and people in several splits."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from trainwright.domains.facts import RunFacts
from trainwright.domains.images.reading.reference import read_bytes
from trainwright.domains.images.viewing.hashes import ALIKE, NEAR, grouped, look_at, near_pairs
from trainwright.domains.images.viewing.report import labels_of, paths_of, spread
from trainwright.domains.images.viewing.tiles import write_tile
from trainwright.features.npy import Unreadable

SECTION = "Pictures"
MOST = 4000
"""Pictures that are compared, evenly over the rows: each is read for it."""
SHOWN, EACH = 8, 4
"""Groups of pictures that are shown, and pictures of each."""
PEOPLE = (
    *("student", "pupil", "person", "subject", "patient", "participant", "user", "speaker", "author", "writer", "artist", "photographer"),
    *("identity", "individual", "animal", "plant", "site", "location", "camera", "sequence", "video", "scene", "series", "group"),
)
"""Words in the names of columns that say of whom, or from where, a picture is."""


@dataclass(frozen=True)
class Looked:
    """A picture that was compared."""

    row: int
    split: str
    label: str
    path: str
    content: bytes
    """A hash of its bytes."""
    hash: int | None
    levels: np.ndarray | None


def tell_duplicates(facts: RunFacts) -> list[dict[str, Any]]:
    """Same and nearly same pictures across splits or labels with pictures of them, and people whose pictures are in several splits."""
    columns = [each for each in facts.of_type("image") if each in facts.features][:1]
    if not columns or not facts.splits:
        return []
    looked = look_through(facts, columns[0])
    near = [each for each in looked if each.hash is not None]
    hashes, levels = np.array([each.hash for each in near], np.uint64), np.array([each.levels for each in near])
    pairs = [(near[a], near[b]) for a, b, _ in near_pairs(hashes, levels)] if near else []
    groups = joined(looked, pairs)
    found = [each for each in groups if is_fault(each)]
    place = {"section": SECTION, "group": columns[0]}
    total = sum(map(len, facts.splits.values()))
    blocks = [{**place, "type": "table", "title": "Copies", "look": "pairs", "columns": ["", {"name": "", "limit": 300}]}]
    blocks[0]["rows"] = _counts(looked, groups, found, total)
    blocks += [{**place, **_shown(facts, columns[0], each, number)} for number, each in enumerate(found[:SHOWN])]
    return [*blocks, *({**place, **each} for each in people_in_several(facts))]


def look_through(facts: RunFacts, column: str) -> list[Looked]:
    """The pictures of all splits, at most 4,000; those that cannot be read are left out."""
    where = {int(row): split for split, rows in facts.splits.items() for row in rows}
    rows = spread(np.array(list(where)), MOST)
    feature, labels = facts.features[column], labels_of(facts, rows)
    found = []
    for row, label, path in zip(rows.tolist(), labels, paths_of(facts, column, rows), strict=True):
        try:
            if path is not None:
                seen = look_at(np.asarray(feature.read_array(path)))
                found.append(Looked(row, where[row], label, path, content_of(path), *(seen or (None, None))))
        except (Unreadable, OSError):
            continue
    return found


def content_of(path: str) -> bytes:
    """A hash of the bytes of a picture, or of its pixels where they lie among others."""
    content = read_bytes(path)
    return hashlib.blake2b(content if isinstance(content, bytes) else content.tobytes(), digest_size=16).digest()


def joined(looked: Sequence[Looked], near: Sequence[tuple[Looked, Looked]]) -> list[list[Looked]]:
    """Pictures that are the same or nearly, in groups of two or more, the largest first."""
    places = {each.row: place for place, each in enumerate(looked)}
    first: dict[bytes, int] = {}
    pairs = [(first.setdefault(each.content, place), place) for place, each in enumerate(looked)]
    pairs += [(places[a.row], places[b.row]) for a, b in near]
    return [[looked[place] for place in group] for group in grouped(len(looked), pairs)]


def is_fault(group: Sequence[Looked]) -> bool:
    """Whether copies are in several splits, or have several labels."""
    return len({each.split for each in group}) > 1 or len({each.label for each in group}) > 1


def _counts(looked: Sequence[Looked], groups: Sequence[Sequence[Looked]], found: Sequence[Sequence[Looked]], total: int) -> list[list[Any]]:
    same = sum(len({each.content for each in group}) < len(group) for group in groups)
    across = sum(len({each.split for each in group}) > 1 for group in groups)
    torn = sum(len({each.label for each in group}) > 1 for group in groups)
    compared = f"{len(looked):,}" if len(looked) == total else f"{len(looked):,} of {total:,}, evenly over the rows"
    how = f"the same bytes, or at most {NEAR} of 64 bits of a difference hash (dHash) apart with levels that correlate by {ALIKE:g}"
    return [
        ["pictures compared", compared],
        ["as copies count", how],
        ["groups of copies", f"{len(groups):,}, of which {same:,} with pictures of the same bytes" if groups else "none"],
        ["in several splits", f"{across:,}: what is measured on them was seen in training" if across else "none"],
        ["with several labels", f"{torn:,}: one of them is wrong" if torn else "none"],
        *([["shown below", f"{SHOWN} of {len(found):,}"]] if len(found) > SHOWN else []),
    ]


def _shown(facts: RunFacts, column: str, group: Sequence[Looked], number: int) -> dict[str, Any]:
    """Pictures of one group, one of each split and label first."""
    order = sorted(range(len(group)), key=lambda at: (at != _first(group, at), at))
    tiles = []
    for at in order[:EACH]:
        each = group[at]
        file = write_tile(facts.folder, f"examples/copy-{number}-{at}.jpg", np.asarray(facts.features[column].read_array(each.path)))
        said = [{"text": each.label, "style": "strong", "limit": 24}, f" {each.split}, row {each.row + 1}"]
        tiles.append({"file": file, "caption": said if each.label else said[1]})
    same = len({each.content for each in group}) == 1
    title = f"{'The same' if same else 'Nearly the same'}: {Path(group[0].path.partition('#')[0]).name}"
    torn = "with several labels" if len({each.label for each in group}) > 1 else ""
    across = "in several splits" if len({each.split for each in group}) > 1 else ""
    caption = ", ".join(filter(None, (f"{len(group)} pictures", across, torn)))
    return {"type": "wall", "title": title, "caption": caption, "tiles": tiles, "columns": EACH, "wide": False}


def _first(group: Sequence[Looked], at: int) -> int:
    """The first picture of the same split and label."""
    return next(place for place, each in enumerate(group) if (each.split, each.label) == (group[at].split, group[at].label))


def people_in_several(facts: RunFacts) -> list[dict[str, Any]]:
    """How many measured pictures are of people, or from places, that training has pictures of too, by columns whose names say so."""
    train = facts.splits.get("train")
    targets = set(facts.outcomes)
    names = [each for each in facts.known if each not in targets and each not in facts.of_type("image") and says_who(each)]
    if train is None or not names:
        return []
    rows = []
    for name in names[:3]:
        known = set(values_of(facts, name, train))
        for split in ("validation", "test"):
            if split in facts.splits:
                found = values_of(facts, name, facts.splits[split])
                shared = sum(each in known for each in found if each is not None)
                rows.append([name, split, shared, len(found)])
    leaks = any(row[2] for row in rows)
    columns = [
        {"name": "column", "limit": 40},
        "rows of",
        {"name": "also in training", "format": "number"},
        {"name": "of", "format": "number"},
    ]
    fix = f"They are easier than those of people nobody has seen: data.split=grouped data.split.column={names[0]} divides by them."
    note = {"text": fix, "style": "warning", "limit": 300} if leaks else "None of those that are measured are in training."
    return [{"type": "table", "title": "Of whom pictures are", "columns": columns, "rows": rows, "note": note}]


def says_who(name: str) -> bool:
    """Whether the name of a column says of whom, or from where, a row is."""
    words = name.lower().replace("-", "_").replace(" ", "_").split("_")
    return any(word.rstrip("s") in PEOPLE for word in words) and not any(word in ("count", "number", "age", "share") for word in words)


def values_of(facts: RunFacts, name: str, rows: np.ndarray) -> list[Any]:
    """The values of a column in some rows."""
    found = facts.read(np.sort(rows), [name])[name]
    return (found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found).to_pylist()
