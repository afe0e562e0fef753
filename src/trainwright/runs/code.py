"""The code a run used: the git commit, branch and uncommitted changes, and a copy of the files and configurations."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import subprocess
import threading
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import trainwright._version as version
from trainwright._version import __version__
from trainwright.config.errors import RunError
from trainwright.files.loaded_code import loaded_files
from trainwright.files.text import write_text
from trainwright.runs.code_snapshot import CodeSnapshot, copy_configs, copy_named, copy_tracked, git_output, named_files
from trainwright.runs.directory import RunDirectory
from trainwright.runs.secrets import holds_private_key, private_names, secret_keys

TIMEOUT = 5.0
DIFF_LIMIT = 20_000_000
log = logging.getLogger("trainwright.runs")


def code_state(folder: Path | None = None, own: bool = True) -> tuple[dict[str, Any], str]:
    """Trainwright's own code, and the commit, branch, changes and untracked files of `folder`; with `own` the diff itself.

    Says in `note` why any of it is absent.
    """
    folder = folder or Path.cwd()
    state: dict[str, Any] = {"version": __version__, "source_sha256": source_sha256(), "commit": None, "branch": None}
    state |= {"dirty": None, "diff_sha256": None, "untracked": [], "note": ""}
    try:
        top = _git(folder, "rev-parse", "--show-toplevel")
        if top is None:
            return {**state, "note": "not inside a git work tree"}, ""
        status = _git(folder, "status", "--porcelain", "--untracked-files=normal", "--", top) or ""
        commit = _git(folder, "rev-parse", "--verify", "--quiet", "HEAD")
        diff = _diff(Path(top)) if commit and own else ""
    except subprocess.TimeoutExpired:
        return {**state, "note": f"git took more than {TIMEOUT:g} s"}, ""
    except OSError as error:
        return {**state, "note": f"git could not be run: {error.strerror}"}, ""
    diff = diff or ""
    state |= {"commit": commit, "branch": _git_quietly(folder, "rev-parse", "--abbrev-ref", "HEAD"), "dirty": bool(status)}
    state["untracked"] = [line[3:] for line in status.splitlines() if line.startswith("??")][:50]
    state["diff_sha256"] = hashlib.sha256(diff.encode("utf-8", "replace")).hexdigest() if diff else None
    if len(diff) > DIFF_LIMIT:
        return {**state, "note": f"the diff is {len(diff):,} characters and was not saved"}, ""
    if holds_private_key(diff.encode("utf-8", "replace")):
        return {**state, "note": "the diff holds a private key and was not saved"}, ""
    return {**state, "note": "" if commit else "the work tree has no commit yet"}, diff


def _diff(top: Path) -> str:
    """Uncommitted changes of tracked files, those whose names say that they hold secrets left out."""
    changed = (_git(top, "diff", "--name-only", "-z", "HEAD", strip=False) or "").split("\0")
    without = [f":(top,exclude,literal){each}" for each in private_names(changed)]
    only = ["--", ":(top)", *without] if without else []
    return _git(top, "diff", "--binary", "--no-color", "--no-ext-diff", "--no-textconv", "HEAD", *only, strip=False) or ""


@cache
def source_sha256() -> str | None:
    """One number for Trainwright's own source files, names and content; None when they cannot be read."""
    package = Path(version.__file__).parent
    digest = hashlib.sha256()
    try:
        found = [os.path.join(folder, name) for folder, _, names in os.walk(package) for name in names if name.endswith(".py")]
        for path in sorted(os.path.relpath(each, package) for each in found):
            with open(os.path.join(package, path), "rb") as file:
                content = file.read()
            digest.update(f"{path.replace(os.sep, '/')}\0{len(content)}\0".encode() + content)
    except OSError:
        return None
    return digest.hexdigest()


def write_code(run: RunDirectory, folder: Path | None = None, config: Any = None) -> dict[str, Any]:
    """Write code.json; of a run with code of one's own the uncommitted changes to `code/diff.patch` and the source files to `code/files`.

    `config` is the configuration as plain values; None for a Python program that has none. A run that uses nothing but registered parts
    has no code to keep. What cannot be had is said in the log and does no harm.
    """
    folder = folder or Path.cwd()
    for key in secret_keys(config):
        log.warning(
            "config.yaml keeps the value of '%s', which looks secret, for all who can read %s: read it in code instead", key, run.path
        )
    named = named_files(config)
    own = config is None or bool(named) or has_own_code(folder)
    state, diff = code_state(folder, own)
    if state["note"]:
        log.debug("code: %s", state["note"])
    before = _before(run)
    state |= {"snapshot": before.get("snapshot"), "configs": before.get("configs", [])}
    try:
        if diff:
            (run.path / "code").mkdir(exist_ok=True)
            write_text(run.path / "code" / "diff.patch", diff)
        run.write_json("code.json", state)  # what is known already must not wait for the files
        state["snapshot"] = _write_files(run, folder, named) if own else None
        run.write_json("code.json", state)
    except (OSError, RunError, subprocess.TimeoutExpired) as error:
        log.warning("the state of the code was not saved: %s", error)
    return state


def write_configs(run: RunDirectory, files: Iterable[Path]) -> None:
    """Copy the configuration files as written, with their bases, to `code/configs`, and list them in code.json; harmless when it fails."""
    try:
        told = copy_configs(files, run.path / "code" / "configs")
        if told:
            run.write_json("code.json", {**_before(run), "configs": told})
    except (OSError, RunError) as error:
        log.warning("the configuration files were not saved: %s", error)


def _before(run: RunDirectory) -> dict[str, Any]:
    try:
        found = run.read_json("code.json")
    except RunError:
        found = None
    return found if isinstance(found, dict) else {}


def has_own_code(folder: Path) -> bool:
    """Whether code of this process lies in the work tree of `folder`: a program that calls Trainwright, or a module of one's own."""
    top = _git_quietly(folder, "rev-parse", "--show-toplevel")
    return top is not None and any(each.resolve().is_relative_to(Path(top).resolve()) for each in loaded_files().values())


def _write_files(run: RunDirectory, folder: Path, named: list[Path]) -> dict[str, Any] | None:
    """Copy the files beside those of an earlier start of the run, and keep the copy only where it differs."""
    code = run.path / "code"
    earlier = sorted((each for each in code.glob("files*") if each.is_dir()), key=_number)
    number = _number(earlier[-1]) + 1 if earlier else 1
    name = f"files-{number}" if number > 1 else "files"
    temporary = code / f".{name}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        made = _snapshot(folder, temporary, named)
        known = _before(run).get("snapshot")
        if known and earlier and known.get("sha256") == made.sha256:
            return dict(known)
        if not made.files and not made.left_out:
            return None
        if temporary.is_dir():
            temporary.rename(code / name)
        return made.as_dict(f"code/{name}")
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _number(folder: Path) -> int:
    text = folder.name.partition("-")[2]
    return int(text) if text.isdigit() else 1


def _snapshot(folder: Path, to: Path, named: list[Path]) -> CodeSnapshot:
    """Of the work tree around `folder`, and of what the config names outside it."""
    try:
        top = _git(folder, "rev-parse", "--show-toplevel")
    except OSError:
        top = None
    if top is None:
        return copy_named(named, to)
    made = copy_tracked(Path(top), to, _git, named)
    outside = [each for each in named if not each.resolve().is_relative_to(Path(top).resolve())]
    if outside:
        more = copy_named(outside, to / "outside")
        made.files, made.bytes = made.files + more.files, made.bytes + more.bytes
        made.sha256 = hashlib.sha256(f"{made.sha256}{more.sha256}".encode()).hexdigest()
        made.left_out |= {f"outside/{name}": reason for name, reason in more.left_out.items()}
    return made


def write_code_in_background(run: RunDirectory, folder: Path | None = None, config: Any = None) -> threading.Thread:
    """The same from a thread, so that git does not delay the first step; join the returned thread before the run is closed."""
    folder = folder or Path.cwd()
    thread = threading.Thread(target=write_code, args=(run, folder, config), name="code-state", daemon=True)
    thread.start()
    return thread


def _git(folder: Path, *arguments: str, strip: bool = True) -> str | None:
    return git_output(folder, *arguments, strip=strip, timeout=TIMEOUT)


def _git_quietly(folder: Path, *arguments: str) -> str | None:
    try:
        return _git(folder, *arguments)
    except (OSError, subprocess.TimeoutExpired):
        return None
