"""Pictures that are the same bytes: in folders of several classes, or in several splits."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from trainwright.config.errors import DataError
from trainwright.data.source import TrainingNote
from trainwright.report.figures import plural

MOST = 100_000
"""Pictures of which files are compared: of more, only their sizes would be read for minutes."""
SHOWN = 5


def find_copies(root: Path, names: Sequence[str]) -> list[list[int]]:
    """The numbers of files with the same content, at least two each; only files of one size are read."""
    by_size: dict[int, list[int]] = defaultdict(list)
    for number, name in enumerate(names):
        try:
            by_size[os.stat(root / name).st_size].append(number)
        except OSError:
            continue
    by_content: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    for size, numbers in by_size.items():
        if size and len(numbers) > 1:
            for number in numbers:
                by_content[size, _digest(root / names[number])].append(number)
    return [each for each in by_content.values() if len(each) > 1]


def _digest(path: Path) -> bytes:
    try:
        return hashlib.blake2b(path.read_bytes(), digest_size=16).digest()
    except OSError:
        return os.urandom(16)  # told by what reads it


def tell_copies(
    root: Path, files: pa.Array, labels: pa.Array | None, splits: pa.Array | None, allowed: bool
) -> tuple[list[str], DataError | None]:
    """Notes on pictures of one content in several classes or splits, and why they cannot be trained on where that is not allowed."""
    if labels is None and splits is None:
        return [], None
    if len(files) > MOST:
        return [TrainingNote(f"more than {MOST:,} pictures are not compared: whether some are the same is not known")], None
    names = files.to_pylist()
    copies = find_copies(root, names)
    notes, refusal = list[str](), None
    if labels is not None and (found := _differing(copies, labels)):
        what = f"{plural(len(found), 'picture has', 'pictures have')} copies in folders of other classes, and one label of each is wrong"
        notes.append(TrainingNote(f"{what}: {_show(found, names)}"))
    if splits is not None and (found := _differing(copies, splits)):
        what = f"{plural(len(found), 'picture is', 'pictures are')} in several splits: {_show(found, names)}"
        if allowed:
            notes.append(TrainingNote(what))
        else:
            why = "a score on pictures that were trained on says too much"
            fix = "remove them from one of the folders, or data.source.duplicates=allow"
            refusal = DataError(what, where="data.source", why=why, fix=fix)
    return notes, refusal


def _differing(copies: Sequence[Sequence[int]], values: pa.Array) -> list[Sequence[int]]:
    return [each for each in copies if len({values[number].as_py() for number in each}) > 1]


def _show(found: Sequence[Sequence[int]], names: Sequence[str]) -> str:
    listed = "; ".join(" = ".join(names[number] for number in each[:3]) for each in found[:SHOWN])
    return listed + (f"; … ({len(found):,} in all)" if len(found) > SHOWN else "")
