"""Metrics of the training rows since the last evaluation: gathered for a few steps, then summed up; an epoch of outputs is never held."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from trainwright.engine.evaluation import compute_numbers, metric_of
from trainwright.engine.outputs import HALF, in_float32
from trainwright.metrics.base import Metric
from trainwright.metrics.recent import KEPT_BYTES
from trainwright.metrics.whole import join_outputs
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
        self._form: list[Any] = []
        self._any = self._changed = False
        self._form_bytes = 0
        self._begin_anew()

    def _new(self) -> Metric:
        made = metric_of(self._system)
        made.for_training(KEPT_BYTES)
        return made

    def add(self, outputs: dict[str, Tensor]) -> None:
        """Take in the outputs of some rows, detached; nothing when a system gives none."""
        if not outputs:
            return
        for tensor in outputs.values():
            if tensor.requires_grad:  # else every step's graph would stay in memory
                outputs = {name: each.detach() for name, each in outputs.items()}
                break
        form = [(name, tensor.shape, tensor.dtype) for name, tensor in outputs.items()]
        if form != self._form:
            self._begin_form(form, outputs)
        if self._changed or any(map(borrows, outputs.values())):
            outputs = self._own(outputs)
        self._groups[-1].append(outputs)
        self._bytes += self._form_bytes
        self._count += 1
        self._any = True
        if self._count >= PIECES or self._bytes >= GATHERED_BYTES:
            self._sum_up()

    def _begin_form(self, form: list[Any], outputs: dict[str, Tensor]) -> None:
        """Look at outputs of another form than those of the step before: what is true of these is true of all like them."""
        self._form = form
        self._changed = self._copies or any(tensor.dtype in HALF for tensor in outputs.values())
        if self._changed:
            outputs = self._own(outputs)
        self._form_bytes = sum(tensor.nbytes for tensor in outputs.values())
        if not (self._groups and fit_together(self._groups[-1][0], outputs)):
            self._groups.append([])

    def _own(self, outputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Outputs in float32, those that are a small part of something larger, or overwritten by the next step, as copies."""
        outputs = in_float32(outputs)
        return {name: tensor.clone() if self._copies or borrows(tensor) else tensor for name, tensor in outputs.items()}

    @torch.no_grad()
    def _sum_up(self) -> None:
        for group in self._groups:
            self.metrics.update(as_one(group))
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._groups: list[list[dict[str, Tensor]]] = []
        """Neighbouring outputs that can be joined, in order."""
        self._form = []
        self._count = self._bytes = 0

    def values(self) -> dict[str, float]:
        """The metrics of the rows since the last evaluation; nothing where no step gave outputs. Waits for the device."""
        if not self._any:
            return {}
        self._sum_up()
        with torch.no_grad():
            return compute_numbers(self.metrics)

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
        self._begin_anew()
        if self._any:
            if self.metrics.emptied_by_load:
                self.metrics.load({})
            else:
                self.metrics = self._new()  # a person's metric may count in attributes of its own
        self._any = False

    def tensors(self) -> dict[str, Tensor]:
        """The state, for a checkpoint: some hundred kB at most."""
        if not self._any:
            return {}
        found = {f"sums/{name}": tensor for name, tensor in self.metrics.tensors().items()}
        self._groups = [[as_one(group)] for group in self._groups]  # the same rows in the same order, however often it is done
        found |= {f"gathered/{place}/{name}": each for place, group in enumerate(self._groups) for name, each in group[0].items()}
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
        self._groups = [[pieces[place]] for place in sorted(pieces)]


def as_one(group: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Outputs of several steps as one, in memory of their own."""
    return {name: each.contiguous() for name, each in join_outputs(group).items()}


def borrows(tensor: Tensor) -> bool:
    """Whether a tensor is a small part of a large one."""
    whole = tensor.untyped_storage().nbytes()
    return whole > BORROWED_BYTES and whole > 4 * tensor.nbytes


def fit_together(first: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """Whether pieces can be joined; their names may come in any order, for a file has its own."""
    if first.keys() != other.keys():
        return False
    return all(first[name].shape[1:] == each.shape[1:] and first[name].dtype == each.dtype for name, each in other.items())
