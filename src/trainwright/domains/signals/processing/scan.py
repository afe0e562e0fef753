"""Linear recurrences over many steps as a few matrix products: x[k+1] = a x[k] + u[k]."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainwright.domains.signals.processing.state_space import Floats

GROUP = 16
"""Steps that are one product; groups of them are steps of the same kind."""


class Recurrence:
    """x[k+1] = a x[k] + u[k] for all k at once: within groups of steps by one product, between them by a recurrence of groups.

    Every power of `a` is one in float64 that is rounded once, so that nothing adds up over many steps.
    """

    def __init__(self, a: Floats, like: dict[str, Any]) -> None:
        self.states, self.like = len(a), like
        powers = [np.eye(len(a))]
        for _ in range(GROUP):
            powers.append(powers[-1] @ a)
        self.group = powers[GROUP]
        inner = np.zeros((GROUP, self.states, GROUP + 1, self.states))
        for step in range(GROUP):
            for later in range(step + 1, GROUP + 1):
                inner[step, :, later] = powers[later - 1 - step].T
        self.inner = torch.tensor(inner, **like)
        """What the input of a step adds to the state before every later one: (step, from, later step, to)."""
        self.outer = torch.tensor(np.concatenate([each.T for each in powers], axis=1), **like)
        """What the state before a group is before every step of it: (from, steps · to)."""
        self._above: Recurrence | None = None

    @property
    def above(self) -> Recurrence:
        """The recurrence of groups."""
        if self._above is None:
            self._above = Recurrence(self.group, self.like)
        return self._above

    def __call__(self, inputs: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs `(rows, steps, states)` and first states `(rows, states)` → states before each step, and the last."""
        rows, steps, states = inputs.shape
        if steps <= GROUP:
            return self._within(inputs, first)
        groups = -(-steps // GROUP)
        if groups * GROUP != steps:
            inputs = torch.nn.functional.pad(inputs, (0, 0, 0, groups * GROUP - steps))
        local = inputs.reshape(rows * groups, GROUP * states) @ self.inner.view(GROUP * states, -1)
        totals = local.view(rows, groups, GROUP + 1, states)[:, :, GROUP]
        begun, last = self.above(totals, first)
        found = torch.addmm(local, begun.reshape(-1, states), self.outer).view(rows, groups, GROUP + 1, states)
        found = found[:, :, :GROUP].reshape(rows, groups * GROUP, states)
        return (found[:, :steps], last) if groups * GROUP == steps else (found[:, :steps], found[:, steps])

    def _within(self, inputs: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
        rows, steps, states = inputs.shape
        inner = self.inner[:steps, :, : steps + 1].reshape(steps * states, (steps + 1) * states)
        outer = self.outer[:, : (steps + 1) * states]
        found = torch.addmm(first @ outer, inputs.reshape(rows, -1), inner).view(rows, steps + 1, states)
        return found[:, :steps], found[:, steps]
