"""What is kept: small policies, each a pure function from the checkpoints there are to the steps it wants."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from trainwright.checkpoint.manifest import Manifest


class Policy(Protocol):
    """Chooses checkpoints that stay."""

    def keeps(self, found: Sequence[Manifest]) -> set[str]:
        """Folder names of those that stay, out of `found` in order of steps."""


@dataclass(frozen=True)
class LastK:
    """The k newest that can be continued; all of them when k is None."""

    k: int | None

    def keeps(self, found: Sequence[Manifest]) -> set[str]:
        """Folder names of the newest full ones."""
        full = [each.folder for each in found if each.kind == "full"]
        return set(full if self.k is None else full[-self.k :])


@dataclass(frozen=True)
class BestK:
    """The best k, as the newest checkpoint names them."""

    k: int

    def keeps(self, found: Sequence[Manifest]) -> set[str]:
        """Folder names that hold the best weights."""
        newest = [each for each in found if each.kind == "full"][-1:]
        return {name for each in newest for name in holders(found, each.best[: self.k])}


@dataclass(frozen=True)
class Permanent:
    """Those that were written to stay."""

    def keeps(self, found: Sequence[Manifest]) -> set[str]:
        """Folder names of the permanent ones, full or weights alone."""
        return {each.folder for each in found if each.kept}


@dataclass
class BeforeRow:
    """The newest two no younger than the last row whose losses were good: what a run is put back to, and one more should that be bad."""

    step: int = 0

    def keeps(self, found: Sequence[Manifest]) -> set[str]:
        """Folder names of both."""
        return {each.folder for each in [each for each in found if each.kind == "full" and each.step <= self.step][-2:]}


def holders(found: Iterable[Manifest], steps: Iterable[int]) -> set[str]:
    """For each step the folder that holds its weights: the full one if there is one, else the weights alone."""
    by_step: dict[int, Manifest] = {}
    for each in found:
        if each.step not in by_step or each.kind == "full":
            by_step[each.step] = each
    return {by_step[step].folder for step in steps if step in by_step}


def kept(found: Sequence[Manifest], policies: Iterable[Policy]) -> set[str]:
    """Folder names that any policy keeps, with the best weights that each kept checkpoint refers to, which finishing it needs."""
    wanted: set[str] = set().union(*(policy.keeps(found) for policy in policies))
    for each in found:
        if each.folder in wanted and each.kind == "full":
            wanted |= holders(found, each.best)
    return wanted
