"""What is kept: small policies, each a pure function from the checkpoints there are to the ones it wants, and what follows from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from trainwright.checkpoint.manifest import Kind, Manifest


class Policy(Protocol):
    """Chooses checkpoints that stay."""

    def keeps(self, found: Sequence[Manifest]) -> set[str]:
        """Folder names of those that stay, out of `found` in order of steps."""


@dataclass(frozen=True)
class LastK:
    """The k newest of a kind; all of them when k is None."""

    k: int | None
    kind: Kind = "full"

    def keeps(self, found: Sequence[Manifest]) -> set[str]:
        """Folder names of the newest."""
        of_kind = [each.folder for each in found if each.kind == self.kind]
        return set(of_kind if self.k is None else of_kind[-self.k :])


@dataclass(frozen=True)
class BestK:
    """The best k, as the newest checkpoint of a kind names them."""

    k: int
    kind: Kind = "full"

    def keeps(self, found: Sequence[Manifest]) -> set[str]:
        """Folder names that hold the best weights."""
        newest = [each for each in found if each.kind == self.kind][-1:]
        return {name for each in newest for name in holders(found, each.best[: self.k])}


@dataclass(frozen=True)
class Permanent:
    """Those that were written to stay."""

    def keeps(self, found: Sequence[Manifest]) -> set[str]:
        """Folder names of the permanent ones, full or weights alone."""
        return {each.folder for each in found if each.kept}


@dataclass(frozen=True)
class BeforeRow:
    """The newest two no younger than the last row whose losses were good: what a run is put back to, and one more should that be bad."""

    step: int = 0

    def keeps(self, found: Sequence[Manifest]) -> set[str]:
        """Folder names of both."""
        return {each.folder for each in [each for each in found if each.kind == "full" and each.step <= self.step][-2:]}


@dataclass(frozen=True)
class Decision:
    """What is to be done with each checkpoint there is, by folder name."""

    keep: frozenset[str]
    reduce: frozenset[str]
    """Full ones of which the weights alone stay."""
    remove: frozenset[str]


@dataclass(frozen=True)
class Retention:
    """Which checkpoints of a run stay: those that any policy wants; without policies all.

    What it decides follows from the checkpoints there are alone, so that a run which was killed and goes on comes to keep the same.
    """

    policies: tuple[Policy, ...] = ()
    weights_files: tuple[str, ...] = ()
    """The files with the weights, to which a checkpoint is reduced that only BestK keeps; empty keeps it whole."""

    def before_row(self, step: int) -> Retention:
        """The same, with the last good row now at `step` where a policy asks for it."""
        policies = tuple(BeforeRow(step) if isinstance(each, BeforeRow) else each for each in self.policies)
        return replace(self, policies=policies)

    def decide(self, found: Sequence[Manifest]) -> Decision:
        """Of `found`, in order of steps, what stays, what is reduced to its weights, and what goes."""
        names = {each.folder for each in found}
        if not self.policies:
            return Decision(frozenset(names), frozenset(), frozenset())
        wanted = choose_kept(found, self.policies)
        whole = set().union(*(policy.keeps(found) for policy in self.policies if not isinstance(policy, BestK)))
        only_best = {each.folder for each in found if each.kind == "full" and each.folder in wanted - whole}
        if not self.weights_files:
            only_best = set()
        # the weights of such a one may be there already, written to stay: they must not be written over
        twice = {each.folder for each in found if each.folder in only_best and replace(each, kind="weights").folder in wanted}
        keep = wanted - only_best
        return Decision(frozenset(keep), frozenset(only_best - twice), frozenset(names - wanted | twice))


def holders(found: Iterable[Manifest], steps: Iterable[int]) -> set[str]:
    """For each step the folder that holds its weights: the full one if there is one, else the weights alone."""
    by_step: dict[int, Manifest] = {}
    for each in found:
        if each.step not in by_step or each.kind == "full":
            by_step[each.step] = each
    return {by_step[step].folder for step in steps if step in by_step}


def choose_kept(found: Sequence[Manifest], policies: Iterable[Policy]) -> set[str]:
    """Folder names that any policy keeps, with the best weights that each kept checkpoint refers to, which finishing it needs."""
    wanted: set[str] = set().union(*(policy.keeps(found) for policy in policies))
    for each in found:
        if each.folder in wanted and each.kind == "full":
            wanted |= holders(found, each.best)
    return wanted
