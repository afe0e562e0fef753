"""The source files a run was started from, copied into it: what git tracks, and the files the config names; never what holds secrets."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainwright.config.foreign import BY_PATH
from trainwright.files.loaded_code import loaded_files
from trainwright.files.whole import whole_file
from trainwright.runs.secrets import holds_private_key, holds_secrets

FILE_LIMIT = 1 << 20
"""Bytes of one file."""
TOTAL_LIMIT = 50 << 20
"""Bytes of all files."""
COUNT_LIMIT = 20_000
"""Files; a tree with more of them is not the code of one project."""
SECRET = "may hold secrets"
LISTED = 1000
"""Left-out files that are named; of more only the number is told."""
NAMED = re.compile(r"^(?P<file>.+\.py)(:[\w.:,-]+)?$")
DOTTED = re.compile(r"^[A-Za-z_][\w.]*(:[\w.:,-]+)?$")
Git = Callable[..., "str | None"]
"""`git(folder, *arguments, strip=False)`: the output, or None when it fails."""


@dataclass
class CodeSnapshot:
    """What was copied, what was not and why."""

    files: int = 0
    bytes: int = 0
    sha256: str = ""
    """Of all names and contents, so that two runs can be compared."""
    left_out: dict[str, str] = field(default_factory=dict)
    """File → reason: `may hold secrets`, `not text`, `above 1 MiB`, `above 50 MiB in all`, `deleted`, `link to …`, what the system said."""
    submodules: dict[str, str] = field(default_factory=dict)
    """Path → commit."""

    def as_dict(self, folder: str) -> dict[str, Any]:
        """The content of `snapshot` in code.json; `folder` is where in the run the files lie."""
        shown = dict(list(self.left_out.items())[:LISTED])
        made = {"folder": folder, "files": self.files, "bytes": self.bytes, "sha256": self.sha256, "left_out": shown}
        return {**made, "left_out_count": len(self.left_out), "submodules": self.submodules}


def copy_tracked(top: Path, to: Path, git: Git, named: Iterable[Path] = ()) -> CodeSnapshot:
    """Copy the text files that a git work tree tracks, and of `named` those in the tree; nothing else that lies in it."""
    snapshot = CodeSnapshot()
    root = top.resolve()
    found = _in_git(top, "", git, snapshot)
    places = {place for _, place in found}
    inside = [each.resolve().relative_to(root) for each in named if each.resolve().is_relative_to(root)]
    _copy([*found, *((root / each, each) for each in inside if each not in places)], to, snapshot, top)
    return snapshot


def copy_named(files: Iterable[Path], to: Path) -> CodeSnapshot:
    """Copy files by their place below the folder they share."""
    found = sorted({each.resolve() for each in files if each.is_file()})
    snapshot = CodeSnapshot()
    if found:
        top = Path(os.path.commonpath([each.parent for each in found]))
        _copy([(each, each.relative_to(top)) for each in found], to, snapshot, top)
    return snapshot


def _in_git(top: Path, below: str, git: Git, snapshot: CodeSnapshot) -> list[tuple[Path, Path]]:
    """Tracked files of a work tree and of the submodules in it, with their place in the snapshot."""
    # Untracked files are no code that anybody could find again, and are data, keys and results far more often.
    staged = (git(top, "ls-files", "-z", "--stage", strip=False) or "").split("\0")
    modules = {line.partition("\t")[2]: line.split()[1] for line in staged if line.startswith("160000 ")}
    tracked = dict.fromkeys(line.partition("\t")[2] for line in staged if line and line.partition("\t")[2] not in modules)
    found = [(top / each, Path(below) / each) for each in tracked]
    for path, commit in modules.items():
        snapshot.submodules[f"{below}{path}"] = commit
        if (top / path / ".git").exists():
            found += _in_git(top / path, f"{below}{path}/", git, snapshot)
    return found


def _copy(files: Iterable[tuple[Path, Path]], to: Path, snapshot: CodeSnapshot, top: Path) -> None:
    """Copy one after the other; whatever cannot be copied is left out by name and stops nothing."""
    digest = hashlib.sha256()
    for source, place in files:
        try:
            reason = _link(source, to / place, top) if source.is_symlink() else _file(source, to / place, snapshot, digest, place)
        except OSError as error:
            reason = "deleted" if isinstance(error, FileNotFoundError) else error.strerror or str(error)
        if reason:
            snapshot.left_out[place.as_posix()] = reason
    snapshot.sha256 = digest.hexdigest() if snapshot.files else ""


def _file(source: Path, target: Path, snapshot: CodeSnapshot, digest: Any, place: Path) -> str:
    if holds_secrets(place):
        return SECRET
    if not source.is_file():
        return "not a file" if source.exists() else "deleted"
    size = source.stat().st_size
    if size > FILE_LIMIT:
        return f"above {FILE_LIMIT >> 20} MiB"
    if snapshot.files >= COUNT_LIMIT:
        return f"above {COUNT_LIMIT:,} files"
    content = source.read_bytes()
    if b"\0" in content[:8192]:
        return "not text"
    if holds_private_key(content):
        return SECRET
    if snapshot.bytes + len(content) > TOTAL_LIMIT:
        return f"above {TOTAL_LIMIT >> 20} MiB in all"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    shutil.copymode(source, target)
    digest.update(f"{place.as_posix()}\0{len(content)}\0".encode("utf-8", "surrogateescape") + content)
    snapshot.files += 1
    snapshot.bytes += len(content)
    return ""


def _link(source: Path, target: Path, top: Path) -> str:
    """A link stays a link where it leads to a file of the same tree; others would lead out of the run."""
    leads_to = os.readlink(source)
    inside = not os.path.isabs(leads_to) and Path(os.path.normpath(source.parent / leads_to)).is_relative_to(top)
    if not inside:
        return f"link to {leads_to}"
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_symlink():
        target.unlink()
    target.symlink_to(leads_to)
    return ""


def named_files(values: Any) -> list[Path]:
    """Python files of one's own that a configuration names: by path (`./net.py:Net`), or as a loaded module (`my_nets.small:Net`).

    Without a configuration (None), every file that was loaded by its path.
    """
    texts = list(_texts(values))
    loaded = loaded_files()
    found = [Path(match["file"]) for each in texts if (match := NAMED.match(each))]
    # A file beside its config, away from the working directory, is known by where it was loaded from.
    ends = {each.name for each in found}
    found = [each for each in found if each.is_file()]
    found += [path for name, path in loaded.items() if name.startswith(BY_PATH) and (values is None or path.name in ends)]
    modules = {each.partition(":")[0] for each in texts if DOTTED.match(each)}
    found += [path for name, path in loaded.items() if any(each == name or each.startswith(f"{name}.") for each in modules)]
    return list({each.resolve(): each for each in found}.values())


def _texts(values: Any) -> list[str]:
    if isinstance(values, Mapping):
        return [text for each in values.values() for text in _texts(each)]
    if isinstance(values, list | tuple):
        return [text for each in values for text in _texts(each)]
    return [values] if isinstance(values, str) else []


def copy_configs(files: Iterable[Path], to: Path) -> list[dict[str, Any]]:
    """Copy the configuration files as they were written, byte for byte, bases too; tells where each lay and where it lies now.

    Names are kept; files of one name in different folders get a number. Raises OSError when one cannot be read or written.
    """
    told: list[dict[str, Any]] = []
    taken: set[str] = set()
    for each in dict.fromkeys(Path(file).resolve() for file in files):
        name = next(name for number in range(len(taken) + 1) if (name := _number_name(each, number)) not in taken)
        taken.add(name)
        content = each.read_bytes()
        to.mkdir(parents=True, exist_ok=True)
        with whole_file(to / name) as temporary:
            temporary.write_bytes(content)
        told.append({"path": str(each), "copy": f"{to.name}/{name}", "sha256": hashlib.sha256(content).hexdigest()})
    return told


def _number_name(path: Path, number: int) -> str:
    return f"{path.stem}-{number + 1}{path.suffix}" if number else path.name


def git_output(folder: Path, *arguments: str, strip: bool = True, timeout: float = 5.0) -> str | None:
    """Output of a git command, or None when it fails; raises OSError without git and TimeoutExpired when it is slow."""
    # Optional locks are off so that looking never touches the index a person may be working with; the monitor, because it is a program
    # that the repository names, which may have been unpacked from an archive.
    command = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-C", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, timeout=timeout, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        return None
    text = done.stdout.decode("utf-8", "surrogateescape" if "-z" in arguments else "replace")
    return text.strip("\n") if strip else text
