"""Shapes in noise, and a mask that says of each pixel what it shows: data for examples/unet.yaml, which the configuration names.

trainwright train examples/unet.yaml
"""

from __future__ import annotations

import torch
from torch import Tensor

KINDS = ("nothing", "disc", "square", "cross")
SIZE = 32


def draw(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Pictures (n, 1, 32, 32) with one shape of each kind, in three of the quarters, and their masks (n, 32, 32) of 0 … 3."""
    generator = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    masks = torch.zeros(count, SIZE, SIZE, dtype=torch.int64)
    quarters = torch.rand(count, 4, generator=generator).argsort(1)
    for kind in (1, 2, 3):
        corner = torch.stack([quarters[:, kind] // 2, quarters[:, kind] % 2], 1) * (SIZE // 2)
        centre = (corner + torch.randint(6, 10, (count, 2), generator=generator)).reshape(count, 2, 1, 1)
        dy, dx = (y - centre[:, 0]).abs(), (x - centre[:, 1]).abs()
        inside = (dy**2 + dx**2 <= 30, torch.maximum(dy, dx) <= 5, (torch.minimum(dy, dx) <= 1) & (dy + dx <= 6))[kind - 1]
        masks[inside] = kind
    # every shape is as bright as any other, so that only its form tells what it is
    pictures = (masks > 0).float() + 0.2 * torch.randn(count, SIZE, SIZE, generator=generator)
    return pictures.unsqueeze(1), masks


def shapes() -> dict[str, tuple[Tensor, Tensor]]:
    """1,024 pictures to learn from and 256 to look at."""
    return {"train": draw(1024, seed=0), "validation": draw(256, seed=1)}


def overlap(logits: Tensor, masks: Tensor) -> Tensor:
    """Intersection over union of each kind, from all pixels together."""
    found = logits.argmax(1)
    both = [((found == kind) & (masks == kind)).sum() for kind in range(len(KINDS))]
    either = [((found == kind) | (masks == kind)).sum() for kind in range(len(KINDS))]
    return torch.tensor([float(a / b) for a, b in zip(both, either, strict=True)])
