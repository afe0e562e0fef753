"""Weights that are held at zero: masks by name, and what a step and a checkpoint have to do with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from trainwright.config.errors import RunError


class Pruned:
    """The masks of a run. Without any it costs a step nothing.

    What is masked is exactly zero after every update and before averages take it in, and so are its gradient (before clipping and before
    its norm is measured) and the state that the optimizer keeps of it: with momentum or weight decay it would else move on.
    """

    def __init__(self) -> None:
        self.kept: dict[str, Tensor] = {}
        """Parameter → True where it is kept."""
        self._held: list[tuple[nn.Parameter, Tensor]] = []

    def __bool__(self) -> bool:
        """Whether there is any mask."""
        return bool(self._held)

    def put_on(self, kept: Mapping[str, Tensor], params: Mapping[str, nn.Parameter]) -> None:
        """Hold these parameters at zero where `kept` is False, in place of the masks there were."""
        self.kept = {name: mask.to(params[name].device) for name, mask in kept.items()}
        self._held = [(params[name], ~mask) for name, mask in self.kept.items()]
        self.hold()

    @torch.no_grad()
    def hold(self) -> None:
        """Set what is masked to zero; after every update."""
        for param, gone in self._held:
            param.masked_fill_(gone, 0)

    @torch.no_grad()
    def mask_gradients(self) -> None:
        """Set the gradient of what is masked to zero."""
        for param, gone in self._held:
            if param.grad is not None:
                param.grad = param.grad * ~gone if param.grad.is_sparse else param.grad.masked_fill_(gone, 0)

    @torch.no_grad()
    def clear(self, tensors: Mapping[str, Tensor]) -> None:
        """Set what is masked to zero in state named `<state>/<parameter>`, as optimizers and averages keep it."""
        gone = {name: ~mask for name, mask in self.kept.items()}
        for full, tensor in tensors.items():
            mask = gone.get(full.partition("/")[2])
            if mask is not None and mask.shape == tensor.shape and tensor.is_floating_point():
                tensor.masked_fill_(mask.to(tensor.device), 0)

    def tensors(self) -> dict[str, Tensor]:
        """The masks, for a checkpoint."""
        return dict(self.kept)

    def load(self, tensors: Mapping[str, Tensor], params: Iterable[tuple[str, nn.Parameter]]) -> None:
        """Take the masks back; the weights are those of the same checkpoint. Raises RunError for masks of other weights."""
        known = dict(params)
        wrong = [name for name, mask in tensors.items() if name not in known or known[name].shape != mask.shape]
        if wrong:
            raise RunError("the saved masks of pruned weights are another model's", why=f"no such weight: {', '.join(wrong[:5])}")
        self.put_on({name: mask.bool() for name, mask in tensors.items()}, known)
