"""Schedules of noise levels: the values of k-diffusion and diffusers, ends to the last digit, and what cannot be a schedule."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from trainwright.config.errors import ConfigError, RequestError
from trainwright.domains.diffusion.schedules import PARTS, find_name
from trainwright.domains.diffusion.schedules.flow import get_sigmas_flow, shift_times
from trainwright.domains.diffusion.schedules.make import make_sigmas
from trainwright.domains.diffusion.schedules.options import AlignYourStepsOptions, FlowOptions, KarrasOptions, UniformOptions, VpOptions
from trainwright.domains.diffusion.schedules.ramps import (
    get_sigmas_beta,
    get_sigmas_exponential,
    get_sigmas_karras,
    get_sigmas_linear,
    get_sigmas_polyexponential,
    get_sigmas_vp,
)
from trainwright.domains.diffusion.schedules.tables import get_sigmas_align_your_steps, get_sigmas_simple, get_sigmas_uniform

EXACT: dict[str, Any] = {"dtype": torch.float64}


def stable_diffusion_table() -> Tensor:
    """The 1000 levels of the scaled-linear betas .00085 to .012."""
    kept = torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2, 0)
    return ((1 - kept) / kept).sqrt()


@pytest.mark.parametrize(
    ("made", "levels"),
    [
        (get_sigmas_karras(5, 0.02, 10, **EXACT), [10, 3.28284896, 0.8723380486, 0.1698581101, 0.02, 0]),
        (get_sigmas_karras(5, 0.02, 10, rho=3, **EXACT), [10, 4.77291452, 1.784497933, 0.4088323795, 0.02, 0]),
        (get_sigmas_exponential(5, 0.02, 10, **EXACT), [10, 2.114742527, 0.4472135955, 0.0945741609, 0.02, 0]),
        (get_sigmas_polyexponential(5, 0.02, 10, rho=1.5, **EXACT), [10, 1.132563175, 0.1799948137, 0.04349118552, 0.02, 0]),
        (get_sigmas_vp(5, **EXACT), [152.1669703, 17.04912256, 3.422244763, 0.9575264822, 0.01048599279, 0]),
        (get_sigmas_linear(5, 2, 10, **EXACT), [10, 8, 6, 4, 2, 0]),
    ],
)
def test_levels_are_those_of_k_diffusion(made: Tensor, levels: list[float]) -> None:
    """Made with k-diffusion 4601bf0 in float64; the linear ones are arithmetic."""
    assert made.tolist() == pytest.approx(levels, rel=1e-9)


def test_levels_of_a_table_are_those_of_k_diffusion_and_of_diffusers() -> None:
    """`get_sigmas(5)` of k-diffusion 4601bf0's DiscreteSchedule; spacings of diffusers 0.42.1 for 5 of 1000 times."""
    table = stable_diffusion_table()
    expected = [14.61464123, 4.086081071, 1.61558026, 0.6951495191, 0.02916715815, 0]
    assert get_sigmas_uniform(5, table, **EXACT).tolist() == pytest.approx(expected, rel=1e-7)
    trailing = get_sigmas_uniform(5, table, "trailing", **EXACT)
    assert trailing[:-1].tolist() == pytest.approx(table[[999, 799, 599, 399, 199]].tolist(), rel=1e-12)
    assert torch.equal(get_sigmas_simple(5, table, **EXACT), trailing)
    leading = get_sigmas_uniform(5, table, "leading", **EXACT)
    assert leading[:-1].tolist() == pytest.approx(table[[800, 600, 400, 200, 0]].tolist(), rel=1e-12)
    assert get_sigmas_uniform(1000, table, "trailing", **EXACT)[:-1].tolist() == pytest.approx(table.flip(0).tolist(), rel=1e-12)


def test_align_your_steps_has_its_table_at_ten_steps_and_lies_within_it_at_others() -> None:
    ten = get_sigmas_align_your_steps(10, "sdxl", **EXACT)
    assert ten.tolist() == pytest.approx([14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0])
    nineteen = get_sigmas_align_your_steps(19, "SDXL", **EXACT)
    assert nineteen[:-1:2].tolist() == pytest.approx(ten[:-1].tolist())
    assert nineteen[1].item() == pytest.approx((14.615 * 6.315) ** 0.5)
    assert get_sigmas_align_your_steps(4, [8, 4, 2, 1], **EXACT).tolist() == pytest.approx([8, 4, 2, 1, 0])
    assert get_sigmas_align_your_steps(3, "svd", **EXACT)[0].item() == pytest.approx(700)


def test_times_of_flow_matching_are_shifted_as_diffusers_shifts_them() -> None:
    """diffusers 0.42.1, FlowMatchEulerDiscreteScheduler of shift 3 and 4 steps, which shifts its last time twice."""
    times = torch.linspace(1, shift_times(0.001, 3.0), 4, dtype=torch.float64)
    assert shift_times(times, 3.0).tolist() == pytest.approx([1, 0.8576923, 0.60215056, 0.00892857], abs=1e-7)
    levels = get_sigmas_flow(4, 80, **EXACT)
    assert (levels / (1 + levels)).diff().tolist() == pytest.approx([-80 / 81 / 4] * 4)
    shifted = get_sigmas_flow(4, 80, shift=3, **EXACT)
    assert shifted[0] == 80
    assert (shifted[1:-1] / 3).tolist() == pytest.approx(
        [t / (1 - t) for t in (torch.tensor([0.75, 0.5, 0.25]) * 80 / 83).tolist()], rel=1e-6
    )


def test_beta_levels_are_even_quantiles() -> None:
    """With parameters of 1 the distribution is uniform, and with ½ it is that of the arcsine."""
    assert get_sigmas_beta(5, 2, 10, 1, 1, **EXACT).tolist() == pytest.approx([10, 8, 6, 4, 2, 0])
    arcsine = torch.sin(torch.pi / 2 * torch.linspace(1, 0, 5, dtype=torch.float64)) ** 2
    assert get_sigmas_beta(5, 2, 10, 0.5, 0.5, **EXACT)[:-1].tolist() == pytest.approx((2 + 8 * arcsine).tolist())


@pytest.mark.parametrize("name", ["karras", "exponential", "polyexponential", "linear", "beta", "flow"])
def test_schedules_begin_at_sigma_max_exactly_and_fall_to_zero(name: str) -> None:
    for n in (1, 2, 7, 50):
        levels = make_sigmas(name, n, 0.002, 80)
        assert len(levels) == n + 1 and levels[0] == 80 and levels[-1] == 0
        assert bool((levels.diff() < 0).all())
    assert make_sigmas(name, 10, 0.002, 80, dtype=torch.float32)[0] == 80
    assert make_sigmas(name, 1, 0.002, 80).tolist() == [80, 0]


def test_float32_levels_are_rounded_once() -> None:
    assert torch.equal(get_sigmas_karras(50, 0.002, 80), get_sigmas_karras(50, 0.002, 80, **EXACT).float())
    assert get_sigmas_karras(5, 0.02, 10).dtype == torch.float32


@pytest.mark.parametrize(
    ("sigma_min", "sigma_max", "told"),
    [
        (10, 0.02, "sigma_min=0.02, sigma_max=10"),
        (1, 1, "sigma_min is below sigma_max"),
        (0, 10, "both are above 0"),
        (-1, 10, "both are above 0"),
        (0.02, float("inf"), "both are above 0 and finite"),
        (float("nan"), 10, "both are above 0"),
    ],
)
@pytest.mark.parametrize(
    "function", [get_sigmas_karras, get_sigmas_exponential, get_sigmas_polyexponential, get_sigmas_linear, get_sigmas_beta]
)
def test_ends_that_cannot_be_used_are_refused(function: Any, sigma_min: float, sigma_max: float, told: str) -> None:
    with pytest.raises(RequestError, match=told):
        function(5, sigma_min, sigma_max)


@pytest.mark.parametrize("n", [0, -3, 2.5, True])
def test_a_number_of_steps_is_whole_and_above_zero(n: Any) -> None:
    for made in (get_sigmas_karras, get_sigmas_linear):
        with pytest.raises(RequestError, match="levels of noise were asked for"):
            made(n, 0.02, 10)
    for other in (get_sigmas_vp, get_sigmas_align_your_steps):
        with pytest.raises(RequestError, match="levels of noise were asked for"):
            other(n)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: get_sigmas_karras(5, 0.02, 10, rho=0), "rho is 0"),
        (lambda: get_sigmas_beta(5, 0.02, 10, alpha=0), "alpha is 0"),
        (lambda: get_sigmas_vp(5, eps_s=2), "eps_s 2"),
        (lambda: get_sigmas_flow(5, 80, shift=0), "shift is 0"),
        (lambda: get_sigmas_align_your_steps(5, "sdxxl"), "did you mean 'sdxl'"),
        (lambda: get_sigmas_align_your_steps(5, [1, 2]), "level 1 is 2 after 1"),
        (lambda: get_sigmas_align_your_steps(5, [1, 0]), "not all above 0"),
        (lambda: get_sigmas_align_your_steps(5, []), "0 levels"),
        (lambda: get_sigmas_uniform(5, [3, 2, 1]), r"table.flip\(0\)"),
        (lambda: get_sigmas_uniform(5, [1, 2, 3]), "5 steps through a table of 3 levels"),
        (lambda: get_sigmas_uniform(2, [0, 2, 3]), "not above 0"),
        (lambda: get_sigmas_uniform(2, [1, 2, 3], "trailin"), "did you mean 'trailing'"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_a_schedule_is_refused(call: Any, told: str) -> None:
    with pytest.raises(RequestError, match=told):
        call()


def test_schedules_by_name_are_given_what_they_need_of_the_model() -> None:
    table = stable_diffusion_table()
    assert torch.equal(make_sigmas("karras", 5, 0.02, 10), get_sigmas_karras(5, 0.02, 10, **EXACT))
    assert torch.equal(make_sigmas(KarrasOptions(type="karras", rho=3.0), 5, 0.02, 10), get_sigmas_karras(5, 0.02, 10, 3, **EXACT))
    assert torch.equal(make_sigmas("sgm_uniform", 5, 0.03, 14.615, table=table), get_sigmas_simple(5, table, **EXACT))
    options = UniformOptions(type="uniform", spacing="leading")
    assert torch.equal(make_sigmas(options, 5, 0.03, 14.6, table=table), get_sigmas_uniform(5, table, "leading", **EXACT))
    assert torch.equal(make_sigmas(FlowOptions(type="flow", shift=3.0), 5, 0.02, 80), get_sigmas_flow(5, 80, 3, **EXACT))
    own = AlignYourStepsOptions(type="align_your_steps", levels=[8.0, 4.0, 2.0])
    assert make_sigmas(own, 3, 0.02, 10).tolist() == pytest.approx([8, 4, 2, 0])
    paper = VpOptions(type="vp", beta_d=19.9, beta_min=0.1)
    assert torch.equal(make_sigmas(paper, 5, 0.02, 160), get_sigmas_vp(5, **EXACT))
    with pytest.raises(ConfigError, match=r"'vp' begins at 152\.167, and the model knows noise up to 80"):
        make_sigmas(paper, 5, 0.02, 80)
    assert make_sigmas("align_your_steps", 10, 0.029, 14.6146)[0] == pytest.approx(14.615)  # that of the table, rounded


def test_vp_ends_at_the_levels_of_the_model_unless_told_otherwise() -> None:
    for low, high in ((0.02, 80.0), (0.002, 80.0), (0.003, 120.0)):
        levels = make_sigmas("vp", 9, low, high)
        assert levels[[0, -2]].tolist() == pytest.approx([high, low], rel=1e-9)
        assert bool((levels.diff() < 0).all())
    with pytest.raises(RequestError, match=r"vp cannot go from 10 down to 0\.5 at the time 0\.001"):
        make_sigmas("vp", 9, 0.5, 10)
    with pytest.raises(ConfigError, match="one of its rates and not beta_min"):
        make_sigmas(VpOptions(type="vp", beta_d=19.9), 9, 0.02, 80)


def test_a_schedule_of_a_table_is_refused_for_a_model_without_one() -> None:
    for name in ("uniform", "simple"):
        with pytest.raises(ConfigError, match=r"the table of a model with discrete times(.|\n)*karras"):
            make_sigmas(name, 5, 0.02, 10)
    with pytest.raises(ConfigError, match="did you mean 'karras'"):
        make_sigmas("karas", 5, 0.02, 10)


def test_names_of_schedules_elsewhere_are_understood() -> None:
    assert [find_name(each) for each in ("AYS", "SGM Uniform", "normal", "Karras", "linear-sigma", "mine.py:f")] == [
        "align_your_steps", "simple", "uniform", "karras", "linear", "mine.py:f",
    ]  # fmt: skip
    assert set(PARTS) >= {"karras", "exponential", "polyexponential", "vp", "align_your_steps", "linear", "simple"}
