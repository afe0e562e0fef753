"""Samplers reach the exact solution of the ODE with their order, and stochastic ones the spread that their formulas have."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.domains.diffusion.exact_denoisers import gaussian, wide_mixture
from torch import Tensor

from trainwright.domains.diffusion.samplers import PARTS
from trainwright.domains.diffusion.schedules.ramps import get_sigmas_exponential, get_sigmas_karras

pytestmark = pytest.mark.filterwarnings("ignore:x has a deviation")  # where numbers of x are axes

X = torch.tensor([[-8.0], [-3.0], [0.5], [4.0], [9.0]], dtype=torch.float64)
EXACT = torch.tensor([-0.77957702024933, 0.12266466213386, 0.34452572926218, 0.50359706284803, 0.69778393777767], dtype=torch.float64)
"""The solution of dx/dσ = (x − D)/σ from σ 10 to 0.1, of 0.3·N(−1, 0.4²) + 0.7·N(0.5, 0.3²)."""


def geometric(n: int) -> list[float]:
    levels: list[float] = get_sigmas_exponential(n + 1, 0.1, 10, dtype=torch.float64)[:-1].tolist()
    return levels


def graded(n: int) -> list[float]:
    """Levels evenly apart in ln σ after a start of short steps, so that the first steps of a multistep method cost it no order."""
    h = math.log(100) / n
    steps = [0.05 * h**2]
    while steps[-1] * 1.5 < h:
        steps.append(steps[-1] * 1.5)
    rest = math.log(100) - sum(steps)
    steps += [rest / math.ceil(rest / h)] * math.ceil(rest / h)
    return [10 * math.exp(-sum(steps[:i])) for i in range(len(steps))] + [0.1]


def error(name: str, levels: list[float], options: dict[str, Any]) -> float:
    made = PARTS[name].load()(wide_mixture, X, levels, **options)
    return float((made[:, 0] - EXACT).abs().max())


def slope(name: str, levels: Callable[[int], list[float]], n: int, options: dict[str, Any]) -> float:
    return math.log2(error(name, levels(n), options) / error(name, levels(2 * n), options))


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
    assert [error(name, geometric(n), options) for n in (16, 64, 256)] == pytest.approx(errors, rel=0.04)


@pytest.mark.parametrize(
    ("name", "options", "order"),
    [
        ("euler", {}, 1),
        ("ddim", {}, 1),
        ("euler_ancestral", {"eta": 0.0}, 1),
        ("deis", {"order": 1}, 1),
        ("heun", {}, 2),
        ("dpm_2", {}, 2),
        ("dpm_2_ancestral", {"eta": 0.0}, 2),
        ("dpmpp_2s_ancestral", {"eta": 0.0}, 2),
        ("dpmpp_sde", {"eta": 0.0}, 2),
        ("dpmpp_2m", {}, 2),
        ("dpmpp_2m_sde", {"eta": 0.0}, 2),
        ("dpmpp_2m_sde", {"eta": 0.0, "solver_type": "heun"}, 2),
        ("dpmpp_3m_sde", {"eta": 0.0}, 2),
        ("lms", {"order": 2}, 2),
        ("deis", {"order": 2}, 2),
        ("unipc", {"order": 2, "corrector": False}, 2),
        ("dpmpp_3m_sde_corrected", {"eta": 0.0}, 3),
        ("lms", {"order": 3}, 3),
        ("deis", {"order": 3}, 3),
        ("unipc", {"order": 2}, 3),
        ("unipc", {"order": 2, "variant": "bh1"}, 3),
        ("unipc", {"order": 3, "corrector": False}, 3),
        ("lms", {"order": 4}, 4),
        ("unipc", {"order": 3}, 4),
        ("unipc", {"order": 3, "variant": "bh1"}, 4),
    ],
)
def test_error_falls_with_the_order(name: str, options: dict[str, Any], order: int) -> None:
    found = slope(name, graded, 128 if order > 2 else 64, options)
    assert found == pytest.approx(order, abs=0.2), found


@pytest.mark.parametrize(("calls", "order"), [(240, 2), (242, 3)])
def test_dpm_fast_is_of_the_order_of_its_last_step(calls: int, order: int) -> None:
    """A single step of order 2 at the end, of a hundred of order 3, is short enough; one of order 1 is not."""
    found = math.log(error("dpm_fast", [10, 0.1], {"n": calls // 2 // 3 * 3 + calls % 3}) / error("dpm_fast", [10, 0.1], {"n": calls}), 2)
    assert found == pytest.approx(order, abs=0.2), found


def test_unipc_that_ends_with_lower_orders_is_of_second_order() -> None:
    assert slope("unipc", graded, 128, {"lower_order_final": True}) == pytest.approx(2, abs=0.2)


class LinearNoise:
    """Numbers of noise as axes: a row of x holds what it has of each of them, so that deviations come out exactly.

    With `brownian`, two pieces of noise that begin at one level are of one path over σ.
    """

    def __init__(self, brownian: bool) -> None:
        self.brownian, self.count, self.last = brownian, 1, (0.0, 0.0, torch.zeros(0))

    def __call__(self, sigma: float, sigma_next: float) -> Tensor:
        fresh = torch.zeros(1, AXES, dtype=torch.float64)
        fresh[0, self.count] = 1
        self.count += 1
        from_level, to_level, noise = self.last
        if self.brownian and from_level == sigma:
            share = (sigma - to_level) / (sigma - sigma_next)
            fresh = math.sqrt(share) * noise + math.sqrt(1 - share) * fresh
        self.last = (sigma, sigma_next, fresh)
        return fresh


AXES = 200
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


def spread(name: str, n: int, brownian: bool = True, **options: Any) -> float:
    """The deviation of samples of N(0, 0.5²) from the exact distribution at σ 10; a linear sampler takes axes for numbers."""
    x = torch.zeros(1, AXES, dtype=torch.float64)
    x[0, 0] = math.sqrt(0.25 + 100)
    sigmas = get_sigmas_karras(n, 0.02, 10, dtype=torch.float64)
    made: Tensor = PARTS[name].load()(
        lambda x, sigma: gaussian(x, sigma, mean=0), x, sigmas, noise_sampler=LinearNoise(brownian), **options
    )
    return float(made.norm())


@pytest.mark.parametrize(("name", "solver_type"), SPREADS)
def test_samples_are_spread_as_the_formulas_have_it(name: str, solver_type: str) -> None:
    """Made with k-diffusion 4601bf0 by propagation of deviations, 10, 20, 40 and 80 steps; the data are spread by 0.5."""
    options = {"solver_type": solver_type} if solver_type else {}
    assert [spread(name, n, **options) for n in (10, 20, 40, 80)] == pytest.approx(SPREADS[name, solver_type], abs=2e-6)


def test_noise_of_no_path_is_visible_in_dpmpp_sde() -> None:
    assert [spread("dpmpp_sde", n, brownian=False) for n in (10, 20, 40)] == pytest.approx([0.394, 0.435, 0.464], abs=1.5e-3)


def test_the_corrected_sde_is_spread_by_what_the_data_are() -> None:
    assert spread("dpmpp_3m_sde_corrected", 80) == pytest.approx(0.5, abs=1e-3)


def test_ancestral_samples_have_the_mean_of_the_data() -> None:
    sigmas = get_sigmas_karras(20, 0.02, 10, dtype=torch.float64)
    start = torch.full((1, 4), 0.5, dtype=torch.float64)
    for name in ("euler_ancestral", "dpm_2_ancestral", "dpmpp_2s_ancestral", "dpmpp_sde", "dpmpp_2m_sde", "dpmpp_3m_sde"):
        made = PARTS[name].load()(gaussian, start, sigmas, noise_sampler=lambda sigma, sigma_next: torch.zeros_like(start))
        assert made.tolist() == [pytest.approx([0.5] * 4, abs=1e-12)], name
