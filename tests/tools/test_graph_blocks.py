"""Blocks with parameters, repetitions that change, values that are carried, and layers side by side, each as it is written by hand."""

from __future__ import annotations

import copy
import pickle
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import trainwright as tw
from trainwright.config.dump import dump
from trainwright.config.errors import RequestError, TrainwrightError
from trainwright.systems.run_config import read_config
from trainwright.tools.graph import Graph, graph

PAGE = Path(__file__).parents[2] / "docs" / "graph.md"


def example(title: str) -> Graph:
    """The graph under a title of the page."""
    found = re.search(rf"### {title}.*?```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return Graph.from_yaml(found[1])


class Residual(nn.Module):
    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.filter, self.gate = (nn.Conv1d(channels, channels, 2, dilation=dilation) for _ in range(2))
        self.out, self.dilation = nn.Conv1d(channels, channels, 1), dilation

    def forward(self, h: Tensor, skip: Any) -> tuple[Tensor, Tensor]:
        past = functional.pad(h, (self.dilation, 0))
        z = self.filter(past).tanh() * self.gate(past).sigmoid()
        return h + self.out(z), skip + z


class WaveNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.residual = nn.ModuleList([Residual(8, dilation) for dilation in (1, 2, 4)])
        self.head = nn.Conv1d(8, 5, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        h, skip = x, torch.tensor(0)
        for block in self.residual:
            h, skip = block(h, skip)
        return {"logits": self.head(skip.relu()), "state": h}


class Basic(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(self.bn1(self.conv1(x)).relu())


class Stage(nn.Module):
    def __init__(self, before: int, channels: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(before, channels, 3, stride=2, padding=1)
        self.blocks = nn.ModuleList([Basic(channels), Basic(channels)])

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(x)
        for block in self.blocks:
            x = block(x)
        return x


class ResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stages, self.head = nn.ModuleList([Stage(8, 8), Stage(8, 16)]), nn.Linear(16, 3)

    def forward(self, image: Tensor) -> Tensor:
        for stage in self.stages:
            image = stage(image)
        return self.head(image.amax((2, 3)))


class Look(nn.Module):
    def __init__(self, size: int, channels: int = 4) -> None:
        super().__init__()
        self.narrow, self.wide = nn.Conv2d(6, channels, 1), nn.Conv2d(channels, channels, size, padding="same")

    def forward(self, x: Tensor) -> Tensor:
        return self.wide(self.narrow(x))


class Inception(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        pooled = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), nn.Conv2d(6, 4, 1))
        self.looks = nn.ModuleDict({"one": nn.Conv2d(6, 4, 1), "three": Look(3), "five": Look(5, 2), "pooled": pooled})
        self.head = nn.Conv2d(14, 2, 1)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(torch.cat([look(image) for look in self.looks.values()], 1))


class Experts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Sequential(nn.Linear(8, 4), nn.Softmax(1))
        self.experts = nn.ModuleList([nn.Linear(8, 3) for _ in range(4)])

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("be,bec->bc", self.gate(x), torch.stack([each(x) for each in self.experts], 1))


SAME: dict[str, tuple[type[nn.Module], tuple[int, ...]]] = {
    "WaveNet": (WaveNet, (3, 8, 40)),
    "ResNet": (ResNet, (3, 8, 12, 12)),
    "Inception": (Inception, (3, 6, 9, 9)),
    "A mixture of experts": (Experts, (3, 8)),
}


@pytest.mark.parametrize("title", SAME)
def test_an_example_of_the_page_is_the_module_by_hand(title: str) -> None:
    kind, shape = SAME[title]
    made, by_hand, x = example(title), kind(), torch.randn(shape, generator=torch.Generator().manual_seed(0))
    by_hand.load_state_dict(made.state_dict(), strict=True)
    assert list(made.state_dict()) == list(by_hand.state_dict())
    wanted, found = by_hand(x), made(x)
    assert torch.equal(found["logits"], wanted["logits"]) if isinstance(wanted, dict) else torch.equal(found, wanted)
    for each in (made, by_hand):
        out = each(x)
        sum(one.square().sum() for one in (out.values() if isinstance(out, dict) else [out])).backward()
    for one, other in zip(made.parameters(), by_hand.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)  # type: ignore[arg-type]
    for again in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert torch.equal(again.eval()(x)["logits"], made.eval()(x)["logits"]) if title == "WaveNet" else again is not made


def test_layers_without_blocks_repeat_with_changing_arguments_and_carry() -> None:
    made = graph([{"mlp": {"Linear": None, "repeat": {"in_features": [4, 6, 5], "out_features": [6, 5, 2]}}}])
    assert [tuple(each.shape) for each in made.parameters()] == [(6, 4), (6,), (5, 6), (5,), (2, 5), (2,)]
    x = torch.randn(3, 4)
    assert torch.equal(made(x), nn.Sequential(*made.mlp)(x))
    nodes = [
        {"lstm": {"LSTM": [5, 5], "batch_first": True}, "repeat": 2, "carry": {"h": "x", "state": None}},
        {"use": "lstm.0", "inputs": "h"},
    ]
    stacked, y = graph([*nodes[:1], {"torch.tanh": {}, "inputs": "h"}]), torch.randn(2, 3, 5)
    first, state = stacked.lstm[0](y, None)
    assert torch.equal(stacked(y), stacked.lstm[1](first, state)[0].tanh())


@pytest.mark.parametrize("then", ["stack", "cat", "sum", "mean"])
def test_results_side_by_side_are_joined(then: str) -> None:
    made = graph([{"both": {"parallel": [{"Linear": [4, 4]}, {"wide": {"Linear": [4, 4]}}], "then": then}}])
    x = torch.randn(2, 4)
    one, two = made.both["0"](x), made.both["wide"](x)
    total = one + two
    wanted = {"stack": torch.stack([one, two], 1), "cat": torch.cat([one, two], 1), "sum": total, "mean": total / 2}[then]
    assert torch.equal(made(x), wanted)
    parts = graph([{"parallel": ["ReLU", "Tanh"], "outputs": ["a", "b"]}, {"type": "add", "inputs": ["a", "b"]}])
    assert torch.equal(parts(x), x.relu() + x.tanh())


def test_a_call_is_given_literals_by_name_beside_its_inputs() -> None:
    attention = {
        "MultiheadAttention": [4, 2],
        "batch_first": True,
        "inputs": ["x", "x", "x"],
        "with": {"need_weights": False},
        "outputs": ["a", "w"],
    }
    made, x = graph([attention], outputs=["a", "w"]), torch.randn(2, 3, 4)
    assert made(x)[1] is None
    sized = graph([{"torch.nn.functional.interpolate": None, "inputs": "x", "with": {"scale_factor": 2, "mode": "nearest"}}])
    assert sized(x).shape == (2, 3, 8)


def test_blocks_go_into_containers_and_compile_whole() -> None:
    blocks = {"two": {"parameters": [{"size": 4}], "nodes": [{"fc": {"Linear": ["${size}", "${size}"]}}, "ReLU"]}}
    made = graph([{"seq": {"Sequential": [{"block": "two"}, {"parallel": [{"block": "two"}, "Tanh"], "then": "sum"}]}}], blocks=blocks)
    x = torch.randn(2, 4)
    assert "seq.0.fc.weight" in made.state_dict()
    assert torch.equal(torch.compile(made, backend="eager", fullgraph=True)(x), made(x))


BLOCK = {"b": {"parameters": ["size", {"bias": True}], "nodes": [{"Linear": ["${size}", "${size}"], "bias": "${bias}"}]}}
PAIR = {"b": {"inputs": ["h", "skip"], "nodes": [{"type": "add", "inputs": ["h", "skip"]}]}}
REFUSED: dict[str, tuple[Any, Any, list[str]]] = {
    "unknown block": ([{"block": "c"}], BLOCK, ["model.nodes[0] (c): unknown block 'c'", "available: b"]),
    "unused parameter": (
        [{"block": "c", "size": 3, "z": 1}],
        {"c": {"parameters": ["size", "z"], "nodes": [{"Linear": [4, "${size}"]}]}},
        ["model.blocks.c.parameters: the parameter 'z' is never used", "leave it out of parameters"],
    ),
    "missing argument": ([{"block": "b"}], BLOCK, ["the block 'b' needs size", "defined at model.blocks.b", "{block: b, size: …}"]),
    "unknown argument": ([{"block": "b", "sise": 3}], BLOCK, ["has no parameter 'sise'", "did you mean 'size'"]),
    "unknown parameter": (
        [{"block": "b"}],
        {"b": {"parameters": [{"sizes": 3}], "nodes": [{"Linear": ["${size}", 3]}]}},
        ["model.blocks.b: '${size}' is no parameter of the block 'b'", "did you mean 'sizes'"],
    ),
    "a parameter called as a key": ([{"block": "b"}], {"b": {"parameters": ["name"], "nodes": ["ReLU"]}}, ["it is a key of a node"]),
    "an option of a block": ([{"block": "b"}], {"b": {"node": [], "nodes": ["ReLU"]}}, ["unknown option 'node' of a block"]),
    "an unused block": (["ReLU"], BLOCK, ["model.blocks.b: the block 'b' is not used"]),
    "a block in itself": ([{"block": "b"}], {"b": {"nodes": [{"block": "b"}]}}, ["a block uses itself: b → b"]),
    "lists of different length": (
        [{"block": "b", "repeat": {"size": [1, 2], "bias": [True]}}],
        BLOCK,
        ["the lists of `repeat` have different lengths", "size has 2, bias has 1"],
    ),
    "an argument twice": ([{"block": "b", "size": 3, "repeat": {"size": [1, 2]}}], BLOCK, ["the argument 'size' is given twice"]),
    "a number for a list": ([{"block": "b", "repeat": {"size": 3}}], BLOCK, ["`repeat` is {'size': 3}", "[1, 2, 4]"]),
    "shared and changing": (
        [{"block": "b", "share": True, "repeat": {"size": [3, 3]}}],
        BLOCK,
        ["one block cannot have arguments that change"],
    ),
    "one value for two": (
        [{"block": "b", "repeat": 2, "carry": ["h", "skip"]}],
        PAIR,
        ["hands back 1 of 2 values", "outputs: [new h, new skip]"],
    ),
    "too few inputs": ([{"block": "b"}], PAIR, ["the block 'b' takes h, skip, and is given 1", "inputs: [… (h), … (skip)]"]),
    "no such input": ([{"block": "b", "inputs": {"hh": "x"}}], PAIR, ["the block 'b' has no input 'hh'"]),
    "a mistake inside": (
        [{"block": "b"}],
        {"b": {"nodes": [{"ReLU": None, "inputs": "y"}]}},
        ["model.blocks.b.nodes[0] (relu): unknown input 'y'", "the block is used at model.nodes[0] (b)"],
    ),
    "then": ([{"parallel": ["ReLU", "Tanh"], "then": "stak"}], None, ["`then` is 'stak'", "did you mean 'stack'"]),
    "dim of a sum": ([{"parallel": ["ReLU", "Tanh"], "then": "sum", "dim": 1}], None, ["`dim` has no meaning for then: sum"]),
    "a function side by side": ([{"parallel": ["ReLU", "torch.tanh"]}], None, ["'torch.tanh' is no layer", "nested graph"]),
    "inputs of one of them": ([{"parallel": [{"ReLU": None, "inputs": "x"}]}], None, ["`inputs` has no meaning for a layer beside others"]),
    "a name twice": ([{"parallel": [{"a": "ReLU"}, {"a": "Tanh"}]}], None, ["the name 'a' is used twice"]),
    "one layer": ([{"parallel": {"Linear": [4, 4]}}], None, ["`parallel` is one layer", "write a list"]),
    "an unknown layer": ([{"parallel": ["ReLU", {"Liner": [4, 4]}]}], None, ["model.nodes[0].parallel[1]", "did you mean 'Linear'?"]),
    "a value twice": ([{"Bilinear": [4, 4, 2], "inputs": {"input1": "x", "input2": "x"}, "with": {"input2": 1}}], None, ["given twice"]),
    "a graph with arguments": ([{"type": "graph", "nodes": ["ReLU"], "repeat": {"a": [1]}}], None, ["write it under `blocks`"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_told_with_its_place(case: str) -> None:
    nodes, blocks, expected = REFUSED[case]
    with pytest.raises(RequestError) as caught:
        graph(nodes, blocks=blocks)
    for each in expected:
        assert each in str(caught.value), str(caught.value)


CONFIG = """
system:
  type: plain
  loss: cross_entropy
  model:
    type: graph
    blocks:
      two:
        parameters: [wide]
        nodes:
          - {Linear: [4, "${wide}"]}
          - {torch.full_like: {fill_value: "${run.seed}"}, name: seeds}
          - {type: add, inputs: [linear, seeds]}
    nodes:
      - {block: two, wide: WIDE}
      - fc: {Linear: [6, 2]}
run: {seed: 3}
data: {type: "./d.py:make"}
trainer: {max_steps: 4, batch_size: 8}
"""
DATA = "import torch\n\n\ndef make():\n    x = torch.ones(16, 4)\n    return {'train': (x, torch.ones(16).long())}\n"


@pytest.mark.parametrize(
    ("wide", "says"), [("wide: 7", "model.nodes[1] (fc): Linear cannot take 'two'"), ("wid: 6", "did you mean 'wide'?")]
)
def test_a_configuration_keeps_parameters_and_tells_mistakes_at_their_line(wide: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(CONFIG.replace("wide: WIDE", wide), encoding="utf-8")
    (tmp_path / "d.py").write_text(DATA, encoding="utf-8")
    with pytest.raises(RequestError) as caught:
        tw.train(config=tmp_path / "c.yaml", run_dir=tmp_path / "r")
    lines = (tmp_path / "c.yaml").read_text(encoding="utf-8").splitlines()
    line = next(number for number, each in enumerate(lines, 1) if ("fc:" if "7" in wide else wide) in each)
    assert says in str(caught.value) and f"c.yaml:{line}:" in str(caught.value), str(caught.value)


def test_a_shape_that_comes_in_an_evaluation_names_the_node_and_its_line(tmp_path: Path) -> None:
    lines = ["nodes:", "  - first: {Linear: [4, 3]}", "  - pool: {parallel: [", "      {Flatten: 1},"]
    lines += ["      {Sequential: [{Flatten: 1}, {Linear: [3, 3]}]}], then: sum}"]
    (tmp_path / "net.yaml").write_text("\n".join(lines), encoding="utf-8")
    model = Graph.from_yaml(tmp_path / "net.yaml")
    x, y = torch.randn(16, 4), torch.zeros(16).long()
    odd = [(torch.randn(8, 4), y[:8]), (torch.randn(8, 2, 4), y[:8])]
    with pytest.raises(TrainwrightError) as caught:
        tw.fit(model, (x, y), validation=lambda: iter(odd), batched=True, max_steps=2, console=False, run_dir=tmp_path / "r")
    assert "net.yaml:5:7: model.nodes[1].parallel[1] (pool)" in str(caught.value), str(caught.value)
    assert "in_features is 3, but the last dimension is 6" in str(caught.value)
    assert not isinstance(caught.value, RequestError)


def test_options_written_out_are_read_again_with_their_blocks(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(CONFIG.replace("WIDE", "6"), encoding="utf-8")
    (tmp_path / "d.py").write_text(DATA, encoding="utf-8")
    config = read_config(tmp_path / "c.yaml")
    nodes = config.system.model.blocks["two"]["nodes"]
    assert nodes[0] == {"Linear": [4, "${wide}"]} and nodes[1]["torch.full_like"] == {"fill_value": 3}
    (tmp_path / "again.yaml").write_text(dump(config), encoding="utf-8")
    assert read_config(tmp_path / "again.yaml").system == config.system
