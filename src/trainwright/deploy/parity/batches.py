"""The rows that both answer, in batches of several sizes, so that an axis that is frozen is found."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch

from trainwright.deploy.exporters.base import Arrays
from trainwright.domains.deliverable import Deliverable
from trainwright.domains.predictor import Tensors

SIZES = (1, 2, 7)
"""Rows of the first batches; all that are left are the last one."""


def pieces(count: int) -> Iterator[slice]:
    """The rows of each batch."""
    start = 0
    for size in SIZES:
        if start + size < count:
            yield slice(start, start + size)
            start += size
    yield slice(start, count)


def take_rows(deliverable: Deliverable, tensors: Tensors, rows: slice) -> Tensors:
    """Some rows, with axes of any length only as long as the longest of them is."""
    found = {name: each[rows] for name, each in tensors.items()}
    for given in deliverable.inputs:
        length = found.get(f"{given.column}.length")
        for place, axis in enumerate(given.axes[1:], start=1):
            if isinstance(axis, str) and length is not None and len(length):
                found[given.name] = found[given.name].narrow(place, 0, max(int(length.max()), 1))
    return found


def answer_in_batches(
    deliverable: Deliverable, tensors: Tensors, given: Callable[[Deliverable, Tensors], Arrays], answer: Callable[[Arrays], Arrays]
) -> Tensors:
    """What `answer` gives for all rows, asked in batches of 1, 2, 7 and the rest."""
    count = len(next(iter(tensors.values())))
    found = [answer(given(deliverable, take_rows(deliverable, tensors, rows))) for rows in pieces(count)]
    return {name: torch.from_numpy(np.concatenate([each[name] for each in found])) for name in found[0]}
