"""Tensors to and from safetensors files; nothing is pickled."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainwright.config.received import open_regular
from trainwright.files.sparse_tensors import unpack_sparse

NAMES: dict[torch.dtype, str] = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
    torch.complex64: "C64",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
    torch.uint16: "U16",
    torch.uint32: "U32",
    torch.uint64: "U64",
}


def safetensors_pieces(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> Iterator[bytes | memoryview]:
    """The bytes of a safetensors file, piece by piece and without a copy of tensors in memory; tied tensors are written under each name.

    Raises TypeError for a dtype that the format cannot hold.
    """
    order = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    start = 0
    for name in order:
        tensor = tensors[name]
        if tensor.dtype not in NAMES:
            raise TypeError(f"'{name}' is {tensor.dtype}, which safetensors cannot hold")
        end = start + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
        start = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    yield struct.pack("<Q", len(text)) + text
    for name in order:
        tensor = tensors[name].detach()
        if tensor.numel():
            yield tensor.to("cpu").contiguous().reshape(-1).view(torch.uint8).numpy().data


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write a safetensors file (not synced, and not whole after a kill: give it a place that is renamed)."""
    with open(path, "wb") as file:
        for piece in safetensors_pieces(tensors, metadata):
            file.write(piece)


def load_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, on the CPU, sparse ones as dense.

    Raises FileNotFoundError, RunError for a link, a device or a missing right, ValueError for sparse ones whose parts do not fit together.
    """
    from safetensors import safe_open

    os.close(open_regular(path))
    with safe_open(path, framework="pt") as file:
        return unpack_sparse({name: file.get_tensor(name) for name in file.keys()}, file.metadata())  # noqa: SIM118 - it is no mapping
