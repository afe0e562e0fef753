"""Options of the samplers: the keyword arguments of their functions."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from trainwright.config.model import PartConfig


def _as_numbers(restarts: Any) -> Any:
    """Keys of YAML and JSON as numbers, and lists as what they stand for; what is no restart is left to be refused."""
    if not isinstance(restarts, dict):
        return restarts
    return {_number(low): _entry(entry) for low, entry in restarts.items()}


def _number(low: Any) -> Any:
    try:
        return float(low)
    except (TypeError, ValueError):
        return low


def _entry(entry: Any) -> Any:
    if not isinstance(entry, list | tuple) or len(entry) != 3:
        return entry
    return (entry[0], entry[1], float(entry[2]) if isinstance(entry[2], int) else entry[2])


Restarts = Annotated[dict[float, tuple[int, int, float]], BeforeValidator(_as_numbers)]


class ChurnOptions(PartConfig):
    """Noise added before a step and taken off within it, Karras et al. (2022), algorithm 2."""

    s_churn: float = Field(default=0.0, ge=0)
    """How much over all steps; 0 draws nothing."""
    s_tmin: float = Field(default=0.0, ge=0)
    """The lowest level of noise at which it is done."""
    s_tmax: float | None = Field(default=None, ge=0)
    """The highest level at which it is done; none without it."""
    s_noise: float = Field(default=1.0, ge=0)
    """Deviation of the noise, a little above 1 (1.003 to 1.007) against loss of detail."""


class EtaOptions(PartConfig):
    """Noise that is taken off too much and added again."""

    eta: float = Field(default=1.0, ge=0)
    """How much of the noise is fresh at every step: 0 none, 1 all that the process of diffusion has."""
    s_noise: float = Field(default=1.0, ge=0)
    """Deviation of the noise."""


class EulerOptions(ChurnOptions):
    """Euler's method."""

    type: str = "euler"


class HeunOptions(ChurnOptions):
    """Heun's method, the sampler of EDM."""

    type: str = "heun"


class Dpm2Options(ChurnOptions):
    """The midpoint rule in ln σ."""

    type: str = "dpm_2"


class LmsOptions(PartConfig):
    """Adams–Bashforth in σ."""

    type: str = "lms"
    order: int = Field(default=4, ge=1, le=8)
    """How many slopes count."""


class Dpmpp2mOptions(PartConfig):
    """DPM-Solver++(2M)."""

    type: str = "dpmpp_2m"


class LowerOrderOptions(PartConfig):
    """Multistep methods that may end with lower orders."""

    lower_order_final: bool | None = None
    """Let the order fall with the steps that are left, which steadies the end; without it, where there are fewer than 15 steps."""


class DeisOptions(LowerOrderOptions):
    """DEIS, in ln σ."""

    type: str = "deis"
    order: int = Field(default=3, ge=1, le=4)
    """How many slopes count; 1 is Euler's."""


class UnipcOptions(LowerOrderOptions):
    """UniPC on the data prediction."""

    type: str = "unipc"
    order: int = Field(default=3, ge=1, le=4)
    """Of the predictor; the corrector adds one."""
    variant: Literal["bh1", "bh2"] = "bh2"
    """B(h) of the paper: h, or e^h − 1."""
    corrector: bool = True
    """Correct each step by the call that the next begins with."""


class DpmFastOptions(PartConfig):
    """DPM-Solver of a given number of calls."""

    type: str = "dpm_fast"
    n: int | None = Field(default=None, ge=1)
    """Calls; without it, the number of steps."""
    eta: float = Field(default=0.0, ge=0)
    """How much of the noise is fresh at every step."""
    s_noise: float = Field(default=1.0, ge=0)
    """Deviation of the noise."""


class DpmAdaptiveOptions(PartConfig):
    """DPM-Solver with steps as long as their error allows."""

    type: str = "dpm_adaptive"
    order: Literal[2, 3] = 3
    """Of the better of both results of a step; it is the number of calls for a try."""
    rtol: float = Field(default=0.05, gt=0)
    """Error allowed, as a share of the values."""
    atol: float = Field(default=0.0078, gt=0)
    """Error allowed for values near 0; 1/128 is half a step of 8-bit pixels from −1 to 1."""
    h_init: float = Field(default=0.05, gt=0)
    """Length of the first step in ln σ."""
    pcoeff: float = 0.0
    """Share of the last change of the error in the length of the next step."""
    icoeff: float = 1.0
    """Share of the error itself."""
    dcoeff: float = 0.0
    """Share of the change before the last."""
    accept_safety: float = Field(default=0.81, gt=0)
    """A step is repeated where the next would be less than this share of it."""
    eta: float = Field(default=0.0, ge=0)
    """How much of the noise is fresh at every step."""
    s_noise: float = Field(default=1.0, ge=0)
    """Deviation of the noise."""


class DdimOptions(EtaOptions):
    """DDIM."""

    type: str = "ddim"
    eta: float = Field(default=0.0, ge=0)
    """How much of the noise is fresh at every step: 0 none, 1 is DDPM."""


class EulerAncestralOptions(EtaOptions):
    """Euler's steps and fresh noise: DDPM in terms of σ."""

    type: str = "euler_ancestral"


class Dpm2AncestralOptions(EtaOptions):
    """Midpoints in ln σ, and fresh noise."""

    type: str = "dpm_2_ancestral"


class Dpmpp2sAncestralOptions(EtaOptions):
    """DPM-Solver++(2S) and fresh noise; with `eta: 0` DPM-Solver++(2S) itself."""

    type: str = "dpmpp_2s_ancestral"


class DpmppSdeOptions(EtaOptions):
    """DPM-Solver++ as an SDE, in two stages."""

    type: str = "dpmpp_sde"
    r: float = Field(default=0.5, gt=0, le=1)
    """Where in a step its second stage is, as a share of ln σ."""


class Dpmpp2mSdeOptions(EtaOptions):
    """DPM-Solver++(2M) as an SDE."""

    type: str = "dpmpp_2m_sde"
    solver_type: Literal["midpoint", "heun"] = "midpoint"
    """How the change between two steps counts."""


class Dpmpp3mSdeOptions(EtaOptions):
    """DPM-Solver++(3M) as an SDE, as k-diffusion and diffusers compute it: of second order."""

    type: str = "dpmpp_3m_sde"


class Dpmpp3mSdeCorrectedOptions(EtaOptions):
    """DPM-Solver++(3M) as an SDE with the factor that its peers lack: of third order."""

    type: str = "dpmpp_3m_sde_corrected"


class RestartOptions(PartConfig):
    """Down with a sampler without noise, then back up with noise and down again."""

    type: str = "restart"
    restarts: Restarts | None = None
    """`{sigma_low: [steps, times, sigma_high]}`; without it `{0.1: [9, 1, 2]}`, and `{}` for none."""
    solver: Literal["euler", "heun", "dpm_2", "lms", "dpmpp_2m", "deis", "unipc"] = "heun"
    """The sampler that goes down."""
    s_noise: float = Field(default=1.0, ge=0)
    """Deviation of the noise."""


class LcmOptions(PartConfig):
    """Jumps to data and back to the next level; for distilled models only."""

    type: str = "lcm"
    s_noise: float = Field(default=1.0, ge=0)
    """Deviation of the noise."""


class TcdOptions(PartConfig):
    """Jumps to a lower level and back up to the next; for distilled models only."""

    type: str = "tcd"
    gamma: float = Field(default=0.3, ge=0, le=1)
    """Share of the way back that is fresh noise: 0 is `euler`, 1 is `lcm`."""
    s_noise: float = Field(default=1.0, ge=0)
    """Deviation of the noise."""
