"""Files that may come from elsewhere: regular files only, no links followed, of a bounded size, and each failure by its own name."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from collections.abc import Collection
from pathlib import Path
from typing import Any

from trainwright.config.errors import RunError

LARGEST = 256 << 20
"""Bytes of a text or JSON file of a run; nothing that Trainwright writes comes near it."""
DEEPEST = 200
"""Folders within folders that are looked into."""

CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters of ASCII and Latin-1, those that turn the direction of writing, and lone halves of pairs, which no terminal takes."""
COPY = "restore it from a copy, or train again"


def open_regular(path: Path, flags: int = os.O_RDONLY, mode: int = 0o644) -> int:
    """A descriptor of the regular file at `path`. Raises FileNotFoundError when there is none, RunError for a link, a device or no right.

    With `flags` for writing, what else the system refuses is raised as OSError.

    A link's target, a device or a pipe that a run from elsewhere holds in a file's place is never opened for reading or writing.
    """
    try:
        descriptor = os.open(path, flags | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), mode)
    except FileNotFoundError:
        if path.is_symlink():
            raise link_refusal(path) from None
        raise
    except OSError as error:
        writing = flags & (os.O_WRONLY | os.O_RDWR)
        if writing and error.errno not in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise  # whoever writes says it in the words of writing
        raise name_refusal(error, path) from error
    kind = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(kind):
        os.close(descriptor)
        what = "a folder lies here where a file should" if stat.S_ISDIR(kind) else "a device or a pipe lies here where a file should"
        raise RunError(what, where=str(path), fix=COPY)
    return descriptor


def read_bytes(path: Path, largest: int = LARGEST) -> bytes:
    """The bytes of a regular file of at most `largest`. Raises FileNotFoundError when there is none, RunError when it cannot be read."""
    with os.fdopen(open_regular(path), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > largest:
            why = f"it has {size:,} bytes; a file of its kind has at most {largest:,}"
            raise RunError(f"{path.name} is too large to be what it is called", where=str(path), why=why, fix=COPY)
        try:
            return file.read(size)
        except OSError as error:
            raise name_refusal(error, path) from error


def read_text(path: Path, errors: str = "strict") -> str:
    """The text of a file, as UTF-8. Raises FileNotFoundError when there is none, RunError when it cannot be read or is no such text."""
    try:
        return read_bytes(path).decode("utf-8-sig", errors)
    except UnicodeDecodeError as error:
        raise damage(path, f"it is no UTF-8 text: byte {error.start} ({error.reason})") from error


def read_json(path: Path) -> Any:
    """The content of a JSON file. Raises FileNotFoundError when there is none, RunError when it is damaged or may not be read."""
    text = read_text(path)
    try:
        return json.loads(text)
    except RecursionError as error:
        raise damage(path, "its lists and mappings lie too deep in each other") from error
    except ValueError as error:
        raise damage(path, str(error)) from error


def read_mapping(path: Path) -> dict[str, Any]:
    """The content of a JSON file that holds a mapping; the errors are those of `read_json`."""
    content = read_json(path)
    if not isinstance(content, dict):
        raise damage(path, f"it holds a {type(content).__name__} where a mapping should be")
    return content


def visible(text: str) -> str:
    """Text from elsewhere as it may be shown: control characters, which can rewrite a terminal, as escapes; line ends and tabs stay."""
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def damage(path: Path, why: str) -> RunError:
    """The RunError of a file whose content is not what was written."""
    return RunError(f"{path.name} is damaged", where=str(path), why=why, fix=COPY)


def link_refusal(path: Path) -> RunError:
    """The RunError of a link where a run has a file or a folder of its own."""
    why = "a run may come from elsewhere, and a link in it could lead to any file of yours; links inside runs are not followed"
    return RunError("this is a link, where a run has a file or folder", where=str(path), why=why, fix="put what it leads to in its place")


def lacks_right(error: BaseException) -> bool:
    """Whether the system refuses for want of a permission, which says nothing of what a file holds."""
    return isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM)


def ask_for_right(place: str | Path) -> str:
    """What gives the permission to read a file, or a folder with all that is in it."""
    return f"ask its owner for the right to read it, or take it as owner: chmod -R u+rX {place}"


def ensure_right(error: BaseException, path: Path) -> None:
    """Raise RunError where `error` is the want of a permission; whoever goes on has damage to tell of."""
    if lacks_right(error) and isinstance(error, OSError):
        raise name_refusal(error, path) from error


def name_refusal(error: OSError, path: Path) -> RunError:
    """The RunError that says in words why the system does not let `path` be read: no right, a link, a name too long, a failing disk."""
    place = str(error.filename or path)
    if error.errno == errno.ELOOP:
        return link_refusal(path)
    if lacks_right(error):
        return RunError("you have no permission to read this", where=place, why=error.strerror or "", fix=ask_for_right(place))
    if error.errno == errno.ENAMETOOLONG:
        return RunError("this name is too long for the file system", where=place[:80] + "…", fix="give a shorter one")
    if error.errno in (errno.ENOTDIR, errno.EISDIR, errno.ENXIO):
        what = {errno.ENOTDIR: "a part of this path is a file", errno.EISDIR: "this is a folder, where a file should be"}
        return RunError(
            what.get(error.errno, "a device or a pipe lies here where a file should"),
            where=place,
            fix="name a file",
        )
    return RunError("this file cannot be read", where=place, why=error.strerror or str(error), fix="restore it from a copy")


def refuse_links(folder: Path, own: Collection[str]) -> None:
    """Raise RunError for a link, a device or a pipe in `folder`, or below one of its folders named in `own`.

    Other folders (of trackers, of a person) are not looked into: nothing there is read or written. Of a folder `checkpoints`, a link to
    a neighbouring folder is a pointer such as `last` and stays.
    """
    todo = [(folder, 0)]
    while todo:
        current, depth = todo.pop()
        try:
            with os.scandir(current) as entries:
                for entry in entries:
                    if entry.is_symlink():
                        _refuse_link(Path(entry.path))
                    elif entry.is_dir(follow_symlinks=False):
                        if depth < DEEPEST and (depth or entry.name in own):
                            todo.append((Path(entry.path), depth + 1))
                    elif not entry.is_file(follow_symlinks=False):
                        raise RunError("a device or a pipe lies here where a file should", where=entry.path, fix="remove it")
        except OSError as error:
            raise name_refusal(error, current) from error


def _refuse_link(path: Path) -> None:
    """Let a pointer to a neighbouring folder pass."""
    target = os.readlink(path)
    beside = path.with_name(target) if target not in ("", ".", "..") and os.sep not in target else None
    if path.parent.name != "checkpoints" or beside is None or beside.is_symlink() or (beside.exists() and not beside.is_dir()):
        raise link_refusal(path)
