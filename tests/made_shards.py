"""Made layouts of a few tensors over ranks, and a checkpoint that those ranks write, all in one process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainwright.checkpoint.layout import LAYOUT, Local, Shared, layout_document, share_out
from trainwright.checkpoint.manifest import Manifest
from trainwright.checkpoint.parts import Box
from trainwright.checkpoint.writer import all_of, committing, make_room, writing_files
from trainwright.files.tensors import NAMES

SYSTEM, OPTIMIZER = "system.safetensors", "optimizer.safetensors"
Deal = Callable[[str, tuple[int, ...], int, int], Box | None]
"""Name, whole shape, rank and number of ranks → the box that the rank has; None for nothing of it."""


def tensors() -> dict[str, dict[str, Tensor]]:
    """Files of a model with uneven sizes, a scalar, an empty tensor, whole numbers, halves and booleans."""
    generator = torch.Generator().manual_seed(0)
    weights = {
        "first.weight": torch.randn(7, 5, generator=generator),
        "first.bias": torch.randn(1, generator=generator),
        "conv": torch.randn(4, 3, 2, 2, generator=generator).bfloat16(),
        "count": torch.tensor(12),
        "none": torch.zeros(0, 3),
        "mask": torch.rand(6, 6, generator=generator) > 0.5,
    }
    state = {f"exp_avg/{name}": torch.randn(each.shape, generator=generator) for name, each in weights.items()}
    return {SYSTEM: weights, OPTIMIZER: state | {"step/first.weight": torch.tensor(3.0)}}


def whole(shape: tuple[int, ...]) -> Box:
    return (0,) * len(shape), shape


def along(dimension: int, shape: tuple[int, ...], rank: int, size: int) -> Box:
    """The chunk of a rank in one dimension, as torch deals it: the last ranks may have nothing."""
    if len(shape) <= dimension:
        return whole(shape)
    chunk = -(-shape[dimension] // size)
    start = min(rank * chunk, shape[dimension])
    length = min(chunk, shape[dimension] - start)
    offsets, sizes = list(whole(shape)[0]), list(shape)
    offsets[dimension], sizes[dimension] = start, length
    return tuple(offsets), tuple(sizes)


def rows(name: str, shape: tuple[int, ...], rank: int, size: int) -> Box | None:
    return along(0, shape, rank, size)


def columns(name: str, shape: tuple[int, ...], rank: int, size: int) -> Box | None:
    return along(1, shape, rank, size)


def same(name: str, shape: tuple[int, ...], rank: int, size: int) -> Box | None:
    return whole(shape)


def by_tensor(name: str, shape: tuple[int, ...], rank: int, size: int) -> Box | None:
    """Optimizer state of whole parameters, each on one rank; parameters on all."""
    return whole(shape) if "/" not in name or sum(map(ord, name)) % size == rank else None


def grid(name: str, shape: tuple[int, ...], rank: int, size: int) -> Box | None:
    """Two columns of ranks, and rows among those of a column."""
    if size % 2 or len(shape) < 2:
        return whole(shape)
    (first, second), half = along(1, shape, rank % 2, 2), rank // 2
    offsets, sizes = along(0, second, half, size // 2)
    return (offsets[0], *first[1:]), sizes


def replicas(name: str, shape: tuple[int, ...], rank: int, size: int) -> Box | None:
    """Rows over half of the ranks, twice."""
    return along(0, shape, rank % max(size // 2, 1), max(size // 2, 1))


DEALS: dict[str, Deal] = {"ddp": same, "fsdp": rows, "tp": columns, "zero": by_tensor, "mesh": grid, "hybrid": replicas}


def held(deal: Deal, rank: int, size: int, files: dict[str, dict[str, Tensor]] | None = None) -> dict[str, dict[str, tuple[Box, Tensor]]]:
    """What a rank has: file → name → box and the values in it."""
    found: dict[str, dict[str, tuple[Box, Tensor]]] = {}
    for file, each in (files or tensors()).items():
        for name, tensor in each.items():
            box = deal(name, tuple(tensor.shape), rank, size)
            if box is not None:
                place = tuple(slice(start, start + length) for start, length in zip(*box, strict=True))
                found.setdefault(file, {})[name] = box, tensor[place]
    return found


def told(deal: Deal, rank: int, size: int) -> dict[str, dict[str, Local]]:
    """The same, as the rank tells the others of it."""
    everything = tensors()
    return {
        file: {name: Local(NAMES[part.dtype], tuple(everything[file][name].shape), box[0], box[1]) for name, (box, part) in each.items()}
        for file, each in held(deal, rank, size).items()
    }


def shared(deal: Deal, size: int) -> Shared:
    return share_out([told(deal, rank, size) for rank in range(size)])


def write(folder: Path, name: str, size: int, step: int = 7, **more: Any) -> Path:
    """The checkpoint that `size` ranks write under a deal of this name; its place."""
    manifest = Manifest("full", step, strategy=name, ranks=size, **more)
    hidden, plan, entries = make_room(folder, manifest), shared(DEALS[name], size), []
    for rank in range(size):
        parts = held(DEALS[name], rank, size)
        mine = {file: {each: parts[at][each][1] for each, at in names.items()} for file, names in plan.mine[rank].items()}
        documents: dict[str, Any] = {"trainer.json": {"step": step}} if rank == 0 else {}
        if rank == 0 and plan.files:
            documents[LAYOUT] = layout_document(plan.files)
        entries += all_of(writing_files(hidden, mine, documents))
    written = all_of(committing(folder, Manifest(**{**vars(manifest), "files": entries})))
    return folder / written.folder
