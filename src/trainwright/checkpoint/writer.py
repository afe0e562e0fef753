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

from trainwright.checkpoint.layout import LAYOUT, layout_document, read_layout, reduce_layout
from trainwright.checkpoint.manifest import MANIFEST, Damaged, FileEntry, Manifest
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
    hidden = make_room(folder, manifest)
    try:
        files = yield from writing_files(hidden, tensors, documents)
        return (yield from committing(folder, replace(manifest, files=files)))
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)
        raise


def hidden_place(folder: Path, manifest: Manifest) -> Path:
    """Where a checkpoint is while it is written."""
    return folder / f".{manifest.folder}.tmp"


def make_room(folder: Path, manifest: Manifest) -> Path:
    """The empty directory that a checkpoint is written into. Raises OSError when the disk refuses."""
    hidden = hidden_place(folder, manifest)
    shutil.rmtree(hidden, ignore_errors=True)
    hidden.mkdir(parents=True)
    return hidden


def writing_files(
    hidden: Path, tensors: Mapping[str, Mapping[str, Tensor]], documents: Mapping[str, Any]
) -> Generator[None, None, list[FileEntry]]:
    """Write files of a checkpoint to be, and return what its manifest is to say of them; in pieces. Raises OSError."""
    files = []
    for name, each in tensors.items():
        files.append((yield from _writing(hidden / name, safetensors_pieces(each))))
    for name, document in documents.items():
        files.append((yield from _writing(hidden / name, [json_bytes(document)])))
    return files


def committing(folder: Path, manifest: Manifest) -> Generator[None, None, Manifest]:
    """Make what lies in the hidden directory the checkpoint: its manifest, then its name. Raises OSError."""
    hidden = hidden_place(folder, manifest)
    yield from _writing(hidden / MANIFEST, [manifest.text().encode()])
    sync_place(hidden)
    _rename(hidden, folder / manifest.folder)
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
    them. By links where the first is all, and where several processes wrote it; where the disk refuses everything stays.
    """
    reduced = Manifest("weights", full.step, value=full.value, strategy=full.strategy, ranks=full.ranks)
    entries = [each for name in names for each in full.files if each.name == name]
    try:
        layout = reduce_layout(read_layout(folder / full.folder, full), full, names)
        if layout:
            held = {part.file for tensors in layout.values() for entry in tensors.values() for part in entry.parts}
            linked = replace(reduced, files=[each for each in full.files if each.name in held])
            _link_weights(folder, full, linked, {LAYOUT: layout_document(layout)})
        elif len(entries) > 1:
            merged = {name: tensor for each in entries for name, tensor in load_tensors(folder / full.folder / each.name).items()}
            all_of(writing_checkpoint(folder, reduced, {entries[0].name: merged}, {}))
        else:
            _link_weights(folder, full, replace(reduced, files=entries), {})
    except (OSError, Damaged):
        return
    remove_checkpoint(folder / full.folder)


def _link_weights(folder: Path, full: Manifest, reduced: Manifest, documents: Mapping[str, Any]) -> None:
    """Write `reduced` whole or not at all, its files links to those of `full`, and `documents`. Raises OSError when the disk refuses."""
    hidden = make_room(folder, reduced)
    try:
        for each in reduced.files:
            _link(folder / full.folder / each.name, hidden / each.name)
        written = all_of(writing_files(hidden, {}, documents))
        all_of(committing(folder, replace(reduced, files=[*reduced.files, *written])))
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
