"""Samplers reach the exact solution of the ODE with their order, and stochastic ones the spread that their formulas have."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from benchmarks.sampler_orders import EXACT, ODE, SDE, START, Way, error, grade_levels, mixture, spread
from tests.domains.diffusion.exact_denoisers import gaussian, wide_mixture

from trainwright.domains.diffusion.samplers import PARTS
from trainwright.domains.diffusion.schedules.ramps import get_sigmas_exponential, get_sigmas_karras


def slope(way: Way, n: int) -> float:
    return math.log2(error(way, n) / error(way, 2 * n))


@pytest.mark.parametrize(
    ("name", "options", "errors"),
    [
        ("euler", {}, [8.4e-2, 2.1e-2, 5.2e-3]),
        ("heun", {}, [9.7e-3, 6.0e-4, 3.8e-5]),
        ("dpm_2", {}, [3.8e-3, 2.4e-4, 1.5e-5]),
        ("dpmpp_2m", {}, [2.7e-3, 1.5e-4, 9.3e-6]),
        ("dpmpp_2s_ancestral", {"eta": 0.0}, [7.3e-3, 4.9e-4, 3.2e-5]),
        ("dpmpp_2m_sde", {"eta": 0.0, "solver_type": "heun"}, [4.7e-3, 3.0e-4, 1.9e-5]),
        ("dpmpp_3m_sde", {"eta": 0.0}, [6.6e-4, 5.6e-5, 3.3e-6]),
    ],
)
def test_errors_are_those_of_k_diffusion(name: str, options: dict[str, Any], errors: list[float]) -> None:
    """Made with k-diffusion 4601bf0: the largest of five errors with 16, 64 and 256 steps of one ratio."""
    found = []
    for n in (16, 64, 256):
        levels = get_sigmas_exponential(n + 1, 0.1, 10, dtype=torch.float64)[:-1]
        made = PARTS[name].load()(wide_mixture, START, levels, **options)
        found.append(float((made[:, 0] - EXACT).abs().max()))
    assert found == pytest.approx(errors, rel=0.04)


@pytest.mark.parametrize("way", ODE, ids=lambda way: way.label)
def test_error_falls_with_the_order(way: Way) -> None:
    found = slope(way, 128 if way.order > 2 or way.rest is not None else 32)
    assert found == pytest.approx(way.order, abs=0.2), found


@pytest.mark.parametrize("way", SDE, ids=lambda way: way.label)
def test_error_of_the_spread_falls_with_the_order(way: Way) -> None:
    end = math.sqrt(0.5**2 + 0.1**2)
    one, other = (abs(spread(way.name, grade_levels(n), **way.options) - end) for n in (64, 128))
    assert math.log2(one / other) == pytest.approx(way.order, abs=0.2)


def test_unipc_that_ends_with_lower_orders_is_of_second_order() -> None:
    assert slope(Way("unipc", {"lower_order_final": True}, 2), 128) == pytest.approx(2, abs=0.2)


def test_tolerances_of_dpm_adaptive_are_kept() -> None:
    for tolerance in (1e-2, 1e-4, 1e-6):
        made = PARTS["dpm_adaptive"].load()(mixture, START, [10, 0.1], rtol=tolerance, atol=tolerance)
        assert float((made[:, 0] - EXACT).abs().max()) < tolerance


SPREADS = {
    ("euler_ancestral", ""): (0.362229, 0.423357, 0.459372, 0.478930),
    ("dpm_2_ancestral", ""): (0.582150, 0.516818, 0.503559, 0.500552),
    ("dpmpp_2s_ancestral", ""): (0.452836, 0.486194, 0.496070, 0.498700),
    ("dpmpp_sde", ""): (0.471868, 0.493048, 0.498201, 0.499301),
    ("dpmpp_2m_sde", ""): (0.547352, 0.516789, 0.503623, 0.500554),
    ("dpmpp_2m_sde", "heun"): (0.634078, 0.533792, 0.506757, 0.501239),
    ("dpmpp_3m_sde", ""): (0.649137, 0.506784, 0.501423, 0.500065),
    ("euler", ""): (0.418857, 0.459579, 0.479686, 0.489668),
    ("heun", ""): (0.530719, 0.506111, 0.501096, 0.499959),
    ("dpmpp_2m", ""): (0.527294, 0.506309, 0.501112, 0.499958),
    ("lms", ""): (0.473372, 0.496857, 0.499733, 0.499980),
}


def karras(n: int) -> list[float]:
    levels: list[float] = get_sigmas_karras(n, 0.02, 10, dtype=torch.float64).tolist()
    return levels


@pytest.mark.parametrize(("name", "solver_type"), SPREADS)
def test_samples_are_spread_as_the_formulas_have_it(name: str, solver_type: str) -> None:
    """Made with k-diffusion 4601bf0 by propagation of deviations, 10, 20, 40 and 80 Karras steps into 0; the data are spread by 0.5."""
    options = {"solver_type": solver_type} if solver_type else {}
    assert [spread(name, karras(n), **options) for n in (10, 20, 40, 80)] == pytest.approx(SPREADS[name, solver_type], abs=2e-6)


def test_noise_of_no_path_is_visible_in_dpmpp_sde() -> None:
    """With k-diffusion 4601bf0 and fresh noise .394, .435, .464 were sampled, where a path gives .472, .493, .498."""
    assert [spread("dpmpp_sde", karras(n), brownian=False) for n in (10, 20, 40)] == pytest.approx([0.394, 0.435, 0.464], abs=1.5e-3)


def test_samples_with_noise_have_the_mean_of_the_data() -> None:
    start = torch.full((1, 4), 0.5, dtype=torch.float64)
    for way in SDE:
        made = PARTS[way.name].load()(gaussian, start, karras(20), noise_sampler=lambda sigma, sigma_next: torch.zeros_like(start))
        assert made.tolist() == [pytest.approx([0.5] * 4, abs=1e-12)], way.name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("ddim", {"eta": 0.7}), ("euler_ancestral", {"eta": 0.7})),
        (("dpmpp_2m_sde", {"eta": 0.0}), ("dpmpp_2m", {})),
        (("dpmpp_sde", {"eta": 0.0}), ("dpmpp_2s_ancestral", {"eta": 0.0})),
        (("deis", {"order": 1}), ("euler", {})),
        (("unipc", {"order": 2, "corrector": False}), ("dpmpp_2m", {})),
        (("lms", {"order": 1}), ("euler", {})),
    ],
)
def test_samplers_that_are_one_method_agree(one: tuple[str, dict[str, Any]], other: tuple[str, dict[str, Any]]) -> None:
    def ends(name: str, options: dict[str, Any]) -> list[float]:
        noise = {"noise_sampler": lambda sigma, sigma_next: torch.full_like(START, 0.25)}
        found: list[float] = PARTS[name].load()(wide_mixture, START, karras(20), **options, **noise)[:, 0].tolist()
        return found

    assert ends(*one) == pytest.approx(ends(*other), abs=1e-11)
