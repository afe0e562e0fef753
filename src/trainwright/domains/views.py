"""What a domain shows of one file: facts, what is wrong with it, a line for each channel, and blocks of a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class View:
    """A look at a file, on a terminal and as a page."""

    title: str
    facts: Sequence[tuple[str, str]]
    """What → in words; in the order in which they are read."""
    faults: Sequence[str] = ()
    """What is wrong with it."""
    lines: Sequence[tuple[str, Sequence[float | None]]] = ()
    """Name and values of what is drawn in one line of characters each; None: none."""
    blocks: Sequence[dict[str, Any]] = field(default_factory=list)
    """Blocks of a report; media that they name lie in the folder that was given."""
