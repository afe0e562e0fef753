"""What is told beside gradients, where these were summed without it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from trainwright.parallel.strategies.base import Count, Summed, sum_counts
from trainwright.parallel.world import World


def tell(world: World, counts: Sequence[Count | None], left_out: bool, asks: bool, counted: bool = True) -> tuple[Summed, bool]:
    """The items, pieces and wishes of all processes, and whether any has something to tell; waits for the device where counts are on one.

    `counted`: whether the rows of this process are its own, and not those that another one takes too.
    """
    mine = sum_counts(counts, left_out)
    device = mine.items.device if isinstance(mine.items, Tensor) else torch.device("cpu")
    numbers = [*(mine[:2] if counted else (0, 0)), left_out, asks]
    told = torch.stack([torch.as_tensor(each, dtype=torch.float64).to("cpu") for each in numbers])
    items, made, leaving, asking = world.sum(told).tolist()
    whole = all(isinstance(each, int) for each in counts if each is not None) and items.is_integer()
    found = int(items) if whole else torch.tensor(items, dtype=torch.float64, device=device)
    return Summed(found, int(made), bool(leaving)), bool(asking)
