"""Networks that denoise: shapes, conditions, zero at first, the same twice, one graph."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from small_backbones import EVERYTHING, MADE, PAIRS, SIZES, draw_weights, inputs

from trainwright.config.errors import ConfigError, RequestError
from trainwright.domains.diffusion.models import MLP, BackboneShape, DiT, choose_backbone, count_flops
from trainwright.domains.diffusion.models.conditions import mean_of_tokens
from trainwright.domains.diffusion.models.options import (
    AutoBackboneOptions,
    DiTOptions,
    HourglassOptions,
    MLPOptions,
    UNetBackboneOptions,
)

SOURCE = str(Path(__file__).parents[3] / "src")


@pytest.mark.parametrize(("name", "size"), PAIRS)
def test_gives_what_it_is_given_and_zero_at_first(name: str, size: str) -> None:
    shape = replace(EVERYTHING, size=SIZES[size])
    network = MADE[name](shape)
    x, conditions = inputs(shape)
    output, variance = network(x, torch.tensor([0.002, 1.0, 80.0]), return_variance=True, **conditions)
    assert output.shape == x.shape and variance.shape == (3,)
    assert not output.any() and not variance.any()
    draw_weights(network)(x, torch.ones(3), **conditions).square().sum().backward()
    assert all(each.grad is not None and each.grad.isfinite().all() for each in network.parameters())


@pytest.mark.parametrize("name", MADE)
def test_follows_from_each_condition_and_each_row_alone(name: str) -> None:
    shape = replace(EVERYTHING, size=SIZES["picture"])
    network = draw_weights(MADE[name](shape)).double().eval()
    x, conditions = inputs(shape, dtype=torch.float64)
    sigma = torch.tensor([0.1, 1.0, 10.0], dtype=torch.float64)
    before = network(x, sigma, **conditions)
    assert before.dtype == torch.float64 and torch.equal(before, network(x, sigma, **conditions))
    assert not torch.allclose(before, network(x, 2 * sigma, **conditions))
    for each in ("class_cond", "mapping_cond", "cross_cond", "unet_cond", "aug_cond"):
        other = {**conditions, each: (conditions[each] + 1) % 5 if each == "class_cond" else conditions[each] + 1}
        assert not torch.allclose(before, network(x, sigma, **other)), each
    alone = network(x[1:2], sigma[1:2], **{each: value[1:2] for each, value in conditions.items()})
    torch.testing.assert_close(alone, before[1:2])
    tokens = conditions["cross_cond"].masked_fill(conditions["cross_cond_padding"].unsqueeze(2), 99.0)
    torch.testing.assert_close(network(x, sigma, **{**conditions, "cross_cond": tokens}), before)


@pytest.mark.slow
def test_each_is_one_graph() -> None:
    script = Path(__file__).with_name("compiled_backbones.py")  # a process of its own: checks of shapes are no part of a graph
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([SOURCE, os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.split() == [*MADE], done.stderr[-4000:]


@pytest.mark.parametrize("name", MADE)
def test_drops_in_training_alone(name: str) -> None:
    shape = BackboneShape(1, (8, 8))
    network = draw_weights(MADE[name](shape))
    x, _ = inputs(shape)
    assert not torch.equal(network(x, torch.ones(3)), network(x, torch.ones(3)))
    network.eval()
    assert torch.equal(network(x, torch.ones(3)), network(x, torch.ones(3)))


@pytest.mark.parametrize("missing", ["class_cond", "mapping_cond", "cross_cond", "unet_cond"])
def test_refuses_a_condition_on_one_side_alone(missing: str) -> None:
    shape = replace(EVERYTHING, augment=0)
    x, conditions = inputs(shape)
    with pytest.raises(RequestError, match=missing):
        MADE["mlp"](shape)(x, torch.ones(3), **{each: value for each, value in conditions.items() if each != missing})
    with pytest.raises(RequestError, match=missing):
        MADE["mlp"](BackboneShape(3))(x, torch.ones(3), **{missing: conditions[missing]})


def test_without_an_augmentation_nothing_was_augmented() -> None:
    shape = BackboneShape(3, augment=9)
    network, (x, conditions) = draw_weights(MADE["mlp"](shape)).eval(), inputs(shape)
    zeros = {"aug_cond": torch.zeros_like(conditions["aug_cond"])}
    assert torch.equal(network(x, torch.ones(3)), network(x, torch.ones(3), **zeros))


def test_a_variance_is_given_by_networks_that_were_made_for_it() -> None:
    with pytest.raises(RequestError, match="gives no variance"):
        MADE["mlp"](BackboneShape(3))(torch.zeros(2, 3), torch.ones(2), return_variance=True)


def test_tokens_that_are_padding_count_for_nothing_in_the_mean() -> None:
    tokens = torch.tensor([[[1.0], [3.0], [8.0]], [[1.0], [2.0], [3.0]]])
    padding = torch.tensor([[False, False, True], [True, True, True]])
    assert mean_of_tokens(tokens, padding).tolist() == [[2.0], [0.0]]


@pytest.mark.parametrize(
    ("shape", "chosen"),
    [
        (BackboneShape(12), MLPOptions()),
        (BackboneShape(1, (8, 8)), MLPOptions()),
        (BackboneShape(1, (28, 28)), UNetBackboneOptions(multipliers=[1, 2, 2], attention=[1, 2])),
        (BackboneShape(4, (32, 32)), UNetBackboneOptions(multipliers=[1, 2, 2, 2], attention=[1, 2, 3])),
        (BackboneShape(3, (256, 256)), UNetBackboneOptions(multipliers=[1, 2, 2, 2, 2], attention=[4])),
        (BackboneShape(2, (4096,)), UNetBackboneOptions(multipliers=[1, 2, 2, 2, 2], attention=[4])),
        (BackboneShape(300, (3,)), UNetBackboneOptions(multipliers=[1], attention=[0])),
    ],
)  # fmt: skip
def test_the_network_follows_from_the_shape(shape: BackboneShape, chosen: Any) -> None:
    assert choose_backbone(AutoBackboneOptions(), shape) == chosen


def test_what_was_given_is_kept_and_what_was_left_open_is_filled_in() -> None:
    given = UNetBackboneOptions(width=32, multipliers=[1, 3])
    assert choose_backbone(given, BackboneShape(1, (28, 28))) == UNetBackboneOptions(width=32, multipliers=[1, 3], attention=[1])
    assert choose_backbone(DiTOptions(), BackboneShape(4, (32, 32))) == DiTOptions(patch=2)
    assert choose_backbone(DiTOptions(), BackboneShape(1, (1000,))) == DiTOptions(patch=4)
    filled = HourglassOptions(patch=4, attention=["neighbourhood", "global"])
    assert choose_backbone(HourglassOptions(), BackboneShape(3, (128, 128))) == filled


@pytest.mark.parametrize(
    ("options", "shape", "said"),
    [
        (UNetBackboneOptions(), BackboneShape(5), "vectors of 5 numbers"),
        (DiTOptions(patch=4), BackboneShape(1, (28, 30)), "28×30.*28×32"),
        (HourglassOptions(patch=4), BackboneShape(1, (28, 28)), "pieces of 8.*32×32"),
    ],
)
def test_samples_that_a_network_cannot_take_are_refused(options: Any, shape: BackboneShape, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        choose_backbone(options, shape)
    assert all(each in str(caught.value) for each in said.split(".*"))


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: UNetBackboneOptions(multipliers=[1, 0]), "no channels of levels"),
        (lambda: UNetBackboneOptions(multipliers=[1, 2], attention=[2]), "a level that there is not"),
        (lambda: UNetBackboneOptions(width=30), "no multiple of heads"),
        (lambda: DiTOptions(width=100), "no multiple of heads"),
        (lambda: DiTOptions(patch=0), "no side of a piece"),
        (lambda: HourglassOptions(window=4), "must be odd"),
        (lambda: HourglassOptions(widths=[128]), "for 1 widths"),
        (lambda: HourglassOptions(attention=["global"]), "1 for 2 widths"),
        (lambda: HourglassOptions(widths=[128, 200]), "no multiple of head_width"),
    ],
)
def test_options_that_do_not_fit_each_other_are_refused(made: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        made()


def test_weights_of_layers_decay_and_nothing_else() -> None:
    network = MADE["unet"](BackboneShape(1, (8, 8), classes=3))
    still, names = network.no_weight_decay(), {name for name, _ in network.named_parameters()}
    assert "conditions.classes.weight" in still and "unet.conv_norm_out.weight" in still and "unet.conv_in.bias" in still
    assert {"unet.conv_in.weight", "conditions.sigma.weight"} <= names - still
    groups = network.param_groups(3e-4)
    assert sorted({each["lr"] for each in groups}) == pytest.approx([1e-4, 3e-4])
    assert sum(len(each["params"]) for each in groups) == len(names)
    assert sum(len(each["params"]) for each in groups if each.get("weight_decay") == 0) == len(still)
    torch.optim.AdamW(groups)


def test_operations_are_those_of_the_layers() -> None:
    network = MLP(MLPOptions(width=32, depth=2, condition_width=16), BackboneShape(10))
    block = 16 * 64 + 2 * 32 * 32
    conditions = 3 * 16 * 16 + 8  # three layers, and half as many waves as numbers
    assert count_flops(network, torch.zeros(5, 10), torch.ones(5)) == 2 * 5 * (10 * 32 + 2 * block + 32 * 10 + conditions)
    dit = DiT(DiTOptions(patch=2, width=16, depth=1, heads=2, condition_width=16), BackboneShape(1, (8, 8)))
    attention = 2 * 16 * 16 * 16  # queries by keys, weights by values: 16 tokens, 16 numbers
    layers = 16 * (4 * 16 + 12 * 16 * 16 + 16 * 4) + 16 * 96 + 16 * 32
    assert count_flops(dit, torch.zeros(1, 1, 8, 8), torch.ones(1)) == 2 * (attention + layers + conditions)
