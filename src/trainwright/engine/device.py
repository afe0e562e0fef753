"""Which device a run computes on."""

from __future__ import annotations

import torch

from trainwright.config.errors import ConfigError


def find_device(device: str | torch.device) -> torch.device:
    """The device meant: `auto` is CUDA, else MPS, else the CPU. Raises ConfigError when it is not there."""
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
