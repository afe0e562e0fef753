"""A copy of tensors that is made while training goes on: some at once, the rest before the next optimizer step changes them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

PIECE = 8 << 20
"""Bytes copied in one go; whoever waits for the copy takes pieces too."""
ALIGNMENT = 64
PAGE = 4096

TensorFiles = Mapping[str, Mapping[str, Tensor]]
"""File name → tensors by name."""


class Torn(Exception):
    """Something changed a tensor while it was copied."""


class SnapshotMemory:
    """The memory of a snapshot, kept from save to save: memory that was never touched takes ten times as long to write to."""

    def __init__(self) -> None:
        self._bytes: Tensor | None = None

    def reserve(self, size: int, pinned: bool = False) -> Tensor:
        """At least `size` bytes, the same ones as before when they suffice. Raises RuntimeError when there is no memory left."""
        if self._bytes is None or self._bytes.numel() < size or self._bytes.is_pinned() != pinned:
            self._bytes = None
            self._bytes = torch.empty(size, dtype=torch.uint8, pin_memory=pinned)
        return self._bytes

    def touching(self, size: int, pinned: bool = False) -> Iterator[None]:
        """Reserve, and write to every page, so that the first copy is as fast as the later ones; in pieces."""
        pages = self.reserve(size, pinned).numpy()[::PAGE]
        for start in range(0, len(pages), 1024):
            pages[start : start + 1024] = 0
            yield

    def free(self) -> None:
        """Give the memory back."""
        self._bytes = None


class Snapshot:
    """Copies of the tensors of some files in `files`, complete once `wait` has returned.

    Those in `deferred` (by `key_of`) may not be changed before `hold_changes` has returned: the optimizer's step waits for that.
    Each distinct tensor is copied once, under however many names it is.
    """

    def __init__(self, tensors: TensorFiles, memory: SnapshotMemory, deferred: set[Any]) -> None:
        """Copies at once what is not in `deferred`. Raises RuntimeError when there is no memory left."""
        distinct = {key_of(tensor): tensor.detach() for each in tensors.values() for tensor in each.values()}
        pinned = any(tensor.is_cuda for tensor in distinct.values())
        places, size = _places(distinct)
        room = memory.reserve(max(size, 1), pinned)
        copies = {key: _view(room, places[key], tensor) for key, tensor in distinct.items()}
        self.files = {name: {each: copies[key_of(tensor)] for each, tensor in held.items()} for name, held in tensors.items()}
        self.bytes = size
        self.whole = threading.Event()
        self.error: BaseException | None = None
        later = {key for key in distinct if key in deferred and not distinct[key].is_inference()}
        self._versions = [(distinct[key], distinct[key]._version) for key in later]
        self._jobs: deque[Callable[[], Any]] = deque()
        self._events: list[Any] = []
        for key, tensor in distinct.items():
            if key not in later and tensor.device.type != "cuda":
                copies[key].copy_(tensor)
        self._copy_from_cuda(distinct, copies, later)
        for key in later:
            if not distinct[key].is_cuda:
                self._jobs.extend(_pieces(copies[key], distinct[key]))
        self._lock, self._left = threading.Lock(), len(self._jobs)
        if not self._jobs:
            self._end()

    def _copy_from_cuda(self, distinct: Mapping[Any, Tensor], copies: Mapping[Any, Tensor], later: set[Any]) -> None:
        """Start the copies from CUDA devices: those at once in the device's own order of work, the others beside it on another stream."""
        for device in {tensor.device for tensor in distinct.values() if tensor.is_cuda}:
            main, side = torch.cuda.current_stream(device), torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
            here = {key: tensor for key, tensor in distinct.items() if tensor.device == device}
            for key in here.keys() - later:
                copies[key].copy_(here[key], non_blocking=True)
            side.wait_stream(main)
            with torch.cuda.stream(side):
                for key in here.keys() & later:
                    copies[key].copy_(here[key], non_blocking=True)
                    here[key].record_stream(side)
            event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            event.record(side)
            self._events.append((device, event))

    def copy(self) -> None:
        """Take pieces and copy them until none is left; any number of threads may."""
        while True:
            try:
                job = self._jobs.popleft()
            except IndexError:
                return
            try:
                job()
            except BaseException as error:  # noqa: BLE001  (whoever waits must not wait for ever; it is raised there)
                self.error = error
            with self._lock:
                self._left -= 1
                last = self._left == 0
            if last:
                self._end()

    def _end(self) -> None:
        if any(tensor._version != version for tensor, version in self._versions):
            self.error = self.error or Torn()
        self._versions = []
        self.whole.set()

    def hold_changes(self) -> None:
        """Return when the tensors may be changed: the host has copied its part, and the device's later work waits for its own copies."""
        self.copy()
        self.whole.wait()
        for device, event in self._events:
            torch.cuda.current_stream(device).wait_event(event)

    def wait(self) -> None:
        """Return when every copy is there. Raises Torn when a deferred tensor was changed meanwhile."""
        self.copy()
        self.whole.wait()
        for _, event in self._events:
            event.synchronize()
        if self.error is not None:
            raise self.error


def key_of(tensor: Tensor) -> Any:
    """What makes two tensors the same: device, memory, dtype, shape and strides."""
    return tensor.device, tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tensor.stride(), tensor.is_conj(), tensor.is_neg()


def keys_of(tensors: Iterable[Tensor]) -> set[Any]:
    """The keys of several tensors; those without elements have no memory and are left out."""
    return {key_of(tensor) for tensor in tensors if tensor.numel()}


def size_of(tensors: TensorFiles) -> int:
    """Bytes of a snapshot of them."""
    return _places({key_of(tensor): tensor for each in tensors.values() for tensor in each.values()})[1]


def _places(distinct: Mapping[Any, Tensor]) -> tuple[dict[Any, int], int]:
    places, end = {}, 0
    for key, tensor in distinct.items():
        places[key] = end
        end += -(-tensor.numel() * tensor.element_size() // ALIGNMENT) * ALIGNMENT
    return places, end


def _view(room: Tensor, start: int, tensor: Tensor) -> Tensor:
    return room[start : start + tensor.numel() * tensor.element_size()].view(tensor.dtype).view(tensor.shape)


def _pieces(copy: Tensor, tensor: Tensor) -> Iterable[Callable[[], Any]]:
    """Copies of at most PIECE bytes; numpy's let other Python threads run and start no threads of their own."""
    plain = tensor.device.type == "cpu" and tensor.is_contiguous() and not tensor.is_conj() and not tensor.is_neg()
    if not plain:
        return [partial(copy.copy_, tensor)]
    target, source = _bytes(copy), _bytes(tensor)
    return [partial(np.copyto, target[start : start + PIECE], source[start : start + PIECE]) for start in range(0, len(source), PIECE)]


def _bytes(tensor: Tensor) -> np.ndarray:
    return tensor.reshape(-1).view(torch.uint8).numpy()
