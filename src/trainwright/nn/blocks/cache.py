"""What earlier positions left behind, so that decoding one position at a time costs one position at a time."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from trainwright.config.errors import RequestError


class KeyValueCache:
    """Keys and values that one attention layer has seen; for decoding, without gradients. Grows by doubling from `capacity` positions."""

    def __init__(self, capacity: int = 64) -> None:
        self.capacity, self.length = capacity, 0
        self.held: tuple[Tensor, Tensor] | None = None

    def append(self, keys: Float[Tensor, "b h n d"], values: Float[Tensor, "b h n d"]) -> tuple[Tensor, Tensor]:
        """All keys and values so far, these the last; raises RequestError where gradients are recorded."""
        if torch.is_grad_enabled() and (keys.requires_grad or values.requires_grad):
            raise RequestError("a cache holds no gradients", fix="decode inside `with torch.no_grad():`, or train on whole sequences")
        end = self.length + keys.shape[2]
        kept = self._room(end, keys)
        for store, new in zip(kept, (keys, values), strict=True):
            store[:, :, self.length : end] = new
        self.length = end
        return kept[0][:, :, :end], kept[1][:, :, :end]

    def crop(self, length: int) -> None:
        """Forget what comes after the first `length` positions, as after a rejected guess."""
        self.length = min(self.length, length)

    def take(self, rows: Int[Tensor, " n"]) -> None:
        """Keep these rows of the batch, in this order, as a beam search does."""
        if self.held is not None:
            self.held = (self.held[0][rows], self.held[1][rows])

    def _room(self, length: int, like: Tensor) -> tuple[Tensor, Tensor]:
        if self.held is not None and self.held[0].shape[0] != like.shape[0]:
            what = f"the cache holds {self.held[0].shape[0]} rows, and {like.shape[0]} came"
            raise RequestError(what, fix="make a new cache for other rows, or keep some with cache.take")
        if self.held is None or self.held[0].shape[2] < length:
            while self.capacity < length:
                self.capacity *= 2
            b, h, _, d = like.shape
            made = (like.new_empty(b, h, self.capacity, d), like.new_empty(b, h, self.capacity, d))
            for store, old in zip(made, self.held or (), strict=False):
                store[:, :, : self.length] = old[:, :, : self.length]
            self.held = made
        return self.held


class ScanCache:
    """What a state-space layer keeps of earlier positions: the last inputs of its convolution, and its state; without gradients."""

    def __init__(self) -> None:
        self.before: Float[Tensor, "b d k"] | None = None
        self.state: Float[Tensor, "b d n"] | None = None

    def keep(self, before: Float[Tensor, "b d k"], state: Float[Tensor, "b d n"]) -> None:
        """These instead of what was kept; raises RequestError where gradients are recorded."""
        if torch.is_grad_enabled() and state.requires_grad:
            raise RequestError("a cache holds no gradients", fix="decode inside `with torch.no_grad():`, or train on whole sequences")
        self.before, self.state = before, state

    def take(self, rows: Int[Tensor, " n"]) -> None:
        """Keep these rows of the batch, in this order."""
        if self.before is not None and self.state is not None:
            self.before, self.state = self.before[rows], self.state[rows]
