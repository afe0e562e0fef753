"""Axes that an artifact holds to one size, since the network allows no other."""

from __future__ import annotations

from collections.abc import Mapping

from torch.nn.functional import pad

from trainwright.config.errors import RequestError
from trainwright.domains.deliverable import ROWS, Deliverable
from trainwright.domains.predictor import Tensors


def fill_up(deliverable: Deliverable, tensors: Tensors, fixed: Mapping[str, int]) -> Tensors:
    """Padded tensors as long as the file wants them; raises RequestError for rows that are longer."""
    found = dict(tensors)
    for given in deliverable.inputs:
        for place, axis in enumerate(given.axes):
            if not isinstance(axis, str) or axis not in fixed:
                continue
            lacking = fixed[axis] - found[given.name].shape[place]
            if lacking < 0:
                why = f"there are rows with {found[given.name].shape[place]} entries"
                raise RequestError(f"'{given.name}' has rows longer than {fixed[axis]}", where=f"--fixed {axis}={fixed[axis]}", why=why)
            found[given.name] = pad(found[given.name], [0, 0] * (found[given.name].dim() - place - 1) + [0, lacking])
    return found


def sizes_of(fixed: Mapping[str, int | None], deliverable: Deliverable) -> dict[str, int]:
    """The axes that are fixed with their sizes, of training where none is said; an unknown one is for the tracer to refuse."""
    if ROWS in fixed:
        why = "a file that takes one number of rows alone cannot be proven on the run's, nor served"
        raise RequestError("the number of rows stays free", where=f"--fixed {ROWS}", why=why, fix="leave it out")
    return {name: size or deliverable.usual.get(name, 1) for name, size in fixed.items()}
