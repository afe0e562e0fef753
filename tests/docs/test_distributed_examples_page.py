"""Every name of torch on the page is one, every setting is one, and every line says what becomes of it."""

from __future__ import annotations

import importlib
import re
from typing import Any

import pytest
from pages import ROOT

from trainwright.config.options import options_of
from trainwright.systems.run_config import Config

PAGE = (ROOT / "docs" / "distributed-examples.md").read_text()
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
