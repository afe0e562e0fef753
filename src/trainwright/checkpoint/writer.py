"""Writing a checkpoint: a hidden directory, each file and the directory synced, the manifest last, then a rename."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from trainwright.checkpoint.manifest import MANIFEST, FileEntry, Manifest
from trainwright.checkpoint.tensors import safetensors_pieces


def write_checkpoint(
    folder: Path, manifest: Manifest, tensors: Mapping[str, Mapping[str, Tensor]], documents: Mapping[str, Any]
) -> Manifest:
    """Write `folder/<manifest.folder>` whole or not at all; file names are those of `tensors` (safetensors) and `documents` (JSON).

    Returns the manifest with its files. Raises OSError when the disk refuses; nothing half-made is left under the final name.
    """
    final = folder / manifest.folder
    hidden = folder / f".{manifest.folder}.tmp"
    shutil.rmtree(hidden, ignore_errors=True)
    try:
        hidden.mkdir(parents=True)
        files = [_write(hidden / name, safetensors_pieces(each)) for name, each in tensors.items()]
        files += [_write(hidden / name, [_json(each)]) for name, each in documents.items()]
        manifest = replace(manifest, files=files)
        _write(hidden / MANIFEST, [manifest.text().encode()])
        sync_folder(hidden)
        _rename(hidden, final)
    except OSError:
        shutil.rmtree(hidden, ignore_errors=True)
        raise
    return manifest


def _json(value: Any) -> bytes:
    """JSON with NaN and infinities spelled as Python does, since state must come back as it was."""
    return (json.dumps(value, indent=1) + "\n").encode()


def _write(path: Path, pieces: Iterable[bytes | memoryview]) -> FileEntry:
    total, hashed = 0, hashlib.sha256()
    with open(path, "wb") as file:
        for piece in pieces:
            file.write(piece)
            hashed.update(piece)
            total += len(piece)
        file.flush()
        os.fsync(file.fileno())
    return FileEntry(path.name, total, hashed.hexdigest())


def sync_folder(path: Path) -> None:
    """Make a directory's entries durable, where the system can."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _rename(hidden: Path, final: Path) -> None:
    """Move into place; one of that name from an earlier start is first moved aside, since a directory cannot be replaced in one go."""
    old = final.with_name(f".{final.name}.old")
    if final.exists():
        shutil.rmtree(old, ignore_errors=True)
        os.rename(final, old)
    os.rename(hidden, final)
    sync_folder(final.parent)
    shutil.rmtree(old, ignore_errors=True)


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
