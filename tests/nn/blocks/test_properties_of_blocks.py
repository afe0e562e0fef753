"""What blocks are by their papers: gradients, causality, receptive fields, what starts as the identity, rows that are left out."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from filled import numbers
from small import SMALL, in_doubles
from torch import Tensor, nn

from trainwright.nn import blocks


def test_every_block_of_convolutions_and_embeddings_is_tried() -> None:
    tried = {name.split()[0] for name in SMALL}
    files = {blocks.PARTS[name].path.partition(":")[0] for name in tried}
    assert {name for name, part in blocks.PARTS.items() if part.path.partition(":")[0] in files} == tried


@pytest.mark.parametrize("case", SMALL)
def test_gradients_are_those_of_small_differences(case: str) -> None:
    module, inputs = in_doubles(case)
    weights = dict(module.named_parameters())

    def of_inputs_and_weights(*given: Tensor) -> Tensor:
        return torch.func.functional_call(module, dict(zip(weights, given[len(inputs) :], strict=True)), given[: len(inputs)])

    assert torch.autograd.gradcheck(of_inputs_and_weights, (*inputs, *weights.values()), fast_mode=True)
    if not weights:
        assert torch.autograd.gradcheck(module, tuple(inputs))


@pytest.mark.parametrize("case", SMALL)
def test_a_block_is_copied_and_pickled(case: str) -> None:
    module, inputs = in_doubles(case)
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        torch.testing.assert_close(other(*inputs), module(*inputs), rtol=0, atol=0)


def test_drop_path_leaves_out_whole_rows_at_its_rate_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    x = torch.ones(20_000, 2, 3)
    found = blocks.DropPath(0.3)(x)
    rows = found[:, 0, 0]
    assert torch.equal(found, rows.reshape(-1, 1, 1).expand_as(found))
    assert {round(float(each), 5) for each in rows.unique()} == {0.0, round(1 / 0.7, 5)}
    assert abs((rows == 0).float().mean() - 0.3) < 0.015  # 4.6 standard deviations
    assert torch.equal(blocks.DropPath(0.3).eval()(x), x) and torch.equal(blocks.DropPath(0.0)(x), x)


def test_a_residual_block_whose_path_is_dropped_is_its_shortcut() -> None:
    torch.manual_seed(0)
    block, x = blocks.ConvNeXtBlock(4, layer_scale=1.0, drop_path=0.5), torch.randn(64, 4, 6, 6)
    same = (block(x) == x).flatten(1).all(1)
    assert 0 < same.sum() < 64


def test_rates_of_drop_path_grow_linearly_to_the_last() -> None:
    found = blocks.drop_path_rates(0.1, 12)  # timm's for 12 blocks: 0, .0091, … .0909, .1
    assert found[0] == 0 and found[-1] == 0.1 and round(found[1], 4) == 0.0091 and round(found[-2], 4) == 0.0909
    assert blocks.drop_path_rates(0.1, 1) == [0.0]


@pytest.mark.parametrize("make", [blocks.CausalConvolution, blocks.TCNBlock])
def test_nothing_that_comes_later_matters_and_the_receptive_field_is_that_of_the_formula(make: type[nn.Module]) -> None:
    dilations, kernel = (1, 2, 4), 3
    net = nn.Sequential(*(make(2, 2, kernel=kernel, dilation=each) for each in dilations)).double()
    x = torch.randn(1, 2, 60, dtype=torch.float64, requires_grad=True)
    net(x)[0, :, 40].sum().backward()
    seen = x.grad[0].abs().sum(0).nonzero().flatten()
    convolutions = 2 if make is blocks.TCNBlock else 1
    field = 1 + convolutions * (kernel - 1) * sum(dilations)
    assert seen.max() == 40 and seen.min() >= 40 - field + 1
    assert make is blocks.TCNBlock or seen.min() == 40 - field + 1  # beyond a ReLU any sample may happen to be cut


def test_weight_norm_is_torchs_and_starts_as_the_plain_convolution() -> None:
    torch.manual_seed(0)
    ours = blocks.CausalConvolution(3, 4, weight_norm=True)
    theirs = nn.utils.parametrizations.weight_norm(nn.Conv1d(3, 4, 3))
    theirs.load_state_dict(
        {"bias": ours.bias, "parametrizations.weight.original0": ours.scale, "parametrizations.weight.original1": ours.weight}
    )
    plain = blocks.CausalConvolution(3, 4)
    plain.load_state_dict({"weight": ours.weight, "bias": ours.bias})
    x = torch.randn(2, 3, 9)
    torch.testing.assert_close(ours(x), theirs(nn.functional.pad(x, (2, 0))))
    torch.testing.assert_close(ours(x), plain(x))


def test_random_frequencies_have_their_scale_and_are_kept_with_the_weights() -> None:
    torch.manual_seed(0)
    features = blocks.FourierFeatures(2, 20_000, scale=3.0)
    assert abs(features.weight.std() - 3.0) < 0.05 and "weight" in features.state_dict() and not list(features.parameters())
    x = torch.randn(5, 2)
    found = features(x)
    torch.testing.assert_close(found[:, :10_000] ** 2 + found[:, 10_000:] ** 2, torch.ones(5, 10_000))
    # E[cos(2π b·(x − y))] of normal b is exp(−2π² scale² |x − y|²): random features of a Gaussian kernel (Rahimi & Recht 2007)
    small = blocks.FourierFeatures(2, 20_000, scale=0.1)
    kernel = small(x) @ small(x).T / 10_000
    expected = torch.exp(-2 * torch.pi**2 * 0.01 * torch.cdist(x, x) ** 2)
    torch.testing.assert_close(kernel, expected, atol=0.04, rtol=0)


def test_frequencies_that_double_are_those_of_the_formula() -> None:
    x = numbers("places", 4, 3)
    waves = [np.stack([np.sin(np.pi * 2**k * x.numpy()), np.cos(np.pi * 2**k * x.numpy())]) for k in range(5)]
    expected = np.concatenate([x.numpy(), *(each for pair in waves for each in pair)], axis=1)
    torch.testing.assert_close(blocks.FrequencyEncoding(5, scale=np.pi)(x), torch.from_numpy(expected).float(), atol=1e-5, rtol=1e-5)
    assert blocks.FrequencyEncoding(5, include_input=False)(x).shape == (4, 30)
    # what the code of NeRF gives (nerf-pytorch, `get_embedder(2)`)
    of_nerf = [0.1, -0.2, 0.3, 0.0998334, -0.1986693, 0.2955202, 0.9950042, 0.9800666, 0.9553365]
    of_nerf += [0.1986693, -0.3894183, 0.5646425, 0.9800666, 0.9210610, 0.8253356]
    torch.testing.assert_close(blocks.FrequencyEncoding(2)(torch.tensor([0.1, -0.2, 0.3])), torch.tensor(of_nerf))


def test_steps_beyond_the_precision_of_halves_differ() -> None:
    found = blocks.SinusoidalEmbedding(32)(torch.tensor([2048, 2049]))
    assert found.dtype == torch.float32 and not torch.equal(found[0], found[1])


def test_waves_keep_their_precision_where_layers_run_in_half() -> None:
    torch.manual_seed(0)
    features, x = blocks.FourierFeatures(1, 64, scale=16.0), torch.rand(50, 1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        in_half = features(x)
    torch.testing.assert_close(in_half, features(x))


@pytest.mark.parametrize(("dims", "size"), [(1, (37,)), (2, (9, 14)), (3, (5, 4, 7))])
def test_a_unet_gives_a_map_of_the_size_that_it_is_given_and_starts_at_zero(dims: int, size: tuple[int, ...]) -> None:
    options = {"width": 8, "groups": 4, "multipliers": [1, 2, 2], "depth": 1, "attention": [2], "time": "fourier", "condition": 3}
    unet = blocks.UNet(2, 5, dims=dims, **options)
    found = unet(torch.randn(2, 2, *size), torch.rand(2), torch.randn(2, 3))
    assert found.shape == (2, 5, *size) and not found.any()


def test_time_and_condition_each_change_what_a_unet_gives() -> None:
    torch.manual_seed(0)
    unet = blocks.UNet(1, dims=1, width=8, groups=4, multipliers=[1, 2], depth=1, time="sinusoidal", condition=2).eval()
    for each in unet.parameters():
        nn.init.normal_(each, std=0.3)
    x, t, c = torch.randn(2, 1, 8), torch.tensor([3, 500]), torch.randn(2, 2)
    base = unet(x, t, c)
    assert not torch.allclose(base, unet(x, t + 1, c), atol=1e-4) and not torch.allclose(base, unet(x, t, c + 1), atol=1e-4)
    torch.testing.assert_close(unet(x[:1], t[:1], c[:1]), base[:1])  # rows stay by themselves


@pytest.mark.parametrize(
    ("options", "given", "said"),
    [
        ({"time": "fourier"}, (), "made with time, and given none"),
        ({}, (torch.rand(2),), "given a condition, and made without"),
        ({"condition": 3}, (), "made with condition, and given none"),
        ({"time": "fourier"}, (torch.rand(2), torch.rand(2, 3)), "given a condition, and made without"),
    ],
)
def test_a_unet_says_what_it_is_made_for(options: dict[str, object], given: tuple[Tensor, ...], said: str) -> None:
    unet = blocks.UNet(1, dims=1, width=8, groups=4, multipliers=[1], depth=1, **options)
    with pytest.raises(ValueError, match=said):
        unet(torch.randn(2, 1, 8), *given)


def test_pieces_that_do_not_fill_a_map_are_refused_or_continued() -> None:
    with pytest.raises(ValueError, match=r"maps of \(10, 12\) are no multiple of pieces of \(4, 4\); set pad: true"):
        blocks.PatchEmbedding(1, 3, 4)(torch.zeros(1, 1, 10, 12))
    torch.manual_seed(0)
    block, x = blocks.PatchEmbedding(1, 3, 4, pad=True), torch.randn(1, 1, 10, 12)
    torch.testing.assert_close(block(x), block(nn.functional.pad(x, (0, 0, 0, 2))))


def test_tokens_are_a_row_or_a_grid_with_their_channels_last() -> None:
    torch.manual_seed(0)
    for make in (lambda **more: blocks.PatchEmbedding(2, 5, 2, **more), lambda **more: blocks.StridedEmbedding(2, 5, [3], **more)):
        row, grid = make().eval(), make(flatten=False).eval()
        grid.load_state_dict(row.state_dict())
        x = torch.randn(2, 2, 6, 8)
        assert grid(x).shape == (2, 3, 4, 5)
        torch.testing.assert_close(grid(x).flatten(1, 2), row(x))


def test_channels_compete_in_the_response_norm() -> None:
    norm = blocks.GlobalResponseNorm(2)
    nn.init.ones_(norm.weight)
    x = torch.tensor([[[3.0, 1.0], [4.0, 0.0]]])  # norms over the map: 5 and 1, their mean 3
    torch.testing.assert_close(norm(x), x + x * torch.tensor([5 / 3, 1 / 3]))


def test_blocks_start_where_their_papers_say() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 64, 8, 8)
    basic = blocks.BasicBlock(64, zero_last=True).eval()
    assert torch.equal(basic(x), x.relu())
    assert abs(basic.conv1.weight.std() / (2 / (64 * 9)) ** 0.5 - 1) < 0.02  # He et al. 2015, eq. 14, by outputs
    convnext = blocks.ConvNeXtBlock(64)
    assert abs(convnext.pwconv1.weight.std() - 0.02) < 0.001 and torch.allclose(convnext(x), x, atol=1e-4)
    assert torch.equal(blocks.UNetBlock(64)(x), x) and torch.equal(blocks.MapAttention(64)(x), x)


def test_convolutions_of_the_preactivated_block_see_what_the_first_norm_made() -> None:
    block = blocks.BasicBlock(4, preactivation=True).eval()
    assert (block.bn1.num_features, block.bn2.num_features, type(block.downsample)) == (4, 4, nn.Identity)
    nn.init.zeros_(block.conv2.weight)
    x = torch.randn(1, 4, 3, 3)
    assert torch.equal(block(x), x)  # no activation after the sum
