"""Distances of made from real rows by features: closed forms and golden numbers, any pieces alike, and what stands beside the number."""

from __future__ import annotations

import copy
import logging
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainwright.cli.metrics_table import describe_metrics
from trainwright.config.errors import ConfigError, DataError
from trainwright.metrics.asked import named_metrics
from trainwright.metrics.feature_sets import FeatureMetric, number_keys
from trainwright.metrics.frechet import FID, rank_of, square_root
from trainwright.metrics.kernels import KID, MMD, cubic, unbiased_mmd
from trainwright.metrics.neighbours import PRDC

METRICS: list[type[FeatureMetric]] = [FID, KID, MMD, PRDC]


def same(rows: Tensor) -> Tensor:
    return rows


def two_sets() -> tuple[Tensor, Tensor]:
    """Forty rows of four numbers each, sin(0.7 r c + c²) and 1.2 cos(0.9 r (c + 0.5)) + 0.1 c."""
    r, c = torch.meshgrid(torch.arange(1, 41, dtype=torch.float64), torch.arange(1, 5, dtype=torch.float64), indexing="ij")
    return torch.sin(0.7 * r * c + c**2), 1.2 * torch.cos(0.9 * r * (c + 0.5)) + 0.1 * c


def normal(rows: int, numbers: int, seed: int, mean: float = 0.0, spread: float = 1.0) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return mean + spread * torch.randn(rows, numbers, dtype=torch.float64, generator=draw)


def numbers(metric: FeatureMetric, made: Tensor, real: Tensor) -> dict[str, float]:
    metric.update(made, real)
    return metric.compute()


def test_fid_and_kid_are_those_of_k_diffusion_and_scipy() -> None:
    one, other = two_sets()
    # FID: scipy 1.17.1, |m1 - m2|² + tr(s1 + s2 - 2 sqrtm(s1 s2)), np.cov; KID: k-diffusion 0.1.1, evaluation.kid in float64
    assert numbers(FID(features=same), one, other)["fid"] == pytest.approx(0.9887691275, abs=2e-7)
    assert numbers(KID(features=same), one, other)["kid"] == pytest.approx(0.5651491816, abs=1e-9)


def test_unbiased_kid_of_parts_and_of_a_set_with_itself_is_that_of_k_diffusion() -> None:
    one, other = two_sets()
    # k-diffusion 4601bf0, evaluation.kid(a, b, max_size=20) and evaluation.kid(a, a), in float64
    halves = [unbiased_mmd(one[part], other[part], cubic) for part in (slice(0, 20), slice(20, 40))]
    assert sum(halves) / 2 == pytest.approx(0.3482486670, abs=1e-9)
    assert unbiased_mmd(one, one, cubic) == pytest.approx(-0.1167060443, abs=1e-9)


def test_fid_is_that_of_k_diffusion_but_for_what_it_adds_to_the_diagonal() -> None:
    one, other = two_sets()
    # k-diffusion 4601bf0, evaluation.fid(a, b) in float64, which adds 1e-8 to the diagonals of both
    assert numbers(FID(features=same), one, other)["fid"] == pytest.approx(0.9887691087, abs=5e-8)


def test_a_square_root_is_one_also_of_a_matrix_without_full_rank() -> None:
    draw = torch.Generator().manual_seed(0)
    rows = torch.randn(10, 40, dtype=torch.float64, generator=draw)
    matrix = rows.T @ rows * 1e6
    root = square_root(matrix)
    assert (root @ root - matrix).norm() < 1e-12 * matrix.norm()
    assert rank_of(matrix) == 10
    torch.testing.assert_close(root, root.T)
    assert torch.equal(square_root(torch.zeros(3, 3)), torch.zeros(3, 3, dtype=torch.float64))


def test_a_root_whose_square_is_another_matrix_is_told(caplog: pytest.LogCaptureFixture) -> None:
    square_root(torch.diag(torch.tensor([1.0, -0.5])))  # no covariance
    assert "differs from them by 0.45 of their norm" in caplog.text
    with pytest.raises(DataError, match="not finite"):
        square_root(torch.full((2, 2), torch.inf))


def test_the_rank_is_told_where_rows_are_fewer_than_features(caplog: pytest.LogCaptureFixture) -> None:
    numbers(FID(features=same), normal(6, 10, 1), normal(30, 10, 2))
    assert "6 rows for 10 features: the covariances are rank-deficient (5 of 10)" in caplog.text


def test_rows_by_number_are_in_the_same_halves_whatever_rounding_makes_of_them() -> None:
    made, real = normal(60, 4, 1), normal(60, 4, 2)
    found = []
    for off in (0.0, 1e-12):
        metric = FID(features=same)
        for first in range(0, 60, 20):
            part = slice(first, first + 20)
            metric.take_in("made", made[part] + off, number_keys("made", first, 20))
            metric.take_in("real", real[part] + off, number_keys("real", first, 20))
        found.append(metric.compute())
    assert found[1] == pytest.approx(found[0], rel=1e-9)


def test_fid_of_normal_rows_is_near_the_closed_form() -> None:
    made, real = normal(20_000, 4, 1, mean=0.5, spread=2.0), normal(20_000, 4, 2)
    found = numbers(FID(features=same), made, real)
    assert found["fid"] == pytest.approx(4 * 0.25 + 4 * (2 - 1) ** 2, rel=0.02)  # |m|² + d (1 − s)²
    assert 0 <= found["fid.floor"] < 0.01
    assert found["fid.n"] == found["fid.n_real"] == 20_000


def test_a_set_has_no_distance_from_itself() -> None:
    rows = normal(200, 6, 3)
    assert numbers(FID(features=same), rows, rows)["fid"] == pytest.approx(0, abs=1e-9)
    found = numbers(PRDC(features=same), rows, rows)
    assert (found["prdc.precision"], found["prdc.recall"], found["prdc.coverage"]) == (1, 1, 1)
    assert numbers(MMD(features=same), rows, rows)["mmd"] < 0  # unbiased: below zero where nothing differs


def test_kernel_distances_are_unbiased_sums_over_pairs() -> None:
    made, real = normal(7, 3, 1), normal(5, 3, 2, mean=1.0)

    def kernel(one: Tensor, other: Tensor) -> float:
        return float((one @ other / 3 + 1) ** 3)

    within = [
        sum(kernel(a, b) for a in each for b in each if a is not b) / (len(each) * (len(each) - 1)) for each in (list(made), list(real))
    ]
    between = sum(kernel(a, b) for a in made for b in real) / 35
    assert numbers(KID(features=same), made, real)["kid"] == pytest.approx(sum(within) - 2 * between, rel=1e-12)


def test_subsets_follow_from_the_seed_and_their_mean_is_near_that_of_all_rows() -> None:
    made, real = normal(600, 5, 1, mean=0.3), normal(600, 5, 2)
    whole = numbers(KID(features=same), made, real)
    found, again = (numbers(KID(features=same, subset_size=200, subsets=60), made, real) for _ in range(2))
    assert found == again
    assert math.isnan(whole["kid.sd"]) and found["kid.sd"] > 0
    assert abs(found["kid"] - whole["kid"]) < 3 * found["kid.sd"]
    assert numbers(KID(features=same, subset_size=200, subsets=60, seed=1), made, real)["kid"] != found["kid"]


def test_precision_falls_with_rows_off_the_manifold_and_recall_with_modes_that_are_missing() -> None:
    real = torch.cat([normal(200, 2, 1), normal(200, 2, 2, mean=20)])
    half, wide = normal(400, 2, 3), torch.cat([real + 0.01, normal(400, 2, 4, mean=-50)])
    one, other = numbers(PRDC(features=same), half, real), numbers(PRDC(features=same), wide, real)
    assert one["prdc.precision"] > 0.9 and 0.3 < one["prdc.recall"] < 0.55 and one["prdc.coverage"] <= 0.5
    assert other["prdc.precision"] == pytest.approx(0.5, abs=0.02) and other["prdc.recall"] > 0.95


@pytest.mark.parametrize("kind", METRICS)
def test_any_pieces_in_any_order_merged_and_saved_give_the_same(kind: type[FeatureMetric]) -> None:
    made, real = normal(90, 4, 1), normal(70, 4, 2, mean=0.5)
    whole, first, other, again = (kind(features=same) for _ in range(4))
    expected = numbers(whole, made, real)
    order = torch.randperm(90, generator=torch.Generator().manual_seed(0))
    first.add_made(made[order[:31]])
    first.add_real(real[40:])
    other.add_made(made[order[31:]])
    other.add_real(real[:40])
    again.load(copy.deepcopy(first.tensors()))
    again.merge([other])
    assert again.compute() == pytest.approx(expected, rel=1e-10, nan_ok=True)
    again.load({})
    assert math.isnan(next(iter(again.compute().values())))


@pytest.mark.parametrize("kind", [KID, MMD, PRDC])
def test_no_more_rows_are_kept_than_the_limit_and_the_same_ones_whoever_saw_them(kind: type[FeatureMetric]) -> None:
    made, real = normal(500, 3, 1), normal(400, 3, 2)
    whole, first, other = (kind(features=same, limit=100) for _ in range(3))
    expected = numbers(whole, made, real)
    first.update(made[:1], real[:390])
    other.update(made[1:], real[390:])
    first.merge([other])
    assert first.compute() == expected
    assert all(len(value) == 100 for name, value in first.tensors().items() if name.endswith("rows"))
    assert expected[f"{whole.name}.n"] == 500


class Summed(nn.Module):
    """Features of a picture: sums along rows; training mode would double them."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, pictures: Tensor) -> Tensor:
        return pictures.sum(-1).flatten(1) * self.scale * (2 if self.training else 1)


def test_a_module_makes_features_as_in_evaluation_and_in_its_own_type(tmp_path: Path) -> None:
    module = Summed()
    pictures = torch.rand(40, 1, 4, 4, dtype=torch.float64)
    found = numbers(FID(features=module), pictures, pictures.flip(0) * 0.5)
    by_hand = numbers(FID(features=lambda rows: rows.sum(-1).flatten(1)), pictures.float(), pictures.flip(0).float() * 0.5)
    assert module.training and found == pytest.approx(by_hand, rel=1e-5)
    (tmp_path / "mine.py").write_text("def features(rows):\n    return rows.flatten(1)[:, :3]\n")
    named = named_metrics({"type": "fid", "features": f"{tmp_path}/mine.py:features"})
    named.update({"output": pictures, "target": pictures})
    assert named.compute()["fid"] == pytest.approx(0, abs=1e-9)


def test_what_makes_features_is_told_with_n_and_floor(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        numbers(FID(features="pixels"), normal(60, 4, 1), normal(50, 4, 2))
    assert "n 60 made, 50 real; features: pixels (raw values), 4 numbers" in caplog.text and "floor" in caplog.text


def test_a_deviation_that_there_is_not_is_no_number(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        found = numbers(KID(features="pixels"), normal(60, 4, 1), normal(50, 4, 2))
    assert math.isnan(found["kid.sd"]) and "nan" not in caplog.text and "undefined" not in caplog.text
    assert "undefined" in describe_metrics({"metrics": {"": found}}) and "nan" not in describe_metrics({"metrics": {"": found}})


def test_fewer_rows_than_features_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    assert math.isfinite(numbers(FID(features=same), normal(9, 16, 1), normal(12, 16, 2))["fid"])
    assert "9 rows for 16 features: the covariances are rank-deficient" in caplog.text
    caplog.clear()
    numbers(FID(features=same), normal(24, 16, 1), normal(40, 16, 2))
    assert "are known badly" in caplog.text


@pytest.mark.parametrize("kind", METRICS)
def test_wrong_features_are_refused(kind: type[FeatureMetric]) -> None:
    nan = torch.ones(4, 3)
    nan[2, 1] = math.nan
    with pytest.raises(DataError, match="are no numbers") as caught:
        kind(features=same).add_made(nan)
    assert "1 of 4 rows" in caught.value.why
    with pytest.raises(ConfigError, match="gives no features"):
        kind(features=lambda rows: rows[..., None]).add_made(nan)
    with pytest.raises(ConfigError, match="does not take rows of shape"):
        kind(features=nn.Linear(5, 2)).add_made(torch.ones(4, 3))
    wider = kind(features=same)
    wider.add_made(torch.ones(4, 3))
    with pytest.raises(DataError, match="features of one length"):
        wider.add_real(torch.ones(4, 2))


def test_halves_are_what_is_compared_with_the_floor_of_fid(caplog: pytest.LogCaptureFixture) -> None:
    found = [numbers(FID(features=same), normal(400, 16, seed), normal(400, 16, seed + 100)) for seed in range(6)]
    whole, halves, floor = (sum(each[name] for each in found) / 6 for name in ("fid", "fid.halves", "fid.floor"))
    assert whole < 0.7 * floor  # of a perfect model: its rows are twice as many, and with them the bias is half
    assert halves == pytest.approx(floor, rel=0.15)
    rows = normal(200, 6, 3)
    copied = numbers(FID(features=same), rows, rows)
    assert copied["fid.halves"] == pytest.approx(copied["fid.floor"], rel=1e-9) and copied["fid.floor"] > 0.01
    one, other = two_sets()
    assert numbers(FID(features=same), one, other)["fid.halves"] > found[0]["fid.floor"]


@pytest.mark.parametrize("kind", METRICS)
def test_what_so_few_rows_leave_undefined_is_said(kind: type[FeatureMetric], caplog: pytest.LogCaptureFixture) -> None:
    numbers(kind(features=same), torch.ones(1, 3), torch.ones(5, 3))
    assert f"{kind.kind}: undefined for 1 made and 5 real rows" in caplog.text
    caplog.clear()
    found = numbers(kind(features=same), normal(30, 3, 1), normal(3, 3, 2))
    undefined = [name for name, value in found.items() if math.isnan(value) and not name.endswith(".sd")]
    assert undefined and f"{kind.kind}: undefined for so few rows: " in caplog.text
    caplog.clear()
    numbers(kind(features=same), normal(60, 3, 1), normal(60, 3, 2))
    assert "undefined" not in caplog.text


@pytest.mark.parametrize("kind", METRICS)
def test_one_row_has_no_distance_and_training_rows_are_not_measured(kind: type[FeatureMetric]) -> None:
    metric = kind(features=same)
    found = numbers(metric, torch.ones(1, 3), torch.ones(1, 3))
    assert list(found) == metric.names() and math.isnan(next(iter(found.values())))
    metric.for_training(1000)
    metric.update(torch.ones(9, 3), torch.ones(9, 3))
    assert metric.compute() == {} and metric.names() == []


def test_half_precision_is_measured_in_float64() -> None:
    made, real = normal(300, 4, 1).half(), normal(300, 4, 2).half()
    assert numbers(FID(features=same), made, real) == numbers(FID(features=same), made.double(), real.double())


def test_a_copy_has_rows_of_its_own_and_the_same_network() -> None:
    module = Summed()
    metric = KID(features=module)
    metric.update(torch.rand(5, 1, 4, 4), torch.rand(5, 1, 4, 4))
    copied: Any = copy.deepcopy(metric)
    copied.update(torch.rand(5, 1, 4, 4), torch.rand(5, 1, 4, 4))
    assert (copied.counts(), metric.counts()) == ((10, 10), (5, 5)) and copied.extractor.call is module
