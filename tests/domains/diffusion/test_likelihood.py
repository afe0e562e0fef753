"""Likelihoods against densities that are known, and what they say of their own error."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainwright.config.errors import RequestError
from trainwright.domains.diffusion.denoisers.edm import Denoiser
from trainwright.domains.diffusion.likelihood import log_likelihood

PLACES = torch.tensor([[0.2, 0.9], [1.5, -0.3]], dtype=torch.float64)
TIGHT = {"atol": 1e-8, "rtol": 1e-8}


def of_normal(mean: Tensor, covariance: Tensor) -> Any:
    """The exact denoiser of N(mean, covariance): D = μ + Σ(Σ + σ²I)⁻¹(x − μ)."""
    values, basis = torch.linalg.eigh(covariance)

    def denoiser(x: Tensor, sigma: Tensor, note: str = "") -> Tensor:
        kept = values / (values + sigma[:, None] ** 2)
        return mean + ((x - mean) @ basis * kept) @ basis.T

    return denoiser


G = of_normal(torch.full((2,), 0.5, dtype=torch.float64), 0.25 * torch.eye(2, dtype=torch.float64))


def of_mixture(x: Tensor, sigma: Tensor) -> Tensor:
    """The exact denoiser of 0.3 N(−1, 0.2²) + 0.7 N(0.5, 0.1²), for every number."""
    share, mean, spread = (torch.tensor(each, dtype=torch.float64) for each in ([0.3, 0.7], [-1.0, 0.5], [0.2, 0.1]))
    total = spread**2 + sigma[:, None, None] ** 2
    logits = share.log() - ((x[..., None] - mean) ** 2 / total + total.log()) / 2
    means = (spread**2 * x[..., None] + sigma[:, None, None] ** 2 * mean) / total
    return (logits.softmax(-1) * means).sum(-1)


def test_it_is_that_of_k_diffusion_with_the_start_of_that() -> None:
    # log_likelihood of k-diffusion 4601bf0, sigma 1e-3 to 80, tolerances 1e-10, the start N(0, sigma_max²)
    found, facts = log_likelihood(G, PLACES, 1e-3, 80.0, atol=1e-10, rtol=1e-10, mean=0.0, sigma_data=0.0)
    torch.testing.assert_close(found, torch.tensor([-0.9528542567, -3.734201752], dtype=torch.float64), rtol=0, atol=1e-8)
    assert facts["exact"] and facts["error"].eq(0).all() and facts["fevals"] < 700


def test_it_is_the_density_of_normal_data_to_a_thousandth_of_a_nat() -> None:
    found, facts = log_likelihood(G, PLACES, 1e-3, 80.0, sigma_data=0.5)
    closed = torch.tensor([-0.9515827, -3.7315827], dtype=torch.float64)
    assert (found - closed).abs().max() / 2 < 1e-3 and facts["fevals"] < 90
    exact, _ = log_likelihood(G, PLACES, 1e-3, 80.0, **TIGHT, sigma_data=0.5)
    torch.testing.assert_close(exact, closed, rtol=0, atol=1e-5)


def test_it_is_the_density_of_a_mixture() -> None:
    x = torch.tensor([[-1.1], [0.0], [0.45], [0.9]], dtype=torch.float64)
    found, _ = log_likelihood(of_mixture, x, 1e-3, 80.0, atol=1e-6, rtol=1e-6, sigma_data=0.7)
    densities = [
        torch.distributions.Normal(mean, math.hypot(spread, 1e-3)).log_prob(x[:, 0]).exp() for mean, spread in ((-1.0, 0.2), (0.5, 0.1))
    ]
    torch.testing.assert_close(found, (0.3 * densities[0] + 0.7 * densities[1]).log(), rtol=0, atol=1e-4)


def test_estimates_take_the_values_of_both_kinds_of_signs_and_exact_ones_their_mean() -> None:
    covariance = torch.tensor([[1.0, 0.6], [0.6, 0.5]], dtype=torch.float64)
    mean = torch.tensor([0.3, -0.2], dtype=torch.float64)
    x = torch.tensor([[0.5, 0.1]], dtype=torch.float64).expand(20, 2)
    found, facts = log_likelihood(of_normal(mean, covariance), x, 1e-3, 80.0, **TIGHT, probes=1, mean=0.0, sigma_data=0.0)
    # k-diffusion 4601bf0 gives one of these, by which signs it drew
    ends = torch.tensor([-2.20703, 0.22882], dtype=torch.float64)
    assert (found[:, None] - ends).abs().min(1).values.max() < 1e-4 and found.unique().numel() >= 2
    assert facts["error"].isnan().all()
    closed = torch.distributions.MultivariateNormal(mean, covariance).log_prob(x[:1])
    exact, _ = log_likelihood(of_normal(mean, covariance), x[:1], 1e-3, 80.0, **TIGHT, sigma_data=math.sqrt(0.75))
    torch.testing.assert_close(exact, closed, rtol=0, atol=1e-4)


def test_the_error_of_an_estimate_is_what_it_is_off_by() -> None:
    mixing = torch.randn(24, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    mean, covariance = torch.zeros(24, dtype=torch.float64), mixing @ mixing.T / 24 + 0.1 * torch.eye(24, dtype=torch.float64)
    distribution = torch.distributions.MultivariateNormal(mean, covariance)
    torch.manual_seed(1)
    x = distribution.sample((64,))
    found, facts = log_likelihood(of_normal(mean, covariance), x, 1e-3, 80.0, probes=8, sigma_data=1.0)
    off = (found - distribution.log_prob(x)) / facts["error"]
    assert 0.6 < off.square().mean().sqrt() < 1.8 and not facts["exact"]


def test_a_row_has_its_likelihood_in_any_batch() -> None:
    mean, covariance = torch.zeros(20, dtype=torch.float64), torch.ones(20, 20, dtype=torch.float64) + torch.eye(20)
    x = torch.randn(5, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(2)) * torch.tensor([[0.1], [1], [3], [10], [1]])
    whole, _ = log_likelihood(of_normal(mean, covariance), x, 0.01, 40.0, {"note": "told"}, probes=2)
    later, _ = log_likelihood(of_normal(mean, covariance), x[2:], 0.01, 40.0, probes=2, first=2)
    torch.testing.assert_close(whole[2:], later, rtol=1e-12, atol=1e-12)


def test_a_network_is_asked_in_its_own_format_and_in_inference_mode() -> None:
    torch.manual_seed(0)

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.line = nn.Linear(6, 6)

        def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
            made: Tensor = self.line(x.flatten(1)).view_as(x)
            return made

    denoiser = Denoiser(Network(), sigma_data=0.5)
    with torch.inference_mode():
        found, facts = log_likelihood(denoiser, torch.randn(3, 2, 3), 0.01, 10.0)
    assert log_likelihood(denoiser, torch.randn(0, 2, 3), 0.01, 10.0)[0].shape == (0,)
    assert found.dtype == torch.float32 and found.isfinite().all() and facts["latent"].shape == (3, 2, 3)
    assert all(each.grad is None for each in denoiser.parameters())


def test_mistakes_are_told() -> None:
    for lowest, highest in ((80.0, 0.002), (0.0, 80.0), (1.0, math.inf)):
        with pytest.raises(RequestError, match="0 < sigma_min < sigma_max"):
            log_likelihood(G, PLACES, lowest, highest)
    with pytest.raises(RequestError, match="sample 1 holds NaN"):
        log_likelihood(G, torch.tensor([[0.0, 1.0], [math.nan, 0.0]]), 0.1, 10.0)
    with pytest.raises(RequestError, match="no gradient"):
        log_likelihood(lambda x, sigma: G(x, sigma).detach().requires_grad_(), PLACES, 0.1, 10.0)
    with pytest.raises(RequestError, match="row 0 is no number at"):
        log_likelihood(lambda x, sigma: x * math.nan, PLACES, 0.1, 10.0)
    with pytest.raises(RequestError, match="-1 probes"):
        log_likelihood(G, PLACES, 0.1, 10.0, probes=-1)
