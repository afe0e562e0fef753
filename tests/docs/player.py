"""Plays a page: runs its commands and Python blocks in order, in one process, inside a folder of its own."""

from __future__ import annotations

import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import torch
from pages import ROOT, Block, blocks
from tables import write_tables

from standing_server import may_be_wanted, stand_by

ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*")


def shorten() -> None:
    """Runs whose length is left to Trainwright take a few epochs, so that a page is played in seconds."""
    from trainwright.engine import plan

    plan.FEWEST_EPOCHS, plan.MOST_EPOCHS = 2, 4


def run_command(words: list[str]) -> tuple[int, str]:
    """One `trainwright` command in this process: its exit code and everything it printed."""
    from trainwright.cli.main import main

    target = Path(words[words.index(">") + 1]) if ">" in words else None
    words = words[: words.index(">")] if ">" in words else words
    if may_be_wanted(words[1:]) and (of_member := stand_by()) is not None:
        sys.exit(main(of_member))
    printed, spoken = io.StringIO(), io.StringIO()
    with redirect_stdout(printed), redirect_stderr(spoken):
        try:
            code = main(words[1:])
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
    if target:
        target.write_text(printed.getvalue())
    return code or 0, printed.getvalue() + spoken.getvalue()


def play_command(line: str) -> tuple[int, str] | None:
    """A line of a console block; None when it is not one of ours."""
    words = shlex.split(line, comments=True)
    settings = {}
    while words and ASSIGNMENT.fullmatch(words[0]):
        name, _, settings[name] = words.pop(0).partition("=")
    if words[:2] == ["pip", "install"] and words[-1].startswith("./examples/"):
        return install(words[-1])
    if not words or words[0] != "trainwright":
        return None
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        return run_command(words)
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def install(place: str) -> tuple[int, str]:
    """A package of the examples installed beside the page, where this process finds it."""
    from trainwright.config.domains import forget

    target = Path(".packages").absolute()
    words = ["install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(target), place]
    found = subprocess.run([sys.executable, "-m", "pip", *words], capture_output=True, text=True)
    sys.path.insert(0, str(target))
    forget()
    return found.returncode, found.stdout + found.stderr


PROGRAM = f"""#!{sys.executable}
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from player import shorten
from trainwright.cli.main import main
shorten()
sys.exit(main())
"""


def play_script(block: Block) -> str:
    """The complaint about a bash block, run by a real shell with one process per command, or nothing."""
    program = Path(".bin/trainwright").absolute()
    program.parent.mkdir(exist_ok=True)
    program.write_text(PROGRAM)
    program.chmod(0o755)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    script = ["bash", "-euo", "pipefail", "-c", block.text]
    result = subprocess.run(script, capture_output=True, text=True, env={**os.environ, "PATH": path})
    return "" if result.returncode == block.exit_code else f"the script returned {result.returncode}:\n{result.stdout}{result.stderr}"


def play_commands(block: Block) -> str:
    """The complaint about a block of commands, or nothing."""
    said = ""
    for number, line in enumerate(block.commands, start=1):
        result = play_command(line)
        if result is None:
            continue
        code, output = result
        said += output
        expected = block.exit_code if number == len(block.commands) else 0
        if code != expected:
            return f"`{line}` returned {code}, not {expected}:\n{output}"
        if "Traceback (most recent call last)" in output:
            return f"`{line}` showed a traceback:\n{output}"
    if block.checked:
        flat = " ".join(said.split())
        for line in block.output:
            if not re.search(".*?".join(re.escape(" ".join(piece.split())) for piece in line.split("…")), flat):
                return f"the page shows {line!r}, but the command printed:\n{said}"
    return ""


def play(page: Path) -> list[str]:
    """Every complaint about a page, each with its line."""
    complaints = []
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(page):
        if block.title:
            Path(block.title).parent.mkdir(parents=True, exist_ok=True)
            Path(block.title).write_text(block.text)
        if block.skip is not None or (block.kind == "python" and block.title):
            continue
        complaint = ""
        if block.is_script:
            complaint = play_script(block) if block.is_ours else ""
        elif block.kind in ("console", "bash"):
            complaint = play_commands(block)
        elif block.kind == "python":
            exec(compile("\n" * block.line + block.text, str(page), "exec"), names)
        if complaint:
            complaints.append(f"{page.relative_to(ROOT)}:{block.line}: {complaint}")
    return complaints


def process(page: Path, folder: Path, said: Path) -> None:
    """What a process does: play the page in the folder; the complaints, and all else that is printed, are in the file `said`."""
    from fork_server import sync_at_once

    torch.set_num_threads(1)  # the threads of the fork server are not here
    sync_at_once()
    sys.stdin.close()
    with said.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.update(COLUMNS="140", NO_COLOR="1")
    sys.argv = ["trainwright"]
    write_tables(folder)
    shutil.copytree(ROOT / "configs", folder / "configs")
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("__pycache__", "runs"))
    os.chdir(folder)
    sys.path.insert(0, ".")
    shorten()
    complaints = play(page)
    print("\n\n".join(complaints), flush=True)
    sys.exit(bool(complaints))
