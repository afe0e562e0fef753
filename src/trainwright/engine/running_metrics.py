"""Metrics of the training rows since the last evaluation: gathered for a few steps, then summed up; an epoch of outputs is never held."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from trainwright.engine.evaluation import computed, metric_of
from trainwright.engine.outputs import in_float32
from trainwright.metrics.base import Metric
from trainwright.metrics.recent import KEPT_BYTES
from trainwright.metrics.whole import joined
from trainwright.parallel.world import World

PIECES = 256
"""Batches whose outputs are gathered at most before they are summed up together."""
GATHERED_BYTES = 256 * 1024
"""Bytes of outputs that are gathered at most: what a checkpoint holds of them, beside their sums."""
BORROWED_BYTES = 1024 * 1024
"""A gathered tensor that is a small part of more than this is copied, so that the whole can be freed."""


class RunningMetrics:
    """Gathers the outputs of steps, and hands them on in pieces that depend on the steps alone: a restart changes no bit."""

    def __init__(self, system: Any, copies: bool = False) -> None:
        """`copies`: what a step gave is overwritten by the next, as CUDA graphs do."""
        self._system = system
        self.metrics = self._new()
        self._copies = copies
        self._pieces: list[dict[str, Tensor]] = []
        self._count = self._bytes = 0
        self._any = False

    def _new(self) -> Metric:
        made = metric_of(self._system)
        made.for_training(KEPT_BYTES)
        return made

    def add(self, outputs: dict[str, Tensor]) -> None:
        """Take in the outputs of some rows, detached; nothing when a system gives none."""
        if not outputs:
            return
        if any(tensor.requires_grad for tensor in outputs.values()):  # else every step's graph would stay in memory
            outputs = {name: tensor.detach() for name, tensor in outputs.items()}
        outputs = in_float32(outputs)
        if self._copies:
            outputs = {name: tensor.clone() for name, tensor in outputs.items()}
        for name, tensor in outputs.items():
            size = tensor.nbytes
            self._bytes += size
            if (borrowed := tensor.untyped_storage().nbytes()) > BORROWED_BYTES and borrowed > 4 * size:
                outputs = outputs | {name: tensor.clone()}
        self._pieces.append(outputs)
        self._count += 1
        self._any = True
        if self._count >= PIECES or self._bytes >= GATHERED_BYTES:
            self._sum_up()

    @torch.no_grad()
    def _sum_up(self) -> None:
        for piece in in_few(self._pieces):
            self.metrics.update(piece)
        self._pieces, self._count, self._bytes = [], 0, 0

    def values(self) -> dict[str, float]:
        """The metrics of the rows since the last evaluation; nothing where no step gave outputs. Waits for the device."""
        if not self._any:
            return {}
        self._sum_up()
        with torch.no_grad():
            return computed(self.metrics)

    def gather_at_rank_0(self, world: World) -> None:
        """Bring what all processes summed up to rank 0, which writes and measures it; the others go on from nothing."""
        self._sum_up()
        mine = self.metrics.tensors() if self._any else {}
        device = next((tensor.device for tensor in mine.values()), torch.device("cpu"))
        states = world.gather({name: tensor.to("cpu") for name, tensor in mine.items()})
        if not world.is_main:
            self.reset()
            return
        for state in states[1:]:
            if state:
                other = self._new()
                other.load({name: tensor.to(device) for name, tensor in state.items()})
                self.metrics.merge([other])
                self._any = True

    def reset(self) -> None:
        """Begin anew."""
        self._pieces, self._count, self._bytes, self._any = [], 0, 0, False
        self.metrics.load({})

    def tensors(self) -> dict[str, Tensor]:
        """The state, for a checkpoint: some hundred kB at most."""
        if not self._any:
            return {}
        found = {f"sums/{name}": tensor for name, tensor in self.metrics.tensors().items()}
        pieces = self._pieces = in_few(self._pieces)
        found |= {f"gathered/{place}/{name}": tensor for place, piece in enumerate(pieces) for name, tensor in piece.items()}
        return found | {"counts": torch.tensor([self._count, self._bytes])}

    def load(self, tensors: Mapping[str, Tensor], device: torch.device) -> None:
        """Take the state back."""
        self.reset()
        if not tensors:
            return
        self._any = True
        self._count, self._bytes = tensors["counts"].tolist()
        self.metrics.load({name.removeprefix("sums/"): each.to(device) for name, each in tensors.items() if name.startswith("sums/")})
        pieces: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("gathered/"):
                _, place, key = name.split("/", 2)
                pieces.setdefault(int(place), {})[key] = tensor.to(device)
        self._pieces = [pieces[place] for place in sorted(pieces)]


def in_few(pieces: list[dict[str, Tensor]]) -> list[dict[str, Tensor]]:
    """Neighbouring pieces of one shape as one, in order, in memory of their own: the same however often it is done on the way."""
    groups: list[list[dict[str, Tensor]]] = []
    for piece in pieces:
        if groups and fit_together(groups[-1][0], piece):
            groups[-1].append(piece)
        else:
            groups.append([piece])
    return [{name: each.contiguous() for name, each in joined(group).items()} for group in groups]


def fit_together(first: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """Whether pieces can be joined; their names may come in any order, for a file has its own."""
    if first.keys() != other.keys():
        return False
    return all(first[name].shape[1:] == each.shape[1:] and first[name].dtype == each.dtype for name, each in other.items())
