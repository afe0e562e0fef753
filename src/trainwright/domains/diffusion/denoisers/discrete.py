"""Denoisers of networks that were trained at the levels of a table, with the maps between σ and places in the table both ways."""

from __future__ import annotations

from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trainwright.config.errors import RequestError
from trainwright.domains.diffusion.coefficients import widest
from trainwright.domains.diffusion.denoisers.base import BaseDenoiser, Scalings, as_format, check_like
from trainwright.domains.diffusion.denoisers.tables import sigmas_of
from trainwright.domains.diffusion.weightings.base import ByLevel, Weighting

BEYOND = 1e-3
"""How far outside the table a level may be, as a share of it: rounding of schedules."""


class DiscreteSchedule:
    """Rising levels σ `(t,)` by their place 0 to t − 1; between two places ln σ is linear.

    With `quantize` places are whole numbers. After k-diffusion's class of the same name; nothing of it is trained or saved.
    """

    def __init__(self, sigmas: Float[Tensor, " t"], quantize: bool = False) -> None:
        self.sigmas = sigmas.detach().to("cpu", torch.float64)
        self.quantize = quantize
        if self.sigmas.ndim != 1 or len(self.sigmas) < 2 or not bool((self.sigmas.diff() > 0).all() and self.sigmas[0] > 0):
            fix = "give σ of each place, above 0 and from the least noise to the most"
            raise RequestError("the levels of the table do not rise", fix=fix)
        self.sigma_min, self.sigma_max = float(self.sigmas[0]), float(self.sigmas[-1])
        self._logs: dict[torch.device, Tensor] = {}

    @property
    def log_sigmas(self) -> Float[Tensor, " t"]:
        """ln of `sigmas`."""
        return self.sigmas.log()

    def logs_on(self, device: torch.device) -> Float[Tensor, " t"]:
        """ln σ in the widest format of a device, kept there."""
        if device not in self._logs:
            self._logs[device] = self.log_sigmas.to(device=device, dtype=widest(device))
        return self._logs[device]

    def check_sigmas(self, sigmas: list[float]) -> None:
        """Raises RequestError for a level outside the table; 0, the end of a schedule, is none."""
        for number, sigma in enumerate(sigmas):
            if sigma and not self.sigma_min * (1 - BEYOND) <= sigma <= self.sigma_max * (1 + BEYOND):
                raise RequestError(
                    f"sigma {sigma:g} (number {number}) is outside the table of the model",
                    why=f"it was trained at sigmas from {self.sigma_min:.6g} to {self.sigma_max:.6g}",
                    fix="keep sigma_min and sigma_max within the table",
                )

    def get_sigmas(self, n: int | None = None) -> Float[Tensor, " n1"]:
        """`n` levels at even places, falling, and a 0; without `n` all levels. float64 on the CPU."""
        if n is not None and n < 1:
            raise RequestError(f"{n} levels are none", fix="ask for 1 or more")
        last = len(self.sigmas) - 1
        levels = self.sigmas.flip(0) if n is None else self.t_to_sigma(torch.linspace(last, 0, n, dtype=torch.float64))
        return torch.cat([levels, levels.new_zeros(1)])

    def sigma_to_t(self, sigma: Float[Tensor, "*b"], quantize: bool | None = None) -> Tensor:
        """Places of levels, clamped to the table: fractions linear in ln σ, or the nearest (by ln σ) as whole numbers with `quantize`."""
        quantize = self.quantize if quantize is None else quantize
        logs, log_sigma = self.logs_on(sigma.device), sigma.to(widest(sigma.device)).log()
        upper = torch.searchsorted(logs, log_sigma).clamp(1, len(logs) - 1)
        below, above = logs[upper - 1], logs[upper]
        share = ((log_sigma - below) / (above - below)).clamp(0, 1)
        return upper - 1 + (share > 0.5).long() if quantize else upper - 1 + share

    def t_to_sigma(self, t: Tensor) -> Tensor:
        """Levels of places from 0 to t − 1, float64. Raises RequestError outside of these, where the places are on the host."""
        last = len(self.sigmas) - 1
        if t.device.type == "cpu" and not torch.compiler.is_compiling() and bool(((t < 0) | (t > last)).any()):
            wrong = float(t[(t < 0) | (t > last)].flatten()[0])
            raise RequestError(f"t {wrong:g} is outside the table", fix=f"places are from 0 to {last}")
        logs = self.logs_on(t.device)
        place = t.to(logs.dtype).clamp(0, last)
        below = place.long().clamp(max=last - 1)
        share = place - below
        return ((1 - share) * logs[below] + share * logs[below + 1]).exp()


class DiscreteDenoiser(BaseDenoiser):
    """A network that is told a place in a table of levels, `(b,)`, whole numbers with `quantize`, and sees samples of unit variance.

    `alphas_cumprod` `(t,)` is ᾱ of each place. The names of its maps are those of k-diffusion.
    """

    def __init__(
        self,
        inner_model: nn.Module,
        alphas_cumprod: Float[Tensor, " t"],
        quantize: bool = False,
        weighting: str | ByLevel | Weighting | None = None,
        scales: float = 1.0,
        takes: str | None = None,
        learned_sigmas: bool = False,
    ) -> None:
        super().__init__(inner_model, 1.0, weighting, scales, takes)
        self.schedule = DiscreteSchedule(sigmas_of(alphas_cumprod.detach().to("cpu", torch.float64)), quantize)
        self.learned_sigmas = learned_sigmas

    @property
    def sigmas(self) -> Float[Tensor, " t"]:
        """The levels of the table, rising, float64 on the CPU."""
        return self.schedule.sigmas

    @property
    def log_sigmas(self) -> Float[Tensor, " t"]:
        """ln of `sigmas`."""
        return self.schedule.log_sigmas

    @property
    def sigma_min(self) -> float:
        """The smallest level of the table."""
        return self.schedule.sigma_min

    @property
    def sigma_max(self) -> float:
        """The largest level of the table."""
        return self.schedule.sigma_max

    def get_sigmas(self, n: int | None = None) -> Float[Tensor, " n1"]:
        """As `DiscreteSchedule.get_sigmas`."""
        return self.schedule.get_sigmas(n)

    def sigma_to_t(self, sigma: Float[Tensor, "*b"], quantize: bool | None = None) -> Tensor:
        """As `DiscreteSchedule.sigma_to_t`."""
        return self.schedule.sigma_to_t(sigma, quantize)

    def t_to_sigma(self, t: Tensor) -> Tensor:
        """As `DiscreteSchedule.t_to_sigma`."""
        return self.schedule.t_to_sigma(t)

    def get_time(self, sigma: Float[Tensor, " b"]) -> Tensor:
        return self.sigma_to_t(sigma)

    def check_sigmas(self, sigmas: list[float]) -> None:
        """Raises RequestError for levels outside the table; ask once before sampling, with numbers of the host."""
        self.schedule.check_sigmas(sigmas)

    def call_network(self, x: Float[Tensor, "b ..."], sigma: Float[Tensor, " b"], **conditions: Any) -> Float[Tensor, "b ..."]:
        """What the network gives; raises RequestError for levels outside the table, where they are on the host."""
        if sigma.device.type == "cpu" and not torch.compiler.is_compiling():
            self.schedule.check_sigmas([float(sigma.min()), float(sigma.max())])
        output = self.get_eps(x, as_format(self.get_level(sigma), x), **conditions)
        if self.learned_sigmas and isinstance(output, Tensor) and output.ndim > 1 and output.shape[1] == 2 * x.shape[1]:
            output = output.chunk(2, dim=1)[0]
        check_like(output, x)
        found: Tensor = output
        return found

    def get_eps(self, x: Tensor, t: Tensor, **conditions: Any) -> Any:
        """The call of the network itself."""
        return self.inner_model(x, t, **conditions)


class DiscreteEpsDDPMDenoiser(DiscreteDenoiser):
    """A discrete network that predicts the noise (Ho et al. 2020). After k-diffusion's class of the same name."""

    def get_scalings(self, sigma: Float[Tensor, " b"]) -> Scalings:
        return Scalings(torch.ones_like(sigma), -sigma, (sigma**2 + 1).rsqrt())


class DiscreteVDDPMDenoiser(DiscreteDenoiser):
    """A discrete network that predicts v (Salimans & Ho 2022). After k-diffusion's class of the same name."""

    def get_scalings(self, sigma: Float[Tensor, " b"]) -> Scalings:
        root = (sigma**2 + 1).rsqrt()
        return Scalings(root**2, -sigma * root, root)


class DiscreteX0Denoiser(DiscreteDenoiser):
    """A discrete network that predicts the clean sample: `prediction_type: sample` of diffusers."""

    def get_scalings(self, sigma: Float[Tensor, " b"]) -> Scalings:
        return Scalings(torch.zeros_like(sigma), torch.ones_like(sigma), (sigma**2 + 1).rsqrt())


class OpenAIDenoiser(DiscreteEpsDDPMDenoiser):
    """A network and the `GaussianDiffusion` of OpenAI's guided diffusion, whose numpy table `alphas_cumprod` is taken."""

    def __init__(
        self, model: nn.Module, diffusion: Any, quantize: bool = False, has_learned_sigmas: bool = True, device: torch.device | str = "cpu"
    ) -> None:
        alphas_cumprod = torch.tensor(diffusion.alphas_cumprod, dtype=torch.float64)
        super().__init__(model.to(device), alphas_cumprod, quantize, learned_sigmas=has_learned_sigmas)


class CompVisDenoiser(DiscreteEpsDDPMDenoiser):
    """A `LatentDiffusion` of CompVis's Stable Diffusion that predicts the noise: its `apply_model` and `alphas_cumprod`."""

    def __init__(self, model: Any, quantize: bool = False, device: torch.device | str = "cpu") -> None:
        super().__init__(model.to(device), model.alphas_cumprod, quantize)

    def get_eps(self, x: Tensor, t: Tensor, **conditions: Any) -> Any:
        return cast(Any, self.inner_model).apply_model(x, t, **conditions)


class CompVisVDenoiser(DiscreteVDDPMDenoiser):
    """A `LatentDiffusion` of CompVis's Stable Diffusion that predicts v: its `apply_model` and `alphas_cumprod`."""

    def __init__(self, model: Any, quantize: bool = False, device: torch.device | str = "cpu") -> None:
        super().__init__(model.to(device), model.alphas_cumprod, quantize)

    def get_eps(self, x: Tensor, t: Tensor, **conditions: Any) -> Any:
        return cast(Any, self.inner_model).apply_model(x, t, **conditions)


OF_PREDICTION: dict[str, type[DiscreteDenoiser]] = {
    "epsilon": DiscreteEpsDDPMDenoiser,
    "v_prediction": DiscreteVDDPMDenoiser,
    "sample": DiscreteX0Denoiser,
}
"""What a network predicts, by diffusers' names → its denoiser."""
