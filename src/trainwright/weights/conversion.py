"""Weights from one form into another: from an old pickle or a run to safetensors or torch.distributed.checkpoint; nothing of it is run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from trainwright.checkpoint.pointers import follow_pointer
from trainwright.checkpoint.snapshot import key_of
from trainwright.config.errors import ConfigError
from trainwright.config.received import name_refusal
from trainwright.files.outputs import ensure_output, ensure_output_folder, write_output, write_output_folder
from trainwright.files.tensors import NAMES, save_tensors
from trainwright.weights.dcp import is_dcp, read_dcp, write_dcp
from trainwright.weights.files import kind_of
from trainwright.weights.half import Half, in_half
from trainwright.weights.pickles import position_of, unpickle
from trainwright.weights.sources import read_weights
from trainwright.weights.state_dicts import PROGRAM, choose_state_dict, flat, kind_of_value, list_rest, take_state_dict

Form = Literal["safetensors", "dcp"]
"""A file of safetensors, or a directory of torch.distributed.checkpoint."""


@dataclass
class Conversion:
    """What was taken from an old file, and what was left in it."""

    key: str
    """Where the state dict was, with dots; empty when it was the file itself."""
    tensors: dict[str, Tensor]
    """The tensors that were written."""
    left: dict[str, str] = field(default_factory=dict)
    """What was not written → what it is."""
    tied: list[str] = field(default_factory=list)
    """Tensors that shared memory with another, written as copies."""
    metadata: dict[str, str] = field(default_factory=dict)
    """Step and epoch, where the file says them."""

    @property
    def bytes(self) -> int:
        """Bytes of the tensors."""
        return sum(each.numel() * each.element_size() for each in self.tensors.values())


def convert_weights(
    old: Path, new: Path, key: str = "", force: bool = False, *, to: Form = "safetensors", dtype: Half | None = None
) -> Conversion:
    """Read weights and write them to `new`, whole or not at all: a safetensors file, or a directory of torch.distributed.checkpoint.

    `old` is a pickle (.pt, .pth, .ckpt, .bin), of which nothing is run, a directory of torch.distributed.checkpoint, a run, a checkpoint,
    or a file of weights that is to have another form. With `dtype` they are rounded to half precision.

    Raises ConfigError when a file holds more than data, has no state dict or several, or `new` is taken; RunError when it is damaged;
    RequestError when `new` is `old`, lies in a run, or cannot be written.
    """
    _ensure_place(old, new, force, to)
    found = _read(old, key, changed=to == "dcp" or dtype is not None)
    _refuse_strange(found.tensors, old)
    if dtype is not None:
        found.tensors = in_half(found.tensors, dtype, str(old))
    _write(new, found, to)
    return found


def _ensure_place(old: Path, new: Path, force: bool, to: Form) -> None:
    if to == "dcp":
        ensure_output_folder(new, old, where="NEW")
        return
    if new.suffix != ".safetensors":
        fix = f"name it {new.with_suffix('.safetensors')}; a directory of torch.distributed.checkpoint is asked for by --to dcp"
        raise ConfigError(f"'{new.name}' does not end in .safetensors", fix=fix)
    ensure_output(new, old, where="NEW", make_folders=True)
    if new.exists() and not force:
        raise ConfigError("this file is there already", where=str(new), fix="choose another name, or add --force to replace it")


def _read(old: Path, key: str, changed: bool) -> Conversion:
    """What is taken from a pickle, a directory, a run or a checkpoint; from a file of weights only where it is to be `changed`."""
    if is_dcp(old):
        return Conversion(*take_state_dict(read_dcp(old), key))
    place = follow_pointer(old)
    file_of_weights = old.is_file() and _kind_of(old) in ("safetensors", "npz", "npy")
    if place.is_dir() or (file_of_weights and changed):
        if key:
            fix = "leave --key out: weights of a run are one state dict"
            raise ConfigError("--key is for files that hold several state dicts", where=str(old), fix=fix)
        weights, _ = read_weights(place)
        position = {"step": weights.step, "epoch": weights.epoch}
        return Conversion("", dict(weights.tensors), metadata={name: str(at) for name, at in position.items() if at is not None})
    content = read_pickle(old)
    at, state = choose_state_dict(content, key, old)
    found = Conversion(at, {name: value for name, value in flat(state) if isinstance(value, Tensor)}, metadata=position_of(content))
    found.left = list_rest(content, at) | {name: kind_of_value(value) for name, value in flat(state) if not isinstance(value, Tensor)}
    return found


def _kind_of(path: Path) -> str:
    """What a file is. Raises ConfigError where it cannot be looked at."""
    try:
        return kind_of(path)
    except OSError as error:
        raise name_refusal(error, path) from error


def read_pickle(path: Path) -> Any:
    """What is in the file, read by a reader that knows tensors and plain values only. Raises ConfigError or RunError."""
    if not path.is_file():
        fix = "name a file of weights, a run, a checkpoint, or a directory of torch.distributed.checkpoint"
        raise ConfigError("there is no such file", where=str(path), fix=fix)
    kind = _kind_of(path)
    if kind in ("safetensors", "npz", "npy"):
        raise ConfigError(
            f"this file is {kind} already", where=str(path), fix="load it as it is, or ask for another form: --to dcp, --dtype"
        )
    if kind == "torchscript":
        why, fix = "it is a TorchScript program: code, not data", PROGRAM.replace("model", "torch.jit.load(FILE)")
        raise ConfigError("this file holds more than weights", where=str(path), why=why, fix=fix)
    return unpickle(path)


def _refuse_strange(tensors: Mapping[str, Tensor], where: Path) -> None:
    for name, tensor in tensors.items():
        kind = str(tensor.dtype).removeprefix("torch.")
        if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_nested:
            kind = f"{'quantised' if tensor.is_quantized else str(tensor.layout).removeprefix('torch.')} {kind}"
        elif tensor.dtype in NAMES:
            continue
        raise ConfigError(
            f"'{name}' is {kind}, which safetensors cannot hold", where=str(where), fix="save it as a dense tensor of numbers"
        )


def _write(path: Path, found: Conversion, to: Form) -> None:
    """Write the tensors beside `path`, then rename; each gets memory of its own."""
    seen: set[Any] = set()
    apart: dict[str, Tensor] = {}
    for name, tensor in found.tensors.items():
        shared = tensor.untyped_storage().data_ptr() if tensor.numel() else key_of(tensor)
        if tensor.numel() and shared in seen:
            found.tied.append(name)
        whole = tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
        own = tensor.numel() and shared not in seen and whole
        apart[name] = tensor.detach().resolve_conj().resolve_neg().contiguous() if own else tensor.detach().clone().contiguous()
        seen.add(shared)
    if to == "dcp":
        with write_output_folder(path, where="NEW") as folder:
            write_dcp(folder, apart)
        return
    with write_output(path, where="NEW", make_folders=True) as temporary:
        save_tensors(temporary, apart, {"format": "pt", **found.metadata})
