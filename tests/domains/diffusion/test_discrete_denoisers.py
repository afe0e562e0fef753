"""Discrete tables of noise, and the denoisers of networks that know them."""

from __future__ import annotations

import itertools
import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainwright.config.errors import ConfigError, RequestError
from trainwright.domains.diffusion.denoisers import PARTS
from trainwright.domains.diffusion.denoisers.discrete import (
    CompVisDenoiser,
    CompVisVDenoiser,
    DiscreteDenoiser,
    DiscreteEpsDDPMDenoiser,
    DiscreteSchedule,
    DiscreteVDDPMDenoiser,
    DiscreteX0Denoiser,
    OpenAIDenoiser,
)
from trainwright.domains.diffusion.denoisers.making import check_density, density_for, make_discrete
from trainwright.domains.diffusion.denoisers.options import DiscreteOptions
from trainwright.domains.diffusion.denoisers.table_options import TableOptions
from trainwright.domains.diffusion.denoisers.tables import table_alphas_cumprod, table_betas, table_sigmas
from trainwright.domains.diffusion.densities import PARTS as DENSITIES

STABLE = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
KINDS = [DiscreteEpsDDPMDenoiser, DiscreteVDDPMDenoiser, DiscreteX0Denoiser]


class Heard(nn.Module):
    """Gives nothing, and keeps what it was told."""

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        self.channels, self.level, self.x = channels, torch.zeros(0), torch.zeros(0)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        self.x, self.level = x, level
        return torch.cat([x * 0] * self.channels, dim=1)


def stable_diffusion(network: nn.Module | None = None, **options: Any) -> DiscreteDenoiser:
    return make_discrete(DiscreteOptions(**STABLE, **options), network or Heard())


def one(value: float) -> Tensor:
    return torch.tensor([value], dtype=torch.float64)


def test_the_table_of_stable_diffusion_is_that_of_k_diffusion() -> None:
    # Made with k-diffusion 4601bf0: external.DiscreteEpsDDPMDenoiser on the scaled-linear table 0.00085 to 0.012 of 1000 steps.
    denoiser = stable_diffusion()
    assert denoiser.sigma_min == pytest.approx(0.02916715815, rel=1e-9)
    assert denoiser.sigma_max == pytest.approx(14.61464123, rel=1e-9)
    assert float(denoiser.sigma_to_t(one(1.0))) == pytest.approx(353.89041059, rel=1e-10)
    assert denoiser.sigma_to_t(one(1.0), quantize=True).tolist() == [354]
    assert float(denoiser.t_to_sigma(one(500.5))) == pytest.approx(1.620983194, rel=1e-9)
    expected = torch.tensor([14.61464123, 4.086081071, 1.61558026, 0.6951495191, 0.02916715815, 0], dtype=torch.float64)
    torch.testing.assert_close(denoiser.get_sigmas(5), expected, rtol=1e-9, atol=0)
    assert len(denoiser.get_sigmas()) == 1001


def test_maps_between_sigma_and_place_go_both_ways() -> None:
    denoiser = stable_diffusion()
    places = torch.linspace(0, 999, 777, dtype=torch.float64)
    torch.testing.assert_close(denoiser.sigma_to_t(denoiser.t_to_sigma(places)), places, rtol=0, atol=1e-9)
    torch.testing.assert_close(denoiser.t_to_sigma(torch.tensor([0, 999])), denoiser.sigmas[[0, -1]])
    assert denoiser.sigma_to_t(one(1e-5)).tolist() == [0]  # clamped, as k-diffusion's
    assert denoiser.sigma_to_t(one(99.0)).tolist() == [999]


@pytest.mark.parametrize("made", KINDS)
def test_the_target_is_what_gives_the_clean_sample(made: type[DiscreteDenoiser]) -> None:
    denoiser = made(Heard(), table_alphas_cumprod(TableOptions(type="table")))
    clean, noise, sigma = torch.randn(2, 3).double(), torch.randn(2, 3).double(), torch.tensor([0.3, 2.0]).double()
    target = denoiser.predict(clean, noise, sigma)[1]
    c_skip, c_out, _ = (each.reshape(2, 1) for each in denoiser.get_scalings(sigma))
    torch.testing.assert_close(c_skip * (clean + noise * sigma.reshape(2, 1)) + c_out * target, clean)


def test_the_network_sees_the_sample_of_ddpm_and_its_place() -> None:
    network = Heard()
    denoiser = make_discrete(DiscreteOptions(), network)
    denoiser.takes = "time"
    place = torch.tensor([10, 700])
    sigma = denoiser.t_to_sigma(place)
    denoiser(torch.ones(2, 3), sigma)
    torch.testing.assert_close(network.level, place.float())
    alpha = table_alphas_cumprod(DiscreteOptions())[place].sqrt().float().reshape(2, 1)
    torch.testing.assert_close(network.x, alpha * torch.ones(2, 3))
    denoiser.schedule.quantize = True
    denoiser(torch.ones(2, 3), sigma)
    assert torch.equal(network.level, place)


def test_a_network_of_a_configuration_is_told_sigma_unless_it_says_otherwise() -> None:
    network = Heard()
    sigma = torch.tensor([0.3, 2.0])
    stable_diffusion(network)(torch.ones(2, 3), sigma)
    torch.testing.assert_close(network.level, sigma)
    network.takes = "time"  # type: ignore[assignment]
    denoiser = stable_diffusion(network)
    denoiser(torch.ones(2, 3), sigma)
    torch.testing.assert_close(network.level, denoiser.sigma_to_t(sigma).float())


def test_the_loss_is_the_squared_error_of_what_is_predicted() -> None:
    clean, noise, sigma = torch.randn(2, 3).double(), torch.randn(2, 3).double(), torch.tensor([0.3, 2.0]).double()
    torch.testing.assert_close(stable_diffusion().loss(clean, noise, sigma), (noise**2).mean(1))
    torch.testing.assert_close(stable_diffusion(prediction_type="sample").loss(clean, noise, sigma), (clean**2).mean(1))


def test_a_variance_beside_the_prediction_is_left_out() -> None:
    assert stable_diffusion(Heard(2), learned_sigmas=True)(torch.ones(2, 3, 4, 4), torch.ones(2)).shape == (2, 3, 4, 4)
    with pytest.raises(RequestError, match="learned_sigmas"):
        stable_diffusion(Heard(2))(torch.ones(2, 3, 4, 4), torch.ones(2))


def test_betas_are_those_of_their_papers() -> None:
    betas = table_betas(TableOptions(type="table", beta_schedule="squaredcos_cap_v2"))
    share = [math.cos((t / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2 for t in range(1001)]
    assert betas.tolist() == pytest.approx([min(1 - b / a, 0.999) for a, b in itertools.pairwise(share)])
    # Made with diffusers 0.42.1: DDIMScheduler().alphas_cumprod, in float32.
    alphas = table_alphas_cumprod(TableOptions(type="table"))
    assert float(alphas[0]) == pytest.approx(0.99989998, abs=1e-7)
    assert float(alphas[-1]) == pytest.approx(4.0358e-5, rel=1e-4)


def test_nothing_is_left_at_the_end_of_a_table_with_zero_terminal_snr() -> None:
    options = TableOptions(type="table", rescale_betas_zero_snr=True)
    alphas, plain = table_alphas_cumprod(options), table_alphas_cumprod(TableOptions(type="table"))
    # Made with diffusers 0.42.1: DDIMScheduler(rescale_betas_zero_snr=True, prediction_type="v_prediction").alphas_cumprod[-3:].
    assert alphas[-3:].tolist() == pytest.approx([1.7007e-08, 4.2133e-09, 0], rel=1e-3)
    assert float(alphas[0]) == pytest.approx(float(plain[0]), rel=1e-12)
    assert float(table_sigmas(options)[-1]) >= 4096
    assert (table_sigmas(options).diff() > 0).all()


class OfCompVis(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.alphas_cumprod = table_alphas_cumprod(TableOptions(type="table", **STABLE)).float()

    def apply_model(self, x: Tensor, t: Tensor, cond: Tensor) -> Tensor:
        return x * 0 + cond


def test_models_of_others_are_called_as_they_are() -> None:
    x, sigma = torch.ones(2, 3), torch.tensor([0.5, 2.0])
    eps = CompVisDenoiser(OfCompVis())(x, sigma, cond=torch.ones(2, 1))
    torch.testing.assert_close(eps, x - sigma.reshape(2, 1))
    v = CompVisVDenoiser(OfCompVis())(x, sigma, cond=torch.zeros(2, 1))
    torch.testing.assert_close(v, x / (1 + sigma.reshape(2, 1) ** 2))
    diffusion = SimpleNamespace(alphas_cumprod=table_alphas_cumprod(TableOptions(type="table")).numpy())
    denoised = OpenAIDenoiser(Heard(2), diffusion)(torch.ones(2, 3, 4, 4), sigma)
    torch.testing.assert_close(denoised, torch.ones(2, 3, 4, 4))


def test_a_density_that_leaves_the_table_is_refused_before_training() -> None:
    denoiser = stable_diffusion()

    def density(name: str, **options: Any) -> Any:
        part = DENSITIES[name]
        return part.load()(part.config(type=name, **options), sigma_data=0.5)

    check_density(denoiser, density("discrete", **STABLE))
    check_density(denoiser, density("log_uniform", min_value=0.03, max_value=14.0))
    with pytest.raises(ConfigError, match=r"its levels are from 0\.0291672 to 14\.6146"):
        check_density(denoiser, density("log_normal"))


def test_without_a_word_training_takes_all_levels_of_the_table_alike() -> None:
    denoiser = stable_diffusion()
    made = density_for(DENSITIES["auto"].config(type="auto"), denoiser, sigma_data=0.5)
    assert torch.equal(made.quantile((torch.arange(1000, dtype=torch.float64) + 0.5) / 1000), denoiser.sigmas)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: stable_diffusion()(torch.ones(2, 3), torch.tensor([1.0, 80.0])), "sigma 80 .* outside the table"),
        (lambda: stable_diffusion().check_sigmas([80.0, 1.0, 0.0]), r"sigma 80 \(number 0\)"),
        (lambda: stable_diffusion().check_sigmas([1.0, 0.001, 0.0]), r"sigma 0\.001 \(number 1\)"),
        (lambda: stable_diffusion().t_to_sigma(torch.tensor([3.0, 1000.0])), "t 1000 is outside the table"),
        (lambda: stable_diffusion().t_to_sigma(torch.tensor([-1])), "t -1 is outside the table"),
        (lambda: stable_diffusion().get_sigmas(0), "0 levels"),
        (lambda: DiscreteSchedule(torch.tensor([1.0, 0.5])), "do not rise"),
        (lambda: DiscreteEpsDDPMDenoiser(Heard(), torch.tensor([0.9, 0.95])), "do not rise"),
    ],
    ids=["above", "first", "below", "place", "negative", "none", "falling", "falling alphas"],
)
def test_levels_outside_the_table_are_refused(call: Any, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        call()
    stable_diffusion().check_sigmas([14.61465, 1.0, 0.02916, 0.0])  # rounding of a schedule is no mistake


def test_noise_cannot_be_predicted_from_noise_alone() -> None:
    with pytest.raises(ValueError, match="cannot go with prediction_type epsilon"):
        DiscreteOptions(rescale_betas_zero_snr=True)
    part = PARTS["discrete"]
    part.load()(part.config(type="discrete", rescale_betas_zero_snr=True, prediction_type="v_prediction"), network=Heard())


def test_a_discrete_denoiser_is_one_graph() -> None:
    class Net(nn.Module):
        def forward(self, x: Tensor, t: Tensor) -> Tensor:
            return x * t[:, None] / 1000

    denoiser = DiscreteEpsDDPMDenoiser(Net(), table_alphas_cumprod(TableOptions(type="table")))
    x, sigma = torch.randn(2, 3), torch.tensor([0.3, 2.0])
    torch.testing.assert_close(torch.compile(denoiser, fullgraph=True, backend="eager")(x, sigma), denoiser(x, sigma))
