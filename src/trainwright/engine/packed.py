"""A batch on its way from a worker: one piece of memory, since each tensor sent alone costs both processes a file and a handshake."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from trainwright.data.placed import Placed, PlacedBlocks
from trainwright.engine.system import Batch

SENT = 256 << 10
"""Bytes of a batch up to which they are written into the pipe; above it they go through shared memory."""
PIPE = 1 << 20
"""Bytes that the pipe holds, where the system allows it: batches then lie ready in it, and none waits for its worker to be scheduled."""
ALIGNED = 64
"""Bytes at whose multiples tensors begin, as torch allocates them: on other addresses a product may be rounded otherwise."""

Part = tuple[str, torch.dtype, tuple[int, ...], int]
"""Name, type of number, shape and first byte of a tensor."""


class Packed(NamedTuple):
    """A batch with its number: the bytes of its tensors, or a tensor of bytes in shared memory, and where each lies."""

    number: int
    memory: bytes | Tensor
    parts: list[Part]
    kind: type = dict
    """What the batch was: a mapping, or tensors by place."""


def pack(number: int, batch: Batch, sent: int = SENT) -> Packed | tuple[int, Batch]:
    """Plain tensors by name or place as one piece of memory, of at most `sent` bytes to be written; anything else as it is."""
    kind = type(batch)
    if kind not in (dict, Placed, PlacedBlocks) or not batch:
        return number, batch
    tensors = {str(place): each for place, each in enumerate(batch)} if kind is Placed else dict(batch.items())
    if not all(is_plain(each) for each in tensors.values()):
        return number, batch
    if len({each.untyped_storage().data_ptr() for each in tensors.values()}) < len(tensors):
        return number, batch  # two that are one piece of memory stay so
    parts, size = [], 0
    for name, each in tensors.items():
        parts.append((name, each.dtype, tuple(each.shape), size))
        size += -(-each.nbytes // ALIGNED) * ALIGNED
    memory = torch.empty(size, dtype=torch.uint8)
    if size > sent:
        memory.share_memory_()  # type: ignore[no-untyped-call]
    for (*_, start), each in zip(parts, tensors.values(), strict=True):
        memory[start : start + each.nbytes].copy_(each.detach().reshape(-1).view(torch.uint8))
    return Packed(number, memory.numpy().tobytes() if size <= sent else memory, parts, kind)


def is_plain(value: Any) -> bool:
    """Whether a value is a tensor on the CPU whose numbers lie one after the other, so that bytes and shape are all there is to it."""
    return (
        type(value) is Tensor
        and value.layout is torch.strided
        and value.is_cpu
        and value.is_contiguous()
        and not (value.requires_grad or value.is_quantized or value.is_conj() or value.is_neg())
        and value.numel() > 0
    )


def unpack(answer: Packed | tuple[int, Batch]) -> Batch:
    """The batch, as it was packed."""
    if not isinstance(answer, Packed):
        return answer[1]
    memory = answer.memory
    if isinstance(memory, bytes):
        aligned = torch.empty(len(memory), dtype=torch.uint8)
        aligned.numpy()[:] = np.frombuffer(memory, np.uint8)
        memory = aligned
    batch = {}
    for name, dtype, shape, start in answer.parts:
        batch[name] = memory[start : start + math.prod(shape) * dtype.itemsize].view(dtype).view(shape)
    return batch if answer.kind is dict else answer.kind(batch.values() if answer.kind is Placed else batch)


def widen_pipe(reader: Any) -> None:
    """Let the pipe of some workers hold as much as it may; where the system knows no such thing, or refuses, it stays as it is."""
    with suppress(ImportError, AttributeError, OSError, ValueError):
        import fcntl

        fcntl.fcntl(reader.fileno(), fcntl.F_SETPIPE_SZ, PIPE)
