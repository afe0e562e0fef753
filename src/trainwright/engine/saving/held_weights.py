"""The weights of the best evaluations, in memory while no checkpoint on disk has them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from torch import Tensor

Weights = dict[str, Tensor]


class HeldWeights:
    """Step → weights of an evaluation among the best; None while they are still to be copied, or on their way to the disk."""

    def __init__(self) -> None:
        self._held: dict[int, Weights | None] = {}
        self._spare: Weights = {}

    def expect(self, step: int) -> None:
        """Hear that the weights of this step are among the best."""
        self._held[step] = None

    def lacks(self, step: int) -> bool:
        """Whether the weights of this step are among the best, and neither here nor known to be on disk."""
        return step in self._held and self._held[step] is None

    def copy(self, step: int, weights: Mapping[str, Tensor]) -> None:
        """Hold a copy of the weights of this step, in memory that is free where it fits."""
        self._held[step], self._spare = copy_weights(weights, self._spare), {}

    def get(self, step: int) -> Weights | None:
        """The weights of this step, if they are here."""
        return self._held.get(step)

    def list_unsaved(self, besides: int) -> dict[int, Weights]:
        """All that are here, but those of step `besides`."""
        return {step: weights for step, weights in sorted(self._held.items()) if weights is not None and step != besides}

    def keep_only(self, steps: Collection[int], reuse: bool) -> None:
        """Let go of the weights of all other steps; with `reuse` their memory is for the next copy, since nothing is written from it."""
        self._let_go([step for step in self._held if step not in steps], reuse)

    def forget_written(self, step: int, held: Mapping[int, Weights]) -> None:
        """Hear that the disk has the weights of `step`, and those `held` that were written with them."""
        self._let_go([each for each, weights in self._held.items() if each == step or weights is held.get(each, self)], reuse=True)

    def free(self) -> None:
        """Let go of all, and of their memory."""
        self._held, self._spare = {}, {}

    def _let_go(self, steps: list[int], reuse: bool) -> None:
        for step in steps:
            weights = self._held.pop(step)
            if weights is not None and reuse:
                self._spare = weights


def copy_weights(tensors: Mapping[str, Tensor], room: Weights) -> Weights:
    """Copies on the CPU, in the memory of `room` where it fits: memory never touched before takes ten times as long."""
    made = {}
    for name, tensor in tensors.items():
        there = room.get(name)
        fits = there is not None and there.shape == tensor.shape and there.dtype == tensor.dtype
        made[name] = there.copy_(tensor.detach()) if fits and there is not None else tensor.detach().to("cpu", copy=True)
    return made
