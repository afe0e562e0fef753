"""Guided denoisers: their formulas, that scale 1 guides nothing, one call for both predictions, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from trainwright.config.errors import RequestError
from trainwright.domains.diffusion.guidance.denoisers import (
    AutoguidanceDenoiser,
    CFGDenoiser,
    ComposedDenoiser,
    DynamicThresholdDenoiser,
    quantile_of_rows,
)
from trainwright.domains.diffusion.guidance.rules import AdaptiveProjection, ZeroStar, rescale_guided
from trainwright.nn.dims import append_dims

MEANS = torch.tensor([-2.0, 3.0, 0.5], dtype=torch.float64)
"""Of classes 0 and 1, and of all."""
NOTHING = {"class_cond": torch.full((4,), 2)}
X = torch.randn(4, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
SIGMA = torch.tensor([0.1, 1.0, 3.0, 20.0], dtype=torch.float64)
CLASSES = torch.tensor([0, 1, 0, 1])


class OfClasses:
    """The exact denoiser of N(mean of the class, 1), which counts its calls and their rows."""

    def __init__(self) -> None:
        self.rows: list[int] = []

    def __call__(self, x: Tensor, sigma: Tensor, class_cond: Tensor, note: str = "") -> Tensor:
        self.rows.append(len(x))
        share = append_dims(1 / (1 + sigma**2), x.ndim)
        return x * share + append_dims(MEANS[class_cond], x.ndim) * (1 - share)


def predictions() -> tuple[Tensor, Tensor]:
    return OfClasses()(X, SIGMA, CLASSES), OfClasses()(X, SIGMA, NOTHING["class_cond"])


def test_guidance_is_away_from_what_tells_nothing_in_one_call() -> None:
    told, nothing = predictions()
    denoiser = OfClasses()
    guided = CFGDenoiser(denoiser, 2.5, NOTHING)(X, SIGMA, class_cond=CLASSES, note="the same for all")
    torch.testing.assert_close(guided, nothing + 2.5 * (told - nothing))
    assert denoiser.rows == [8]
    original = CFGDenoiser(denoiser, 1.5, NOTHING, convention="original")(X, SIGMA, class_cond=CLASSES)
    torch.testing.assert_close(original, guided)
    each = CFGDenoiser(denoiser, torch.tensor([0.0, 1.0, 2.0, 2.5]), NOTHING)(X, SIGMA, class_cond=CLASSES)
    torch.testing.assert_close(each[0], nothing[0])
    torch.testing.assert_close(each[3], guided[3])


def test_a_condition_that_is_left_out_for_nothing_takes_two_calls() -> None:
    rows = []

    def denoiser(x: Tensor, sigma: Tensor, cross_cond: Tensor | None) -> Tensor:
        rows.append(len(x))
        return x if cross_cond is None else x + cross_cond[:, :1, None]

    guided = CFGDenoiser(denoiser, 2.0, {"cross_cond": None})(X, SIGMA, cross_cond=torch.ones(4, 3))
    torch.testing.assert_close(guided, X + 2)
    assert rows == [4, 4]


@pytest.mark.parametrize("rule", ["linear", "apg", "zero_star"])
def test_scale_1_guides_nothing(rule: str) -> None:
    chosen = ZeroStar(zero_first=False) if rule == "zero_star" else rule
    denoiser = OfClasses()
    guided = CFGDenoiser(denoiser, 1.0, NOTHING, rule=chosen)(X, SIGMA, class_cond=CLASSES)
    torch.testing.assert_close(guided, predictions()[0])
    assert rule != "linear" or denoiser.rows == [4]


def test_outside_of_the_interval_the_better_prediction_is_given() -> None:
    told, nothing = predictions()
    denoiser = OfClasses()
    guided = CFGDenoiser(denoiser, 3.0, NOTHING, interval=(0.1, 3.0))
    made = guided(X, SIGMA, class_cond=CLASSES)
    assert torch.equal(made[[0, 3]], told[[0, 3]])
    torch.testing.assert_close(made[1:3], (nothing + 3 * (told - nothing))[1:3])
    guided(X, torch.full_like(SIGMA, 5.0), class_cond=CLASSES)
    assert denoiser.rows == [8, 4]


def test_rescaling_gives_the_golden_numbers_and_the_deviation_of_the_better_prediction() -> None:
    k = torch.arange(8, dtype=torch.float64)[None]
    # rescale_noise_cfg of diffusers 0.42.1, guidance_rescale=0.7
    golden = [0, 1.39857846, 1.511310333, 0.2345504564, -1.257854029, -1.593793321, -0.4644063838, 1.091953641]
    found = rescale_guided(3 * k.sin(), k.cos(), 0.7)[0]
    torch.testing.assert_close(found, torch.tensor(golden, dtype=torch.float64), rtol=1e-8, atol=1e-8)
    told, _ = predictions()
    guided = CFGDenoiser(OfClasses(), 4.0, NOTHING, rescale=1.0)(X, SIGMA, class_cond=CLASSES)
    torch.testing.assert_close(guided.std((1, 2)), told.std((1, 2)))


def test_projected_guidance_without_what_makes_it_is_plain_guidance() -> None:
    told, nothing = predictions()
    plain = AdaptiveProjection(eta=1.0, norm_threshold=math.inf, momentum=0.0)
    guided = CFGDenoiser(OfClasses(), 4.0, NOTHING, rule=plain)(X, SIGMA, class_cond=CLASSES)
    torch.testing.assert_close(guided, nothing + 4 * (told - nothing))


def test_projected_guidance_is_orthogonal_to_the_better_prediction_and_of_at_most_the_norm() -> None:
    told, _ = predictions()
    rule = AdaptiveProjection(norm_threshold=0.5, momentum=0.0)
    change = CFGDenoiser(OfClasses(), 3.0, NOTHING, rule=rule)(X, SIGMA, class_cond=CLASSES) - told
    torch.testing.assert_close((change * told).sum((1, 2)), torch.zeros(4, dtype=torch.float64))
    assert (change.square().sum((1, 2)).sqrt() <= 2 * 0.5 + 1e-12).all() and change.abs().max() > 0.01


def test_momentum_takes_earlier_differences_and_forgets_them_where_sampling_begins_anew() -> None:
    def along_levels(guided: Callable[..., Tensor], levels: list[float]) -> list[Tensor]:
        return [guided(X, torch.full_like(SIGMA, each), class_cond=CLASSES) for each in levels]

    rule = AdaptiveProjection(eta=1.0, norm_threshold=math.inf, momentum=-0.5)
    guided = CFGDenoiser(OfClasses(), 3.0, NOTHING, rule=rule)
    first, second = along_levels(guided, [3.0, 1.0])
    again = along_levels(guided, [3.0, 1.0])
    assert torch.equal(first, again[0]) and torch.equal(second, again[1])
    difference = [(MEANS[CLASSES] - MEANS[2]) * (1 - 1 / (1 + level**2)) for level in (3.0, 1.0)]
    told = OfClasses()(X, torch.ones_like(SIGMA), CLASSES)
    torch.testing.assert_close(second, told + 2 * append_dims(difference[1] - 0.5 * difference[0], 3))


def test_zero_star_scales_the_worse_velocity_and_stands_still_at_first() -> None:
    def velocity(prediction: Tensor, sigma: Tensor) -> Tensor:
        return (X - prediction) / append_dims(sigma, 3) - prediction

    guided = CFGDenoiser(OfClasses(), 2.0, NOTHING, rule="zero_star")
    first = guided(X, SIGMA, class_cond=CLASSES)
    torch.testing.assert_close(velocity(first, SIGMA), torch.zeros_like(X))
    lower = SIGMA / 2
    better, worse = (velocity(OfClasses()(X, lower, each), lower) for each in (CLASSES, NOTHING["class_cond"]))
    best = (better * worse).sum((1, 2), keepdim=True) / worse.square().sum((1, 2), keepdim=True)
    found = velocity(guided(X, lower, class_cond=CLASSES), lower)
    torch.testing.assert_close(found, best * worse + 2 * (better - best * worse))


def test_autoguidance_is_away_from_the_weaker_model() -> None:
    def weaker(x: Tensor, sigma: Tensor, **_: Any) -> Tensor:
        return x * 0.5

    guided = AutoguidanceDenoiser(OfClasses(), weaker, 2.0)(X, SIGMA, class_cond=CLASSES)
    torch.testing.assert_close(guided, 2 * predictions()[0] - X * 0.5)


def test_composed_conditions_add_up_in_one_call() -> None:
    told, nothing = predictions()
    other = OfClasses()(X, SIGMA, 1 - CLASSES)
    denoiser = OfClasses()
    composed = ComposedDenoiser(denoiser, [({"class_cond": CLASSES}, 2.0), ({"class_cond": 1 - CLASSES}, -0.5)], NOTHING)
    torch.testing.assert_close(composed(X, SIGMA), nothing + 2 * (told - nothing) - 0.5 * (other - nothing))
    assert denoiser.rows == [12]


def test_dynamic_thresholding_cuts_rows_beyond_the_range_alone() -> None:
    x = torch.cat([X[:2], 10 * X[2:]])

    def same(x: Tensor, sigma: Tensor) -> Tensor:
        return x

    made = DynamicThresholdDenoiser(same, percentile=0.8, limit=3.0)(x, SIGMA)
    assert torch.equal(made[:2], x[:2])
    largest = torch.quantile(x[2:].flatten(1).abs(), 0.8, dim=1)[:, None, None]
    torch.testing.assert_close(made[2:], x[2:].clamp(-largest, largest) * 3 / largest)


@pytest.mark.parametrize("share", [0.001, 0.3, 0.995, 1.0])
def test_the_quantile_is_that_of_torch(share: float) -> None:
    values = torch.rand(3, 41, dtype=torch.float64)
    torch.testing.assert_close(quantile_of_rows(values, share), torch.quantile(values, share, dim=1))


MISTAKES: dict[str, tuple[Callable[[], Any], str]] = {
    "no other prediction": (lambda: CFGDenoiser(OfClasses(), 2.0), "without what tells nothing"),
    "no condition": (lambda: CFGDenoiser(OfClasses(), 2.0, NOTHING)(X, SIGMA), "nothing is told as `class_cond`"),
    "an empty interval": (lambda: CFGDenoiser(OfClasses(), 2.0, NOTHING, interval=(5.0, 0.2)), "the lower end first"),
    "rescaling above 1": (lambda: CFGDenoiser(OfClasses(), 2.0, NOTHING, rescale=1.5), "share from 0 to 1"),
    "an unknown rule": (lambda: CFGDenoiser(OfClasses(), 2.0, NOTHING, rule="agp"), "did you mean 'apg'"),
    "an unknown convention": (lambda: CFGDenoiser(OfClasses(), 2.0, NOTHING, convention="imagin"), "did you mean 'imagen'"),
    "a scale that is none": (lambda: CFGDenoiser(OfClasses(), math.nan, NOTHING), "the scale is a number"),
    "no composition": (lambda: ComposedDenoiser(OfClasses(), [], NOTHING), "of no conditions"),
    "a percentile in percent": (lambda: DynamicThresholdDenoiser(OfClasses(), 99.5), "share from 0 to 1"),
    "a limit of nothing": (lambda: DynamicThresholdDenoiser(OfClasses(), limit=0), "largest value of the data"),
    "momentum without end": (lambda: AdaptiveProjection(momentum=1.0), "within -1 and 1"),
    "a norm of nothing": (lambda: AdaptiveProjection(norm_threshold=0), "norm_threshold=15"),
    "single numbers rescaled": (lambda: rescale_guided(torch.ones(3, 1), torch.ones(3, 1), 0.5), "no deviation"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_told(mistake: str) -> None:
    do, message = MISTAKES[mistake]
    with pytest.raises(RequestError, match=message):
        do()


def test_a_model_is_not_guided_by_itself() -> None:
    denoiser = OfClasses()
    with pytest.raises(RequestError, match="they differ nowhere"):
        AutoguidanceDenoiser(denoiser, denoiser, 2.0)
