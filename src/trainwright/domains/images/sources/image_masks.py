"""Pictures and their masks in parallel folders: `images/` and `masks/` with equal names, less their endings."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from trainwright.config.errors import DataError
from trainwright.data.source import TrainingNote
from trainwright.domains.images.sources.arranging import SPLITS, told_of_litter
from trainwright.domains.images.sources.endings import IMAGES, MASKS
from trainwright.domains.images.sources.folder_table import UNTOLD, FolderTable, given_split
from trainwright.domains.images.sources.image_folder import look_at
from trainwright.domains.images.sources.options import ImageMasksOptions
from trainwright.domains.images.sources.walking import Found, Pictures, list_names
from trainwright.report.figures import plural

WHERE = "data.source"
LEAST = 2
"""Classes of a mask."""


class _Side(NamedTuple):
    """The files of one side: what they are known by, and where they lie."""

    keys: list[str]
    """Split and path below the folder, less the ending."""
    paths: list[str]


class ImageMasks(FolderTable):
    """A row for each picture: `file`, `image` and `mask`, paths below the folder; `split` where folders say it."""

    def __init__(self, options: ImageMasksOptions, memory_limit: int) -> None:
        root, found = look_at(options.path)
        names = parallel_folders(found.pictures, options.images, options.masks)
        if names is None:
            there = list_names(dict.fromkeys(each.folder or "." for each in found.pictures))
            wanted = f"{options.images or ', '.join(IMAGES[:3])} and {options.masks or ', '.join(MASKS[:4])}"
            why = f"looked for folders named {wanted}; there are {there}"
            fix = "data.source.images=NAME data.source.masks=NAME says which they are"
            raise DataError(f"no folder of pictures beside one of masks in '{options.path}'", where=WHERE, why=why, fix=fix)
        images, masks = (_side(found, each) for each in names)
        paired = _pair(images, masks, names, options)
        columns = {name: pa.array(values, pa.string()) for name, values in paired.items()}
        splits = sorted(set(paired["split"]))
        if splits == [""]:
            del columns["split"]
        super().__init__(
            columns,
            root,
            options.path,
            paths=["image", "mask"],
            targets=["mask"],
            declared={
                "file": UNTOLD,
                "image": {"type": "image"},
                "mask": {"type": "mask", **told_classes(Path(root))},
                **({"split": UNTOLD} if "split" in columns else {}),
            },
            split=given_split(columns["split"]) if "split" in columns and "train" in splits else {},
        )
        counts = Counter(paired["split"])
        given = [f"the split is that of the folders: {', '.join(f'{name} {count:,}' for name, count in counts.items())}"] * (
            "" not in counts
        )
        unpaired = len(images.keys) - len(self), len(masks.keys) - len(self)
        told = (
            [f"left out: {plural(unpaired[0], 'picture')} without a mask and {plural(unpaired[1], 'mask')} without a picture"]
            if any(unpaired)
            else []
        )
        for each in (root / "classes.json", root / "classes.txt"):
            found.others -= Counter({each.suffix: int(each.is_file())})  # it is read
        self.notes = [*told_of_litter(found), *told, *map(TrainingNote, given)]


def told_classes(root: Path) -> dict[str, Any]:
    """`classes` of a folder that names them: `classes.json` (a list, or a mapping with `names`) or `classes.txt` (one a line).

    Raises DataError for a file that is there and names none.
    """
    written = next((each for each in (root / "classes.json", root / "classes.txt") if each.is_file()), None)
    if written is None:
        return {}
    try:
        text = written.read_text(encoding="utf-8")
        names: Any = [each.strip() for each in text.splitlines() if each.strip()] if written.suffix == ".txt" else json.loads(text)
    except ValueError as error:
        raise _no_classes(written) from error
    names = names.get("names") if isinstance(names, dict) else names
    if not isinstance(names, list) or len(names) < LEAST or not all(isinstance(each, str) and each for each in names):
        raise _no_classes(written)
    return {"classes": names}


def _no_classes(path: Path) -> DataError:
    fix = 'write the names in order, the first for 0: ["background", "cat"], or take the file away'
    return DataError(f"{path.name} names no classes", where=str(path), fix=fix)


def parallel_folders(pictures: Sequence[Pictures], images: str | None = None, masks: str | None = None) -> tuple[str, str] | None:
    """The names of the folders of pictures and of masks, of the first or second level; None where there are no two."""
    named = dict.fromkeys(part for each in pictures for part in each.parts[:2])
    one = [each for each in named if (each == images if images else each.lower() in IMAGES)]
    other = [each for each in named if (each == masks if masks else each.lower() in MASKS)]
    return (one[0], other[0]) if one and other else None


def _side(found: Found, name: str) -> _Side:
    """The files of a side, in `name/…`, `train/name/…` or `name/train/…`."""
    keys, paths = list[str](), list[str]()
    for each in found.pictures:
        if name not in each.parts[:2]:
            continue
        rest = [part for part in each.parts if part != name]
        split = SPLITS.get(rest[0].lower(), "") if rest else ""
        below = "/".join([split, *(rest[1:] if split else rest)])
        texts = each.paths.to_pylist()
        keys += [f"{below}/{Path(text).stem}" for text in texts]
        paths += texts
    return _Side(keys, paths)


def _pair(images: _Side, masks: _Side, names: tuple[str, str], options: ImageMasksOptions) -> dict[str, list[str]]:
    """The columns of pictures with a mask. Raises DataError for those that have none, and masks without a picture."""
    suffix = options.mask_suffix
    targets = [each.removesuffix(suffix) for each in masks.keys]
    for side, name in ((images.keys, names[0]), (targets, names[1])):
        twice = [each for each, count in Counter(side).items() if count > 1]
        if twice:
            what = f"several files of '{name}' have one name, less their endings: {list_names(_plain(twice))}"
            raise DataError(what, where=WHERE, fix="rename all but one")
    found, known = dict(zip(targets, masks.paths, strict=True)), set(images.keys)
    without = [key for key in images.keys if key not in found]
    alone = [key for key in found if key not in known]
    if (without or alone) and (options.unpaired == "error" or not len(images.keys) - len(without)):
        raise _refuse_unpaired(without, alone, names, suffix)
    kept = [(key, path) for key, path in zip(images.keys, images.paths, strict=True) if key in found]
    return {
        "file": [path for _, path in kept],
        "image": [path for _, path in kept],
        "mask": [found[key] for key, _ in kept],
        "split": [key.split("/")[0] for key, _ in kept],
    }


def _refuse_unpaired(without: Sequence[str], alone: Sequence[str], names: tuple[str, str], suffix: str) -> DataError:
    said = [f"{len(without):,} of '{names[0]}' have no mask: {list_names(_plain(without))}"] if without else []
    said += [f"{len(alone):,} of '{names[1]}' have no picture: {list_names(_plain(alone))}"] if alone else []
    longer = next((each for each in alone for key in without if each.startswith(key) and each != key), "") if not suffix else ""
    fix = "give both the same name, less the ending, or data.source.unpaired=skip leaves those out"
    if longer:
        key = next(key for key in without if longer.startswith(key))
        fix = f"data.source.mask_suffix={longer.removeprefix(key)} where masks are named so; {fix}"
    return DataError(f"pictures and masks do not go together: {'; '.join(said)}", where=WHERE, fix=fix)


def _plain(keys: Sequence[str]) -> list[str]:
    return [each.lstrip("/") for each in keys]
