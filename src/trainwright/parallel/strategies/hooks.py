"""What is done to gradients on their way between processes: communication hooks of torch's DistributedDataParallel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

Hook = Callable[[Any, Any], Any]
"""f(state, bucket) → a future of the mean of the bucket's gradients over all processes, as torch has it."""


def sum_hook(group: Any, bucket: Any) -> Any:
    """The sum as it is, in the format of the gradients."""
    return dist.all_reduce(bucket.buffer(), group=group, async_op=True).get_future().then(_first)


def half_hook(dtype: torch.dtype) -> Hook:
    """Gradients sent as `dtype`, half as many bytes, and summed in it; torch has one for bfloat16 that asks for NCCL."""

    def send_half(group: Any, bucket: Any) -> Any:
        buffer = bucket.buffer()
        sent = buffer.to(dtype)

        def take(future: Any) -> Tensor:
            buffer.copy_(_first(future))
            return buffer

        return dist.all_reduce(sent, group=group, async_op=True).get_future().then(take)

    return send_half


def as_sum(hook: Hook, size: int) -> Hook:
    """A hook that gives means as one that gives sums over `size` processes."""

    def send(state: Any, bucket: Any) -> Any:
        return hook(state, bucket).then(lambda future: _first(future).mul_(size))

    return send


def in_turn(hook: Hook, group: Any) -> Hook:
    """A hook of several exchanges that ends before anything else is exchanged.

    Gloo makes the later ones in a thread of its own, in another order in each process than those of the next bucket.
    """
    if dist.get_backend(group) != "gloo":
        return hook

    def send(state: Any, bucket: Any) -> Any:
        done: Any = torch.futures.Future()
        done.set_result(_of(hook(state, bucket).wait()))
        return done

    return send


def as_torch_asks(hook: Hook) -> Any:
    """The hook under the signature that torch looks for: its second argument has to be called `bucket`."""

    def send(state: Any, bucket: Any) -> Any:
        return hook(state, bucket)

    send.__annotations__.clear()  # torch looks at those, and takes no text for a type
    return send


def _first(future: Any) -> Tensor:
    return _of(future.value())


def _of(value: Any) -> Tensor:
    found: Tensor = value[0] if isinstance(value, list | tuple) else value
    return found
