"""Writing a checkpoint: a hidden directory, each file and the directory synced, the manifest last, then a rename."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import shutil
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor

from trainwright.checkpoint.manifest import MANIFEST, FileEntry, Manifest
from trainwright.files.tensors import load_tensors, safetensors_pieces
from trainwright.files.whole import sync_place

T = TypeVar("T")
PART = 4 << 20
"""Bytes written and hashed in one go."""
SHORT = 64 << 10
"""Bytes that are no piece of their own."""


Writing = Generator[None, None, FileEntry]


def writing_checkpoint(
    folder: Path, manifest: Manifest, tensors: Mapping[str, Mapping[str, Tensor]], documents: Mapping[str, Any]
) -> Generator[None, None, Manifest]:
    """Write `folder/<manifest.folder>` whole or not at all, in pieces of at most PART bytes; files are those of `tensors` and `documents`.

    Returns the manifest with its files. Raises OSError when the disk refuses; nothing half-made is left under the final name.
    """
    final = folder / manifest.folder
    hidden = folder / f".{manifest.folder}.tmp"
    shutil.rmtree(hidden, ignore_errors=True)
    try:
        hidden.mkdir(parents=True)
        files = []
        for name, each in tensors.items():
            files.append((yield from _writing(hidden / name, safetensors_pieces(each))))
        for name, document in documents.items():
            files.append((yield from _writing(hidden / name, [json_bytes(document)])))
        manifest = replace(manifest, files=files)
        yield from _writing(hidden / MANIFEST, [manifest.text().encode()])
        sync_place(hidden)
        _rename(hidden, final)
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)
        raise
    return manifest


def all_of(pieces: Generator[None, None, T]) -> T:
    """Do all pieces, and return what they give."""
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            return end.value


def json_bytes(value: Any) -> bytes:
    """JSON with NaN and infinities spelled as Python does, since state must come back as it was; bytes are such JSON already."""
    return value if isinstance(value, bytes) else (json.dumps(value, indent=1) + "\n").encode()


def _writing(path: Path, pieces: Iterable[bytes | memoryview]) -> Writing:
    """Write, hash and sync, in parts."""
    total, hashed = 0, hashlib.sha256()
    with open(path, "wb", buffering=0) as file:
        for piece in pieces:
            for start in range(0, len(piece), PART):
                part = memoryview(piece)[start : start + PART]
                _write_all(file, part)
                hashed.update(part)
                if len(piece) > SHORT:
                    yield
            total += len(piece)
        os.fsync(file.fileno())
    return FileEntry(path.name, total, hashed.hexdigest())


def _write_all(file: io.FileIO, part: memoryview) -> None:
    """An unbuffered write may take less than it is given."""
    while part:
        taken = file.write(part)
        if not taken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        part = part[taken:]


def _rename(hidden: Path, final: Path) -> None:
    """Move into place; one of that name from an earlier start is first moved aside, since a directory cannot be replaced in one go."""
    old = final.with_name(f".{final.name}.old")
    if final.exists():
        shutil.rmtree(old, ignore_errors=True)
        os.rename(final, old)
    os.rename(hidden, final)
    sync_place(final.parent)
    shutil.rmtree(old, ignore_errors=True)


def reduce_checkpoint(folder: Path, full: Manifest, names: Sequence[str]) -> None:
    """Put the weights alone in place of a full checkpoint: the first of the files `names`, under the tensors of the others where it has
    them. By a link where the first is all; where the disk refuses everything stays.
    """
    reduced = Manifest("weights", full.step, value=full.value)
    entries = [each for name in names for each in full.files if each.name == name]
    try:
        if len(entries) > 1:
            merged = {name: tensor for each in entries for name, tensor in load_tensors(folder / full.folder / each.name).items()}
            all_of(writing_checkpoint(folder, reduced, {entries[0].name: merged}, {}))
        else:
            _link_weights(folder, full, replace(reduced, files=entries))
    except OSError:
        return
    remove_checkpoint(folder / full.folder)


def _link_weights(folder: Path, full: Manifest, reduced: Manifest) -> None:
    """Write `reduced` whole or not at all, its files links to those of `full`. Raises OSError when the disk refuses."""
    hidden = folder / f".{reduced.folder}.tmp"
    shutil.rmtree(hidden, ignore_errors=True)
    try:
        hidden.mkdir()
        for each in reduced.files:
            _link(folder / full.folder / each.name, hidden / each.name)
        all_of(_writing(hidden / MANIFEST, [reduced.text().encode()]))
        sync_place(hidden)
        _rename(hidden, folder / reduced.folder)
    except OSError:
        shutil.rmtree(hidden, ignore_errors=True)
        raise


def _link(path: Path, link: Path) -> None:
    """The same file under a second name, or a copy where the disk has no links."""
    try:
        os.link(path, link)
    except OSError:
        all_of(_writing(link, [path.read_bytes()]))


def remove_checkpoint(path: Path) -> None:
    """Remove a checkpoint so that a half-removed one is never seen."""
    hidden = path.with_name(f".{path.name}.removed")
    try:
        os.rename(path, hidden)
    except OSError:
        return
    shutil.rmtree(hidden, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Put back a checkpoint caught between two renames, and remove what a killed writer left half-made."""
    for each in sorted(folder.glob(".*.old")):
        final = each.with_name(each.name[1:].removesuffix(".old"))
        if not final.exists() and (each / MANIFEST).is_file():
            os.rename(each, final)
    for pattern in (".*.tmp", ".*.removed", ".*.old"):
        for each in folder.glob(pattern):
            shutil.rmtree(each, ignore_errors=True)
