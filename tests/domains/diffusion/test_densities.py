"""Densities of σ: quantiles, draws against the closed forms, strata."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from trainwright.config.errors import ConfigError, RequestError
from trainwright.domains.diffusion.densities import PARTS, density, draws, find_name, quantiles
from trainwright.domains.diffusion.densities.options import CosineInterpolatedOptions, LogNormalOptions
from trainwright.domains.diffusion.densities.stratified import (
    enable_stratified,
    enable_stratified_accelerate,
    strata,
    stratified_uniform,
    stratified_with_settings,
)

SHARES = torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95], dtype=torch.float64)

# Made with k-diffusion 4601bf0: utils.rand_* with the uniform numbers above in place of drawn ones, float64.
GOLDEN: dict[str, tuple[Any, list[float]]] = {
    "log_normal": (lambda u: quantiles.log_normal(u, -1.2, 1.2), [0.04184331, 0.13407077, 0.30119421, 0.67664231, 2.16803951]),
    "log_logistic": (
        lambda u: quantiles.log_logistic(u, 0, 0.5, 0, math.inf),
        [0.2294157339, 0.5773502692, 1, 1.732050808, 4.358898944],
    ),
    "log_logistic truncated": (
        lambda u: quantiles.log_logistic(u, math.log(0.5), 0.5, 0.01, 80),
        [0.1151634337, 0.2888984651, 0.5001804221, 0.8661886267, 2.179056905],
    ),
    "log_uniform": (lambda u: quantiles.log_uniform(u, 0.01, 80), [0.01567308538, 0.0945741609, 0.894427191, 8.458970108, 51.04291725]),
    "v_diffusion": (
        lambda u: quantiles.v_diffusion(u, 0.5, 1e-3, 1e3),
        [0.0402942993, 0.2079126959, 0.5007505617, 1.207533685, 6.32278787],
    ),
    "cosine_interpolated": (
        lambda u: quantiles.cosine_interpolated(u, 64, 32, 64, 0.5, 1e-3, 1e3),
        [12.13779911, 2.028131774, 0.7076373095, 0.2470986118, 0.04168973022],
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_quantiles_are_those_of_k_diffusion(name: str) -> None:
    quantile, expected = GOLDEN[name]
    tolerance = 2e-7 if name == "log_normal" else 1e-9  # the golden numbers have eight and ten digits
    torch.testing.assert_close(quantile(SHARES), torch.tensor(expected, dtype=torch.float64), rtol=tolerance, atol=0)


def _v_diffusion(x: Any) -> Any:
    low, high = math.atan(0.01 / 0.5), math.atan(20 / 0.5)
    return (np.arctan(x / 0.5) - low) / (high - low)


def _split(x: Any) -> Any:
    z = np.log(x) + 1
    return np.where(z < 0, 2 / 3 * 2 * stats.norm.cdf(z / 2), 2 / 3 + 1 / 3 * (2 * stats.norm.cdf(z) - 1))


def _truncated(x: Any) -> Any:
    whole = stats.fisk(2, scale=0.5)  # the log-logistic density with scale ½ of ln σ
    low, high = whole.cdf([0.1, 3])
    return (whole.cdf(x) - low) / (high - low)


CLOSED: dict[str, tuple[Any, Any]] = {
    "log_normal": (lambda n: draws.rand_log_normal(n, -1.2, 1.2), stats.lognorm(1.2, scale=math.exp(-1.2)).cdf),
    "log_logistic": (lambda n: draws.rand_log_logistic(n, math.log(0.5), 0.5, 0.1, 3), _truncated),
    "log_uniform": (lambda n: draws.rand_log_uniform(n, 0.01, 80), stats.loguniform(0.01, 80).cdf),
    "v_diffusion": (lambda n: draws.rand_v_diffusion(n, 0.5, 0.01, 20), _v_diffusion),
    "split_log_normal": (lambda n: draws.rand_split_log_normal(n, -1.0, 2.0, 1.0), _split),
}


@pytest.mark.parametrize("name", CLOSED)
def test_draws_pass_the_test_of_kolmogorov_and_smirnov(name: str) -> None:
    draw, cdf = CLOSED[name]
    torch.manual_seed(0)
    assert stats.kstest(draw(4000).double().numpy(), cdf).pvalue > 0.01
    with enable_stratified(group=3, groups=8):  # strata keep the density
        assert stats.kstest(draw(4000).double().numpy(), cdf).pvalue > 0.01


def test_the_density_between_two_cosine_schedules_has_its_quantiles() -> None:
    torch.manual_seed(0)
    drawn = draws.rand_cosine_interpolated(4000, 64, 32, 64, 0.5, dtype=torch.float64)
    share = torch.linspace(0, 1, 20001, dtype=torch.float64)
    sigmas = quantiles.cosine_interpolated(share, 64, 32, 64, 0.5, 1e-3, 1e3)
    assert stats.kstest(drawn.numpy(), lambda x: 1 - np.interp(-x, -sigmas.numpy(), share.numpy())).pvalue > 0.01


def test_truncation_is_respected() -> None:
    torch.manual_seed(0)
    for draw in (
        draws.rand_log_logistic(5000, 0, 2.0, 0.1, 3, dtype=torch.float64),
        draws.rand_v_diffusion(5000, 1.0, 0.1, 3, dtype=torch.float64),
        draws.rand_log_uniform(5000, 0.1, 3, dtype=torch.float64),
    ):
        assert draw.min() >= 0.1 * (1 - 1e-12)
        assert draw.max() <= 3 * (1 + 1e-12)


def test_no_share_gives_a_level_that_is_no_number() -> None:
    ends = torch.tensor([0.0, 2**-53, 1 - 2**-53, 1.0], dtype=torch.float64)
    for name, part in PARTS.items():
        made = part.load()(part.config(), sigma_data=0.5, size=32)
        sigma = made.quantile(ends)
        assert torch.isfinite(sigma).all(), name
        assert (sigma > 0).all(), name


def test_draws_are_float64_inside_and_cast_last() -> None:
    torch.manual_seed(0)
    wide = draws.rand_log_normal((3, 2), -1.2, 1.2, dtype=torch.float64)
    torch.manual_seed(0)
    narrow = draws.rand_log_normal((3, 2), -1.2, 1.2)
    assert narrow.shape == (3, 2)
    assert narrow.dtype == torch.float32
    assert torch.equal(wide.float(), narrow)


def test_logit_normal_times_of_flow_matching_are_a_log_normal_density() -> None:
    part = PARTS["logit_normal"]
    sigma = part.load()(part.config(), sigma_data=2.0).quantile(SHARES)
    torch.testing.assert_close(sigma / (1 + sigma), torch.special.ndtri(SHARES).sigmoid(), rtol=1e-6, atol=0)


def test_names_of_k_diffusion_are_understood() -> None:
    assert [find_name(each) for each in ("lognormal", "loglogistic", "loguniform", "split-lognormal", "v-diffusion")] == [
        "log_normal", "log_logistic", "log_uniform", "split_log_normal", "v-diffusion",
    ]  # fmt: skip


def test_times_with_a_mode_are_those_of_the_paper() -> None:
    sigma = quantiles.mode(SHARES, 1.29, 1e-3)
    u = SHARES
    time = 1 - u - 1.29 * (torch.cos(math.pi / 2 * u) ** 2 - 1 + u)  # equation 20 of Esser et al. 2024, as diffusers has it
    torch.testing.assert_close(sigma / (1 + sigma), time)
    dense = quantiles.mode(torch.linspace(0, 1, 1001, dtype=torch.float64), 1.75, 1e-3)
    assert (dense.diff() <= 0).all()  # at the steepest that is allowed the map does not turn back


def test_shifted_times_are_those_of_large_pictures() -> None:
    sigma = quantiles.uniform_time(SHARES, 3.0, 1e-9)
    torch.testing.assert_close(sigma / (1 + sigma), 3 * SHARES / (1 + 2 * SHARES))


def test_a_table_gives_each_of_its_levels_as_often() -> None:
    options = PARTS["discrete"].config(type="discrete", num_train_timesteps=4)
    levels = density.Discrete(options).quantile((torch.arange(8, dtype=torch.float64) + 0.5) / 8)
    assert torch.equal(levels[::2], levels[1::2])
    assert levels.unique().numel() == 4


def test_the_density_of_edm2_moves_with_the_data() -> None:
    at_half, at_two = (density.LogNormal(LogNormalOptions(), sigma_data=each).quantile(SHARES) for each in (0.5, 2.0))
    torch.testing.assert_close(at_two, 4 * at_half)
    torch.testing.assert_close(at_half, quantiles.log_normal(SHARES, -0.8, 1.2))
    assert density.LogNormal(LogNormalOptions(loc=-0.4), sigma_data=2.0).loc == -0.4


def test_strata_are_those_of_k_diffusion() -> None:
    # Made with k-diffusion 4601bf0: utils.stratified_uniform([4], group=1, groups=2) with every draw 0.5.
    assert strata(torch.full((4,), 0.5), group=1, groups=2).tolist() == [0.1875, 0.4375, 0.6875, 0.9375]


def test_all_groups_together_have_one_number_in_every_part() -> None:
    torch.manual_seed(0)
    whole = torch.cat([stratified_uniform((5,), group, 6, dtype=torch.float64) for group in range(6)])
    assert sorted((whole * 30).long().tolist()) == list(range(30))


def test_strata_make_the_mean_of_a_step_far_steadier() -> None:
    torch.manual_seed(0)

    def spread() -> float:
        return float(torch.stack([draws.rand_log_normal(64, -1.2, 1.2).log().mean() for _ in range(300)]).std())

    assert spread() == pytest.approx(1.2 / 8, rel=0.2)
    with enable_stratified():
        assert spread() < 0.02


def test_settings_hold_inside_alone_and_may_be_switched_off() -> None:
    with enable_stratified(1, 2):
        assert ((stratified_with_settings(4) * 8).long() % 2 == 1).all()
        with enable_stratified(disable=True):
            torch.manual_seed(1)
            drawn = stratified_with_settings((4,))
        assert ((stratified_with_settings(4) * 8).long() % 2 == 1).all()
    torch.manual_seed(1)
    assert torch.equal(drawn, torch.rand(4))
    assert torch.equal(stratified_with_settings(4), stratified_with_settings(4)) is False


def test_strata_over_the_processes_and_micro_batches_of_accelerate() -> None:
    accelerator = SimpleNamespace(process_index=1, num_processes=2, step=5, gradient_state=SimpleNamespace(num_steps=4))
    with enable_stratified_accelerate(accelerator):
        assert ((stratified_with_settings(3) * 24).long() % 8 == 5).all()


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (lambda: draws.rand_log_uniform(3, 2.0, 1.0), "nothing between min_value 2.0 and max_value 1.0"),
        (lambda: draws.rand_log_uniform(3, 0.0, 1.0), "min_value is 0.0"),
        (lambda: draws.rand_log_normal(3, scale=0.0), "scale is 0.0"),
        (lambda: draws.rand_log_normal(3, scale=float("nan")), "scale is nan"),
        (lambda: draws.rand_v_diffusion(3, 0.5, 3.0, 3.0), "nothing between"),
        (lambda: stratified_uniform((4,), group=2, groups=2), "group 2 of 2 is impossible"),
        (lambda: stratified_uniform((), group=0, groups=1), "cannot be stratified"),
        (lambda: density.CosineInterpolated(CosineInterpolatedOptions()), "no image_d"),
        (lambda: density.LogNormal(LogNormalOptions(), sigma_data=0.0), "sigma_data is 0.0"),
    ],
    ids=["swapped", "zero", "no spread", "no number", "one point", "group", "no dimension", "no side", "no spread of data"],
)
def test_parameters_that_no_density_has_are_refused(draw: Any, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        draw()


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("log_uniform", {"min_value": 5.0, "max_value": 1.0}, "min_value 5 is not below max_value 1"),
        ("log_normal", {"scale": 0.0}, "greater than 0"),
        ("mode", {"scale": 2.0}, "less than or equal"),
        ("discrete", {"beta_start": 0.5, "beta_end": 0.1}, "beta_start 0.5 is above beta_end 0.1"),
        ("discrete", {"trained_betas": [0.1, 1.5]}, r"trained_betas\[1\] is 1.5"),
        ("discrete", {"trained_betas": [0.1]}, "trained_betas has 1 values"),
    ],
    ids=["swapped", "no spread", "turns back", "falling", "variance", "one"],
)
def test_options_that_no_density_has_are_refused(name: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises((ConfigError, ValueError), match=said):
        PARTS[name].config(**options)
