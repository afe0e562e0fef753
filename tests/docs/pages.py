"""The fenced blocks of a Markdown page, with the marks that say how they are played."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>```+|~~~+) *(?P<kind>[\w+-]*)(?P<rest>.*)$")
OURS = re.compile(r"\s*(?:[A-Za-z_]\w*=\S*\s+)*trainwright\s")
SHELL = re.compile(r"^\s|^(for|while|if|cd|export)\b|[|;&`]|\$")
TITLE = re.compile(r'title="([^"]+)"')
MARK = re.compile(r"^ *<!-- *(?P<name>not run|exit|output checked)(?:: *(?P<value>.*?))? *-->$")


@dataclass(frozen=True)
class Block:
    """One fenced block; `skip` is the reason it is not played, `exit_code` what its last command returns."""

    kind: str
    text: str
    line: int
    title: str = ""
    skip: str | None = None
    exit_code: int = 0
    checked: bool = False

    @property
    def commands(self) -> list[str]:
        """The commands of a console block (after `$ `) or the lines of a bash block, continued lines joined."""
        lines = self.text.replace("\\\n", " ").splitlines()
        if self.kind == "console":
            return [line[2:] for line in lines if line.startswith("$ ")]
        return [line for line in lines if line.strip() and not line.startswith("#")] if self.kind == "bash" else []

    @property
    def is_ours(self) -> bool:
        """Whether the block calls `trainwright`, or is Python to be run."""
        if self.kind == "python":
            return not self.title
        return any(OURS.match(line) for line in self.commands)

    @property
    def is_script(self) -> bool:
        """Whether the block needs a shell: it does more than call programs one after the other."""
        return self.kind == "bash" and any(SHELL.search(line) for line in self.commands)

    @property
    def output(self) -> list[str]:
        """The lines of a console block that are shown as output; `…` stands for what is left out, lines or words."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line.strip() for line in lines if line.strip() and not line.startswith("$ ") and line.strip() != "…"]


def pages() -> list[Path]:
    """README and every page of the documentation."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found: list[Block] = []
    lines = page.read_text().splitlines()
    marks: dict[str, str] = {}
    number = 0
    while number < len(lines):
        mark, fence = MARK.match(lines[number]), FENCE.match(lines[number])
        if mark:
            marks[mark["name"]] = mark["value"] or ""
        elif fence:
            end = next(i for i in range(number + 1, len(lines)) if lines[i].strip() == fence["ticks"])
            text = "\n".join(line.removeprefix(fence["indent"]) for line in lines[number + 1 : end]) + "\n"
            found.append(_block(fence, text, number + 1, marks))
            number, marks = end, {}
        elif lines[number].strip():
            marks = {}
        number += 1
    return found


def titled_before(page: Path, block: Block) -> list[Block]:
    """The files that a page shows above one of its blocks, which that block may name."""
    return [each for each in blocks(page) if each.title and each.line < block.line]


def is_own(shown: Mapping[str, Any]) -> bool:
    """Whether a configuration, or a piece of one, is of a system of one's own rather than of a table."""
    model = shown.get("model")
    return "system" in shown or "loss" in shown or isinstance(model, str) or (isinstance(model, Mapping) and "type" in model)


def _block(fence: re.Match[str], text: str, line: int, marks: dict[str, str]) -> Block:
    title = TITLE.search(fence["rest"])
    return Block(
        kind=fence["kind"],
        text=text,
        line=line,
        title=title[1] if title else "",
        skip=marks.get("not run"),
        exit_code=int(marks.get("exit", "0")),
        checked="output checked" in marks,
    )
