"""How the decay of a moving average grows: small at first, so that the first weights are soon forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class EMAWarmup:
    """Decay of an exponential moving average by inverse decay: clamp(1 − (1 + max(0, t − start_at) / inv_gamma)^−power).

    Up to `start_at` it is min_value, as in k-diffusion. With inv_gamma 1, power 2/3 gives 0.999 at 31.6 thousand updates and 0.9999 at
    one million; 3/4 gives 0.999 at 10 thousand and 0.9999 at 215.4 thousand. Raises ValueError unless inv_gamma > 0, power >= 0 and
    0 <= min_value <= max_value <= 1.
    """

    def __init__(
        self,
        inv_gamma: float = 1.0,
        power: float = 1.0,
        min_value: float = 0.0,
        max_value: float = 1.0,
        start_at: int = 0,
        last_epoch: int = 0,
    ) -> None:
        if not inv_gamma > 0:
            raise ValueError(f"inv_gamma is {inv_gamma}; it must be above 0")
        if not power >= 0:
            raise ValueError(f"power is {power}; it must not be negative")
        if not 0 <= min_value <= max_value <= 1:
            raise ValueError(f"min_value is {min_value} and max_value {max_value}; they must be 0 <= min_value <= max_value <= 1")
        self.inv_gamma, self.power = inv_gamma, power
        self.min_value, self.max_value = min_value, max_value
        self.start_at, self.last_epoch = start_at, last_epoch

    def state_dict(self) -> dict[str, Any]:
        """Settings and position, as `load_state_dict` takes them."""
        return dict(self.__dict__)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take settings and position back; keys of other objects are ignored."""
        self.__dict__.update({name: value for name, value in state_dict.items() if name in self.__dict__})

    def get_value(self) -> float:
        """The decay now."""
        return self.value_at(self.last_epoch)

    def value_at(self, t: int) -> float:
        """The decay after `t` updates; a pure function of it."""
        value = 1 - (1 + max(0, t - self.start_at) / self.inv_gamma) ** -self.power
        return float(min(self.max_value, max(self.min_value, value)))

    def step(self) -> None:
        """Count one update."""
        self.last_epoch += 1
