"""One file of weights: safetensors, what torch.save wrote, NumPy, or an index of several; its kind is seen from its content."""

from __future__ import annotations

import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from trainwright.config.errors import ConfigError, RunError
from trainwright.config.received import name_refusal
from trainwright.files.tensors import load_tensors
from trainwright.weights.pickles import pickled_weights

PICKLED = (".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle")
PROTOCOLS = range(2, 6)
OLD_PICKLE = b"(c]}"
"""First bytes of a pickle of protocol 0 or 1, whose last byte is a full stop."""
UNNAMED = ""
"""The name of the one tensor of an .npy file."""
READ = ".safetensors, .pt, .npz and .npy files, run directories, checkpoints and directories of torch.distributed.checkpoint"


def kind_of(path: Path) -> str:
    """`safetensors`, `npz`, `npy`, `index`, `pickle`, `torchscript`, `pointer`, `page`, or nothing, by the file's content."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        head = file.read(64)
        file.seek(max(size - 1, 0))
        last = file.read(1)
    if head.startswith(b"\x93NUMPY"):
        return "npy"
    if head.startswith(b"PK\x03\x04"):
        return _kind_of_zip(path)
    if len(head) > 8 and head[8:9] == b"{" and struct.unpack("<Q", head[:8])[0] <= size - 8:
        return "safetensors"
    if (head[:1] == b"\x80" and len(head) > 1 and head[1] in PROTOCOLS) or (head[:1] in map(bytes, zip(OLD_PICKLE)) and last == b"."):
        return "pickle"
    if path.name.endswith(".index.json"):
        return "index"
    if head.startswith(b"version https://git-lfs"):
        return "pointer"
    return "page" if head.lstrip()[:9].lower().startswith((b"<!doctype", b"<html")) else ""


def _kind_of_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:  # cut short: the directory of a zip is its end
        return "pickle" if path.suffix.lower() in PICKLED else ""
    if any(name.endswith("constants.pkl") for name in names) and any("/code/" in name for name in names):
        return "torchscript"
    if any(name.endswith("data.pkl") for name in names):
        return "pickle"
    return "npz" if names and all(name.endswith(".npy") for name in names) else ""


def read_weights_file(path: Path, key: str = "") -> tuple[dict[str, Tensor], dict[str, str], list[str]]:
    """The tensors of a file by name, on the CPU, its metadata, and what is to be said of it; `key` chooses a state dict of several.

    Raises ConfigError for a file whose reading would run code, RunError for a damaged one.
    """
    try:
        kind = kind_of(path)
        if kind == "pickle":
            return pickled_weights(path, key)
        if key:
            fix = "leave it out: a file of this kind holds one state dict"
            raise ConfigError(f"there is no state dict '{key}' in this file", where=str(path), fix=fix)
        if kind == "safetensors":
            return load_tensors(path.resolve()), _metadata(path), []  # a file that a person names may be a link of theirs
        if kind == "npz":
            return _npz(path), {}, []
        if kind == "npy":
            return {UNNAMED: _tensor(np.load(path, allow_pickle=False), path, "its array")}, {}, []
        if kind == "index":
            return _shards(path), {}, []
    except OSError as error:
        raise name_refusal(error, path) from error
    except (SafetensorError, EOFError, ValueError, zipfile.BadZipFile) as error:
        if isinstance(error, ValueError) and "allow_pickle" in str(error):
            raise _refuse_objects(path) from error
        raise _damage(path, " ".join(str(error).split())[:300]) from error
    raise _unreadable(path, kind)


def _refuse_objects(path: Path) -> ConfigError:
    """The refusal of arrays of Python objects."""
    why = "it holds Python objects, which are pickled; loading a pickle runs whatever code is in it, with all your rights"
    fix = "save it as arrays of numbers: np.savez(file, **arrays), or as .safetensors"
    return ConfigError("this file is a pickle, which is not loaded", where=str(path), why=why, fix=fix)


def _unreadable(path: Path, kind: str) -> ConfigError | RunError:
    suffix = path.suffix.lower()
    if suffix in PICKLED and not kind:
        return _damage(path, "it is cut short, or nothing that torch.save wrote")
    if kind == "torchscript":
        fix = "in a program that trusts it: safetensors.torch.save_file(torch.jit.load(FILE).state_dict(), 'new.safetensors')"
        return ConfigError("this file is a TorchScript program, which is not loaded", where=str(path), why="it is code", fix=fix)
    if kind == "pointer":
        return RunError("this file is a Git LFS pointer, not the weights", where=str(path), fix="git lfs pull")
    if kind == "page":
        return RunError("this file is a web page, not weights", where=str(path), fix="download the file itself, not the page about it")
    if suffix in (".safetensors", ".npz", ".npy"):
        return _damage(path, "it is cut short, or something else under that name")
    return ConfigError("this file holds no weights that can be read", where=str(path), fix=f"what can be read: {READ}")


def _damage(path: Path, why: str) -> RunError:
    return RunError("this file of weights is damaged", where=str(path), why=why, fix="copy or download it again")


def _metadata(path: Path) -> dict[str, str]:
    with safe_open(path, framework="pt") as file:
        return dict(file.metadata() or {})


def _npz(path: Path) -> dict[str, Tensor]:
    with np.load(path, allow_pickle=False) as archive:
        return {name: _tensor(archive[name], path, f"'{name}'") for name in archive.files}


def _tensor(array: np.ndarray, path: Path, what: str) -> Tensor:
    native = array.astype(array.dtype.newbyteorder("="), order="C", copy=True)
    try:
        return torch.from_numpy(native)
    except TypeError as error:
        fix = "save it as one of float64, float32, float16, an integer type, or bool"
        raise ConfigError(f"{what} is {array.dtype}, which is no tensor", where=str(path), fix=fix) from error


def _shards(path: Path) -> dict[str, Tensor]:
    """The tensors of the files that an index names, which lie beside it."""
    index = json.loads(path.read_text(encoding="utf-8")).get("weight_map", {})
    found: dict[str, Tensor] = {}
    for name in sorted(set(index.values())):
        if Path(name).name != name:
            raise ValueError(f"it names '{name}', which is not beside it")
        found |= read_weights_file(path.with_name(name))[0]
    lost = sorted(index.keys() - found.keys())
    if lost:
        raise ValueError(f"'{lost[0]}' is in none of its files")
    return found
