"""Which files and folders are pictures."""

from __future__ import annotations

import os
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from trainwright.config.domain import Claim
from trainwright.domains.images.sources.endings import IMAGES, MASKS, PICTURES, is_litter, is_picture

MOST_BESIDE = 4
"""Folders up to which `images` and `masks` are no names of classes among others."""
IDX = re.compile(r"images[-.]idx[34]-ubyte(\.gz)?$", re.IGNORECASE)
"""Names of idx files of pictures."""
LOOKED_AT_IN_TAR = 32
TABLES = (".parquet", ".pq", ".arrow")
MOST_OF_SET = 64
"""Files up to which a folder may be one of MNIST or CIFAR."""
MOSTLY = 0.95
"""Share of the values of a column of pictures that are named as such."""
LOOKED_AT = 5000
"""Files of a folder that are looked at: what it is, is seen long before the last."""


def claims(path: Path) -> Claim | None:
    """A folder of pictures, or one of them."""
    return claim_folder(path) if path.is_dir() else claim_file(path)


def claim_file(path: Path) -> Claim | None:
    """One picture, or a file whose rows are some."""
    if not path.is_file():
        return None
    if is_picture(path.name):
        return Claim(70, "a picture", "image_folder")
    if IDX.search(path.name):
        return Claim(75, "an idx file of pictures", "idx")
    if path.suffix.lower() == ".tar" and (first := first_picture(path)):
        return Claim(70, f"a tar file with pictures: {first}", "tar")
    if path.suffix.lower() in TABLES and (names := bytes_of_pictures(path)):
        return Claim(70, f"a table with pictures as bytes: {', '.join(names)}", "image_table")
    if path.suffix.lower() in (".npy", ".npz") and (why := has_pictures(path)):
        return Claim(60, why, "image_array")
    return None


def bytes_of_pictures(path: Path) -> list[str]:
    """The columns of a Parquet or Arrow file that hold pictures."""
    import pyarrow as pa

    from trainwright.domains.images.sources.byte_tables import head_of, picture_columns

    try:
        return list(picture_columns(*head_of(path)))
    except (OSError, pa.ArrowException):
        return []  # told by what reads it


def first_picture(path: Path) -> str:
    """The first picture among the first members of a tar file; empty where there is none."""
    import tarfile

    try:
        with tarfile.open(path, "r:") as archive:
            return next((each.name for each in islice(archive, LOOKED_AT_IN_TAR) if is_picture(each.name)), "")
    except (OSError, tarfile.TarError, EOFError):
        return ""


def has_pictures(path: Path) -> str:
    """Why an array file is one of pictures, from its head; empty where it is not: an array of bytes of three or four dimensions."""
    import numpy as np

    try:
        if path.suffix.lower() == ".npy":
            shape, kind = _head(path.open("rb"))
            return f"an array of {'×'.join(map(str, shape))} bytes" if kind == np.uint8 and len(shape) in (3, 4) else ""
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                shape, kind = _head(archive.open(name)) if name.endswith(".npy") else ((), None)
                if kind == np.uint8 and len(shape) in (3, 4):
                    return f"the array '{name.removesuffix('.npy')}' of {'×'.join(map(str, shape))} bytes"
    except (OSError, ValueError, zipfile.BadZipFile, EOFError):
        return ""  # told by what reads it
    return ""


def _head(file: Any) -> tuple[tuple[int, ...], Any]:
    """Shape and type of the numbers of an `.npy` file. Raises ValueError."""
    from numpy.lib import format as npy

    with file:
        version = npy.read_magic(file)
        shape, _, kind = npy.read_array_header_1_0(file) if version == (1, 0) else npy.read_array_header_2_0(file)
        return shape, kind


def claim_folder(path: Path) -> Claim | None:
    """A folder of pictures; more surely where hardly anything else lies in it."""
    if set_of_files := claim_set(path):
        return set_of_files
    pictures = others = 0
    for name in walk(path, LOOKED_AT):
        pictures, others = pictures + name.endswith(PICTURES), others + (not name.endswith((*PICTURES, ".txt", ".md", ".json")))
    if not pictures:
        shard = next((each for each in sorted(path.glob("*.tar")) if first_picture(each)), None)
        return Claim(70, f"tar files with pictures, the first is '{shard.name}'", "tar") if shard else None
    if has_masks(path):
        return Claim(80, "pictures, and masks beside them", "image_masks")
    shown = f"{pictures:,}" if pictures + others < LOOKED_AT else f"{pictures:,} or more"
    return Claim(72 if pictures > 10 * others else 65, f"a folder of pictures, {shown}", "image_folder")


def claim_set(path: Path) -> Claim | None:
    """A folder with the files of MNIST or CIFAR, or a set of Hugging Face with pictures."""
    names = set(os.listdir(path)) if len(os.listdir(path)) <= MOST_OF_SET else set()
    if any(IDX.search(each) for each in names):
        return Claim(75, "idx files of pictures, as those of MNIST", "idx")
    binary = {"data_batch_1.bin", "test_batch.bin"} & names or {"train.bin", "fine_label_names.txt"} <= names
    pickled = {"data_batch_1", "batches.meta"} <= names or {"train", "test", "meta"} == names
    if binary or pickled:
        return Claim(75, "the files of CIFAR", "cifar")
    if names & {"dataset_dict.json", "state.json"} or any(each.endswith(".parquet") for each in [*names, *_names_in(path / "data")]):
        first = next((each for each in sorted(path.rglob("*")) if each.suffix in TABLES and bytes_of_pictures(each)), None)
        return Claim(76, f"a set of tables with pictures as bytes, the first is '{first.name}'", "image_table") if first else None
    return None


def _names_in(folder: Path) -> list[str]:
    return os.listdir(folder) if folder.is_dir() else []


def has_masks(path: Path) -> bool:
    """Whether a folder of pictures and one of masks lie in a folder, or in its folder for training."""
    for folder in (path, *(path / each for each in ("train", "training"))):
        names = {each.name.lower() for each in folder.iterdir() if each.is_dir()} if folder.is_dir() else set()
        if names & set(IMAGES) and names & set(MASKS) and len(names) <= MOST_BESIDE:
            return True
    return False


def walk(folder: Path, most: int) -> Iterator[str]:
    """The names in small letters of the first files in a folder and below, without what is hidden; what lies near the top comes first."""
    waiting, seen, known = [str(folder)], 0, set[str]()
    while waiting and seen < most:
        place, below = waiting.pop(0), list[str]()
        if (real := os.path.realpath(place)) in known:
            continue  # links to one folder, or to one that they lie in
        known.add(real)
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    if is_litter(entry.name):
                        continue
                    if entry.is_dir():
                        below.append(entry.path)
                    else:
                        seen += 1
                        yield entry.name.lower()
                    if seen >= most:
                        return
        except OSError:
            continue  # told by what reads it
        waiting += sorted(below)


def infers(column: str, values: Sequence[str]) -> tuple[str, str] | None:
    """A column whose values end as pictures do."""
    endings = Counter(os.path.splitext(each.strip().partition("#")[0])[1].lower() for each in values)
    named = [ending for ending, _ in endings.most_common() if ending in PICTURES]
    if sum(endings[each] for each in named) < MOSTLY * len(values):
        return None
    return "image", f"names of pictures ({', '.join(named[:4])})"
