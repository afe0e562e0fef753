"""What a weight of the loss is: a number per level of noise, relative to the weight of EDM."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from jaxtyping import Float
from torch import Tensor

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.config.model import PartConfig
from trainwright.config.registry import build, load
from trainwright.domains.diffusion.coefficients import widen
from trainwright.domains.diffusion.weightings import PARTS, find_name

ByLevel = Callable[[Tensor], Tensor]
"""A weight of one's own: σ `(b,)` → weights `(b,)`."""


class Weighting:
    """A weight that is 1 where that of EDM, (σ² + σ_data²) / (σ·σ_data)² on the error of the clean sample, is meant.

    Divided by the scale of the network's output, that of EDM is 1 at every level (Karras et al. 2022, table 1).
    """

    def relative(self, sigma: Float[Tensor, " b"], sigma_data: float) -> Float[Tensor, " b"]:
        """The weights `(b,)`; σ comes in the widest format of its device."""
        raise NotImplementedError

    def __call__(self, sigma: Float[Tensor, " b"], sigma_data: float = 1.0) -> Float[Tensor, " b"]:
        """The weights `(b,)` relative to those of EDM, as k-diffusion's are; float64 (float32 on Apple's GPUs)."""
        return self.relative(widen(sigma), sigma_data)

    def weigh(self, errors: Float[Tensor, " b"], sigma: Float[Tensor, " b"], sigma_data: float) -> Float[Tensor, " b"]:
        """Mean squared errors of rows, in units of EDM's network, with their weights."""
        return errors * self(sigma, sigma_data).to(errors.dtype)


class Plain(Weighting):
    """1 on the error of the network's own output, whatever that is."""

    def __init__(self, options: PartConfig | None = None) -> None:
        self.options = options

    def relative(self, sigma: Float[Tensor, " b"], sigma_data: float) -> Float[Tensor, " b"]:
        why = "it depends on what the network predicts"
        raise ConfigError("the weighting auto has no number of its own", why=why, fix="give it to a denoiser; or choose karras or snr")


class Own(Weighting):
    """A function of one's own, σ `(b,)` → `(b,)`."""

    def __init__(self, weight: ByLevel) -> None:
        self.weight = weight

    def relative(self, sigma: Float[Tensor, " b"], sigma_data: float) -> Float[Tensor, " b"]:
        return self.weight(sigma)


def make_weighting(options: PartConfig) -> Any:
    """The weighting of a configuration: a part, or a function of one's own of σ `(b,)` with its options filled in."""
    made_from = load("loss_weighting", options.type)
    if inspect.isfunction(made_from) and next(iter(inspect.signature(made_from).parameters), "") == "sigma":
        return partial(made_from, **options.model_dump(exclude={"type"}))
    return build("loss_weighting", options)


def as_weighting(given: str | ByLevel | Weighting) -> Weighting:
    """A weighting from its name, from a function σ `(b,)` → `(b,)` of one's own, or as it is. Raises ConfigError for any other."""
    if isinstance(given, Weighting):
        return given
    if isinstance(given, str):
        part = PARTS.get(find_name(given).replace("-", "_"))
        if part is None:
            raise ConfigError(f"unknown weighting '{given}'", fix=did_you_mean(given, PARTS))
        made: Weighting = part.load()(part.config.model_validate({}))
        return made
    if not callable(given):
        raise ConfigError(f"{given!r} is no weighting", fix=f"name one of {', '.join(PARTS)}, or give a function of sigma")
    return Own(given)
