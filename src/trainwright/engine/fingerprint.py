"""Numbers by which data are known again when a run continues: rows of theirs, and the order in which a loader gives them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from trainwright.config.errors import Interrupted
from trainwright.data.loader_rows import chain
from trainwright.data.rows import Rows, TensorRows
from trainwright.data.sparse import dense_parts, is_sparse
from trainwright.engine.feed import InOrder
from trainwright.engine.interrupt import Waited, requeue

if TYPE_CHECKING:
    from trainwright.engine.session import Session

WHOLE = 1 << 24
"""Bytes of rows in memory that are looked at whole."""
SPREAD = 256
"""Rows of larger ones that are looked at, from the first to the last."""
READ = 16
"""The same for rows that are read, and may be slow to decode."""
FIRST = 8
"""The first of rows that workers read: a row that brings its reader down must not be met in the main process."""
DEEP = 8
PLAIN = {str, bytes, int, float, complex, type(None)}
"""What has a text of its own; a list of these alone, such as a million names of files, is put into bytes at once."""


def know_data(session: Session) -> None:
    """Take the numbers of the data of a run, once, before its first step. Raises Interrupted for a signal while they are read."""
    validation = session.validation.rows if isinstance(session.validation, InOrder) else session.validation
    try:
        with session.parts.interrupts.waits:
            ahead = session.config.loader.workers > 0
            found = {"order": order_number(session.train)}
            for name, rows, seed in (("first_rows", session.train, session.seed), ("validation_rows", validation, 0)):
                by_workers = ahead and rows is not None and not rows.in_memory and not rows.batched
                # under a name of its own: with other workers a continued run takes another number, which is not compared
                found[f"{name}_of_workers" if by_workers else name] = "" if rows is None else rows_number(rows, seed, by_workers)
    except Waited:
        requeued = requeue() if session.parts.interrupts.requeues else ""
        what = f"{session.parts.interrupts.name}: stopped before the first step; there was nothing new to save{requeued}"
        raise Interrupted(what, fix=f"continue with: {session.parts.continue_with}") from None
    if session.train.own_share:
        found = session.parts.world.broadcast(found)  # a checkpoint knows the data of rank 0 again
    session.position.data_numbers = {name: number for name, number in found.items() if number}


def rows_number(rows: Rows, seed: int, by_workers: bool = False) -> str:
    """A number for rows from the first to the last, drawn as the first epoch draws them; nothing where they are not the same each time.

    Of data that are read in one direction only, or by workers, it is for the first ones, of a loader for its first batch and its last.
    """
    if isinstance(rows, TensorRows):
        return digest_of(rows.blocks if bytes_of(rows) <= WHOLE else rows.take(spread(len(rows), SPREAD)))
    follows = any(hasattr(each, "update_step") for each in chain(rows.dataset))
    differing = not rows.resumable and not rows.single_pass  # a generator is to be made again just as it was
    if differing or follows or not len(rows):
        return ""
    rows.begin_epoch(seed, 0)
    if rows.iterable:
        return digest_of(rows.example())
    if not rows.batched:
        return digest_of(rows.take(torch.arange(min(FIRST, len(rows))) if by_workers else spread(len(rows), READ)))
    ends = spread(len(rows), 2) if order_number(rows) else [0]  # an order that is not a loader's own is read from its beginning
    return digest_of([rows.take(torch.tensor([place])) for place in ends])


def bytes_of(rows: TensorRows) -> int:
    """The memory that the rows take."""
    return sum(block.numel() * block.element_size() for block in rows.blocks.values())


def spread(rows: int, most: int) -> Tensor:
    """At most `most` places from the first to the last (int64, ascending)."""
    return torch.linspace(0, rows - 1, min(rows, most), dtype=torch.float64).round().long()


def order_number(rows: Rows) -> str:
    """A number for the keys of the first epoch's batches, where a loader's sampler gives them; nothing for an order that is ours."""
    order = rows.order
    return "" if order is None or rows.iterable else digest_of([order.keys, order.ends])


def digest_of(value: Any) -> str:
    """16 hex digits of what a batch holds: its structure, and every number and text in it."""
    digest = hashlib.sha256()
    for part in parts_of(value):
        digest.update(part)
    return digest.hexdigest()[:16]


def parts_of(value: Any, depth: int = DEEP) -> Iterator[bytes]:
    """The bytes of a value, with types and shapes; of what lies deeper, and of what is no data, the type alone."""
    yield f"{type(value).__name__};".encode()
    if isinstance(value, Tensor):
        dense = value.detach().cpu()
        if is_sparse(dense) and dense.numel() > WHOLE:  # as a dense one it might fill the memory
            yield from parts_of([list(dense.shape), *dense_parts(dense)], depth)
            return
        dense = dense.to_dense() if is_sparse(dense) else dense
        yield f"{dense.dtype} {tuple(dense.shape)};".encode()
        yield dense.resolve_conj().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    elif isinstance(value, np.ndarray) and not value.dtype.hasobject:
        yield f"{value.dtype} {value.shape};".encode()
        yield np.ascontiguousarray(value).tobytes()
    elif isinstance(value, str | bytes | int | float | complex | None):
        yield repr(value).encode("utf-8", "backslashreplace")
    elif depth and isinstance(value, list) and set(map(type, value)) <= PLAIN:
        yield "".join([f"{place}={type(each).__name__};{each!r}" for place, each in enumerate(value)]).encode("utf-8", "backslashreplace")
    elif depth:
        for name, part in inner(value):
            yield f"{name}=".encode("utf-8", "backslashreplace")
            yield from parts_of(part, depth - 1)


def inner(value: Any) -> list[tuple[Any, Any]]:
    """What a container or an object holds, by name or place."""
    if isinstance(value, Mapping):
        return list(value.items())
    if isinstance(value, tuple | list) or (isinstance(value, np.ndarray) and value.ndim):
        return list(enumerate(value))
    if is_dataclass(value):
        return [(each.name, getattr(value, each.name, None)) for each in fields(value)]
    return [] if callable(value) else sorted(getattr(value, "__dict__", {}).items())
