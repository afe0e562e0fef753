"""Averages by a power of time, and others made of them after training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from trainwright.config.errors import RequestError
from trainwright.optim.average_options import EMAOptions
from trainwright.optim.averages import Averages
from trainwright.optim.power_average import Profile, gamma_of, mix, overlap, power_decay
from trainwright.optim.schedules.base import Extent


def test_powers_and_decays_are_those_of_edm2() -> None:
    # Made with NVlabs edm2: training.phema.std_to_exp, power_function_beta.
    assert gamma_of(0.05) == pytest.approx(16.9721986, rel=1e-8)
    assert gamma_of(0.1) == pytest.approx(6.9372039, rel=1e-7)
    found = [power_decay(t, gamma_of(0.1)) for t in (10, 100, 1000)]
    assert found == pytest.approx([0.4333247207, 0.9233272423, 0.9920902726], rel=1e-9)


def test_coefficients_are_those_of_edm2() -> None:
    # Made with NVlabs edm2: training.phema.solve_posthoc_coefficients.
    kept = [Profile(t, gamma_of(width)) for t in (4, 8) for width in (0.05, 0.1)]
    found = mix(kept, Profile(8, gamma_of(0.07)))
    assert found.coefficients == pytest.approx([8.87799530e-5, -2.18083575e-3, 0.439157895, 0.562934160], rel=1e-6)
    assert sum(found.coefficients) == pytest.approx(1)


def test_the_width_of_a_profile_is_its_standard_deviation() -> None:
    tau = torch.linspace(0, 1, 200001, dtype=torch.float64)
    for width in (0.02, 0.1, 0.28):
        gamma = gamma_of(width)
        weight = (gamma + 1) * tau**gamma
        mean = torch.trapezoid(weight * tau, tau)
        assert float(torch.trapezoid(weight * (tau - mean) ** 2, tau).sqrt()) == pytest.approx(width, rel=1e-4)


def test_overlaps_are_integrals() -> None:
    first, second = Profile(3.0, 5.0), Profile(7.0, 2.0)
    tau = torch.linspace(0, 3, 100001, dtype=torch.float64)
    product = 6 / 3 * (tau / 3) ** 5 * 3 / 7 * (tau / 7) ** 2
    assert overlap(first, second) == overlap(second, first) == pytest.approx(float(torch.trapezoid(product, tau)), rel=1e-8)


def walk(model: nn.Module, steps: int, **options: Any) -> tuple[dict[str, dict[int, torch.Tensor]], torch.Tensor]:
    """The averages of a random walk at every step, and the walk."""
    generator = torch.Generator().manual_seed(0)
    averages = Averages(EMAOptions.model_validate(options), None, model, Extent(1, steps))
    found: dict[str, dict[int, torch.Tensor]] = {}
    path = []
    weight = next(model.parameters())
    for step in range(1, steps + 1):
        with torch.no_grad():
            weight += torch.randn(weight.shape, generator=generator, dtype=weight.dtype)
        path.append(weight.detach().clone())
        averages.update(step)
        for name in averages.names():
            weights = averages.weights(name)
            assert weights is not None
            found.setdefault(name, {})[step] = weights["weight"].clone()
    return found, torch.stack(path)


def test_an_average_by_power_is_the_weighted_sum_of_its_formula() -> None:
    found, path = walk(nn.Linear(2, 1, bias=False).double(), 40, sigma_rel=[0.1], warmup=False)
    assert list(found) == ["ema_0.999", "sigma_rel_0.1"]
    edges = torch.linspace(0, 1, 41, dtype=torch.float64) ** (gamma_of(0.1) + 1)  # the integral of the profile over each step
    expected = (edges.diff()[:, None, None] * path).sum(0)
    torch.testing.assert_close(found["sigma_rel_0.1"][40], expected)


def test_another_width_comes_out_as_if_it_had_been_trained_with() -> None:
    found, _ = walk(nn.Linear(2, 1, bias=False).double(), 4000, sigma_rel=[0.05, 0.1, 0.07, 0.15], warmup=False)
    times = range(250, 4001, 250)
    kept = [(t, width) for t in times for width in (0.05, 0.1)]
    for width in (0.07, 0.15):
        mixture = mix([Profile(t, gamma_of(w)) for t, w in kept], Profile(4000, gamma_of(width)))
        made = sum(c * found[f"sigma_rel_{w}"][t] for c, (t, w) in zip(mixture.coefficients, kept, strict=True))
        exact = found[f"sigma_rel_{width}"][4000]
        moved = (found["sigma_rel_0.05"][4000] - found["sigma_rel_0.1"][4000]).abs().max()
        assert mixture.error < 0.01
        assert (made - exact).abs().max() < 0.02 * moved


def test_an_average_that_is_there_is_made_of_itself() -> None:
    kept = [Profile(t, gamma_of(w)) for t in (50, 100) for w in (0.05, 0.1)]
    found = mix(kept, kept[-1])
    assert found.coefficients == pytest.approx([0, 0, 0, 1], abs=1e-9)
    assert found.error < 1e-6


def test_two_averages_alone_say_how_far_off_they_are() -> None:
    kept = [Profile(100, gamma_of(w)) for w in (0.05, 0.1)]
    assert mix(kept, Profile(100, gamma_of(0.2))).error > 0.2
    assert sum(mix([*kept, *kept], Profile(100, gamma_of(0.07))).coefficients) == pytest.approx(1)  # the same ones twice


@pytest.mark.parametrize("width", [0.0, -0.1, 0.3, float("nan")])
def test_impossible_widths_are_refused(width: float) -> None:
    with pytest.raises(RequestError, match="impossible"):
        gamma_of(width)


def test_what_cannot_be_made_is_refused() -> None:
    with pytest.raises(RequestError, match="no averages"):
        mix([], Profile(1, 1))
    with pytest.raises(RequestError, match="as late as step 9"):
        mix([Profile(8, 1)], Profile(9, 1))
    with pytest.raises(ValueError, match=r"the width 0\.1 is given 2 times"):
        EMAOptions(sigma_rel=[0.1, 0.1])
    with pytest.raises(ValueError, match="less than or equal"):
        EMAOptions(sigma_rel=[0.5])
