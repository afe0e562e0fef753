"""Registered blocks as nodes: how they are written, what they become, and what is said where they cannot be."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from trainwright.config.errors import ManyErrors, RequestError
from trainwright.config.registry import options_class
from trainwright.nn import blocks
from trainwright.tools.graph import Graph, graph


def same(written: str, made: torch.nn.Module) -> None:
    """A node as it is written is this module, with the same first weights for the same seed."""
    torch.manual_seed(0)
    found = Graph.from_yaml(f"nodes:\n{written}")
    (block,) = found.children()
    assert str(block) == str(made)
    assert all(torch.equal(a, b) for a, b in zip(block.state_dict().values(), made.state_dict().values(), strict=True))


@pytest.mark.parametrize(
    "written",
    [
        "- basic_block: [4, 8]\n  stride: 2",
        "- {basic_block: 4, out_channels: 8, stride: 2}",
        "- {type: basic_block, channels: 4, out_channels: 8, stride: 2}",
        "- {type: basic-block, args: [4, 8, 2]}",
        "- first: {basic_block: [4, 8, 2]}",
        "- basic_block: {channels: 4, out-channels: 8, stride: 2}",
        "- unet: {type: basic_block, channels: 4, out_channels: 8, stride: 2}",  # a block's name as the name of another
        "- unet: {basic_block: [4, 8, 2]}",
    ],
)
def test_a_block_is_written_as_a_layer_of_torch_is(written: str) -> None:
    torch.manual_seed(0)
    same(written, blocks.BasicBlock(4, 8, stride=2))


def test_options_may_be_called_as_blocks_are() -> None:
    torch.manual_seed(0)
    same("- convnext_block: {channels: 4, drop_path: 0.1}", blocks.ConvNeXtBlock(4, drop_path=0.1))


def test_a_block_stands_inside_layers_repetitions_and_blocks_of_the_graph() -> None:
    made = Graph.from_yaml(
        """
        blocks:
          stage:
            parameters: [channels, {rate: 0.0}]
            nodes:
              - {type: convnext_block, channels: "${channels}", drop_path: "${rate}", repeat: 2, name: blocks}
        nodes:
          - {block: stage, channels: 4, rate: 0.5}
          - {Sequential: [{channel_norm: 4}, {squeeze_excitation: 4, reduction: 2}, {drop_path: 0.1}]}
          - {parallel: [{basic_block: 4}, {type: bottleneck, channels: 4}], then: sum}
        """
    )
    assert made(torch.randn(2, 4, 8, 8)).shape == (2, 4, 8, 8)
    assert isinstance(made.stage.blocks[1], blocks.ConvNeXtBlock) and made.stage.blocks[1].drop_path.rate == 0.5


def test_a_block_with_several_inputs_is_given_them_in_order_or_by_name() -> None:
    written = {"channels": 2, "width": 8, "groups": 4, "multipliers": [1], "time": "sinusoidal", "condition": 3}
    for inputs in (["x", "t", "c"], {"x": "x", "condition": "c", "time": "t"}):
        made = graph([{"type": "unet", **written, "inputs": inputs}], inputs=["x", "t", "c"])
        assert made(torch.randn(2, 2, 6, 6), torch.tensor([1, 2]), torch.randn(2, 3)).shape == (2, 2, 6, 6)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("- basic_block: {channels: 8, strid: 2}", "3:3: nodes.0: node 'basic_block': basic_block: unknown option 'strid'"),
        ("- basic_block: {channels: 8, strid: 2}", "did you mean 'stride'?"),
        ("- {basic_block: 8, chanels: 3}", "did you mean 'channels'?"),
        ("- convnext_blok: 8", "did you mean 'convnext_block'?"),
        ("- {type: convnext_blok, channels: 8}", "unknown layer type 'convnext_blok'\n  fix: did you mean 'convnext_block'?"),
        ("- basic_block", "channels is missing\n  fix: add channels=… (channels of the input)"),
        ("- {convnext_block: 8, kernel: 4}", "kernel: must be odd, not 4\n  fix: use 5"),
        ("- {convnext_block: 8, drop_path: 1}", "drop_path: 1 is not below 1"),
        ("- {convnext_block: 8, channels: 4}", "the argument 'channels' of convnext_block is given twice"),
        ("- {drop_path: [0.1, 2]}", "drop_path takes at most 1 arguments, not 2\n  fix: in this order: rate"),
        ("- {convnext_block: 8, dims: 4}", "dims: 4 is not allowed\n  fix: one of: 1, 2, 3"),
        ("- {type: bottleneck, repeat: {channels: [8, 7]}}", "channels: 7 is no multiple of expansion (4)\n  fix: make it 8"),
        ("- {basic_block: 8, zero_last: true, preactivation: true}", "zero_last: it cannot be with preactivation"),
        ("- {unet: 1, width: 16}", "groups: width = 16 is no multiple of groups (32)"),
        ("- {unet: 1, attention: [3]}", "attention: there is no level 3\n  why: there are 3: 0 to 2"),
        ("- {unet: 1, heads: 5}", "heads: channels of level 2 = 256 is no multiple of heads (5)"),
        ("- {unet: 1, multipliers: [1, 0]}", "multipliers: 0 is below 1"),
        ("- {unet: 1, multipliers: []}", "multipliers: 0 items, but it takes at least 1"),
        ("- {patch_embedding: [3, 8], patch: 4, stride: 5}", "stride: it is longer than the patch"),
        ("- {patch_embedding: [3, 8], patch: [4, 4, 4]}", "patch: 3 numbers for 2 dimensions"),
        ("- {strided_embedding: [3, 8], widths: [4, 8], kernels: [3]}", "kernels: 1 numbers for 2 widths"),
        ("- {fourier_features: [2, 7]}", "width: must be even, not 7"),
        ("- {sinusoidal_embedding: 7}", "width: must be even, not 7"),
        ("- {tcn_block: 8, activation: rleu}", "did you mean 'relu'?"),
        ("- {squeeze_excitation: 8, reduction: 0}", "reduction: 0 is not at least 1"),
        ("- {block: tcn_block, channels: 8}", "it is a block of Trainwright's: write {type: tcn_block, …}"),
        ("- {Sequential: [{convnext_block: {chanels: 8}}]}", "unknown option 'chanels'\n  fix: did you mean 'channels'?"),
    ],
)
def test_what_cannot_be_is_told_with_its_place_and_a_fix(written: str, said: str) -> None:
    with pytest.raises(RequestError) as caught:
        Graph.from_yaml(f"inputs: x\nnodes:\n{written}")
    assert said in str(caught.value)


def test_maps_that_do_not_fit_are_told_with_the_layer_inside_the_block() -> None:
    with pytest.raises(RequestError) as caught:
        graph([{"basic_block": 16}], inputs={"x": {"shape": [8, 4, 4]}})
    assert "inside, Conv2d 'conv1': in_channels is 16, but dimension 1 is 8" in str(caught.value)
    with pytest.raises(RequestError, match="are no multiple of pieces"):
        graph([{"patch_embedding": [1, 4, 4]}], inputs={"x": {"shape": [1, 6, 8]}})


def test_the_networks_of_the_page_are_made_and_run() -> None:
    written = re.findall(r"```yaml\n(.*?)```", (Path(__file__).parents[2] / "docs" / "blocks.md").read_text(encoding="utf-8"), re.DOTALL)
    assert Graph.from_yaml(written[0])(torch.randn(2, 3, 32, 32)).shape == (2, 10)
    unet = next(each for each in written if "type: unet" in each)
    assert Graph.from_yaml(unet)(torch.randn(2, 3, 8, 8), torch.tensor([1, 2])).shape == (2, 3, 8, 8)


def test_a_block_that_is_named_as_a_model_is_told_where_it_belongs() -> None:
    with pytest.raises(RequestError, match=r"it is a block, a node of a graph: model: \{type: graph, nodes: \[\{type: unet, …\}\]\}"):
        options_class("model", "unet")


def test_options_of_blocks_are_checked_before_torch_is_imported(tmp_path) -> None:
    (tmp_path / "net.yaml").write_text(
        "model: {type: graph, nodes: [{convnext_block: 8, kernel: 4}]}\nloss: mse\ndata: {type: './d.py:d'}\n"
    )
    (tmp_path / "d.py").write_text("def d():\n    return {}\n")
    code = (
        "import sys\nfrom trainwright.systems.run_config import read_config\nfrom trainwright.config.errors import TrainwrightError\n"
        "try:\n    read_config('net.yaml')\nexcept TrainwrightError as error:\n    print(error, 'torch' in sys.modules)\n"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "kernel: must be odd, not 4" in found and found.strip().endswith("False")


def test_in_python_all_that_is_wrong_is_told_at_once_with_the_class() -> None:
    with pytest.raises(ManyErrors) as caught:
        blocks.Bottleneck(16, dims=4, activation="rleu", strid=2)
    said = str(caught.value)
    assert all(f"Bottleneck: {each}" in said for each in ("dims: 4", "activation: 'rleu'", "unknown option 'strid'"))
    with pytest.raises(TypeError, match="multiple values"):
        blocks.Bottleneck(16, channels=8)
    with pytest.raises(TypeError, match="positional arguments"):
        blocks.DropPath(0.1, 0.2)
