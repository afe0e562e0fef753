"""`trainwright view` of a folder of pictures, or of one, before anything is trained: what is there, and what is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainwright.config.errors import RequestError
from trainwright.config.registry import build, options_class
from trainwright.domains.images.claims import claims
from trainwright.domains.images.reading.decoding import decode, read_picture
from trainwright.domains.images.reading.kinds import WORDS, Kind, PictureCounts
from trainwright.domains.images.reading.nearest import nearest_path
from trainwright.domains.images.reading.options import Decoding
from trainwright.domains.images.reading.reference import read_bytes, split_reference
from trainwright.domains.images.reading.row_files import RowFiles, full_path
from trainwright.domains.images.reading.scanning import scan
from trainwright.domains.images.sources.endings import is_picture
from trainwright.domains.images.viewing.hashes import grouped, look_at, near_pairs
from trainwright.domains.images.viewing.options import PicturesViewOptions
from trainwright.domains.images.viewing.report import histograms, say_sizes, spread
from trainwright.domains.images.viewing.tiles import write_large, write_tile
from trainwright.domains.views import View
from trainwright.features.npy import Unreadable
from trainwright.report.figures import plural

SECTION = "Pictures"
CLASSES = 200
"""Classes whose numbers are drawn."""
COPIES = 6
"""Groups of copies that are shown."""
MEMORY = 1 << 32
FAULTS = 5
"""Pictures that cannot be read which are named."""


@dataclass(frozen=True)
class Held:
    """The pictures of a folder."""

    paths: list[str]
    labels: list[str]
    """The class of each; empty texts where there are none."""
    root: Path

    def name(self, row: int) -> str:
        """The path of a picture below the folder."""
        path = Path(split_reference(self.paths[row]).path)
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else path.name


def view_pictures(path: str, options: PicturesViewOptions, folder: Path) -> View | None:
    """A wall of pictures with classes, sizes, what cannot be read and copies; None for what holds no pictures. Raises DataError."""
    place = Path(path).expanduser()
    if is_picture(place.name) and not place.exists():
        near = nearest_path(str(place))
        raise RequestError(f"there is no picture '{path}'", where="command line", fix=f"did you mean '{near}'?" if near else "")
    claim = claims(place)
    if claim is None:
        return None
    if claim.type == "image_folder" and place.is_file():
        return view_one(path, folder)
    source = options_class("source", claim.type)
    held = hold(build("source", source.model_validate({"type": claim.type, "path": path}), memory_limit=MEMORY), place.absolute())
    return _view_all(place.name, held, options, folder)


def hold(source: Any, root: Path) -> Held:
    """The pictures of a source with their classes."""
    declared = source.declared_columns
    column = next(name for name in source.schema.names if declared.get(name, {}).get("type") == "image")
    rows = np.arange(len(source))
    target = (source.default_targets or [""])[0]
    found = source.read(rows, [column, *([target] if target else [])])
    files = RowFiles(source, column)
    paths = [full_path(each, files.base) for each in files.paths(found[column].combine_chunks(), rows).to_pylist()]
    labels = [str(each) for each in found[target].to_pylist()] if target else [""] * len(rows)
    return Held(paths, labels, root)


def _view_all(title: str, held: Held, options: PicturesViewOptions, folder: Path) -> View:
    chosen = spread(np.arange(len(held.paths)), options.most)
    counts = PictureCounts(np.zeros(len(held.paths), np.int64))
    found = scan([(int(row), held.paths[row]) for row in chosen], Decoding())
    found.write_to(counts)
    classes = Counter(each for each in held.labels if each)
    facts = [("pictures", f"{len(held.paths):,}" + (f" in {len(classes):,} classes" if classes else ""))]
    facts += [("looked at", f"{len(chosen):,}, evenly over them")] if len(chosen) < len(held.paths) else []
    sizes = counts.sizes()
    facts += [("sizes", say_sizes(sizes))] if len(sizes) else []
    facts += [(f"{count:,}", WORDS[kind]) for kind, count in counts.counts().items() if kind is not Kind.UNREADABLE]
    copies = find_copies(held, [int(row) for row in chosen if row not in found.faults])
    torn = [each for each in copies if len({held.labels[row] for row in each}) > 1]
    facts += [("copies", say_copies(copies, torn))]
    blocks = [*_wall(held, options.tiles, folder, set(found.faults)), *_classes(classes)]
    blocks += [{"section": SECTION, **each} for each in histograms(sizes)]
    blocks += [
        _copies(held, each, number, folder) for number, each in enumerate([*torn, *(one for one in copies if one not in torn)][:COPIES])
    ]
    return View(title, facts, say_faults(held, found.faults, torn), blocks=blocks)


def say_faults(held: Held, faults: dict[int, str], torn: Sequence[Sequence[int]]) -> list[str]:
    """What is wrong, in sentences."""
    said = [f"{held.name(row)} cannot be read: {why}" for row, why in list(faults.items())[:FAULTS]]
    if len(faults) > FAULTS:
        said.append(
            f"{len(faults) - FAULTS:,} more cannot be read: columns.image.unreadable=skip leaves them out, =repair keeps what is there"
        )
    if torn:
        said.append(f"{plural(len(torn), 'picture')} with copies in other classes, the first: {held.name(torn[0][0])}")
    return said


def say_copies(copies: Sequence[Sequence[int]], torn: Sequence[Sequence[int]]) -> str:
    """How many pictures there are several times, in words."""
    if not copies:
        return "none are the same or nearly"
    total = sum(len(each) for each in copies)
    return f"{total:,} pictures in {plural(len(copies), 'group')} are the same or nearly" + (
        f", {len(torn):,} of these in several classes" if torn else ""
    )


def find_copies(held: Held, rows: Sequence[int]) -> list[list[int]]:
    """Groups of rows whose pictures are the same or nearly."""
    hashes, levels, there = [], [], []
    for row in rows:
        try:
            seen = look_at(read_picture(held.paths[row], Decoding()).pixels)
        except Unreadable:
            continue
        if seen is not None:
            there.append(row)
            hashes.append(seen[0])
            levels.append(seen[1])
    if not there:
        return []
    pairs = [(a, b) for a, b, _ in near_pairs(np.array(hashes, np.uint64), np.array(levels))]
    return [[there[place] for place in group] for group in grouped(len(there), pairs)]


def _wall(held: Held, tiles: int, folder: Path, broken: set[int]) -> list[dict[str, Any]]:
    """Some pictures of each class, those of one after the other."""
    by_class: dict[str, list[int]] = {}
    for row, label in enumerate(held.labels):
        if row not in broken:
            by_class.setdefault(label, []).append(row)
    names = sorted(by_class)[:tiles]
    each = max(tiles // max(len(names), 1), 1)
    drawn = []
    for name in names:
        for row in spread(np.array(by_class[name]), each).tolist():
            try:
                file = write_tile(folder, f"wall-{row}.jpg", read_picture(held.paths[row], Decoding()).pixels)
            except Unreadable:
                continue
            drawn.append({"file": file, "caption": name or Path(split_reference(held.paths[row]).path).name})
    return [{"type": "wall", "section": SECTION, "tiles": drawn}] if drawn else []


def _classes(classes: Counter[str]) -> list[dict[str, Any]]:
    if not classes:
        return []
    bars = [{"name": {"text": name, "limit": 32}, "value": count, "text": f"{count:,}"} for name, count in classes.most_common(CLASSES)]
    caption = f"the {CLASSES} largest of {len(classes):,}" if len(classes) > CLASSES else ""
    return [{"type": "bars", "section": SECTION, "title": "Classes", "caption": caption, "bars": bars}]


def _copies(held: Held, group: Sequence[int], number: int, folder: Path) -> dict[str, Any]:
    tiles = []
    for row in group[:4]:
        file = write_tile(folder, f"copy-{number}-{row}.jpg", read_picture(held.paths[row], Decoding()).pixels)
        tiles.append({"file": file, "caption": held.labels[row] or Path(split_reference(held.paths[row]).path).name})
    torn = "in several classes" if len({held.labels[row] for row in group}) > 1 else ""
    caption = ", ".join(filter(None, (f"{len(group)} pictures", torn)))
    name = Path(split_reference(held.paths[group[0]]).path).name
    return {"type": "wall", "section": "Copies", "title": name, "caption": caption, "tiles": tiles, "columns": 4, "wide": False}


def view_one(path: str, folder: Path) -> View:
    """One picture: its size, what it is like, and how light it is. Raises Unreadable as DataError does."""
    try:
        content = read_bytes(path)
        found = decode(content, Decoding(), path) if isinstance(content, bytes) else read_picture(path, Decoding())
    except Unreadable as error:
        raise RequestError(
            f"'{path}' cannot be read as a picture", where="command line", why=str(error), fix="trainwright view FOLDER counts such"
        ) from error
    channels = {1: "gray", 3: "RGB", 4: "RGB with opacity"}.get(len(found.pixels), f"{len(found.pixels)} channels")
    facts = [("size", f"{found.width}×{found.height} pixels, {channels}"), ("file", f"{len(content):,} bytes")]
    facts += [("it is", WORDS[kind]) for kind in WORDS if kind & found.kind]
    light = found.pixels[:3].reshape(min(len(found.pixels), 3), -1)
    facts.append(("mean, deviation", ", ".join(f"{each.mean() / 255:.3f} ± {each.std() / 255:.3f}" for each in light.astype(np.float64))))
    name = Path(split_reference(path).path).name
    counts, edges = np.histogram(light, bins=32, range=(0, 256))
    levels = {"edges": edges.tolist(), "counts": counts.tolist(), "x_label": "level, 0 to 255"}
    blocks = [
        {"type": "images", "section": SECTION, "files": [{"file": write_large(folder, "picture.jpg", found.pixels), "caption": name}]},
        {"type": "bars", "section": SECTION, "title": "Levels of all channels", **levels},
    ]
    return View(name, facts, blocks=blocks)
