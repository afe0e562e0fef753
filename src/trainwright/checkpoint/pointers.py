"""Names beside the checkpoints that lead to them: links, or text files with the directory's name where links cannot be made."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from trainwright.checkpoint.names import FOLDER

LONGEST = 64
"""Bytes of a text file that can be a pointer."""


def point(path: Path, target: str) -> None:
    """Make `path` lead to its neighbour `target`, replacing at once what it led to before. Raises OSError when the disk refuses."""
    if target_of(path) == target:
        return
    if path.exists() and target_of(path) is None:
        return  # something else of that name is not ours to replace
    temporary = path.with_name(f".{path.name}.pointer")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    try:
        temporary.symlink_to(target, target_is_directory=True)
    except (OSError, NotImplementedError):
        temporary.write_text(f"{target}\n", encoding="utf-8")
    os.replace(temporary, path)


def target_of(path: Path) -> str | None:
    """The name of the checkpoint's directory that a pointer leads to, there or not; None when `path` is no pointer."""
    try:
        if path.is_symlink():
            target = os.readlink(path)
        elif path.is_file() and path.stat().st_size <= LONGEST:
            target = path.read_text(encoding="utf-8").strip()
        else:
            return None
    except (OSError, UnicodeDecodeError):
        return None
    return target if FOLDER.fullmatch(target) else None


def follow_pointer(path: Path) -> Path:
    """The checkpoint's directory that `path` names: itself, or what the pointer leads to."""
    target = target_of(path)
    return path if target is None else path.with_name(target)


def remove_dangling(folder: Path) -> None:
    """Remove the pointers to checkpoints that are no longer there."""
    for path in folder.iterdir():
        target = target_of(path)
        if target is not None and not (folder / target).is_dir():
            with contextlib.suppress(OSError):
                path.unlink()
