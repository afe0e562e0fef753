"""What all denoisers do: the clean sample as a weighted sum of the noisy one and of what the network gives, and the loss of that."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from trainwright.config.errors import ConfigError, RequestError
from trainwright.domains.diffusion.coefficients import per_row, widen
from trainwright.domains.diffusion.weightings.base import ByLevel, Plain, Weighting, as_weighting
from trainwright.domains.diffusion.weightings.by_sigma import edm_weight
from trainwright.domains.diffusion.weightings.frequencies import check_axes, frequency_weighted

TAKES = ("sigma", "c_noise", "time")
"""What a network may be told of the noise: σ, the ¼·ln σ of EDM, or the time of the wrapper it is in."""


class Scalings(NamedTuple):
    """D(x; σ) = skip·x + out·F(in·x), each a number per row `(b,)` (Karras et al. 2022, equation 7)."""

    c_skip: Tensor
    c_out: Tensor
    c_in: Tensor


class Shares(NamedTuple):
    """Of clean sample and unit noise in what a network is given and in what it should give, each a number per row `(b,)`."""

    clean_in: Tensor
    noise_in: Tensor
    clean_out: Tensor
    noise_out: Tensor


class BaseDenoiser(nn.Module):
    """A network as a function of a noisy sample `(b, …)` and its σ `(b,)` that gives the clean sample.

    `inner_model(x, level, **conditions)` gives numbers like `x`. What it is told of the noise is `takes`, or what the network says of
    itself by an attribute `takes`: `sigma`, `c_noise` (¼·ln σ), or `time`, that of the wrapper. `weighting` is a name, a function of σ or a
    Weighting; without one, the squared errors of the network's output count alike. `scales` above 1 weighs them by spatial frequency.
    """

    takes_by_itself = "time"

    def __init__(
        self,
        inner_model: nn.Module,
        sigma_data: float = 1.0,
        weighting: str | ByLevel | Weighting | None = None,
        scales: float = 1.0,
        takes: str | None = None,
    ) -> None:
        super().__init__()
        check_sigma_data(sigma_data)
        self.inner_model = inner_model
        self.sigma_data, self.scales = float(sigma_data), float(scales)
        found = None if weighting is None else as_weighting(weighting)
        self.weighting = None if isinstance(found, Plain) else found
        self.takes = takes or getattr(inner_model, "takes", self.takes_by_itself)
        if self.takes not in TAKES:
            raise ConfigError(f"a network that takes '{self.takes}' is unknown", fix=f"it takes one of: {', '.join(TAKES)}")

    def get_scalings(self, sigma: Float[Tensor, " b"]) -> Scalings:
        """The scales `(b,)` of levels σ `(b,)`, in the format of σ."""
        raise NotImplementedError

    def get_time(self, sigma: Float[Tensor, " b"]) -> Tensor:
        """What this kind of network is told of levels σ `(b,)`."""
        return sigma

    def get_level(self, sigma: Float[Tensor, " b"]) -> Tensor:
        """What the network is told `(b,)`; σ comes in the widest format of its device."""
        if self.takes == "sigma":
            return sigma
        return sigma.log() / 4 if self.takes == "c_noise" else self.get_time(sigma)

    def check_sigmas(self, sigmas: list[float]) -> None:
        """Raises RequestError for levels that the network cannot know; ask once before sampling, with numbers of the host."""

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Raises ConfigError where `scales` are asked of samples `shape`, without rows, that have no axes of space or time."""
        if self.scales != 1:
            check_axes(shape)

    def forward(self, input: Float[Tensor, "b ..."], sigma: Float[Tensor, " b"], **conditions: Any) -> Float[Tensor, "b ..."]:
        """The clean sample that is expected behind each noisy one."""
        check_rows(input, sigma)
        wide = widen(sigma)
        c_skip, c_out, c_in = (per_row(each, input) for each in self.get_scalings(wide))
        return self.call_network(input * c_in, wide, **conditions) * c_out + input * c_skip

    def loss(
        self, input: Float[Tensor, "b ..."], noise: Float[Tensor, "b ..."], sigma: Float[Tensor, " b"], **conditions: Any
    ) -> Float[Tensor, " b"]:
        """The loss of each row `(b,)`: clean samples, unit noise like them, and σ that it is scaled by."""
        output, target = self.predict(input, noise, sigma, **conditions)
        return self.weigh(self.row_errors(output, target), sigma)

    def predict(
        self, input: Float[Tensor, "b ..."], noise: Float[Tensor, "b ..."], sigma: Float[Tensor, " b"], **conditions: Any
    ) -> tuple[Tensor, Tensor]:
        """What the network gives for clean samples with noise, and what it should give."""
        check_rows(input, sigma)
        wide = widen(sigma)
        shares = per_row(torch.stack(self.get_shares(wide)), input, leading=2)
        clean_in, noise_in, clean_out, noise_out = shares.unbind()
        output = self.call_network(torch.addcmul(input * clean_in, noise, noise_in), wide, **conditions)
        return output, torch.addcmul(input * clean_out, noise, noise_out)

    def get_shares(self, sigma: Float[Tensor, " b"]) -> Shares:
        """The shares `(b,)` of clean sample and noise in what the network is given and should give at levels σ `(b,)`.

        Of the clean sample and the noise themselves: the noisy sample less the clean one cancels to nothing at small σ.
        """
        c_skip, c_out, c_in = self.get_scalings(sigma)
        return Shares(c_in, sigma * c_in, (1 - c_skip) / c_out, -c_skip * sigma / c_out)

    def call_network(self, x: Float[Tensor, "b ..."], sigma: Float[Tensor, " b"], **conditions: Any) -> Float[Tensor, "b ..."]:
        """What the network gives for scaled samples; raises RequestError where that has another shape."""
        output = self.inner_model(x, as_format(self.get_level(sigma), x), **conditions)
        check_like(output, x)
        found: Tensor = output
        return found

    def row_errors(self, output: Float[Tensor, "b ..."], target: Float[Tensor, "b ..."]) -> Float[Tensor, " b"]:
        """Mean squared errors of rows, by frequency where `scales` says so."""
        if self.scales != 1:
            return frequency_weighted(output - target, self.scales).flatten(1).mean(1)
        return functional.mse_loss(output, target, reduction="none").flatten(1).mean(1)

    def weigh(self, errors: Float[Tensor, " b"], sigma: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
        """Errors of the network's output with the weights of their levels."""
        if self.weighting is None:
            return errors
        return self.weighting.weigh(errors * self.in_units_of_edm(widen(sigma)).to(errors.dtype), sigma, self.sigma_data)

    def in_units_of_edm(self, sigma: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
        """What turns squared errors of this network into those that one of EDM would have."""
        return self.get_scalings(sigma).c_out ** 2 * edm_weight(sigma, self.sigma_data)


def as_format(level: Tensor, x: Tensor) -> Tensor:
    """A level in the format of the samples; places in a table that are whole stay whole."""
    return level.to(x.dtype) if level.is_floating_point() else level


def check_sigma_data(sigma_data: float) -> None:
    """Raises ConfigError for what is no standard deviation."""
    if not (sigma_data > 0 and math.isfinite(sigma_data)):
        raise ConfigError(f"sigma_data is {sigma_data}", why="it is the standard deviation of the data", fix="give a number above 0")


def check_rows(x: Tensor, sigma: Tensor) -> None:
    """Raises RequestError unless there is one σ per row of floating-point samples."""
    if sigma.ndim != 1 or len(sigma) != len(x):
        what = f"sigma has the shape {tuple(sigma.shape)} for samples {tuple(x.shape)}"
        raise RequestError(what, why="every row has a level of noise", fix="give sigma of shape (b,): sigma * x.new_ones(len(x))")
    if not x.is_floating_point():
        raise RequestError(f"samples are {x.dtype}", why="noise has fractions", fix="give floating-point samples, pictures as -1 to 1")


def check_like(output: object, x: Tensor) -> None:
    """Raises RequestError where a network gives anything but numbers like its samples."""
    if isinstance(output, Tensor) and output.shape == x.shape:
        return
    gave = f"the shape {tuple(output.shape)}" if isinstance(output, Tensor) else f"a {type(output).__name__}"
    fix = "let it give a tensor like x; twice the channels are of system.denoiser={type: discrete, learned_sigmas: true}, OpenAIDenoiser"
    raise RequestError(f"the network gave {gave} for samples {tuple(x.shape)}", fix=fix)
