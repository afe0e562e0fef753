"""The text of a configuration file: looked at before it is opened, so that no pipe, device or huge file holds the program up."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

from trainwright.config.errors import ConfigError
from trainwright.config.received import ask_for_right, lacks_right

MOST_BYTES = 4_000_000
"""Of a configuration file; what is larger holds data."""


def _check_place(path: Path) -> str:
    return "check where you are"


def read_text(path: Path, shown: str = "", *, missing: Callable[[Path], str] = _check_place) -> str:
    """The text of a UTF-8 file of at most 4 MB; raises ConfigError for anything else. `missing` gives the fix where nothing is there."""
    shown = shown or str(path)
    try:
        found = path.stat()
        _refuse_kind(found.st_mode, found.st_size, shown)
        content = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError("no such file", where=shown, fix=missing(path)) from None
    except OSError as error:
        fix = ask_for_right(path) if lacks_right(error) else "name a file that can be read"
        raise ConfigError("cannot be read", where=shown, why=error.strerror or str(error), fix=fix) from error
    except ValueError as error:  # a NUL, or half of a surrogate pair, in the name
        raise ConfigError("this cannot be the name of a file", where=shown, why=str(error), fix="name a file that there is") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
        fix = "it looks like UTF-16: save it as UTF-8" if wide else "a configuration is text in UTF-8"
        raise ConfigError("not a text file", where=shown, why=f"byte {error.start} is not UTF-8", fix=fix) from error


def _refuse_kind(mode: int, size: int, shown: str) -> None:
    if stat.S_ISDIR(mode):
        raise ConfigError("this is a folder", where=shown, fix="name a configuration file in it")
    if not stat.S_ISREG(mode):
        kind = "a pipe" if stat.S_ISFIFO(mode) else "a device" if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) else "a socket"
        raise ConfigError(f"this is {kind}, not a file", where=shown, fix="write the configuration to a file, and name that")
    if size > MOST_BYTES:
        why = f"it has {size:,} bytes; a configuration has at most {MOST_BYTES:,}"
        raise ConfigError("the file is too large for a configuration", where=shown, why=why, fix="name the file with the options, not data")
