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
    """x[k+1] = a x[k] + u[k], or backwards x[k-1] = a x[k] + u[k], for all k at once: within groups of steps by one product, between
    groups by a recurrence of groups.

    Every power of `a` is one in float64 that is rounded once, so that nothing adds up over many steps.
    """

    def __init__(self, a: Floats, like: dict[str, Any], backwards: bool = False) -> None:
        self.states, self.like, self.backwards = len(a), like, backwards
        powers = [np.eye(len(a))]
        for _ in range(GROUP):
            powers.append(powers[-1] @ a)
        turn = slice(None, None, -1 if backwards else 1)
        inner = np.zeros((GROUP, self.states, GROUP, self.states))
        for step in range(GROUP):
            for later in range(step + 1, GROUP):
                inner[step, :, later] = powers[later - 1 - step].T
        self.group = powers[GROUP]
        self.inner = torch.tensor(inner[turn, :, turn].copy(), **like)
        """What the input of a step adds to the state at every later one: (step, from, later step, to)."""
        self.outer = torch.tensor(np.stack(powers[:GROUP])[turn].transpose(2, 0, 1).copy(), **like)
        """What the state at the first step of a group is at every one: (from, step, to)."""
        self.total = torch.tensor(np.stack(powers[GROUP - 1 :: -1])[turn].transpose(0, 2, 1).copy(), **like)
        """What the input of each step adds to the state after the group: (step, from, to)."""
        self._above: Recurrence | None = None

    @property
    def above(self) -> Recurrence:
        """The recurrence of groups."""
        if self._above is None:
            self._above = Recurrence(self.group, self.like, self.backwards)
        return self._above

    def __call__(self, inputs: Tensor, first: Tensor) -> Tensor:
        """Inputs `(rows, steps, states)` and the states `(rows, states)` before the first step → those before each step."""
        rows, steps, states = inputs.shape
        if steps <= GROUP:
            return self._within(inputs, first)
        groups = -(-steps // GROUP)
        lacking = groups * GROUP - steps
        if lacking:
            inputs = torch.nn.functional.pad(inputs, (0, 0, lacking, 0) if self.backwards else (0, 0, 0, lacking))
        inputs = inputs.reshape(rows * groups, GROUP * states)
        begun = self.above((inputs @ self.total.view(-1, states)).view(rows, groups, states), first)
        found = inputs @ self.inner.view(GROUP * states, -1)
        found.addmm_(begun.reshape(-1, states), self.outer.view(states, -1))
        found = found.view(rows, groups * GROUP, states)
        return found.narrow(1, lacking if self.backwards else 0, steps) if lacking else found

    def _within(self, inputs: Tensor, first: Tensor) -> Tensor:
        rows, steps, states = inputs.shape
        begin = GROUP - steps if self.backwards else 0
        inner = self.inner.narrow(0, begin, steps).narrow(2, begin, steps).reshape(steps * states, steps * states)
        outer = self.outer.narrow(1, begin, steps).reshape(states, steps * states)
        return torch.addmm(first @ outer, inputs.reshape(rows, -1), inner).view(rows, steps, states)
