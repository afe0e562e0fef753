"""The matrices of a filter for blocks of time, and what they do to `(rows, time)`.

A filter's answer within a block is one matrix product, whatever its poles; between blocks only its states are carried (`scan.py`). Forwards
and backwards are one pass: with m = a m a + b c the state of the backward filter is v[t] + m x[t], where x runs forwards and v backwards
over the same input.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainwright.config.errors import DataError
from trainwright.domains.signals.processing.scan import GROUP, Recurrence
from trainwright.domains.signals.processing.state_space import Floats, StateSpace, balanced

BLOCK = 32
"""Samples of a block: more cost products within blocks, fewer cost states."""


class Blocks:
    """The matrices of a filter for blocks of time."""

    def __init__(self, sections: Floats) -> None:
        sections = sections / sections[:, 3:4]
        self.model = balanced(sections)
        self.gain = float(np.prod(sections[:, :3].sum(1) / sections[:, 3:].sum(1)))
        """Of what is constant."""
        taps = 2 * len(sections) + 1 - min(int((sections[:, 2] == 0).sum()), int((sections[:, 5] == 0).sum()))
        self.padding = 3 * taps
        """Samples before and after that scipy pads."""
        self._made: dict[Any, _Matrices] = {}

    def of(self, x: Tensor) -> _Matrices:
        """The matrices in the type and on the device of `x`."""
        key = (x.dtype, x.device)
        if key not in self._made:
            self._made[key] = _Matrices(self.model, {"dtype": x.dtype, "device": x.device})
        return self._made[key]

    def zero_phase(self, x: Tensor, name: str) -> Tensor:
        """`(rows, time)` → `(rows, time)`, forwards and backwards. Raises DataError, naming the filter, for fewer samples than it needs."""
        time = x.shape[-1]
        if time <= self.padding:
            why = f"it has {time} samples, and needs more than the {self.padding} that the ends are continued by"
            raise DataError(f"a recording is too short for {name}", why=why, fix="use a lower order, or phase: causal")
        mean = x.mean(-1, keepdim=True)  # what is constant passes by itself: float32 keeps its digits for the rest
        whole, begin = _continued(x, mean, self.padding)
        found = self.of(x).both_ways(whole).narrow(1, begin, time)
        return found + mean * self.gain**2 if self.gain else found

    def causal(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """`(rows, time)` and the state `(rows, states)` before it → the same forwards, and the state after it."""
        time = x.shape[-1]
        whole = torch.nn.functional.pad(x, (0, -time % BLOCK))
        found, last = self.of(x).forwards(whole, state, time)
        return found.narrow(1, 0, time), last


class _Matrices:
    """What is multiplied: blocks of samples, and the states between them."""

    def __init__(self, model: StateSpace, like: dict[str, Any]) -> None:
        a, b, c, d, states = model.a, model.b, model.c, model.d, model.states
        size = states * states
        m = np.linalg.solve(np.eye(size) - np.kron(a, a.T), np.outer(b, c).reshape(-1)).reshape(states, states)
        back_b, forth_c, both_d = a @ m @ b + b * d, c @ m @ a + d * c, float(c @ m @ b + d * d)
        powers = model.powers(BLOCK + 1)
        into, into_back = powers[BLOCK - 1 :: -1][:BLOCK] @ b, powers[:BLOCK] @ back_b
        self.states = states
        one_way = _toeplitz(powers[: BLOCK - 1] @ b @ c, d)
        two_ways = _toeplitz(powers[: BLOCK - 1] @ b @ forth_c, both_d) + _toeplitz(powers[: BLOCK - 1] @ back_b @ c, 0.0).T
        # A last sample y of the forward filter is what the backward one has been given for ever: steady · y, less what m has of it.
        before = np.concatenate([powers[BLOCK - 2 :: -1][: BLOCK - 1] @ b, np.zeros((1, states))])
        end = np.outer(powers[BLOCK - 1].T @ c, model.steady) - powers[BLOCK].T @ m.T
        end_samples = np.outer(before @ c, model.steady) - into @ m.T
        end_samples[-1] += d * model.steady

        def tensor(values: Floats) -> Tensor:
            return torch.tensor(values, **like)

        out, out_back = powers[:BLOCK].transpose(0, 2, 1), powers[BLOCK - 1 :: -1][:BLOCK].transpose(0, 2, 1)
        self.within, self.within_both = tensor(one_way), tensor(two_ways)
        self.into, self.into_back = tensor(into), tensor(into_back)
        self.out, self.out_both, self.out_back = tensor((out @ c).T), tensor((out @ forth_c).T), tensor((out_back @ c).T)
        self.end, self.end_samples, self.steady = tensor(end), tensor(end_samples), tensor(model.steady)
        self.forth, self.back = Recurrence(powers[BLOCK], like), Recurrence(powers[BLOCK], like, backwards=True)
        self.powers = tensor(powers)

    def forwards(self, x: Tensor, state: Tensor, time: int) -> tuple[Tensor, Tensor]:
        """Whole blocks `(rows, blocks · BLOCK)`, the state before them, and how many samples count: the answer, the state after those."""
        rows, blocks = len(x), x.shape[1] // BLOCK
        by_block = x.reshape(rows * blocks, BLOCK)
        states = self.forth((by_block @ self.into).view(rows, blocks, -1), state)
        found = by_block @ self.within
        found.addmm_(states.reshape(rows * blocks, -1), self.out)
        rest = time - (blocks - 1) * BLOCK
        last = states[:, -1] @ self.powers[rest].T + by_block.view(rows, blocks, BLOCK)[:, -1, :rest] @ self.into[BLOCK - rest :]
        return found.view(rows, -1), last

    def both_ways(self, x: Tensor) -> Tensor:
        """Whole blocks `(rows, blocks · BLOCK)`, constant before and after: the answer forwards and backwards."""
        rows, blocks = len(x), x.shape[1] // BLOCK
        by_block = x.view(rows * blocks, BLOCK)
        forth = self.forth((by_block @ self.into).view(rows, blocks, -1), x[:, :1] * self.steady)
        last = forth[:, -1] @ self.end + x[:, -BLOCK:] @ self.end_samples
        back = self.back((by_block @ self.into_back).view(rows, blocks, -1), last)
        found = by_block @ self.within_both
        found.addmm_(forth.reshape(rows * blocks, -1), self.out_both).addmm_(back.reshape(rows * blocks, -1), self.out_back)
        return found.view(rows, -1)


def _continued(x: Tensor, mean: Tensor, padding: int) -> tuple[Tensor, int]:
    """`x` less its mean, turned about its ends beyond them and constant before that, as whole blocks; and where `x` begins in it."""
    rows, time = x.shape
    filled = -(time + 2 * padding) % BLOCK
    blocks = (time + 2 * padding + filled) // BLOCK
    if blocks > GROUP:  # what has gone on for ever may as well go on for a little longer
        filled += -blocks % GROUP * BLOCK
    begin = filled + padding
    whole = x.new_empty(rows, begin + time + padding)
    inside = whole.narrow(1, begin, time).copy_(x).sub_(mean)
    whole.narrow(1, filled, padding).copy_(2 * inside[:, :1] - inside[:, 1 : padding + 1].flip(-1))
    whole.narrow(1, begin + time, padding).copy_(2 * inside[:, -1:] - inside[:, -padding - 1 : -1].flip(-1))
    whole.narrow(1, 0, filled).copy_(whole[:, filled : filled + 1])
    return whole, begin


def _toeplitz(answer: Floats, now: float) -> Floats:
    """(from sample, to sample) of a block: `now` at once, `answer` from the next sample on."""
    column = np.concatenate([[now], answer])
    lag = np.arange(BLOCK)[None] - np.arange(BLOCK)[:, None]
    found: Floats = np.where(lag >= 0, column[np.maximum(lag, 0)], 0.0)
    return found
