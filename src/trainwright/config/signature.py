"""The mark by which a person's own runs are known again: a keyed digest of the files that name parts, which nobody else can write."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

FILE = "signature.json"
NAMING = ("config.yaml", "model/model.json", "model/features.json")
"""The files of a run that name what is built."""
EXPORTED = ("config.yaml", "model.json", "features.json")
"""Those of a model that was exported."""
GROUP = "group.json"
"""The file that makes a folder a group of runs, whose configurations lie beside it."""
FORMAT, LENGTH = 1, 32


class NoKey(Exception):
    """This person's key cannot be had; the text says why."""


def key_file() -> Path:
    """Where this person's key lies: `trainwright/key` in XDG_CONFIG_HOME or `~/.config`."""
    home = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(home) if Path(home).is_absolute() else Path(os.path.expanduser("~")) / ".config") / "trainwright" / "key"


def naming_files(folder: Path) -> tuple[str, ...]:
    """The files of a run, a group of runs or an exported model that name what is built."""
    if os.path.lexists(folder / GROUP):
        return tuple(sorted(each.name for each in folder.glob("*.yaml")))
    return NAMING if os.path.lexists(folder / "run.json") else EXPORTED


def sign_files(folder: Path, names: Iterable[str] | None = None) -> dict[str, Any]:
    """The content of `signature.json` for the files of a folder that name parts; raises NoKey where no key can be kept."""
    key = _key(make=True)
    there = [name for name in names or naming_files(folder) if (folder / name).is_file()]
    return {"format": FORMAT, "files": {name: _digest(key, name, folder / name) for name in there}}


def unsigned_because(folder: Path) -> str:
    """Why the files of a folder that name parts are not known to be this person's; empty where they are."""
    try:
        key = _key(make=False)
    except NoKey as error:
        return str(error)
    try:
        marks = json.loads((folder / FILE).read_text(encoding="utf-8"))["files"]
        for name in naming_files(folder):
            if (folder / name).is_file() and not hmac.compare_digest(str(marks.get(name, "")), _digest(key, name, folder / name)):
                return f"{name} was changed since, or was written by somebody else" if name in marks else f"{name} is not signed"
    except FileNotFoundError:
        return "it carries no signature of yours"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return f"its {FILE} is damaged"
    return ""


def _digest(key: bytes, name: str, file: Path) -> str:
    return hmac.new(key, name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest(), hashlib.sha256).hexdigest()


def _key(make: bool) -> bytes:
    """This person's key, made at first use; one that others can read or that is no plain file proves nothing, and is refused."""
    file = key_file()
    try:
        if make and not file.exists():
            _write_new(file)
        opened = os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        try:
            state, key = os.fstat(opened), os.read(opened, LENGTH + 1)
        finally:
            os.close(opened)
    except FileNotFoundError as error:
        raise NoKey(f"there is no key of yours at {file}") from error
    except OSError as error:
        raise NoKey(f"your key at {file} cannot be {'kept' if make else 'read'} ({error.strerror})") from error
    if len(key) != LENGTH or not stat.S_ISREG(state.st_mode):
        raise NoKey(f"your key at {file} is damaged: remove it, and it is made anew")
    if os.name == "posix" and (state.st_mode & 0o077 or state.st_uid != os.geteuid()):
        raise NoKey(f"your key at {file} is not yours alone: chmod 600 it")
    return key


def _write_new(file: Path) -> None:
    """Whole or not at all, readable by this person only; of two processes that begin together one wins."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = file.with_name(f".{file.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
            opened.write(os.urandom(LENGTH))
            opened.flush()
            os.fsync(opened.fileno())
        try:
            os.link(part, file)
        except FileExistsError:
            return
        except OSError:  # a file system without links
            os.rename(part, file)
    finally:
        part.unlink(missing_ok=True)
