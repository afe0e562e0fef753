"""Every name of torch on the page is one, every setting is one, and every line says what becomes of it."""

from __future__ import annotations

import importlib
import os
import re
import runpy
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from pages import ROOT, blocks

from fork_server import fork_server
from trainwright.config.options import options_of
from trainwright.systems.run_config import Config

PATH = ROOT / "docs" / "distributed-examples.md"
PAGE = PATH.read_text()
LINES = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| in torch")]
ANSWERS = ("works", "not needed", "torch's own", "not ours", "gone from torch")


def is_there(name: str) -> bool:
    """Whether a dotted name is a module of torch or in one."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:end]))
        except ImportError:
            continue
        for part in parts[end:]:
            found = getattr(found, part, None)
        return found is not None
    return False


def test_every_line_has_one_of_the_answers_and_how_or_why() -> None:
    assert len(LINES) == 50
    for line in LINES:
        name, purpose, answer, how = (each.strip() for each in re.split(r"(?<!\\) \| ", line.strip("| "), maxsplit=3))
        assert name and purpose and how and answer in ANSWERS, line


@pytest.mark.parametrize("line", LINES, ids=range(len(LINES)))
def test_names_are_those_of_torch_of_today_unless_they_are_gone(line: str) -> None:
    first = line.split(" | ")[0]
    for name in re.findall(r"`(torch(?:\.\w+)+)", first):
        assert is_there(name) != ("gone from torch" in line), name


def test_every_setting_is_an_option() -> None:
    named = set(re.findall(r"`((?:trainer|launch)\.[a-z_.]+)", PAGE))
    assert {"trainer.strategy", "launch.init", "launch.debug"} <= named
    known = {option.path for option in options_of(Config)}
    sections = {path.rpartition(".")[0] for path in known}
    assert named - known - sections == set()


def run_program(folder: Path, name: str, environment: dict[str, str]) -> None:
    """A program of the page, in a process of its own."""
    os.chdir(folder)
    os.environ.update(environment)
    torch.set_num_threads(1)
    sys.argv = [name]
    runpy.run_path(name, run_name="__main__")


@pytest.mark.slow
def test_the_script_for_torchrun_and_the_one_without_it_give_the_same_weights(tmp_path: Path) -> None:
    for block in blocks(PATH):
        if block.title:
            (tmp_path / block.title).write_text(block.text)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": "2"}
    made = [fork_server().Process(target=run_program, args=(tmp_path, "before.py", {**meeting, "RANK": str(rank)})) for rank in (0, 1)]
    made.append(fork_server().Process(target=run_program, args=(tmp_path, "after.py", {})))
    for process in made:
        process.start()
    for process in made:
        process.join(200)
        if process.is_alive():
            process.kill()
            process.join()
    assert [process.exitcode for process in made] == [0, 0, 0]
    before, after = torch.load(tmp_path / "before.pt"), torch.load(tmp_path / "after.pt")
    assert before.keys() == after.keys()
    assert max(float((before[name] - after[name]).abs().max()) for name in before) <= 1e-6
