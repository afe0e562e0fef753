"""Weights of an embedding read from `vectors.npy` or `model.safetensors:key`."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from trainwright.config.errors import did_you_mean
from trainwright.config.foreign import folders
from trainwright.config.received import ensure_right
from trainwright.tools.graph.plan import Here


def read_weights(text: str, here: Here) -> Tensor:
    """The matrix in a file; raises ConfigError when there is none, or it is of a kind that can run code."""
    name, _, key = text.partition(".safetensors:")
    file = _file(f"{name}.safetensors" if key else text, here)
    if file.suffix == ".npy":
        return _from_numpy(file, here)
    if file.suffix != ".safetensors":
        fix = "save it as .npy (numpy.save) or .safetensors (safetensors.torch.save_file)"
        raise here.error(f"weights cannot be read from '{text}'", why="only .npy and .safetensors hold nothing that can run", fix=fix)
    return _from_safetensors(file, key, here)


def _file(name: str, here: Here) -> Path:
    tried = [place / name for place in (Path.cwd(), *folders.get())]
    found = next((each for each in tried if each.is_file()), None)
    if found is None:
        looked = ", ".join(dict.fromkeys(str(each) for each in tried))
        fix = "the path is relative to the working directory or the config"
        raise here.error("no such file of weights", why=f"looked at {looked}", fix=fix)
    return found


def _from_numpy(file: Path, here: Here) -> Tensor:
    import numpy as np

    try:
        return torch.from_numpy(np.load(file, allow_pickle=False)).to(torch.get_default_dtype())
    except (OSError, ValueError) as error:
        ensure_right(error, file)
        raise here.error(f"'{file.name}' holds no plain array", why=str(error), fix="save numbers with numpy.save") from error


def _from_safetensors(file: Path, key: str, here: Here) -> Tensor:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as opened:
            keys = list(opened.keys())
            if not key and len(keys) == 1:
                key = keys[0]
            if key not in keys:
                what = f"'{file.name}' has no tensor '{key}'" if key else f"'{file.name}' holds {len(keys)} tensors"
                raise here.error(what, fix=did_you_mean(key, keys) if key else f"write {file.name}:{keys[0]}")
            found: Tensor = opened.get_tensor(key)
            return found
    except (OSError, SafetensorError) as error:
        ensure_right(error, file)
        raise here.error(f"'{file.name}' cannot be read", why=str(error), fix="write it again with safetensors") from error
