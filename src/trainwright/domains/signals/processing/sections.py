"""Filters in second-order sections over `(…, time)`, as scipy's `sosfiltfilt` and `sosfilt`: batched, differentiable, on any device."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainwright.config.errors import ConfigError, DataError
from trainwright.domains.signals.processing.blocks import Blocks
from trainwright.domains.signals.processing.rows import ensure_numbers, given_type, over_rows, rows_of, unrounded, working_type


def sosfiltfilt(sections: Any, x: Tensor, *, name: str = "sosfiltfilt") -> Tensor:
    """`x` `(…, time)` forwards and backwards through sections `(count, 6)`, with odd padding, as `scipy.signal.sosfiltfilt(sections, x)`.

    Raises DataError, which calls the filter `name`, for fewer samples than the padding needs, and for values that are no numbers.
    """
    blocks = blocks_of(sections)
    return over_rows(lambda rows: blocks.zero_phase(rows, name), x, name)


def sosfilt(sections: Any, x: Tensor, state: Tensor | None = None, *, name: str = "sosfilt") -> tuple[Tensor, Tensor]:
    """`x` `(…, time)` forwards through sections `(count, 6)` from `state` (None: at rest), and the state `(…, states)` after it.

    What is filtered piece by piece, each from the state after the piece before, is the same as the whole. States are those of a balanced
    form, not of `scipy.signal.sosfilt`. Raises DataError, which calls the filter `name`, for values that are no numbers.
    """
    blocks, kind = blocks_of(sections), working_type(x)
    rows, shape = ensure_numbers(rows_of(x, name), name), (*x.shape[:-1], blocks.model.states)
    if state is None:
        state = rows.new_zeros(shape, dtype=kind)
    if state.shape != shape:
        fix = "give the one that came with the piece before, of as many channels"
        raise DataError(f"{name} is given a state of the shape {tuple(state.shape)}, not {shape}", fix=fix)
    if not x.numel():
        return x, state
    with unrounded(x):
        found, last = blocks.causal(rows.to(kind), state.reshape(len(rows), -1).to(kind))
    return found.reshape(x.shape).to(given_type(x)), last.reshape(shape)


def steady_state(sections: Any, first: Tensor) -> Tensor:
    """The state `(…, states)` of a filter that has been given the values `first` `(…)` for ever, scipy's `sosfilt_zi · x[0]`."""
    kind = working_type(first)
    steady = torch.tensor(blocks_of(sections).model.steady, dtype=kind, device=first.device)
    return first.to(kind)[..., None] * steady


def blocks_of(sections: Any) -> Blocks:
    """The matrices of sections `(count, 6)`, kept for the next time. Raises ConfigError for another shape."""
    values = np.ascontiguousarray(sections, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != 6 or not len(values):
        fix = "give those of scipy.signal.butter(…, output='sos')"
        raise ConfigError(f"sections have the shape {values.shape}, not (count, 6)", fix=fix)
    return _kept(values.tobytes())


@lru_cache(maxsize=64)
def _kept(sections: bytes) -> Blocks:
    return Blocks(np.frombuffer(sections).reshape(-1, 6))
