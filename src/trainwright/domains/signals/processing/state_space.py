"""Second-order sections as a balanced state space: the form in which a filter with slow poles can be computed in float32.

The states of a cascade in direct form grow as 1 / (distance of the poles from 1)², and float32 loses in them what the outputs differ by:
3e-3 of a 0.5 Hz edge at 500 Hz. In balanced coordinates each state weighs as much on the way in as on the way out (Moore 1981; least
round-off of all coordinates up to rotations, Mullis and Roberts 1976).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class StateSpace:
    """x[t+1] = a x[t] + b u[t], y[t] = c x[t] + d u[t], of one input and one output."""

    a: Floats
    """(states, states)."""
    b: Floats
    """(states,)."""
    c: Floats
    """(states,)."""
    d: float

    @property
    def states(self) -> int:
        """How many there are."""
        return len(self.b)

    @cached_property
    def steady(self) -> Floats:
        """The states after a one that has gone on for ever: scipy's `sosfilt_zi`, in these coordinates."""
        return np.asarray(np.linalg.solve(np.eye(self.states) - self.a, self.b), np.float64)

    def powers(self, count: int) -> Floats:
        """a⁰ … a^(count − 1), as (count, states, states)."""
        found = [np.eye(self.states)]
        for _ in range(count - 1):
            found.append(found[-1] @ self.a)
        return np.stack(found)


def balanced(sections: Floats) -> StateSpace:
    """The balanced state space of sections `(count, 6)` as scipy has them."""
    a, b, c, d = _cascade(sections)
    a, b, c = _turned(a, b, c, *_root(_gramian(a, b)))
    forth, back = _root(_gramian(a.T, c))  # the singular values of forth are the Hankel singular values
    scale = np.sqrt(np.linalg.norm(forth, axis=0))
    return StateSpace(*_turned(a, b, c, back.T * scale, (forth / scale).T), d)


def _cascade(sections: Floats) -> tuple[Floats, Floats, Floats, float]:
    """The sections one after the other, each scaled so that white noise gives its states, and its output, a variance of one."""
    a, b, c, d, gain = np.zeros((0, 0)), np.zeros(0), np.zeros(0), 1.0, 1.0
    for section in sections:
        own_a, own_b, own_c, own_d = _single(section)
        own_a, own_b, own_c = _turned(own_a, own_b, own_c, *_root(_gramian(own_a, own_b)))
        norm = float(np.sqrt(own_c @ own_c + own_d * own_d)) or 1.0
        own_c, own_d, gain = own_c / norm, own_d / norm, gain * norm
        a = np.block([[a, np.zeros((len(b), len(own_b)))], [np.outer(own_b, c), own_a]])
        b, c, d = np.concatenate([b, own_b * d]), np.concatenate([own_d * c, own_c]), d * own_d
    return a, b, c * gain, d * gain


def _single(section: Floats) -> tuple[Floats, Floats, Floats, float]:
    """One section in controllable form, with one state where it is of first order."""
    b0, b1, b2, _, a1, a2 = section
    states = 2 if a2 or b2 else 1
    a = np.array([[-a1, -a2], [1.0, 0.0]])[:states, :states]
    return a, np.array([1.0, 0.0])[:states], np.array([b1 - b0 * a1, b2 - b0 * a2])[:states], float(b0)


def _turned(a: Floats, b: Floats, c: Floats, forth: Floats, back: Floats) -> tuple[Floats, Floats, Floats]:
    """The same filter in the states z of x = forth z, where back is the inverse of forth."""
    return back @ a @ forth, back @ b, c @ forth


def _gramian(a: Floats, b: Floats) -> Floats:
    """x of x = a x aᵀ + b bᵀ, made symmetric."""
    size = len(a)
    found = np.linalg.solve(np.eye(size * size) - np.kron(a, a), np.outer(b, b).reshape(-1)).reshape(size, size)
    return (found + found.T) / 2


def _root(matrix: Floats) -> tuple[Floats, Floats]:
    """r of r rᵀ = matrix, and its inverse; what is not positive by rounding is next to nothing."""
    values, turned = np.linalg.eigh(matrix)
    scale = np.sqrt(np.maximum(values, np.finfo(float).eps ** 2 * max(values[-1], np.finfo(float).tiny)))
    return turned * scale, (turned / scale).T
