"""Weights and inputs that follow from their names, so that two libraries can be given the same, and what the other library made of them."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

GOLDEN = json.loads(Path(__file__).with_name("golden_blocks.json").read_text(encoding="utf-8"))


def numbers(name: str, *shape: int) -> Tensor:
    """Normal numbers that follow from a name, rounded so that they are the same everywhere."""
    drawn = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)
    return torch.from_numpy(np.asarray(drawn.round(4), dtype=np.float32))


def fill(module: nn.Module) -> Any:
    """The module in evaluation mode, with weights and running statistics that follow from their names."""
    for name, each in module.state_dict().items():
        drawn = numbers(name, *each.shape) if each.is_floating_point() else each
        if name.endswith("running_var") or (each.dim() == 1 and name.endswith("weight")):
            drawn = 1 + 0.2 * drawn.abs()
        each.copy_(drawn if each.dim() < 2 else 0.3 * drawn)
    return module.eval()


def golden(case: str) -> Tensor:
    """What the other library gave."""
    found = GOLDEN["cases"][case]
    return torch.tensor(found["output"]).reshape(found["shape"])


def assert_golden(case: str, output: Tensor) -> None:
    """Equal to what the other library gave, to six digits."""
    torch.testing.assert_close(output, golden(case), rtol=2e-5, atol=2e-5)
