"""Denoisers: scales, losses and weights against k-diffusion's numbers and closed forms."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainwright.config.errors import ConfigError, RequestError
from trainwright.domains.diffusion.denoisers import PARTS, find_name
from trainwright.domains.diffusion.denoisers.base import BaseDenoiser
from trainwright.domains.diffusion.denoisers.continuous import EpsilonDenoiser, FlowDenoiser, VDenoiser, X0Denoiser
from trainwright.domains.diffusion.denoisers.edm import Denoiser, DenoiserWithVariance, SimpleLossDenoiser
from trainwright.domains.diffusion.samplers.steps import to_d
from trainwright.domains.diffusion.weightings import PARTS as WEIGHTINGS
from trainwright.domains.diffusion.weightings.base import as_weighting
from trainwright.domains.diffusion.weightings.by_sigma import edm_weight
from trainwright.domains.diffusion.weightings.frequencies import cosine_transform, freq_weight_1d, freq_weight_nd

SIGMAS = torch.tensor([0.1, 0.5, 2.0], dtype=torch.float64)
CONTINUOUS = [Denoiser, VDenoiser, EpsilonDenoiser, X0Denoiser, FlowDenoiser]


class Zero(nn.Module):
    """Gives nothing, and a variance where it is asked."""

    def forward(self, x: Tensor, level: Tensor, return_variance: bool = False) -> Any:
        return (x * 0, torch.tensor([0.1, -0.2], dtype=x.dtype)) if return_variance else x * 0


class Perfect(nn.Module):
    """Gives what the denoiser around it would need for data N(0, σ_data²): the network of the exact denoiser."""

    def __init__(self, sigma_data: float) -> None:
        super().__init__()
        self.sigma_data, self.told = sigma_data, torch.zeros(0)
        self.around: list[BaseDenoiser] = []

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        self.told = level
        c_skip, c_out, c_in = self.around[0].get_scalings(SIGMAS)
        clean = self.sigma_data**2 / (SIGMAS**2 + self.sigma_data**2)
        return (((clean - c_skip) / c_out / c_in).reshape(-1, 1)) * x


def rows() -> tuple[Tensor, Tensor, Tensor]:
    k = torch.arange(128, dtype=torch.float64)
    return k.sin().reshape(2, 1, 8, 8), (1.7 * k).cos().reshape(2, 1, 8, 8), torch.tensor([0.3, 2.0], dtype=torch.float64)


def close(found: Tensor, expected: list[float], rtol: float = 1e-9) -> None:
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=rtol, atol=0)


def test_scales_of_edm_are_those_of_k_diffusion() -> None:
    # Made with k-diffusion 4601bf0: layers.Denoiser(model, sigma_data=0.5).get_scalings.
    c_skip, c_out, c_in = Denoiser(Zero(), sigma_data=0.5).get_scalings(SIGMAS)
    close(c_skip, [0.9615384615, 0.5, 0.05882352941])
    close(c_out, [0.09805806757, 0.3535533906, 0.4850712501])
    close(c_in, [1.961161351, 1.414213562, 0.4850712501])
    close(as_weighting("soft-min-snr")(SIGMAS, 0.5), [0.03698224852, 0.25, 0.0553633218])


# Made with k-diffusion 4601bf0: layers.Denoiser(…).loss of a network that gives zeros, in float64.
LOSSES = {
    "karras": (lambda: Denoiser(Zero(), 0.5), [0.8909881776, 1.945765059]),
    "soft-min-snr": (lambda: Denoiser(Zero(), 0.5, "soft-min-snr"), [0.1734189792, 0.1077240171]),
    "snr": (lambda: Denoiser(Zero(), 0.5, "snr"), [0.6551383659, 0.1144567682]),
    "simple": (lambda: SimpleLossDenoiser(Zero(), 0.5), [0.6551383659, 0.1144567682]),
    "four scales": (lambda: Denoiser(Zero(), 0.5, scales=4), [1.494722079, 3.29288319]),
    "variance": (lambda: DenoiserWithVariance(Zero(), 0.5), [0.4530997211, 1.088281405]),
    "own weight": (lambda: Denoiser(Zero(), 0.5, torch.ones_like), [0.8909881776, 1.945765059]),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_those_of_k_diffusion(name: str) -> None:
    make, expected = LOSSES[name]
    close(make().loss(*rows()), expected)


@pytest.mark.parametrize("name", [*(each for each in WEIGHTINGS if each != "auto"), "own"])
def test_a_weighting_means_the_same_for_every_denoiser(name: str) -> None:
    clean, noise, sigma = rows()
    weighting = torch.ones_like if name == "own" else name
    for made in CONTINUOUS:
        denoiser = made(Zero(), 0.5, weighting)
        noised = clean + noise * sigma.reshape(2, 1, 1, 1)
        error = ((denoiser(noised, sigma) - clean) ** 2).flatten(1).mean(1)
        relative = torch.ones(2, dtype=torch.float64) if name == "own" else as_weighting(name)(sigma, 0.5)
        torch.testing.assert_close(denoiser.loss(clean, noise, sigma), error * edm_weight(sigma, 0.5) * relative)


def test_without_a_weighting_the_error_of_the_network_itself_counts() -> None:
    clean, noise, sigma = rows()
    for made, target in ((EpsilonDenoiser, noise), (X0Denoiser, clean), (FlowDenoiser, noise - clean)):
        for given in (None, "auto"):
            found = made(Zero(), 1.0, given).loss(clean, noise, sigma)
            torch.testing.assert_close(found, (target**2).flatten(1).mean(1))
    close(Denoiser(Zero(), 0.5, "auto").loss(clean, noise, sigma), [0.8909881776, 1.945765059])


def test_weights_on_the_error_of_the_clean_sample_are_those_of_their_papers() -> None:
    def on_clean(name: str) -> Tensor:
        return as_weighting(name)(SIGMAS, 0.5) * edm_weight(SIGMAS, 0.5)

    torch.testing.assert_close(on_clean("snr"), 1 / SIGMAS**2)
    torch.testing.assert_close(on_clean("soft_min_snr"), 1 / (SIGMAS**2 + 0.25))
    torch.testing.assert_close(on_clean("min_snr"), (1 / SIGMAS**2).clamp(max=5))
    torch.testing.assert_close(on_clean("x0"), torch.ones_like(SIGMAS))
    t = SIGMAS / (1 + SIGMAS)
    torch.testing.assert_close(on_clean("sigma_sqrt"), t**-2)  # diffusers: sigmas ** -2 on the preconditioned output
    torch.testing.assert_close(on_clean("cosmap") * t**2, 2 / (math.pi * (1 - 2 * t + 2 * t**2)))
    torch.testing.assert_close(on_clean("min_snr") * SIGMAS**2, (1 / SIGMAS**2).clamp(max=5) * SIGMAS**2)  # min(snr, γ) / snr on noise


@pytest.mark.parametrize("made", CONTINUOUS)
def test_the_exact_network_gives_the_exact_denoiser(made: type[BaseDenoiser]) -> None:
    network = Perfect(0.7)
    denoiser = made(network, sigma_data=0.7)
    network.around.append(denoiser)
    x = torch.randn(3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(denoiser(x, SIGMAS), x * (0.49 / (SIGMAS**2 + 0.49)).reshape(3, 1))


@pytest.mark.parametrize("made", CONTINUOUS)
def test_the_target_is_what_gives_the_clean_sample(made: type[BaseDenoiser]) -> None:
    clean, noise, sigma = rows()
    denoiser = made(Zero(), sigma_data=0.7)
    target = denoiser.predict(clean, noise, sigma)[1]
    c_skip, c_out, _ = (each.reshape(2, 1, 1, 1) for each in denoiser.get_scalings(sigma))
    torch.testing.assert_close(c_skip * (clean + noise * sigma.reshape(2, 1, 1, 1)) + c_out * target, clean)


def test_targets_are_those_of_their_papers() -> None:
    clean, noise, sigma = rows()
    torch.testing.assert_close(EpsilonDenoiser(Zero()).predict(clean, noise, sigma)[1], noise)
    torch.testing.assert_close(X0Denoiser(Zero()).predict(clean, noise, sigma)[1], clean)
    torch.testing.assert_close(FlowDenoiser(Zero()).predict(clean, noise, sigma)[1], noise - clean)
    alpha = (1 / (1 + sigma**2).sqrt()).reshape(2, 1, 1, 1)
    v = alpha * noise - alpha * sigma.reshape(2, 1, 1, 1) * clean
    torch.testing.assert_close(VDenoiser(Zero()).predict(clean, noise, sigma)[1], v)


def test_the_loss_of_edm_is_one_at_every_level_for_a_network_that_gives_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    clean, noise = (torch.randn(3, 20000, generator=generator) for _ in range(2))
    loss = Denoiser(Zero(), 0.5).loss(clean * 0.5, noise, torch.tensor([0.002, 0.5, 80.0]))
    torch.testing.assert_close(loss, torch.ones(3), rtol=0.03, atol=0)


def test_at_small_sigma_float32_loses_nothing() -> None:
    clean, noise, _ = rows()
    sigma = torch.tensor([1e-3, 2e-3], dtype=torch.float64)
    exact = Denoiser(Zero(), 0.5).loss(clean, noise, sigma)
    found = Denoiser(Zero(), 0.5).loss(clean.float(), noise.float(), sigma.float())
    torch.testing.assert_close(found.double(), exact, rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    ("made", "expected"),
    [(Denoiser, SIGMAS), (VDenoiser, SIGMAS.atan() / math.pi * 2), (EpsilonDenoiser, SIGMAS), (FlowDenoiser, SIGMAS / (1 + SIGMAS))],
)
def test_a_network_is_told_what_its_kind_is_told(made: type[BaseDenoiser], expected: Tensor) -> None:
    network = Perfect(1.0)
    for takes, level in ((None, expected), ("sigma", SIGMAS), ("c_noise", SIGMAS.log() / 4)):
        denoiser = made(network, 1.0, takes=takes)
        network.around = [denoiser]
        denoiser(torch.ones(3, 2, dtype=torch.float64), SIGMAS)
        torch.testing.assert_close(network.told, level)


def test_times_have_maps_both_ways() -> None:
    for made in (VDenoiser, FlowDenoiser):
        denoiser = made(Zero(), 0.7)
        torch.testing.assert_close(denoiser.t_to_sigma(denoiser.sigma_to_t(SIGMAS)), SIGMAS)


def test_flow_euler_and_edm_euler_are_one() -> None:
    """A step of the flow from t to t' is a step of the ODE of EDM from σ to σ', where the velocity is that of one network."""
    network = nn.Linear(4, 4).double()

    class Velocity(nn.Module):
        def forward(self, x: Tensor, t: Tensor) -> Tensor:
            found: Tensor = network(x)
            return found

    x_t, t, later = torch.randn(1, 4, dtype=torch.float64), 0.6, 0.3
    sigma, next_sigma = t / (1 - t), later / (1 - later)
    x, level = x_t / (1 - t), torch.tensor([sigma], dtype=torch.float64)
    slope = to_d(x, level, FlowDenoiser(Velocity())(x, level))
    torch.testing.assert_close((x + (next_sigma - sigma) * slope) * (1 - later), x_t + (later - t) * network(x_t))


def test_uncertainty_is_learned() -> None:
    clean, noise, sigma = rows()
    denoiser = Denoiser(Zero(), 0.5, "uncertainty")
    close(denoiser.loss(clean.double(), noise, sigma).detach(), [0.8909881776, 1.945765059], rtol=1e-6)  # u starts as 0
    optimizer = torch.optim.Adam(denoiser.parameters(), lr=0.03)
    for _ in range(150):
        optimizer.zero_grad()
        loss = denoiser.loss(clean, noise, sigma).sum()
        loss.backward()
        optimizer.step()
    assert isinstance(denoiser.weighting, nn.Module)
    learned = denoiser.weighting.log_variance(sigma)
    torch.testing.assert_close(learned.double(), torch.tensor([0.8909881776, 1.945765059]).double().log(), rtol=0, atol=0.02)
    torch.testing.assert_close(denoiser.weighting(sigma, 0.5), (-learned).exp().double())


def test_weights_of_frequencies_are_those_of_k_diffusion() -> None:
    # Made with k-diffusion 4601bf0: layers.freq_weight_1d(8, scales=4).
    expected = [4, 3, 2.415037499, 2, 1.678071905, 1.415037499, 1.192645078, 1]
    close(freq_weight_1d(8, 4, torch.float64), expected)
    close(freq_weight_1d(8, 2.5, torch.float64), [min(each, 2.5) for each in expected])
    whole = freq_weight_nd((8, 4), 4, torch.float64)
    torch.testing.assert_close(whole, torch.minimum(freq_weight_1d(8, 4).double()[:, None], freq_weight_1d(4, 4).double()))


def test_the_cosine_transform_is_that_of_scipy() -> None:
    scipy_fft = pytest.importorskip("scipy.fft")
    x = torch.randn(2, 3, 4, 6, dtype=torch.float64)
    torch.testing.assert_close(cosine_transform(x), torch.from_numpy(scipy_fft.dctn(x.numpy(), axes=(2, 3), norm="ortho")))


def test_a_variance_stays_inside_when_sampling() -> None:
    clean, _, sigma = rows()
    x = DenoiserWithVariance(Zero(), 0.5)(clean, sigma)
    torch.testing.assert_close(x, Denoiser(Zero(), 0.5)(clean, sigma))


@pytest.mark.parametrize("shape", [(2, 3), (2, 1, 9), (2, 3, 4, 4), (2, 1, 3, 3, 3)])
@pytest.mark.parametrize("name", [each for each in PARTS if each != "diffusers"])
def test_every_denoiser_takes_samples_of_any_dimensions(name: str, shape: tuple[int, ...]) -> None:
    part = PARTS[name]
    denoiser = part.load()(part.config(type=name), network=Zero(), sigma_data=0.5, weighting=as_weighting("karras"))
    x, sigma = torch.randn(shape), torch.tensor([0.3, 2.0])
    assert denoiser(x, sigma).shape == shape
    assert denoiser.loss(x, torch.randn(shape), sigma).shape == (2,)


def test_names_of_others_are_understood() -> None:
    assert find_name("v_prediction") == "v"
    assert find_name("rectified-flow") == "flow"
    assert find_name("edm") == "edm"


def variance_with(weighting: str) -> Any:
    options = PARTS["edm"].config(type="edm", learned_variance=True)
    return PARTS["edm"].load()(options, network=Zero(), sigma_data=0.5, weighting=as_weighting(weighting))


class Wrong(nn.Module):
    def forward(self, x: Tensor, level: Tensor, return_variance: bool = False) -> Any:
        return x[:, :1]


class Pair(nn.Module):
    def forward(self, x: Tensor, level: Tensor) -> Any:
        return x, x


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: Denoiser(Wrong())(torch.ones(2, 3), torch.ones(2)), r"gave the shape \(2, 1\) for samples \(2, 3\)"),
        (lambda: Denoiser(Pair())(torch.ones(2, 3), torch.ones(2)), "gave a tuple"),
        (lambda: Denoiser(Zero())(torch.ones(2, 3), torch.ones(())), r"sigma has the shape \(\)"),
        (lambda: Denoiser(Zero())(torch.ones(2, 3), torch.ones(3)), r"sigma has the shape \(3,\)"),
        (lambda: Denoiser(Zero())(torch.ones(2, 3, dtype=torch.uint8), torch.ones(2)), "samples are torch.uint8"),
        (lambda: DenoiserWithVariance(Wrong()).loss(torch.ones(2, 3), torch.ones(2, 3), torch.ones(2)), "gives no variance"),
        (lambda: Denoiser(Zero(), sigma_data=0.0), "sigma_data is 0.0"),
        (lambda: Denoiser(Zero(), weighting="soft-min"), "did you mean 'soft_min_snr'"),
        (lambda: Denoiser(Zero(), weighting=3), "is no weighting"),
        (lambda: as_weighting("auto")(SIGMAS, 0.5), "has no number of its own"),
        (lambda: variance_with("snr"), "a weighting cannot go with learned_variance"),
        (lambda: Denoiser(Zero(), takes="sigmas"), "takes one of: sigma, c_noise, time"),
        (lambda: Denoiser(Zero(), scales=4).loss(torch.ones(2, 3), torch.ones(2, 3), torch.ones(2)), "no meaning for vectors"),
    ],
    ids=["shape", "tuple", "scalar", "rows", "integers", "variance", "sigma_data", "name", "number", "auto", "both", "takes", "vectors"],
)
def test_mistakes_are_told(call: Any, said: str) -> None:
    with pytest.raises((RequestError, ConfigError), match=said):
        call()


class _Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        found: Tensor = self.linear(x) + level[:, None]
        return found
