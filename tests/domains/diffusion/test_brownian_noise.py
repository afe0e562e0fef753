"""Brownian motion over noise levels: one path whatever the steps, increments of the right size, and no sample that depends on another."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from scipy import stats

from trainwright.config.errors import RequestError
from trainwright.domains.diffusion.noise.brownian import BrownianNoise, BrownianPath, BrownianTreeNoiseSampler, levels_between
from trainwright.domains.diffusion.noise.keyed import row_keys, tabled_normal_rows

KEYS = row_keys(3, "test", rows=range(4000))
TIMES = st.floats(1e-4, 6e4)


def karras(count: int, lowest: float = 0.002, highest: float = 80.0) -> list[float]:
    ends = highest ** (1 / 7), lowest ** (1 / 7)
    return [(ends[0] + step / (count - 1) * (ends[1] - ends[0])) ** 7 for step in range(count)]


@settings(max_examples=50)
@example(1.0, 46466.0, 46557.0)  # within one interval of the last usual halving
@given(TIMES, TIMES, TIMES)
def test_increments_have_the_covariance_of_brownian_motion(first: float, second: float, third: float) -> None:
    path = BrownianPath(KEYS, (1,), dtype=torch.float64)
    times = sorted((first, second, third))
    assume(min(times[1] - times[0], times[2] - times[1]) > 2.0**-36 * times[2])
    levels = max(levels_between(*each) for each in pairwise(times))
    values = [torch.zeros(4000, 1, dtype=torch.float64), *(path.at(each, levels) for each in times)]
    steps = torch.cat([(later - earlier) for earlier, later in pairwise(values)], dim=1)
    variances = torch.tensor([later - earlier for earlier, later in pairwise([0.0, *times])], dtype=torch.float64)
    covariance = (steps / variances.sqrt()).T @ (steps / variances.sqrt()) / 4000
    assert (covariance - torch.eye(3)).abs().max() < 6 * math.sqrt(2 / 4000)


def test_a_step_is_standard_normal_however_small() -> None:
    for start, end in ((80, 60), (60, 59.9), (0.5, 0.2), (0.3, 0.29999), (1.0, 0.0), (2.0000001, 2)):
        noise = BrownianNoise(KEYS, (5,), 0.0, 80.0, dtype=torch.float64)(start, end)
        assert stats.kstest(noise.flatten().numpy(), "norm").pvalue > 0.001


def test_the_steps_of_a_thousand_are_standard_normal_and_independent_of_those_before() -> None:
    sigmas = karras(1000)
    noise = BrownianNoise(KEYS[:2], (3,), 0.002, 80.0)
    steps = torch.stack([noise(*each).flatten() for each in pairwise(sigmas)])
    assert stats.kstest(steps.flatten().numpy(), "norm").pvalue > 0.01
    assert ((steps[1:] * steps[:-1]).mean() * math.sqrt(steps[1:].numel())).abs() < 4


@pytest.mark.parametrize("count", [2, 7, 20, 50, 250])
def test_a_path_is_the_same_for_any_number_of_steps(count: int) -> None:
    fine, coarse = karras(4 * (count - 1) + 1), karras(count)

    def path_along(sigmas: list[float]) -> torch.Tensor:
        noise = BrownianNoise(KEYS[:2], (3, 4), 0.002, 80.0, dtype=torch.float64)
        steps = [noise(*each) * math.sqrt(each[0] - each[1]) for each in pairwise(sigmas)]
        return torch.stack(steps).cumsum(dim=0)

    torch.testing.assert_close(path_along(fine)[3::4], path_along(coarse), rtol=0, atol=1e-12)


def test_increments_add_up_and_turn_their_sign_with_the_direction() -> None:
    noise = BrownianNoise(KEYS[:3], (2, 5), 0.1, 10.0, dtype=torch.float64)
    whole, parts = noise(10.0, 0.1) * math.sqrt(9.9), noise(10.0, 3.0) * math.sqrt(7) + noise(3.0, 0.1) * math.sqrt(2.9)
    torch.testing.assert_close(whole, parts, rtol=0, atol=1e-14)
    assert torch.equal(noise(3.0, 7.0), -noise(7.0, 3.0))


@given(st.data())
def test_a_sample_has_its_path_in_any_batch_and_type(data: st.DataObject) -> None:
    count, size = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 300))
    start = data.draw(st.integers(0, count - 1))
    levels = data.draw(st.lists(TIMES, min_size=2, max_size=4, unique=True))
    batch, alone = (BrownianNoise(each, (size,)) for each in (KEYS[:count], KEYS[start : start + 1]))
    exact = BrownianNoise(KEYS[:count], (size,), dtype=torch.float64)
    for pair in pairwise(levels):
        made = batch(*pair)
        assert torch.equal(made[start : start + 1], alone(*pair))
        torch.testing.assert_close(
            made.double(), exact(*pair), rtol=0, atol=1e-3 * max(1.0, math.sqrt(max(pair) / abs(pair[0] - pair[1])) / 100)
        )


def test_k_diffusions_sampler_takes_one_seed_a_list_or_none() -> None:
    x = torch.zeros(3, 1, 4, 4)
    one, each = (
        BrownianTreeNoiseSampler(x, 0.1, 10, seed=5),
        BrownianTreeNoiseSampler(x, torch.tensor(0.1), torch.tensor(10.0), seed=[5, 6, 5]),
    )
    first, second = one(10.0, 1.0), each(10.0, 1.0)
    assert torch.equal(first[0], second[0]) and torch.equal(second[0], second[2]) and not torch.equal(first[0], first[1])
    assert torch.equal(BrownianTreeNoiseSampler(x[:1], 0.1, 10, seed=5)(10.0, 1.0), first[:1])
    torch.manual_seed(1)
    unseeded = BrownianTreeNoiseSampler(x, 0.1, 10)(10.0, 1.0)
    torch.manual_seed(1)
    assert torch.equal(unseeded, BrownianTreeNoiseSampler(x, 0.1, 10)(10.0, 1.0)) and not torch.equal(unseeded, first)
    in_log = BrownianTreeNoiseSampler(x, 0.1, 10, seed=5, transform=lambda sigma: math.log(sigma) + 10)
    assert in_log(10.0, 1.0).std() > 0.5


def test_levels_that_make_no_path_are_refused() -> None:
    with pytest.raises(RequestError, match=r"sigma_min 10 to sigma_max 0\.1"):
        BrownianNoise(KEYS[:1], (2,), 10.0, 0.1)
    noise = BrownianNoise(KEYS[:1], (2,), 0.1, 10.0)
    for pair in ((1.0, 1.0), (1.0, -0.1), (70_000.0, 1.0), (math.nan, 1.0), (math.inf, 1.0)):
        with pytest.raises(RequestError, match="two different levels from 0 to 65,536"):
            noise(*pair)
    with pytest.raises(RequestError, match="2 seeds for 3 samples"):
        BrownianTreeNoiseSampler(torch.zeros(3, 2), 0.1, 10, seed=[1, 2])


@pytest.mark.parametrize("count", [2, 6, 40])
def test_noise_is_the_same_to_the_bit_where_levels_are_expected(count: int) -> None:
    levels = [*karras(count), 0.0]
    alone, ahead = (BrownianNoise(KEYS[:3], (3, 5)) for _ in range(2))
    ahead.expect(levels)
    for pair in [*pairwise(levels[:-1]), (levels[0], levels[-2]), (50.0, 0.3), (levels[-2], 0.0)]:
        assert torch.equal(alone(*pair), ahead(*pair))


def test_a_rising_plan_is_left_alone() -> None:
    alone, ahead = (BrownianNoise(KEYS[:1], (4,), transform=lambda sigma: 1 / sigma, sigma_min=10.0, sigma_max=0.1) for _ in range(2))
    ahead.expect([8.0, 4.0, 1.0])
    assert torch.equal(alone(8.0, 4.0), ahead(8.0, 4.0)) and torch.equal(alone(4.0, 1.0), ahead(4.0, 1.0))


def test_the_table_of_normal_numbers_is_normal() -> None:
    made = tabled_normal_rows(KEYS[:64], 4001, torch.float64)[:, :4001]
    assert stats.kstest(made.flatten().numpy(), "norm").pvalue > 0.01
    assert abs(made.square().mean() - 1) < 0.02 and abs(stats.kurtosis(made.flatten().numpy())) < 0.06
    assert torch.equal(made[5:6], tabled_normal_rows(KEYS[5:6], 4001, torch.float64)[:, :4001])
