"""Dormand and Prince's method of order 5 with a step of its own for every row, so that a row's result depends on no other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from trainwright.config.errors import RequestError
from trainwright.nn.dims import append_dims

State = tuple[Tensor, Tensor]
"""Two values of each row, (b, …) and (b, k)."""

Slope = Callable[[Tensor, State], State]
"""The derivative of both after time, from the times (b,) in float64."""

NODES = (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0)
STAGES: tuple[tuple[float, ...], ...] = (
    (),
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
ERROR = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)
"""The fifth order less the fourth (Dormand and Prince 1980, table 2)."""

SAFETY, LEAST, MOST = 0.9, 0.2, 10.0
MOST_CALLS = 20_000


@dataclass
class Solution:
    """The values at the end, and how often the derivative was asked."""

    state: State
    calls: int


def integrate(slope: Slope, state: State, start: float, end: float, first_step: float, rtol: float, atol: float) -> Solution:
    """Solve from `start` to `end` > start, with errors of each step below atol + rtol·|value| (root mean square over a row).

    Raises RequestError where the derivative is no number, or the tolerances are not reached in 20,000 calls.
    """
    time = torch.full((len(state[0]),), start, dtype=torch.float64, device=state[0].device)
    step = torch.full_like(time, min(first_step, end - start))
    first, calls = slope(time, state), 1
    while bool((time < end).any()):
        step = torch.minimum(step, end - time)
        after, last, errors = one_step(slope, time, state, first, step)
        calls += 6
        error = row_error(errors, state, after, rtol, atol)
        check(error, time, calls)
        taken = (error <= 1) & (time < end)
        # the last step is taken to the end itself: what is left over by rounding would be another one
        time = torch.where(taken, torch.where(time + step >= end * (1 - 1e-15), end, time + step), time)
        state, first = where(taken, after, state), where(taken, last, first)
        step = step * (SAFETY * error.clamp_min(1e-10) ** -0.2).clamp(LEAST, MOST)
    return Solution(state, calls)


def one_step(slope: Slope, time: Tensor, state: State, first: State, step: Tensor) -> tuple[State, State, State]:
    """The values after a step, their derivative there, and the errors of the step."""
    slopes = [first]
    for node, weights in list(zip(NODES, STAGES, strict=True))[1:]:
        after = move_state(state, slopes, weights, step)
        slopes.append(slope(time + node * step, after))
    return after, slopes[-1], move_state((torch.zeros_like(state[0]), torch.zeros_like(state[1])), slopes, ERROR, step)


def move_state(state: State, slopes: list[State], weights: tuple[float, ...], step: Tensor) -> State:
    """The values plus the step along the weighted slopes."""
    first, second = (
        sum((weight * each[part] for each, weight in zip(slopes, weights, strict=False) if weight), torch.zeros_like(state[part]))
        for part in (0, 1)
    )
    return state[0] + append_dims(step, state[0].ndim).to(first.dtype) * first, state[1] + step[:, None].to(second.dtype) * second


def row_error(errors: State, before: State, after: State, rtol: float, atol: float) -> Tensor:
    """The larger error of both values of each row (b,), in units of what is allowed."""
    found = []
    for error, old, new in zip(errors, before, after, strict=True):
        allowed = atol + rtol * torch.maximum(old.abs(), new.abs())
        found.append((error / allowed).double().flatten(1).square().mean(1).sqrt())
    return torch.maximum(*found)


def check(error: Tensor, time: Tensor, calls: int) -> None:
    """Raises RequestError where there is no way on."""
    if not bool(error.isfinite().all()):
        row = int((~error.isfinite()).nonzero()[0])
        what = f"the derivative of row {row} is no number at {float(time[row]):.6g}"
        raise RequestError(what, fix="look at what the denoiser gives there: a checkpoint with NaN, or a level it never saw")
    if calls > MOST_CALLS:
        raise RequestError(f"the tolerances are not reached in {MOST_CALLS:,} calls", fix="larger rtol and atol, or float64")


def where(taken: Tensor, new: State, old: State) -> State:
    """The new values of rows whose step is taken, else the old ones."""
    return torch.where(append_dims(taken, new[0].ndim), new[0], old[0]), torch.where(taken[:, None], new[1], old[1])
