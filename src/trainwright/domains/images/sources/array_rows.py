"""Sources whose pictures are rows of a few files: arrays, MNIST's idx files, CIFAR's binary files."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainwright.config.errors import DataError, did_you_mean
from trainwright.data.source import TableSource, TrainingNote
from trainwright.domains.images.reading.rows import CIFAR_PIXELS, open_array, open_cifar, open_idx
from trainwright.domains.images.sources.arranging import SPLITS
from trainwright.domains.images.sources.folder_table import UNTOLD, given_split
from trainwright.domains.images.sources.options import ArrayOptions, CIFAROptions, IdxOptions
from trainwright.domains.images.sources.walking import list_names
from trainwright.features.npy import Unreadable
from trainwright.report.figures import plural

WHERE = "data.source"
IMAGES_IDX = re.compile(r"(?P<part>.*?)-?images[-.]idx[34]-ubyte(\.gz)?", re.IGNORECASE)
OF_TEST = ("t10k", "test")
PICTURES_IN_NPZ = ("images", "image", "x", "data", "imgs")
LABELS_IN_NPZ = ("labels", "label", "y", "targets", "target")
"""Names of arrays, alone or with the name of a split before or after: `x_train`, `train_images`."""
META = {"batches.meta.txt": "label", "fine_label_names.txt": "label", "coarse_label_names.txt": "coarse"}


@dataclass(frozen=True)
class Rows:
    """The pictures of one file, or of one array in it."""

    path: Path
    count: int
    labels: pa.Array | None
    split: str = ""
    column: str = ""
    """The array, where the file has several."""
    more: dict[str, pa.Array] = field(default_factory=dict)


class RowsOfFiles(TableSource):
    """A row for each picture: `row` (file and number), `image`, and `label` and `split` where the files say them."""

    def __init__(self, pieces: Sequence[Rows], name: str, files: Sequence[Path]) -> None:
        references = pa.concat_arrays([_references(each) for each in pieces])
        columns: dict[str, Any] = {"row": pc.replace_substring_regex(references, r"^.*/", ""), "image": references}
        labelled = [each for each in pieces if each.labels is not None]
        if labelled:
            columns["label"] = pa.concat_arrays([_labels_of(each, labelled[0]) for each in pieces])
        for each in pieces[0].more:
            columns[each] = pa.concat_arrays([piece.more[each] for piece in pieces])
        splits = list(dict.fromkeys(each.split for each in pieces))
        if len(splits) > 1:
            numbers = np.repeat(np.arange(len(pieces)), [each.count for each in pieces])
            columns["split"] = pa.array([each.split for each in pieces], pa.string()).take(pa.array(numbers))
        classes = bool(labelled) and not pa.types.is_floating(columns["label"].type) and not pa.types.is_list(columns["label"].type)
        super().__init__(
            pa.table(columns),
            name,
            default_targets=["label"] if labelled else [],
            files=files,
            columns={
                "image": {"type": "image"},
                **{each: UNTOLD for each in ("row", "split", *pieces[0].more) if each in columns},
                **({"label": {"type": "category"}} if classes else {}),
            },
            split=given_split(columns["split"]) if "split" in columns else {},
            named_by=["row"],
        )
        if len(splits) > 1:
            counts = {split: sum(each.count for each in pieces if each.split == split) for split in splits}
            self.notes = [TrainingNote(f"the split is that of the files: {', '.join(f'{name} {n:,}' for name, n in counts.items())}")]


class IdxFiles(RowsOfFiles):
    """MNIST's idx files, `train-images-idx3-ubyte` and `train-labels-idx1-ubyte`, plain or `.gz`; `t10k` and `test` are the test rows."""

    def __init__(self, options: IdxOptions, memory_limit: int) -> None:
        given = Path(options.path).expanduser().absolute()
        found = find_idx(given)
        if not found:
            there = list_names(sorted(each.name for each in given.iterdir())) if given.is_dir() else "no such folder"
            why = f"looked for names as train-images-idx3-ubyte, with .gz or without; there are {there}"
            raise DataError(f"no idx file of pictures in '{options.path}'", where=WHERE, why=why, fix="name the folder that has them")
        pieces, files = [], []
        for images, labels, split in found:
            count = len(_opened(open_idx, images))
            targets = None if labels is None else _as_labels(_opened(open_idx, labels), count, images.name)
            pieces.append(Rows(images, count, targets, split))
            files += [images, *([labels] if labels else [])]
        super().__init__(pieces, options.path, files)


class CIFARFiles(RowsOfFiles):
    """CIFAR-10's `data_batch_1.bin` … and `test_batch.bin`, or CIFAR-100's `train.bin` and `test.bin`, with the names of the classes."""

    def __init__(self, options: CIFAROptions, memory_limit: int) -> None:
        given = Path(options.path).expanduser().absolute()
        files = find_cifar(given)
        if not files:
            pickled = (given / "data_batch_1").is_file() or (given / "train").is_file()
            why = "these are pickles, which could run any code; the binary version has the same pictures" if pickled else ""
            fix = "name the folder of the binary version, with data_batch_1.bin and test_batch.bin, or train.bin and test.bin"
            raise DataError(f"no binary file of CIFAR in '{options.path}'", where=WHERE, why=why, fix=fix)
        folder = given if given.is_dir() else given.parent
        names = {label: lines for file, label in META.items() if (lines := _lines(folder / file))}
        pieces = [_cifar_piece(each, names) for each in files]
        super().__init__(pieces, options.path, [*files, *(folder / each for each in META if (folder / each).is_file())])


class ArrayFile(RowsOfFiles):
    """Arrays of pictures (rows, height, width[, channels]): one in a `.npy` file, or those of a `.npz` with their labels."""

    def __init__(self, options: ArrayOptions, memory_limit: int) -> None:
        path = Path(options.path).expanduser().absolute()
        if not path.is_file():
            raise DataError(f"there is no file '{options.path}'", where=WHERE, fix="name a .npy or .npz file")
        if path.suffix.lower() == ".npy":
            array = _opened(open_array, path)
            _ensure_pictures(array, path.name)
            beside = Path(options.labels).expanduser().absolute() if options.labels else None
            labels = None if beside is None else _as_labels(_opened(open_array, beside), len(array), path.name)
            super().__init__([Rows(path, len(array), labels)], options.path, [path, *([beside] if beside else [])])
            return
        with np.load(path, allow_pickle=False) as opened:
            found = find_arrays(list(opened.files), options.images, options.labels)
            pieces = []
            for split, images, labels in found:
                array = _opened(partial(open_array, column=images), path)
                _ensure_pictures(array, f"{path.name}, array '{images}'")
                pieces.append(
                    Rows(path, len(array), None if labels is None else _as_labels(opened[labels], len(array), images), split, images)
                )
        super().__init__(pieces, options.path, [path])


def find_idx(given: Path) -> list[tuple[Path, Path | None, str]]:
    """Pictures, labels and split of the idx files in a folder, or of one file; plain ones where both are there."""
    files = [given] if given.is_file() else sorted(given.iterdir()) if given.is_dir() else []
    found: dict[str, tuple[Path, Path | None, str]] = {}
    for each in files:
        matched = IMAGES_IDX.fullmatch(each.name)
        if matched is None or matched["part"] in found:
            continue
        stem = re.sub(r"images([-.])idx[34]", r"labels\1idx1", each.name, flags=re.IGNORECASE)
        other = stem.removesuffix(".gz") if stem.endswith(".gz") else f"{stem}.gz"
        labels = next((place for name in (stem, other) if (place := each.with_name(name)).is_file()), None)
        found[matched["part"]] = each, labels, "test" if matched["part"].lower().endswith(OF_TEST) else "train"
    return sorted(found.values(), key=lambda each: each[2] != "train")


def find_cifar(given: Path) -> list[Path]:
    """The binary files of CIFAR in a folder, those of training first; or the one that is named."""
    if given.is_file():
        return [given]
    return [each for name in ("data_batch_*.bin", "train.bin", "test_batch.bin", "test.bin") for each in sorted(given.glob(name))]


def find_arrays(names: Sequence[str], images: str | None, labels: str | None) -> list[tuple[str, str, str | None]]:
    """Split, pictures and labels of the arrays in a `.npz` file. Raises DataError where it is not known which are pictures."""
    for option, asked in (("images", images), ("labels", labels)):
        if asked is not None and asked not in names:
            raise DataError(f"the file has no array '{asked}'", where=f"{WHERE}.{option}", fix=did_you_mean(asked, names))
    if images is not None:
        return [("", images, labels)]
    known = {name.lower(): name for name in names}
    found = []
    for split in ("train", "training", "val", "valid", "validation", "test", "testing", ""):
        pictures = _named(known, PICTURES_IN_NPZ, split)
        if pictures is not None:
            found.append((SPLITS.get(split, ""), pictures, _named(known, LABELS_IN_NPZ, split)))
    if not found:
        fix = "data.source.images=NAME data.source.labels=NAME"
        raise DataError("which array has the pictures is not known", where=WHERE, why=f"there are {list_names(names, 12)}", fix=fix)
    return [each for each in found if each[0]] or found


def _named(known: dict[str, str], words: Sequence[str], split: str) -> str | None:
    patterns = ("{word}",) if not split else ("{split}_{word}", "{word}_{split}", "{split}{word}")
    return next((known[name] for word in words for each in patterns if (name := each.format(split=split, word=word)) in known), None)


def _labels_of(rows: Rows, labelled: Rows) -> pa.Array:
    """Its labels, or as many missing ones of the type of others."""
    return pa.nulls(rows.count, None if labelled.labels is None else labelled.labels.type) if rows.labels is None else rows.labels


def _references(rows: Rows) -> pa.Array:
    numbers = pa.array(np.arange(rows.count)).cast(pa.string())
    return pc.binary_join_element_wise(f"{rows.path}#row=", numbers, f"&column={rows.column}" if rows.column else "", "")


def _opened(read: Callable[[str], np.ndarray], path: Path) -> np.ndarray:
    try:
        return read(str(path))
    except Unreadable as error:
        raise DataError(f"'{path.name}' cannot be read", where=WHERE, why=str(error), fix="fetch it again") from error


def _ensure_pictures(array: np.ndarray, name: str) -> None:
    if array.ndim not in (3, 4) or not len(array) or array.dtype.kind not in "buif":
        what = f"'{name}' has no pictures: its shape is {array.shape}, of {array.dtype}"
        raise DataError(what, where=WHERE, fix="give numbers of (rows, height, width) or (rows, height, width, channels)")


def _as_labels(labels: np.ndarray, count: int, name: str) -> pa.Array:
    """A label for each picture; of several of 0 and 1 a list of those that are 1. Raises DataError for another number of them."""
    if len(labels) != count:
        raise DataError(
            f"'{name}' has {plural(count, 'picture')} and {plural(len(labels), 'label')}", where=WHERE, fix="give one label for each"
        )
    if labels.ndim == 2 and labels.shape[1] > 1:
        return pa.array([[str(each) for each in np.flatnonzero(row)] for row in labels], pa.list_(pa.string()))
    flat = labels.reshape(count)
    return pa.array(flat.astype(flat.dtype.newbyteorder("=")).tolist())


def _cifar_piece(path: Path, names: dict[str, list[str]]) -> Rows:
    rows = _opened(open_cifar, path)
    fine, coarse = rows[:, -CIFAR_PIXELS - 1], rows[:, 0]
    more = {"coarse": _with_names(coarse, names.get("coarse"), path)} if rows.shape[1] > CIFAR_PIXELS + 1 else {}
    split = "test" if path.name.startswith("test") else "train"
    return Rows(path, len(rows), _with_names(fine, names.get("label"), path), split, "", more)


def _with_names(codes: np.ndarray, names: list[str] | None, path: Path) -> pa.Array:
    if names is None:
        return pa.array(codes.astype(np.int64))
    if len(codes) and int(codes.max()) >= len(names):
        what = f"'{path.name}' has the class {int(codes.max())}, and names are given for {len(names)}"
        raise DataError(what, where=WHERE, fix="fetch it again, with the names of its classes")
    return pa.array(names, pa.string()).take(pa.array(codes.astype(np.int64)))


def _lines(path: Path) -> list[str]:
    return [each.strip() for each in path.read_text(encoding="utf-8").splitlines() if each.strip()] if path.is_file() else []
