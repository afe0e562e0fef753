"""Policies against timm and torchvision: operations, magnitudes, tables, strings; and what masks and boxes do with them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from trainwright.config.errors import ConfigError, DataError
from trainwright.config.registry import build
from trainwright.domains.images.transforms.policies import magnitudes, operations, tables
from trainwright.domains.images.transforms.policies.draws import Uniform, weighted_choices
from trainwright.domains.images.transforms.policies.operations import Step
from trainwright.domains.images.transforms.policies.options import (
    AugmixOptions,
    AutoAugmentationOptions,
    AutoAugmentOptions,
    RandAugmentOptions,
    ThreeAugmentOptions,
    TrivialAugmentOptions,
)
from trainwright.domains.images.transforms.policies.plans import BinnedPlan, RandPlan, binned_step
from trainwright.domains.images.transforms.policies.strings import parse_auto, parse_mix, parse_rand

GOLDEN = Path(__file__).parent / "golden"
ARRAYS = dict(np.load(GOLDEN / "policies.npz"))
TABLES = json.loads((GOLDEN / "policies.json").read_text())
PICTURES = [torch.from_numpy(each).permute(2, 0, 1) for each in ARRAYS["pictures"]]
POLICIES = [
    RandAugmentOptions(policy="rand-m9-n3-mstd0.5-inc1"),
    RandAugmentOptions(policy="rand-m9-n2-mstd101-t3aw"),
    RandAugmentOptions(),
    AutoAugmentOptions(policy="original-mstd0.5"),
    AutoAugmentOptions(),
    ThreeAugmentOptions(),
    TrivialAugmentOptions(),
    AutoAugmentationOptions(method="rand_augment"),
    AugmixOptions(policy="augmix-m5-w4-d2"),
    AugmixOptions(policy="augmix-m5-b1"),
    AugmixOptions(),
]


def step_of(name: str) -> tuple[Step, int | tuple[int, ...]]:
    """The step and fill that an array's name says."""
    kind, operation, *rest = name.split("_")
    if kind == "timm":
        return Step(operation, float(rest[0]) if rest else 0.0, rest[1] if len(rest) > 1 else "nearest"), (128, 128, 128)
    magnitude, resample = float(rest[0]), rest[1]
    space = {operation: ([abs(magnitude)], True)}
    numbers = Uniform([0.6 if magnitude < 0 else 0.4])
    return binned_step(space, operation, 0, numbers, resample), 128 if name.endswith("fill128") else 0


TOLERATED = {"tv_Color": 1, "tv_Contrast": 1, "tv_AutoContrast": 1, "tvpil_Shear": 1}
"""Levels that torchvision's kernels of tensors differ by from Pillow's, and a shear through degrees from one without."""


@pytest.mark.parametrize("name", [name for name in ARRAYS if name.startswith(("timm", "tv"))])
def test_an_operation_is_that_of_its_library(name: str) -> None:
    step, fill = step_of(name)
    tolerated = next((levels for prefix, levels in TOLERATED.items() if name.startswith(prefix)), 0)
    for picture, wanted in zip(PICTURES, ARRAYS[name], strict=False):
        found = operations.apply_steps(picture, [step], fill).permute(1, 2, 0).numpy()[7::19]
        assert np.abs(found.astype(int) - wanted).max() <= tolerated


@pytest.mark.parametrize("name", TABLES["levels"])
def test_a_level_means_the_argument_that_timm_makes_of_it(name: str) -> None:
    plain, negated = TABLES["levels"][name]
    assert [magnitudes.argument_at(name, level) for level in range(11)] == plain
    if negated is not None:
        assert [magnitudes.argument_at(name, level, -1) for level in range(11)] == negated


def test_bins_mean_the_magnitudes_of_torchvision() -> None:
    spaces = {
        "RandAugment": magnitudes.rand_space(31, 64, 64),
        "TrivialAugmentWide": magnitudes.wide_space(31),
        "AugMix": magnitudes.mix_space(64, 64),
        "AutoAugment": magnitudes.auto_space(64, 64),
    }
    for name, wanted in TABLES["spaces"].items():
        assert sorted(spaces[name]) == sorted(wanted)
        for operation, (signed, numbers) in wanted.items():
            found, found_signed = spaces[name][operation]
            assert found_signed == signed
            assert (found is None) == (numbers is None)
            if numbers is not None:
                np.testing.assert_allclose(found, numbers, atol=1e-5)


def test_the_sets_and_policies_are_those_of_timm_and_torchvision() -> None:
    lists = TABLES["lists"]
    assert list(tables.PLAIN) == lists["RAND_TRANSFORMS"] and list(tables.INCREASING) == lists["RAND_INCREASING_TRANSFORMS"]
    assert list(tables.MIXED) == lists["AUGMIX_TRANSFORMS"] and list(tables.THREE) == lists["RAND_3A"]
    assert {"weights": lists["RAND_WEIGHTED_0"], "3aw": lists["RAND_WEIGHTED_3A"]} == tables.WEIGHTED
    found = {name: [[list(step) for step in each] for each in policy] for name, policy in tables.POLICIES.items()}
    assert found == TABLES["policies"]


def test_a_string_is_read_as_timm_reads_it() -> None:
    found = parse_rand("rand-m9-n3-p0.6-mstd0.5-mmax12-inc1-tweights")
    assert (found.magnitude, found.layers, found.probability, found.deviation, found.highest) == (9, 3, 0.6, 0.5, 12)
    assert found.increasing and found.choices == "weights"
    plain = parse_rand("rand")
    assert (plain.magnitude, plain.layers, plain.probability, plain.deviation, plain.increasing) == (10, 2, 0.5, 0.0, False)
    assert math.isinf(parse_rand("rand-m9-mstd101").deviation)
    mixed = parse_mix("augmix-m5-w4-d2")
    assert (mixed.magnitude, mixed.width, mixed.depth, mixed.alpha, mixed.deviation) == (5, 4, 2, 1.0, math.inf)
    assert parse_auto("v0r-mstd0.5").deviation == 0.5 and parse_auto("svhn").name == "svhn"


@pytest.mark.parametrize(
    ("policy", "what", "fix"),
    [
        ("rand-m9.5", "m9.5", "whole number"),
        ("rand-x9", "unknown section 'x9'", "available"),
        ("rand-mst0.5", "unknown section 'mst0.5'", "mstd"),
        ("rand-m9-p1.5", "p1.5", "from 0 to 1"),
        ("rand-m9-n0", "n0", "above 0"),
        ("rand-m9-tweight", "tweight", "weights"),
        ("rand-m9-m5", "twice", "one of them"),
        ("rand-m15", "m15", "-mmax15"),
        ("rand-m9-inc2", "inc2", "0 or 1"),
        ("rand-mstdinf", "mstdinf", "mstd"),
        ("rnd-m9", "begins with 'rnd'", "rand-"),
        ("rand-", "unknown section ''", "available"),
    ],
)
def test_a_string_that_timm_would_misread_is_refused_with_what_is_meant(policy: str, what: str, fix: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_rand(policy)
    assert what in caught.value.what and fix in caught.value.fix
    assert "rand-m9" in caught.value.why or "m15" in caught.value.what


def test_mistakes_of_other_policies_are_refused_too() -> None:
    for policy in ("augmix-d0", "augmix-a0", "augmix-m11", "augmix-n2"):
        with pytest.raises(ConfigError):
            parse_mix(policy)
    with pytest.raises(ConfigError) as caught:
        parse_auto("cifar")
    assert "cifar10" in caught.value.fix
    with pytest.raises(ConfigError):
        parse_auto("imagenet-mstd0.5")
    for options in ({"policy": "rand-m9", "num_ops": 3}, {"magnitude": 31}, {"fill": [1, 2]}):
        with pytest.raises(ValidationError):
            RandAugmentOptions(**options)
    for options in ({"policy": "augmix-m3", "severity": 5}, {"chain_depth": 0}):
        with pytest.raises(ValidationError):
            AugmixOptions(**options)


@pytest.mark.parametrize("options", POLICIES, ids=lambda each: f"{each.type}-{getattr(each, 'policy', '')}")
def test_a_policy_draws_as_many_numbers_for_every_picture_and_keeps_shape_and_type(options: object) -> None:
    policy = build("transform", options)
    for picture in (PICTURES[0], PICTURES[0][:1], PICTURES[0][:, :40]):
        used = set()
        for seed in range(12):
            torch.manual_seed(seed)
            drawn = torch.rand(policy.numbers).tolist()
            after = torch.rand(())
            found = policy.picture(picture, drawn)
            assert found.shape == picture.shape and found.dtype == torch.uint8
            assert torch.equal(found, policy.picture(picture, drawn))
            torch.manual_seed(seed)
            assert torch.equal(policy(picture), found)
            assert torch.equal(torch.rand(()), after)
            used.add(found.numpy().tobytes())
        assert len(used) > 2  # it does something, and not always the same


def test_pictures_of_other_channels_are_refused() -> None:
    policy = build("transform", RandAugmentOptions())
    with pytest.raises(DataError, match="gray or RGB"):
        policy.picture(torch.zeros(4, 8, 8, dtype=torch.uint8), [0.5] * policy.numbers)


def test_a_mask_follows_the_geometry_of_its_picture() -> None:
    picture = torch.zeros(1, 40, 48, dtype=torch.uint8)
    picture[0, 10:24, 8:30] = 200
    mask = (picture[0] > 0).long()
    policy = build("transform", TrivialAugmentOptions())
    moved = 0
    for seed in range(80):
        torch.manual_seed(seed)
        drawn = torch.rand(policy.numbers).tolist()
        steps = policy.plan.steps(drawn, 40, 48)
        if any(operations.geometry(each, 40, 48) is None for each in steps) or not steps:
            continue
        moved += 1
        found, truth = policy.picture(picture, drawn), policy.mask(mask, drawn)
        inside = truth != -100
        assert torch.equal((found[0] > 0)[inside].long(), truth[inside])
    assert moved > 10
    turned = operations.mask_steps(mask.to(torch.uint8), [Step("Rotate", 20.0)], 255)
    assert turned.dtype == torch.uint8 and set(turned.unique().tolist()) == {0, 1, 255}


@pytest.mark.parametrize("step", [Step("Rotate", 17.0), Step("ShearX", 0.3), Step("TranslateY", -5.0), Step("TranslateXRel", 0.2)])
def test_boxes_lie_round_what_pixels_become(step: Step) -> None:
    picture = torch.zeros(1, 60, 80, dtype=torch.uint8)
    picture[0, 20:35, 30:50] = 255
    moved = operations.apply_steps(picture, [step], 0)[0] > 0
    rows, columns = torch.where(moved)
    wanted = torch.tensor([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]).float()
    found = operations.box_steps(torch.tensor([[30.0, 20.0, 50.0, 35.0]]), [step], 60, 80)[0]
    assert (found - wanted).abs().max() <= 1.5


def test_augmix_is_the_mixture_of_its_chains() -> None:
    chains = [[Step("Rotate", 9.0, "bilinear")], [Step("Posterize", 5)], [Step("ShearX", -0.09, "bilinear")]]
    done = [operations.apply_steps(PICTURES[0], each, 0) for each in chains]
    found = operations.blend_chains(PICTURES[0], done, [0.5, 0.3, 0.2], 0.4).permute(1, 2, 0).numpy()[7::19]
    name = next(each for each in ARRAYS if each.startswith("augmix"))
    inside = slice(8, -8)  # torchvision's bilinear kernel of tensors blends the fill into the border
    assert np.abs(found[:, inside] - ARRAYS[name][:, inside]).mean() < 1.5


def test_signs_choices_and_magnitudes_are_distributed_as_documented() -> None:
    generator = torch.Generator().manual_seed(0)
    plan = BinnedPlan(1, 30, 31, "nearest")
    drawn = [plan.steps(torch.rand(2, generator=generator).tolist(), 64, 64)[0] for _ in range(4000)]
    names = [each.name for each in drawn]
    assert all(abs(names.count(name) / 4000 - 1 / 14) < 0.015 for name in magnitudes.rand_space(31, 64, 64))
    turns = [each.argument for each in drawn if each.name == "Rotate"]
    assert set(turns) == {30.0, -30.0} and abs(sum(turn > 0 for turn in turns) / len(turns) - 0.5) < 0.1
    levels = [Uniform([float(each)]).magnitude(9, 0.5, 10) for each in torch.rand(4000, generator=generator)]
    assert abs(np.mean(levels) - 9) < 0.03 and max(levels) <= 10 and abs(np.std(levels) - 0.49) < 0.03
    uniform = [Uniform([float(each)]).magnitude(9, math.inf, 10) for each in torch.rand(4000, generator=generator)]
    assert abs(np.mean(uniform) - 4.5) < 0.15
    shares = np.array([Uniform(torch.rand(3, generator=generator).tolist()).dirichlet(2.0, 3) for _ in range(2000)])
    np.testing.assert_allclose(shares.sum(1), 1)
    assert np.abs(shares.var(axis=0) - (1 / 3 * 2 / 3) / 7).max() < 0.004  # Dirichlet(2, 2, 2)


def test_weighted_choices_are_never_the_same_twice_and_follow_their_weights() -> None:
    generator, counts = torch.Generator().manual_seed(0), [0, 0, 0]
    for _ in range(4000):
        found = weighted_choices(torch.rand(2, generator=generator).tolist(), [3, 2, 1])
        assert found[0] != found[1]
        counts[found[0]] += 1
    assert np.abs(np.array(counts) / 4000 - np.array([3, 2, 1]) / 6).max() < 0.03


def test_the_plain_set_is_kept_as_timm_has_it() -> None:
    """Posterize at level 0 keeps no bits: a black picture, as documented."""
    plan = RandPlan(parse_rand("rand-m0-p1-n1"), "random")
    place = (tables.PLAIN.index("Posterize") + 0.5) / len(tables.PLAIN)
    steps = plan.steps([place, 0.0, 0.5, 0.0, 0.0, 0.0], 64, 64)
    assert steps == [Step("Posterize", 0, "bilinear")]
    assert not operations.apply_steps(PICTURES[0], steps, 0).any()
