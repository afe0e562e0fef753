"""Schedulers for a training loop of one's own, with the names and keywords of k-diffusion's.

In a configuration `type: inverse` and `type: exponential` with `warmup_decay` are the same curves as functions of the step.
"""

from __future__ import annotations

import warnings

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


class _ClosedForm(LRScheduler):
    """(1 − warmup^(t+1)) · max(min_lr, base · multiplier(t)), with t the number of steps taken."""

    def __init__(self, optimizer: Optimizer, warmup: float, min_lr: float, last_epoch: int, verbose: bool) -> None:
        if not 0.0 <= warmup < 1.0:
            raise ValueError(f"warmup is {warmup}; it must be at least 0 and below 1")
        self.warmup, self.min_lr, self.verbose = warmup, min_lr, verbose
        super().__init__(optimizer, last_epoch)

    def multiplier(self, step: int) -> float:
        """What multiplies the base learning rate, before the floor and the warm-up."""
        raise NotImplementedError

    def get_lr(self) -> list[float]:  # type: ignore[override]
        """The learning rate of each parameter group at `last_epoch`; outside of `step`, `get_last_lr()` is meant."""
        if not getattr(self, "_get_lr_called_within_step", True):
            warnings.warn("get_last_lr() tells the learning rates that are in use", UserWarning, stacklevel=2)
        return self._get_closed_form_lr()

    def _get_closed_form_lr(self) -> list[float]:
        risen, multiplier = 1 - self.warmup ** (self.last_epoch + 1), self.multiplier(self.last_epoch)
        return [risen * max(self.min_lr, float(base) * multiplier) for base in self.base_lrs]

    def step(self, epoch: int | None = None) -> None:
        """Move on by one step, and print the learning rates when `verbose` was asked for."""
        super().step(epoch)
        if self.verbose:
            print(f"step {self.last_epoch}: learning rate {', '.join(f'{float(rate):.4e}' for rate in self.get_last_lr())}")


class InverseLR(_ClosedForm):
    """(1 + t / inv_gamma)^−power, with a warm-up 1 − warmup^(t+1) that the floor `min_lr` rises with too.

    `inv_gamma` is the step at which the rate is 2^−power of the base. Raises ValueError unless 0 ≤ warmup < 1.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        inv_gamma: float = 1.0,
        power: float = 1.0,
        warmup: float = 0.0,
        min_lr: float = 0.0,
        last_epoch: int = -1,
        verbose: bool = False,
    ) -> None:
        self.inv_gamma, self.power = inv_gamma, power
        super().__init__(optimizer, warmup, min_lr, last_epoch, verbose)

    def multiplier(self, step: int) -> float:
        """(1 + step / inv_gamma)^−power."""
        return float((1 + step / self.inv_gamma) ** -self.power)


class ExponentialLR(_ClosedForm):
    """decay^(t / num_steps), with a warm-up 1 − warmup^(t+1) that the floor `min_lr` rises with too.

    Every `num_steps` steps multiply the rate by `decay`. Raises ValueError unless 0 ≤ warmup < 1.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        num_steps: float,
        decay: float = 0.5,
        warmup: float = 0.0,
        min_lr: float = 0.0,
        last_epoch: int = -1,
        verbose: bool = False,
    ) -> None:
        self.num_steps, self.decay = num_steps, decay
        super().__init__(optimizer, warmup, min_lr, last_epoch, verbose)

    def multiplier(self, step: int) -> float:
        """decay^(step / num_steps)."""
        return float(self.decay ** (step / self.num_steps))
