"""What all samplers do alike: calls, callbacks, noise, dtypes and shapes, and what they refuse."""

from __future__ import annotations

import inspect
import math
import warnings
from typing import Any

import numpy
import pytest
import torch
from tests.domains.diffusion.exact_denoisers import LEVELS, START, Counted, constant_noise, gaussian
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from trainwright.config.errors import RequestError
from trainwright.domains.diffusion.samplers import PARTS, SamplerPart
from trainwright.domains.diffusion.samplers.exponential import phi
from trainwright.domains.diffusion.samplers.multistep import linear_multistep_coeff, match_moments
from trainwright.domains.diffusion.samplers.steps import get_ancestral_step, to_d

ORDINARY = [name for name, part in PARTS.items() if isinstance(part, SamplerPart) and not part.distilled]
TWO_CALLS = ("heun", "dpm_2", "dpm_2_ancestral", "dpmpp_2s_ancestral", "dpmpp_sde")
ONE_CALL = [name for name in ORDINARY if name not in (*TWO_CALLS, "dpm_fast", "dpm_adaptive", "restart")]
WITH_ETA = [name for name in ORDINARY if "eta" in inspect.signature(PARTS[name].load()).parameters]


def sample(name: str, denoiser: Any, x: Tensor = START, sigmas: Any = LEVELS, *args: Any, **options: Any) -> Tensor:
    options = {"restarts": {0.1: (3, 2, 1.0)}} | options if name == "restart" else options
    made: Tensor = PARTS[name].load()(denoiser, x, sigmas, *args, **options)
    return made


@pytest.mark.parametrize("name", ONE_CALL)
def test_one_call_for_each_step(name: str) -> None:
    counted = Counted(gaussian)
    sample(name, counted, noise_sampler=constant_noise(START))
    assert counted.calls == 8
    assert counted.levels == pytest.approx(LEVELS[:-1].tolist())


@pytest.mark.parametrize("name", TWO_CALLS)
def test_two_calls_for_each_step_but_the_one_into_zero(name: str) -> None:
    counted = Counted(gaussian)
    sample(name, counted, noise_sampler=constant_noise(START))
    assert counted.calls == 2 * 8 - 1
    counted = Counted(gaussian)
    sample(name, counted, sigmas=LEVELS[:-1], noise_sampler=constant_noise(START))
    assert counted.calls == 2 * 7


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 9, 10, 11, 30])
def test_dpm_fast_makes_the_calls_that_are_asked_for(n: int) -> None:
    counted = Counted(gaussian)
    sample("dpm_fast", counted, n=n)
    assert counted.calls == n


def test_dpm_fast_makes_as_many_calls_as_there_are_steps() -> None:
    counted = Counted(gaussian)
    sample("dpm_fast", counted)
    assert counted.calls == 8


@pytest.mark.parametrize(("solver", "calls"), [("heun", 2 * 8 - 1 + 2 * 2 * 3), ("euler", 8 + 2 * 3), ("dpmpp_2m", 8 + 2 * 3)])
def test_restart_makes_the_calls_of_its_solver(solver: str, calls: int) -> None:
    counted = Counted(gaussian)
    sample("restart", counted, restarts={0.1: (3, 2, 1.0)}, solver=solver, noise_sampler=constant_noise(START))
    assert counted.calls == calls


@pytest.mark.parametrize("name", ORDINARY)
def test_a_callback_is_told_of_every_step_before_its_update(name: str) -> None:
    told: list[dict[str, Any]] = []
    sample(name, gaussian, START, LEVELS, None, told.append, noise_sampler=constant_noise(START))
    assert [each["i"] for each in told] == list(range(len(told)))
    assert torch.equal(told[0]["x"], START)
    assert float(told[0]["sigma"]) == float(told[0]["sigma_hat"]) == pytest.approx(10, abs=1e-12)
    for each in told:
        assert each["denoised"].shape == START.shape
        if name not in ("dpm_fast", "dpm_adaptive", "restart"):
            assert float(each["sigma"]) == LEVELS[each["i"]]


@pytest.mark.parametrize("name", ORDINARY)
def test_nothing_is_drawn_where_nothing_random_is_used(name: str) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    options: dict[str, Any] = {"eta": 0.0} if name in WITH_ETA else {"restarts": {}} if name == "restart" else {}
    sample(name, gaussian, **options)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("name", [*WITH_ETA, "euler", "heun", "dpm_2", "restart"])
def test_samples_follow_from_the_generator(name: str) -> None:
    options: dict[str, Any] = {"eta": 1.0} if name in WITH_ETA else {} if name == "restart" else {"s_churn": 4.0}
    made = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        made.append(sample(name, gaussian, **options))
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


@pytest.mark.filterwarnings("ignore:x has a deviation")  # a constant is no noise
@pytest.mark.parametrize("name", ORDINARY)
@pytest.mark.parametrize("shape", [(3,), (2, 4), (2, 3, 16), (2, 1, 4, 4), (0, 2)])
def test_rows_have_any_shape(name: str, shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 10
    assert sample(name, gaussian, x, noise_sampler=constant_noise(x)).shape == shape


@pytest.mark.parametrize("name", ORDINARY)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_samples_keep_their_dtype_and_sigma_is_exact_enough(name: str, dtype: torch.dtype) -> None:
    seen = []

    def denoiser(x: Tensor, sigma: Tensor) -> Tensor:
        seen.append(sigma.dtype)
        return gaussian(x, sigma)

    made = sample(name, denoiser, START.to(dtype), noise_sampler=constant_noise(START.to(dtype)))
    assert made.dtype == dtype
    assert set(seen) == {torch.float32}


CHURN, ANCESTRAL = ("s_churn", "s_tmin", "s_tmax", "s_noise"), ("eta", "s_noise", "noise_sampler")
CONTROL = ("order", "rtol", "atol", "h_init", "pcoeff", "icoeff", "dcoeff", "accept_safety", *ANCESTRAL, "return_info")
OF_K_DIFFUSION = {
    "euler": CHURN,
    "heun": CHURN,
    "dpm_2": CHURN,
    "lms": ("order",),
    "dpm_fast": ANCESTRAL,
    "dpm_adaptive": CONTROL,
    "euler_ancestral": ANCESTRAL,
    "dpm_2_ancestral": ANCESTRAL,
    "dpmpp_2s_ancestral": ANCESTRAL,
    "dpmpp_sde": (*ANCESTRAL, "r"),
    "dpmpp_2m": (),
    "dpmpp_2m_sde": (*ANCESTRAL, "solver_type"),
    "dpmpp_3m_sde": ANCESTRAL,
}
"""Options after `disable` in the order of k-diffusion (sampling.py at 4601bf0)."""


@pytest.mark.parametrize("name", OF_K_DIFFUSION)
def test_options_go_by_place_as_in_k_diffusion(name: str) -> None:
    parameters = list(inspect.signature(PARTS[name].load()).parameters.values())
    found = [each.name for each in parameters[6:] if each.kind is each.POSITIONAL_OR_KEYWORD]
    assert tuple(found[: len(OF_K_DIFFUSION[name])]) == OF_K_DIFFUSION[name]


def test_an_option_by_place_is_the_one_by_name() -> None:
    noise = constant_noise(START)
    by_place = sample("dpmpp_2m_sde", gaussian, START, LEVELS, None, None, True, 0.5, 1.0, noise, "heun")
    assert torch.equal(by_place, sample("dpmpp_2m_sde", gaussian, eta=0.5, noise_sampler=noise, solver_type="heun"))
    for name, more in (("dpm_fast", (10, None, None, True, 1.0)), ("dpm_adaptive", (None, None, True, 3, 0.05))):
        with pytest.raises(RequestError, match=r"was given one number, 0\.02, as sigmas"):
            sample(name, gaussian, START, 0.02, 80.0, *more)


def test_x_is_left_as_it_was() -> None:
    for name in ORDINARY:
        x = START.clone()
        sample(name, gaussian, x, noise_sampler=constant_noise(x))
        assert torch.equal(x, START), name


def test_conditions_reach_every_call() -> None:
    for name in ORDINARY:
        seen: list[dict[str, Any]] = []

        def denoiser(x: Tensor, sigma: Tensor, seen: list[dict[str, Any]] = seen, **conditions: Any) -> Tensor:
            seen.append(conditions)
            return gaussian(x, sigma)

        sample(name, denoiser, START, LEVELS, {"class_cond": 3}, noise_sampler=constant_noise(START))
        assert seen and all(each == {"class_cond": 3} for each in seen), name


def test_levels_may_be_a_list_and_no_gradients_are_kept() -> None:
    x = START.clone().requires_grad_()
    made = sample("heun", gaussian, x, LEVELS.tolist())
    assert not made.requires_grad
    assert torch.equal(made, sample("heun", gaussian))


@pytest.mark.parametrize(
    ("sigmas", "told"),
    [
        ([10, 5, 5, 1, 0], r"sigmas\[2\] = 5 repeats sigmas\[1\] = 5"),
        ([0.02, 1, 10], r"sigmas\[1\] = 1 is above sigmas\[0\] = 0.02"),
        ([10, float("nan"), 0], r"sigmas\[1\] is nan"),
        ([float("inf"), 1, 0], r"sigmas\[0\] is inf"),
        ([10, 0, 0], r"sigmas\[1\] is 0"),
        ([10, 1, -1], r"sigmas\[2\] is -1"),
        ([10], "1 noise level"),
        ([], "0 noise levels"),
        (0.02, "one number, 0.02"),
        (torch.ones(2, 2), r"shape \(2, 2\)"),
        ("karras", "no noise levels: 'karras'"),
    ],
)
@pytest.mark.parametrize("name", ["euler", "dpmpp_2m", "dpm_fast", "restart"])
def test_levels_that_cannot_be_walked_down_are_refused(name: str, sigmas: Any, told: str) -> None:
    with pytest.raises(RequestError, match=told):
        sample(name, gaussian, START, sigmas)


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("lms", {"order": 0}, "order is 0"),
        ("deis", {"order": 9}, "order is 9"),
        ("unipc", {"variant": "bh3"}, "unknown variant 'bh3'"),
        ("unipc", {"order": 2.0}, "order is 2.0"),
        ("dpm_adaptive", {"order": 1}, "order is 1"),
        ("dpm_adaptive", {"rtol": 0.0}, "rtol is 0.0"),
        ("dpm_fast", {"n": 0}, "0 calls"),
        ("dpmpp_2m_sde", {"solver_type": "euler"}, "unknown solver_type 'euler'"),
        ("restart", {"solver": "euler_ancestral"}, "'euler_ancestral' cannot be the solver of restarts"),
        ("restart", {"restarts": {0.1: (3, 2)}}, "is no restart"),
        ("restart", {"restarts": {0.1: (0, 2, 1.0)}}, "is no restart"),
        ("restart", {"restarts": {0.1: (3, 2, 0.05)}}, "no restart up to 0.05"),
        ("restart", {"restarts": {0.1: (3, 2, 20.0)}}, "no restart up to 20"),
        ("restart", {"restarts": {20.0: (3, 2, 30.0)}}, "no restart from 20"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(name: str, options: dict[str, Any], told: str) -> None:
    with pytest.raises(RequestError, match=told):
        sample(name, gaussian, **options)


def test_what_is_no_tensor_of_rows_is_refused() -> None:
    with pytest.raises(RequestError, match="int64"):
        sample("euler", gaussian, torch.zeros(2, 2, dtype=torch.int64))
    with pytest.raises(RequestError, match="list"):
        sample("euler", gaussian, [[1.0]])  # type: ignore[arg-type]
    with pytest.raises(RequestError, match=r"the denoiser gave the shape \(5, 2\)"):
        sample("euler", lambda x, sigma: x.repeat(1, 2))
    with pytest.raises(RequestError, match="the denoiser gave a tuple"):
        sample("euler", lambda x, sigma: (x, x))


def test_x_that_was_not_scaled_is_warned_of_and_a_start_from_a_picture_is_not() -> None:
    noise = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with pytest.warns(UserWarning, match="x should be noise × sigmas"):
        sample("euler", gaussian, noise)
    with pytest.warns(UserWarning, match="deviation of 96"):
        sample("euler", gaussian, noise * 100)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sample("euler", gaussian, noise * 10)
        sample("euler", gaussian, 0.5 * noise.roll(1) + noise * 0.1, LEVELS[-3:])


class Table:
    """A denoiser of discrete times as k-diffusion has them."""

    def __init__(self) -> None:
        self.sigmas = torch.linspace(0.03, 14.6, 1000)

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        return gaussian(x, sigma)


class Guided:
    """A wrapper of a denoiser."""

    def __init__(self, denoiser: Any) -> None:
        self.denoiser = denoiser

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self.denoiser(x, sigma)


@pytest.mark.parametrize("denoiser", [Table(), Guided(Table()), Guided(Guided(Table()))])
def test_levels_outside_the_table_of_a_discrete_model_are_refused(denoiser: Any) -> None:
    with pytest.raises(RequestError, match=r"sigmas\[0\] = 80 is outside the table"):
        sample("euler", denoiser, START, [80, 1, 0])
    with pytest.raises(RequestError, match=r"sigmas\[1\] = 0.02 is outside(.|\n)*0.03 to 14.6"):
        sample("euler", denoiser, START, [10, 0.02, 0])
    sample("euler", denoiser, START, [14.605, 0.03, 0])  # a level that was rounded


def test_pieces_that_samplers_are_made_of() -> None:
    assert get_ancestral_step(2, 1) == pytest.approx((0.5, 0.8660254038))
    assert get_ancestral_step(2, 1, 0.5) == pytest.approx((0.9013878189, 0.4330127019))
    assert get_ancestral_step(2, 1, 2) == (0, 1)
    assert get_ancestral_step(2, 1, 0) == (1, 0)
    found = [linear_multistep_coeff(4, LEVELS.tolist(), 4, j) for j in range(4)]
    assert found == pytest.approx([-0.4479333333, 0.1798875, -0.03295, 0.0009958333333], abs=1e-10)
    assert [linear_multistep_coeff(2, LEVELS.tolist(), 1, j) for j in range(2)] == pytest.approx([-3.9, 0.9])
    with pytest.raises(RequestError, match="order 3 is too high for step 1"):
        linear_multistep_coeff(3, LEVELS.tolist(), 1, 0)
    assert torch.equal(to_d(START, torch.full((5,), 2.0), START * 3), -START)


@pytest.mark.parametrize("z", [-30.0, -3.0, -1.0, -0.999, -1e-3, -1e-9, 0.0, 1e-6, 0.5, 1.5, 8.0])
def test_phi_functions_are_exact_to_rounding(z: float) -> None:
    """Against their integrals ∫₀¹ e^{(1−θ)z} θ^{k−1} / (k − 1)! dθ, by Gauss–Legendre quadrature of 40 points."""
    places, weights = numpy.polynomial.legendre.leggauss(40)
    theta = (places + 1) / 2
    for k in range(1, 6):
        expected = float((weights / 2 * numpy.exp((1 - theta) * z) * theta ** (k - 1)).sum()) / math.factorial(k - 1)
        assert phi(k, z) == pytest.approx(expected, rel=1e-12)
    assert phi(0, z) == pytest.approx(math.exp(z))


def test_weights_match_moments_of_polynomials() -> None:
    nodes = [0.0, -0.7, -1.9, -2.0, -5.0]
    weights = match_moments(nodes, [1 / (k + 1) for k in range(5)])
    for k in range(5):
        assert sum(weight * node**k for weight, node in zip(weights, nodes, strict=True)) == pytest.approx(1 / (k + 1), rel=1e-12)


class NoSync(TorchDispatchMode):
    """Raises where a number of a tensor is asked for by Python, which on a GPU waits for all that was begun."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default:
            raise AssertionError("a loop asked for the number of a tensor")
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", [name for name in ORDINARY if name != "dpm_adaptive"])
def test_no_loop_waits_for_a_gpu(name: str) -> None:
    """From the first call of the denoiser on; restarts begin several walks, each of which reads its levels from a list."""
    modes = []

    def denoiser(x: Tensor, sigma: Tensor) -> Tensor:
        if not modes:
            modes.append(NoSync())
            modes[0].__enter__()
        return gaussian(x, sigma)

    try:
        sample(name, denoiser, noise_sampler=constant_noise(START))
    finally:
        modes[0].__exit__(None, None, None)
