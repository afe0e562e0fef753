"""The code a run used: the git commit, branch and uncommitted changes, when it was started inside a work tree."""

from __future__ import annotations

import hashlib
import logging
import os
import subprocess
import threading
from functools import cache
from pathlib import Path
from typing import Any

import trainwright._version as version
from trainwright._version import __version__
from trainwright.config.errors import RunError
from trainwright.runs.directory import RunDirectory
from trainwright.runs.files import write_text

TIMEOUT = 5.0
DIFF_LIMIT = 20_000_000
log = logging.getLogger("trainwright.runs")


def code_state(folder: Path | None = None) -> tuple[dict[str, Any], str]:
    """Trainwright's own code, and the commit, branch, changes and untracked files of `folder`; and the diff itself.

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
        diff = _git(folder, "diff", "--binary", "--no-color", "--no-ext-diff", "HEAD", strip=False) if commit else ""
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
    return {**state, "note": "" if commit else "the work tree has no commit yet"}, diff


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


def write_code(run: RunDirectory, folder: Path | None = None) -> dict[str, Any]:
    """Write code.json and, with uncommitted changes, `code/diff.patch`; what cannot be had is said in the log and does no harm."""
    state, diff = code_state(folder)
    if state["note"]:
        log.debug("code: %s", state["note"])
    try:
        if diff:
            (run.path / "code").mkdir(exist_ok=True)
            write_text(run.path / "code" / "diff.patch", diff)
        run.write_json("code.json", state)
    except (OSError, RunError) as error:
        log.warning("the state of the code was not saved: %s", error)
    return state


def write_code_in_background(run: RunDirectory, folder: Path | None = None) -> threading.Thread:
    """The same from a thread, so that git does not delay the first step; join the returned thread before the run is closed."""
    folder = folder or Path.cwd()
    thread = threading.Thread(target=write_code, args=(run, folder), name="code-state", daemon=True)
    thread.start()
    return thread


def _git(folder: Path, *arguments: str, strip: bool = True) -> str | None:
    """Output of a git command, or None when it fails; raises OSError without git and TimeoutExpired when it is slow."""
    # Optional locks are off so that looking never touches the index a person may be working with.
    command = ["git", "--no-optional-locks", "-C", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, timeout=TIMEOUT, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        return None
    text = done.stdout.decode("utf-8", "replace")
    return text.strip("\n") if strip else text


def _git_quietly(folder: Path, *arguments: str) -> str | None:
    try:
        return _git(folder, *arguments)
    except (OSError, subprocess.TimeoutExpired):
        return None
