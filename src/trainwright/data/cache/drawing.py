"""Whether something random is drawn where a sample is made: such a sample is another one each time, and is not kept."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch


def drew(make: Callable[[], Any]) -> tuple[Any, bool]:
    """What `make` gives, and whether a default generator of torch, `random` or numpy was used for it, or seeded; some 20 µs."""
    before, torch_before = _places(), torch.default_generator.get_state()
    made = make()
    same = _places() == before and torch.equal(torch_before, torch.default_generator.get_state())
    return made, not same


def _places() -> tuple[Any, ...]:
    """Where the generators of Python and numpy are: the position within their words, and the first of these, which change at its end."""
    _, words, gauss = random.getstate()
    found: Any = np.random.get_state(legacy=False)
    state = found["state"]
    return words[-1], words[:2], gauss, state["pos"], state["key"][:2].tobytes(), found["has_gauss"], found["gauss"]
