"""Files of a run that are whole or not there: written beside their place, then renamed; JSON without NaN."""

from __future__ import annotations

import errno
import json
import math
from pathlib import Path
from typing import Any

from trainwright.config import received
from trainwright.config.errors import RunError
from trainwright.files.whole import whole_file


def refusal(error: OSError, path: Path) -> RunError:
    """The RunError that tells a person why `path` cannot be written, and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        fix = "free some space, or choose another place with run.dir=DIR"
        return RunError("the disk is full", where=str(path), why=str(error.strerror), fix=fix)
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        why = "a part of this path is a file"
    else:
        why = error.strerror or str(error)
    return RunError("cannot write here", where=str(path), why=why, fix="choose another place with run.dir=DIR")


def plain(value: Any) -> Any:
    """`value` as JSON can hold it: NaN and infinities become null, numpy numbers and arrays plain ones, keys text."""
    if value is None or isinstance(value, (bool, str, int)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(each) for each in value]
    if hasattr(value, "tolist"):  # numpy and torch, without importing either
        return plain(value.tolist())
    return str(value)


def write_text(path: Path, text: str, *, sync: bool = False) -> None:
    """Write a whole file or none; `sync` waits until the disk has it. Raises RunError when the place cannot be written."""
    try:
        with whole_file(path, sync=sync) as temporary:
            # A lone surrogate (an undecodable byte of a file name or value) must not lose the whole file.
            temporary.write_bytes(text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise refusal(error, path) from error


def write_json(path: Path, value: Any, *, sync: bool = False, indent: int | None = 1) -> None:
    """Write `value` as a whole JSON file or none, NaN as null. Raises RunError when the place cannot be written."""
    write_text(path, json.dumps(plain(value), indent=indent, ensure_ascii=False, allow_nan=False) + "\n", sync=sync)


def read_json(path: Path) -> Any:
    """The content of a JSON file, or None when there is no file; raises RunError when it is damaged, a link, or may not be read."""
    try:
        return received.read_json(path)
    except FileNotFoundError:
        return None
