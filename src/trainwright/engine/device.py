"""Which device a run computes on."""

from __future__ import annotations

import os

import torch

from trainwright.config.errors import ConfigError
from trainwright.parallel.world import World


def find_device(device: str | torch.device, world: World | None = None) -> torch.device:
    """The device meant: `auto` is CUDA, else MPS, else the CPU. Of several processes on a machine each has a GPU of its own.

    Raises ConfigError when it is not there, or too few are.
    """
    if world is not None and world.local_size > 1:
        return share_device(str(device), world)
    if device == "auto":
        return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        found = torch.device(device)
        if found.type == "cuda" and found.index is None:
            found = torch.device("cuda", 0)
        torch.empty(1, device=found)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        why = str(error).splitlines()[0]
        raise ConfigError(f"device '{device}' cannot be used", where="run.device", why=why, fix="auto, cpu, cuda, cuda:1 or mps") from error
    return found


def share_device(device: str, world: World) -> torch.device:
    """The device of this process among those on its machine; with GPUs it is made torch's own before any collective."""
    available = torch.cuda.is_available()
    if device == "cpu" or (device == "auto" and not available):
        return torch.device("cpu")
    if device.startswith("cuda") and not available:
        return find_device(device)  # which says so
    wanted = torch.device("cuda" if device == "auto" else device)
    ranks = f"{world.local_size} ranks on this machine"
    if wanted.type != "cuda" or wanted.index is not None:
        fix = "run.device=cuda gives each a GPU of its own; run.device=cpu computes without"
        raise ConfigError(f"{ranks} cannot share '{device}'", where="run.device", why="it is one device", fix=fix)
    count = torch.cuda.device_count()
    if world.gpu >= count:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        seen = f"{count} GPU{'' if count == 1 else 's'} visible" + ("" if visible is None else f" (CUDA_VISIBLE_DEVICES={visible})")
        raise ConfigError(f"{ranks}, {seen}", where="run.device", fix=f"--devices {max(count, 1)}, or run.device=cpu")
    torch.cuda.set_device(world.gpu)
    return find_device(f"cuda:{world.gpu}")
