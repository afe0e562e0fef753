"""Few-step samplers are for distilled models, restart samples as its parts do, and names of elsewhere lead to samplers here."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from tests.domains.diffusion.exact_denoisers import LEVELS, START, constant_noise, gaussian, mixture
from torch import Tensor

from trainwright.config.errors import ConfigError, RequestError
from trainwright.domains.diffusion.options import DiffusionOptions
from trainwright.domains.diffusion.samplers import PARTS, Joined, find_name, joined_name
from trainwright.domains.diffusion.samplers.few_steps import sample_lcm, sample_tcd
from trainwright.domains.diffusion.samplers.heun import sample_heun
from trainwright.domains.diffusion.samplers.names import ALIASES, OPTIONS
from trainwright.domains.diffusion.samplers.restart import sample_restart
from trainwright.domains.diffusion.schedules.ramps import get_sigmas_karras


class Distilled:
    """A denoiser that jumps: of a distribution of one point, the exact one, which is what distillation tends to."""

    distilled = "lcm"

    def __init__(self, denoiser: Any = lambda x, sigma: torch.full_like(x, 0.5)) -> None:
        self.function = denoiser

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        made: Tensor = self.function(x, sigma)
        return made


class InTimes(Distilled):
    """The same with a map of times: σ = (t / 100)²."""

    def sigma_to_t(self, sigma: Tensor) -> Tensor:
        return sigma.sqrt() * 100

    def t_to_sigma(self, t: Tensor) -> Tensor:
        return (t / 100) ** 2


class Wrapped:
    def __init__(self, denoiser: Any) -> None:
        self.denoiser = denoiser

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        made: Tensor = self.denoiser(x, sigma)
        return made


@pytest.mark.parametrize("sampler", [sample_lcm, sample_tcd])
@pytest.mark.parametrize("denoiser", [gaussian, Wrapped(gaussian)])
def test_few_step_samplers_refuse_models_that_are_not_distilled(sampler: Any, denoiser: Any) -> None:
    with pytest.raises(RequestError, match=r"for distilled models(.|\n)*denoiser.distilled = 'lcm'"):
        sampler(denoiser, START, LEVELS)


@pytest.mark.parametrize("denoiser", [Distilled(), Wrapped(Distilled()), Wrapped(Wrapped(InTimes()))])
def test_lcm_jumps_and_goes_back_with_fresh_noise(denoiser: Any) -> None:
    told: list[Tensor] = []
    made = sample_lcm(denoiser, START, [10, 3, 1, 0], None, lambda info: told.append(info["x"]), noise_sampler=constant_noise(START))
    assert made.tolist() == torch.full_like(START, 0.5).tolist()
    assert told[1].tolist() == torch.full_like(START, 0.5 + 3 * 0.25).tolist()
    assert told[2].tolist() == torch.full_like(START, 0.5 + 1 * 0.25).tolist()


@pytest.mark.parametrize("kind", [Distilled, InTimes])
def test_tcd_lies_between_euler_and_lcm(kind: Any) -> None:
    denoiser, noise = kind(gaussian), constant_noise(START)
    assert torch.allclose(sample_tcd(denoiser, START, LEVELS, gamma=0.0), PARTS["euler"].load()(gaussian, START, LEVELS), atol=1e-12)
    jumped = sample_lcm(denoiser, START, LEVELS, noise_sampler=noise)
    assert torch.allclose(sample_tcd(denoiser, START, LEVELS, gamma=1.0, noise_sampler=noise), jumped, atol=1e-12)


def test_tcd_goes_down_to_a_share_of_the_time() -> None:
    made = sample_tcd(InTimes(gaussian), START, [4, 1, 0], gamma=0.3, noise_sampler=constant_noise(START))
    first = gaussian(START, torch.full((5,), 4.0))
    below = 0.7**2  # the level of 0.7 times the time of σ 1
    x = first + (START - first) / 4 * below + 0.25 * math.sqrt(1 - below**2)
    assert torch.allclose(made, gaussian(x, torch.ones(5)), atol=1e-12)
    with pytest.raises(RequestError, match=r"gamma is 1\.5"):
        sample_tcd(Distilled(), START, LEVELS, gamma=1.5)


def test_restart_is_heun_where_there_are_no_restarts() -> None:
    assert torch.equal(sample_restart(mixture, START, LEVELS, restarts={}), sample_heun(mixture, START, LEVELS))


def test_restart_goes_up_with_noise_and_down_again() -> None:
    made = sample_restart(mixture, START, LEVELS, restarts={0.12: (3, 2, 1.0)}, noise_sampler=constant_noise(START))
    x = sample_heun(mixture, START, LEVELS[:7])
    for _ in range(2):
        x = x + 0.25 * math.sqrt(1 - 0.1**2)
        x = sample_heun(mixture, x, get_sigmas_karras(4, 0.1, 1.0, dtype=torch.float64)[:-1])
    assert torch.allclose(made, sample_heun(mixture, x, LEVELS[6:]), atol=1e-12)


def test_restarts_happen_in_the_order_of_the_levels_and_at_the_last_too() -> None:
    told: list[float] = []
    restarts = {0.1: (1, 1, 0.2), 0.06: (1, 1, 0.2), 1.0: (1, 2, 2.0)}
    sample_restart(gaussian, START, LEVELS[:-1], None, lambda info: told.append(float(info["sigma"])), restarts=restarts, solver="euler")
    assert told == pytest.approx([10, 5, 2, 2, 2, 1, 0.5, 0.2, 0.2, 0.1, 0.2])


def test_restarts_take_off_the_error_of_few_steps() -> None:
    """Samples of eight Euler steps are too narrow; noise and steps between 0.1 and 2 bring them nearer to the spread of the data."""
    torch.manual_seed(0)
    x = torch.randn(20_000, 1, dtype=torch.float64) * math.sqrt(100.25)
    sigmas = get_sigmas_karras(8, 0.02, 10, dtype=torch.float64)
    plain = PARTS["euler"].load()(gaussian, x, sigmas).std()
    restarted = sample_restart(gaussian, x, sigmas, solver="euler", restarts={0.1: (9, 3, 2.0)}).std()
    assert abs(restarted - 0.5) < abs(plain - 0.5)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("DPM++ 2M Karras", Joined("dpmpp_2m", {}, "karras")),
        ("dpm++ 2m  karras", Joined("dpmpp_2m", {}, "karras")),
        ("Euler a", Joined("euler_ancestral")),
        ("Euler", Joined("euler")),
        ("DPM++ 2M SDE Heun Exponential", Joined("dpmpp_2m_sde", {"solver_type": "heun"}, "exponential")),
        ("DPM++ 2M SDE Heun", Joined("dpmpp_2m_sde", {"solver_type": "heun"})),
        ("DPM++ 3M SDE Karras", Joined("dpmpp_3m_sde", {}, "karras")),
        ("DPM++ 2S a Karras", Joined("dpmpp_2s_ancestral", {}, "karras")),
        ("DPM2 a Karras", Joined("dpm_2_ancestral", {}, "karras")),
        ("LMS Karras", Joined("lms", {}, "karras")),
        ("DPM fast", Joined("dpm_fast")),
        ("Restart", Joined("restart")),
        ("UniPC", Joined("unipc")),
        ("Euler SGM Uniform", Joined("euler", {}, "simple")),
        ("DPM++ 2M Align Your Steps", Joined("dpmpp_2m", {}, "align_your_steps")),
        ("dpmpp_2m", Joined("dpmpp_2m")),
        ("dpmpp-2m", Joined("dpmpp_2m")),
        ("DPMSolverSinglestepScheduler", Joined("dpmpp_2s_ancestral", {"eta": 0.0})),
        ("EulerDiscreteScheduler", Joined("euler")),
    ],
)
def test_names_of_web_uis_and_diffusers_are_understood(name: str, meant: Joined) -> None:
    assert joined_name(name) == meant
    assert find_name(name) == meant.sampler


@pytest.mark.parametrize(
    ("name", "suggested"),
    [
        ("DPM+ 2M Karras", "dpm\\+\\+ 2m karras"),
        ("Eulr a", "euler a"),
        ("dpmp_2m", "dpmpp_2m"),
        ("DPM++ 2M Karas", "dpm\\+\\+ 2m karras"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(name: str, suggested: str) -> None:
    with pytest.raises(ConfigError, match=f"unknown sampler '{name.replace('+', '.')}'(.|\n)*did you mean '({suggested})"):
        joined_name(name)
    assert find_name(name) == name


def test_a_configuration_may_name_sampler_and_schedule_together() -> None:
    options = DiffusionOptions(sampler="DPM++ 2M SDE Heun Exponential")
    assert options.sampler.model_dump() == {"type": "dpmpp_2m_sde", "eta": 1.0, "s_noise": 1.0, "solver_type": "heun"}
    assert options.sigmas.type == "exponential"
    options = DiffusionOptions(sampler={"type": "DPM++ 2M SDE Karras", "eta": 0.5}, sigmas={"type": "karras", "rho": 5.0})
    assert (options.sampler.type, options.sampler.eta, options.sigmas.rho) == ("dpmpp_2m_sde", 0.5, 5.0)
    assert DiffusionOptions(sampler="Euler a").sigmas.type == "karras"
    with pytest.raises(ConfigError, match="two schedules of noise levels, karras and exponential"):
        DiffusionOptions(sampler="DPM++ 2M Karras", sigmas="exponential")


@pytest.mark.parametrize("restarts", [{0.1: [9, 1, 2]}, {"0.1": [9, 1, 2.0]}, {0.1: (9, 1, 2.0)}])
def test_restarts_may_be_written_in_yaml_and_json(restarts: Any) -> None:
    options = DiffusionOptions(sampler={"type": "restart", "restarts": restarts})
    assert options.sampler.restarts == {0.1: (9, 1, 2.0)}
    assert DiffusionOptions.model_validate(json.loads(options.model_dump_json())).sampler == options.sampler


@pytest.mark.parametrize("restarts", [{0.1: [9, 1]}, {"low": [9, 1, 2]}, {0.1: [9.5, 1, 2]}, [0.1, 9, 1, 2]])
def test_what_is_no_restart_is_refused_in_a_configuration(restarts: Any) -> None:
    with pytest.raises(ValidationError, match="restarts"):
        DiffusionOptions(sampler={"type": "restart", "restarts": restarts})


def test_every_alias_names_a_sampler_and_options_that_it_has() -> None:
    assert set(ALIASES.values()) <= set(PARTS)
    for alias, options in OPTIONS.items():
        assert set(options) <= set(PARTS[ALIASES[alias]].config.model_fields)
