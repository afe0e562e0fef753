"""Other weights inside a model for a while, without writing its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from trainwright.optim.model_average import check_alike


@contextmanager
def weights_inside(system: nn.Module, weights: Mapping[str, Tensor]) -> Iterator[None]:
    """The system with `weights` (by name of parameter or buffer; the rest keeps its own), and with its own, to the bit, afterwards.

    Only pointers are exchanged: its own tensors stay where they are and are not written, so that a background writer may read them, and
    whatever is written inside goes to `weights`. Autocast's cached copies of weights are dropped on both ways. No optimizer step inside.
    Raises UnlikeModels (a ValueError) for names or shapes that are not the system's.
    """
    own = dict(system.named_parameters(remove_duplicate=False)) | dict(system.named_buffers(remove_duplicate=False))
    check_alike("tensor", {name: tensor for name, tensor in own.items() if name in weights}, weights, "the weights to put inside")
    places = {id(own[name]): (own[name], value) for name, value in weights.items()}  # tied ones once
    exchanged: list[tuple[Tensor, Tensor]] = []
    try:
        for tensor, value in places.values():
            exchanged.append((tensor, tensor.data))
            tensor.data = value.detach().to(tensor)
        torch.clear_autocast_cache()
        yield
    finally:
        for tensor, data in exchanged:
            tensor.data = data
        torch.clear_autocast_cache()
