"""What the folders of pictures say: given splits, classes, or nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from trainwright.config.errors import DataError
from trainwright.data.source import TrainingNote
from trainwright.domains.images.sources.endings import PICTURES
from trainwright.domains.images.sources.options import ImageFolderOptions
from trainwright.domains.images.sources.walking import Found, Pictures, list_names
from trainwright.features.words import sorted_classes
from trainwright.report.figures import plural

SPLITS = {
    "train": "train", "training": "train",
    "val": "validation", "valid": "validation", "validation": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
"""Name of a folder, in small letters → the split that it holds."""
WHERE = "data.source"
MANY = 12
"""Classes that are named of many."""


@dataclass
class Arranged:
    """Rows, and what the folders say of them."""

    files: pa.Array
    """Paths below the folder."""
    labels: pa.Array | None = None
    """The class of each; None where no folder says one."""
    splits: pa.Array | None = None
    """`train`, `validation` or `test`; None where no folders say it."""
    notes: list[str] = field(default_factory=list)
    refusal: DataError | None = None
    """Why these cannot be trained on, though they can be predicted."""


@dataclass
class _Part:
    """The pictures of one split, or of all."""

    split: str
    flat: list[Pictures] = field(default_factory=list)
    """Those in no class folder."""
    classes: dict[str, list[Pictures]] = field(default_factory=dict)

    @property
    def labelled(self) -> int:
        return sum(_count(each) for each in self.classes.values())


def arrange(found: Found, options: ImageFolderOptions) -> Arranged:
    """The pictures as rows: split by split, class by class, and in the order of their paths. Raises DataError."""
    if not found.count:
        raise _refuse_empty(found, options.path)
    given = split_folders(found) if options.splits == "auto" else {}
    parts = _divide(found, given, flat=options.layout == "flat")
    notes = _told_of_rest(found, given)
    for each in parts:
        _refuse_mixed(each, options.path, given)
    if not any(each.classes for each in parts):
        made = Arranged(_paths(parts), splits=_splits(parts) if len(parts) > 1 else None, notes=notes)
        made.refusal = _without_classes(found, options)
        return made
    parts, said = _leave_out_flat(parts, options.path)
    parts, more, refusal = align_classes(parts, options.unknown)
    made = Arranged(_paths(parts), _labels(parts), _splits(parts) if len(parts) > 1 else None, [*notes, *said, *more])
    made.refusal = refusal or _refuse_one_class(parts, found, options)
    if len(parts[0].classes) > 1:
        made.notes += [*map(TrainingNote, _told_of_classes(parts)), *_told_of_deeper(parts, bool(given))]
    return made


def split_folders(found: Found) -> dict[str, str]:
    """Folder of the first level → the split that it holds; empty where the folders are no splits. Raises DataError for two of one split."""
    names = list(dict.fromkeys(each.parts[0] for each in found.pictures if each.parts))
    given = {name: SPLITS[name.lower()] for name in names if name.lower() in SPLITS}
    alone = len(names) == 1 and not any(each.folder == "" for each in found.pictures)
    if "train" not in given.values() or (len(given) == 1 and not alone):
        return {}
    twice = [name for name, split in given.items() if list(given.values()).count(split) > 1]
    if twice:
        what = f"the folders {list_names(twice)} are of one split"
        raise DataError(what, where=WHERE, fix="rename one of them, or data.source.splits=off reads their names as classes")
    return dict(sorted(given.items(), key=lambda each: ("train", "validation", "test").index(each[1])))


def _divide(found: Found, given: Mapping[str, str], flat: bool) -> list[_Part]:
    parts = {split: _Part(split) for split in given.values()} if given else {"": _Part("")}
    for each in found.pictures:
        inside = each.parts
        if given:
            if not inside or inside[0] not in given:
                continue
            part, inside = parts[given[inside[0]]], inside[1:]
        else:
            part = parts[""]
        if flat or not inside:
            part.flat.append(each)
        else:
            part.classes.setdefault(inside[0], []).append(each)
    for part in parts.values():
        part.classes = {name: part.classes[name] for name in sorted_classes(list(part.classes))}
    return [each for each in parts.values() if each.flat or each.classes]


def align_classes(parts: list[_Part], unknown: str) -> tuple[list[_Part], list[str], DataError | None]:
    """The splits with the classes of training alone where others are to be dropped; notes, and why they cannot be trained on otherwise."""
    if len(parts) < 2:
        return parts, [], None
    known, notes, strange = parts[0].classes, list[str](), list[str]()
    for part in parts[1:]:
        more = {name: _count(each) for name, each in part.classes.items() if name not in known}
        strange += [f"'{name}' ({count:,} in {part.split})" for name, count in more.items()]
        lacking = [name for name in known if name not in part.classes]
        if lacking:
            notes.append(TrainingNote(f"{part.split} has no picture of {list_names(lacking)}: nothing is measured of them there"))
    if not strange:
        return parts, notes, None
    what = f"classes without a picture in train: {', '.join(strange[:8])}{', …' if len(strange) > 8 else ''}"
    if unknown == "error":
        fix = "add them to train, rename the folders alike, or data.source.unknown=drop leaves their pictures out"
        return parts, notes, DataError(what, where=WHERE, why="a class that is not learnt is never predicted", fix=fix)
    for part in parts[1:]:
        part.classes = {name: each for name, each in part.classes.items() if name in known}
    return [each for each in parts if each.classes], [*notes, f"{what}; these are left out"], None


def _leave_out_flat(parts: list[_Part], path: str) -> tuple[list[_Part], list[str]]:
    """Splits with classes, and notes on those whose pictures lie in no class folder. Raises DataError where training has none."""
    without = [each for each in parts if not each.classes]
    if without and without[0].split == "train":
        what = "the pictures of train lie in no class folders, those of other splits do"
        raise DataError(
            what, where=WHERE, fix="sort them into folders named after their classes, or data.source.layout=flat reads all alike"
        )
    notes = [
        f"{plural(_count(each.flat), 'picture')} of {each.split} in no class folder: left out, as nothing can be measured there; "
        f"`trainwright predict RUN {path}/{each.flat[0].parts[0]}` answers them"
        for each in without
    ]
    return [each for each in parts if each.classes], notes


def _refuse_mixed(part: _Part, path: str, given: Mapping[str, str]) -> None:
    if not part.classes or not part.flat:
        return
    place = f"{path}/{next(name for name, split in given.items() if split == part.split)}" if given else path
    beside = plural(len(part.classes), "folder")
    what = f"'{place}' has {plural(_count(part.flat), 'picture')} beside {beside} with {plural(part.labelled, 'picture')}"
    why = f"whether the folders are classes is not clear: {list_names(part.classes)}"
    fix = "put each picture into the folder of its class, or data.source.layout=flat reads all without classes"
    raise DataError(what, where=WHERE, why=why, fix=fix)


def _refuse_empty(found: Found, path: str) -> DataError:
    there = f"it has {list_names(found.first)}" if found.first else "it is empty"
    others = ", ".join(f"{count:,} {ending or 'without an ending'}" for ending, count in found.others.most_common(5))
    fix = f"pictures end in {' '.join(PICTURES)}, case aside, and lie in a folder for each class: {path}/cat/1.jpg"
    return DataError(f"no picture in '{path}' or its folders", where=WHERE, why=f"{there}{f'; {others}' if others else ''}", fix=fix)


def _without_classes(found: Found, options: ImageFolderOptions) -> DataError:
    """Why pictures without classes are not trained on."""
    what = f"no class folder in '{options.path}': {plural(found.count, 'picture')}, and nothing says what they are"
    why = f"looked for folders that are named after classes, {options.path}/cat/1.jpg; there are {list_names(found.first)}"
    beside = f", or train on the table that names them: {options.path}/{found.tables[0]}" if found.tables else ", or name a table of them"
    if options.layout == "flat":
        why, beside = "data.source.layout=flat reads no classes", f", or leave the option out{beside}"
    return DataError(what, where=WHERE, why=why, fix=f"sort them into folders{beside} and --target COLUMN")


def _refuse_one_class(parts: list[_Part], found: Found, options: ImageFolderOptions) -> DataError | None:
    names = list(parts[0].classes)
    if len(names) > 1:
        return None
    inside = list(dict.fromkeys(each.parts[1] for each in parts[0].classes[names[0]] if len(each.parts) > 1)) if len(parts) == 1 else []
    what = f"'{options.path}' has one class only: '{names[0]}', with {plural(parts[0].labelled, 'picture')}"
    why = f"looked for several folders that are named after classes; there are {list_names(found.first)}"
    fix = "add the other classes"
    if len(inside) > 1:
        fix = f"name the folder with the folders of the classes ({list_names(inside)}): {options.path}/{names[0]}"
    if found.tables:
        fix += f"; or the table beside it: {options.path}/{found.tables[0]} --target COLUMN"
    return DataError(what, where=WHERE, why=why, fix=fix)


def _told_of_rest(found: Found, given: Mapping[str, str]) -> list[str]:
    """Notes on what lies there and is not read."""
    notes = told_of_litter(found)
    if found.tables:
        notes.append(
            f"tables beside the pictures are not read: {list_names(found.tables, 3)}; `metadata.csv` with a column `file_name` would be"
        )
    outside = Counter[str]()
    for each in found.pictures:
        if given and (not each.parts or each.parts[0] not in given):
            outside[each.parts[0] if each.parts else "."] += len(each.paths)
    if outside:
        listed = ", ".join(f"{count:,} in '{name}'" for name, count in outside.items())
        notes.append(f"pictures outside of the splits {list_names(given)} are not read: {listed}")
    empty = [name for name in found.empty if name.count("/") <= bool(given)]
    if empty:
        notes.append(f"folders without a picture are no classes: {list_names(empty)}")
    return notes


def told_of_litter(found: Found) -> list[str]:
    """Notes on files that are no pictures."""
    notes = []
    if found.ignored:
        notes.append(f"hidden files and folders, and such as systems write, are ignored: {found.ignored:,}")
    if found.others:
        listed = ", ".join(f"{count:,} {ending or 'without an ending'}" for ending, count in found.others.most_common(6))
        notes.append(f"files that are no pictures are not read: {listed}")
    return notes


def _told_of_classes(parts: Sequence[_Part]) -> list[str]:
    """Which classes there are, in which order, and how many pictures each has."""
    classes = {name: sum(_count(part.classes.get(name, [])) for part in parts) for name in parts[0].classes}
    order = "by number" if all(map(_is_number, classes)) else "by the alphabet"
    shown = ", ".join(f"{name} ({count:,})" for name, count in list(classes.items())[:MANY])
    told = [f"{len(classes):,} classes, named by the folders, {order}: {shown}{', …' if len(classes) > MANY else ''}"]
    if len(parts) > 1:
        return [*told, "the split is that of the folders: " + ", ".join(f"{part.split} {part.labelled:,}" for part in parts)]
    return told


def _told_of_deeper(parts: Sequence[_Part], split: bool) -> list[str]:
    """How many pictures lie in folders below those of the classes."""
    deeper = [each for part in parts for every in part.classes.values() for each in every if len(each.parts) > 1 + split]
    if not deeper:
        return []
    names = list_names([each.folder for each in deeper], 3)
    what = f"{plural(_count(deeper), 'picture lies', 'pictures lie')} deeper, in {names}"
    return [f"{what}: the class is the first folder, '{deeper[0].parts[split]}' of the first"]


def _paths(parts: Sequence[_Part]) -> pa.Array:
    return pa.concat_arrays([each.paths for part in parts for each in _in_order(part)])


def _labels(parts: Sequence[_Part]) -> pa.Array:
    names = list(dict.fromkeys(name for part in parts for name in part.classes))
    counts = [(names.index(name), _count(each)) for part in parts for name, each in part.classes.items()]
    codes = np.repeat(*np.array(counts, np.int64).T).astype(np.int32)
    return pa.array(names, pa.string()).take(pa.array(codes))


def _splits(parts: Sequence[_Part]) -> pa.Array:
    counts = [sum(len(each.paths) for each in _in_order(part)) for part in parts]
    return pa.array([part.split for part in parts], pa.string()).take(pa.array(np.repeat(np.arange(len(parts)), counts)))


def _in_order(part: _Part) -> list[Pictures]:
    return [*part.flat, *(each for every in part.classes.values() for each in every)]


def _count(pictures: Sequence[Pictures]) -> int:
    return sum(len(each.paths) for each in pictures)


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True
