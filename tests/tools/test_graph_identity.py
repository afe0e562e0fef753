"""A network written as a graph and the same network written by hand: equal weights by seed, outputs, gradients and names."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from trainwright.tools.graph import Graph, graph


class Residual(nn.Module):
    """A skip connection and a join."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, (3, 3), padding=(1, 1), bias=False)
        self.fc = nn.Linear(16 * 6 * 6, 5)

    def forward(self, x: Tensor) -> Tensor:
        h = functional.relu(self.bn1(self.conv1(x)))
        joined = torch.cat((h, h + self.conv2(h)), 1)
        return self.fc(torch.flatten(joined, 1))


RESIDUAL = """
nodes:
  - conv1: {Conv2d: [3, 8, 3], padding: 1}
  - bn1: {BatchNorm2d: 8}
  - h: torch.nn.functional.relu
  - conv2: {type: Conv2d, in_channels: 8, out_channels: 8, kernel_size: [3, 3], padding: [1, 1], bias: false}
  - {type: add, inputs: [h, conv2]}
  - {type: cat, inputs: [h, add], dim: 1}
  - torch.flatten: {start_dim: 1}
  - fc: {Linear: [576, 5]}
"""


class Repeated(nn.Module):
    """Blocks with weights of their own, a block run three times, and a layer used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(6, 6) for _ in range(3)])
        self.same = nn.Sequential(nn.Linear(6, 6), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        for _ in range(3):
            x = self.same(x)
        return self.same(x * x)


REPEATED = """
nodes:
  - blocks: {Linear: [6, 6], repeat: 3}
  - same: {Sequential: [{Linear: [6, 6]}, Tanh], repeat: 3, share: true}
  - {type: mul, inputs: [same, same]}
  - use: same
"""


class Recurrent(nn.Module):
    """Embedding, LSTM, its last step and its last state."""

    def __init__(self) -> None:
        super().__init__()
        self.emb = nn.Embedding(11, 6, padding_idx=0)
        self.lstm = nn.LSTM(6, 5, batch_first=True)
        self.head = nn.Linear(10, 3)

    def forward(self, tokens: Tensor) -> dict[str, Any]:
        out, (h, c) = self.lstm(self.emb(tokens))
        logits = self.head(torch.cat((out[:, -1], h[-1]), dim=-1))
        return {"logits": logits, "state": (h, c)}


RECURRENT = """
inputs: tokens
nodes:
  - emb: {Embedding: [11, 6], padding_idx: 0}
  - lstm: {LSTM: [6, 5], batch_first: true, outputs: [out, [h, c]]}
  - {type: cat, inputs: ["out[:, -1]", "h[-1]"], dim: -1}
  - head: {Linear: [10, 3]}
outputs: {logits: head, state: [h, c]}
"""


class Translator(nn.Module):
    """Source, target and a position parameter through a Transformer."""

    def __init__(self) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.empty(1, 4, 8).normal_(std=0.02))
        self.transformer = nn.Transformer(8, 2, 1, 1, 16, dropout=0.0, batch_first=True)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        decoded = self.transformer(source, target + self.position)
        mixed, weights = self.attention(query=decoded, key=source, value=source, average_attn_weights=False)
        return mixed, weights


TRANSLATOR = """
inputs: [source, target]
nodes:
  - position: {Parameter: {shape: [1, 4, 8], init: {normal: {std: 0.02}}}}
  - {type: add, inputs: [target, position], name: shifted}
  - transformer:
      type: Transformer
      args: [8, 2, 1, 1, 16]
      dropout: 0.0
      batch_first: true
      inputs: [source, shifted]
  - attention:
      MultiheadAttention: [8, 2]
      batch_first: true
      inputs: {query: transformer, key: source, value: source, average_attn_weights: false}
      outputs: [mixed, weights]
outputs: [mixed, weights]
"""


class Unpooling(nn.Module):
    """Pooling that hands its indices to an unpooling of the same size."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(2, return_indices=True)
        self.conv = nn.Conv2d(2, 2, 1)
        self.unpool = nn.MaxUnpool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        small, where = self.pool(x)
        return self.unpool(self.conv(small), where, x.size())


UNPOOLING = """
nodes:
  - pool: {MaxPool2d: 2, return_indices: true, outputs: [small, where]}
  - conv: {Conv2d: [2, 2, 1]}
  - unpool: {MaxUnpool2d: 2, inputs: {input: conv, indices: where, output_size: {size: x}}}
"""


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(6)
        self.fc = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.fc(self.norm(x))


class Nested(nn.Module):
    """Blocks that are networks themselves, and weights shared with another layer."""

    def __init__(self) -> None:
        super().__init__()
        self.emb = nn.Embedding(7, 6)
        self.blocks = nn.ModuleList([Block(), Block()])

    def forward(self, tokens: Tensor) -> Tensor:
        h = self.emb(tokens)
        for block in self.blocks:
            h = block(h)
        return functional.linear(h, self.emb.weight)


NESTED = """
inputs: tokens
nodes:
  - emb: {Embedding: [7, 6]}
  - blocks:
      type: graph
      repeat: 2
      nodes:
        - norm: {LayerNorm: 6}
        - fc: {Linear: [6, 6]}
        - {type: add, inputs: [x, fc]}
  - {torch.nn.functional.linear: {}, inputs: {input: blocks, weight: {parameter: emb.weight}}}
"""


def images(channels: int, size: int) -> tuple[Tensor, ...]:
    return (torch.randn(2, channels, size, size),)


NETS: dict[str, tuple[Callable[[], nn.Module], str, Callable[[], tuple[Any, ...]]]] = {
    "residual": (Residual, RESIDUAL, lambda: images(3, 6)),
    "repeated": (Repeated, REPEATED, lambda: (torch.randn(4, 6),)),
    "recurrent": (Recurrent, RECURRENT, lambda: (torch.randint(0, 11, (3, 5)),)),
    "translator": (Translator, TRANSLATOR, lambda: (torch.randn(2, 3, 8), torch.randn(2, 4, 8))),
    "unpooling": (Unpooling, UNPOOLING, lambda: images(2, 7)),
    "nested": (Nested, NESTED, lambda: (torch.randint(0, 7, (3, 5)),)),
}


def tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    return [each for part in (value.values() if isinstance(value, dict) else value) for each in tensors(part)]


def made(make: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(7)
    return make()


@pytest.fixture(params=NETS)
def net(request: pytest.FixtureRequest) -> tuple[nn.Module, nn.Module, tuple[Any, ...]]:
    """By hand, as a graph, and inputs for both."""
    by_hand, text, inputs = NETS[request.param]
    return made(by_hand), made(lambda: Graph.from_yaml(text)), inputs()


def equal(first: Any, second: Any) -> bool:
    return all(torch.equal(a, b) for a, b in zip(tensors(first), tensors(second), strict=True))


def step(model: nn.Module, inputs: tuple[Any, ...]) -> list[Tensor]:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    torch.stack([each.square().mean() for each in tensors(model(*inputs))]).sum().backward()
    gradients = [each.grad.clone() for each in model.parameters() if each.grad is not None]
    optimizer.step()
    return gradients


def test_a_graph_has_the_names_and_the_first_weights_of_the_network_by_hand(net: Any) -> None:
    by_hand, model, _ = net
    assert list(model.state_dict()) == list(by_hand.state_dict())
    assert equal(model.state_dict(), by_hand.state_dict())


def test_a_graph_trains_bit_for_bit_as_the_network_by_hand(net: Any) -> None:
    by_hand, model, inputs = net
    for _ in range(3):
        assert equal(model(*inputs), by_hand(*inputs))
        assert equal(step(model, inputs), step(by_hand, inputs))
        assert equal(model.state_dict(), by_hand.state_dict())


def test_a_graph_is_copied_pickled_and_loaded_with_its_weights(net: Any) -> None:
    _, model, inputs = net
    step(model, inputs)
    model.eval()
    pickled = pickle.loads(pickle.dumps(model))
    for other in (copy.deepcopy(model), pickled, copy.deepcopy(pickled)):
        assert isinstance(other, Graph)
        assert equal(other(*inputs), model(*inputs))
        assert not any(a is b for a, b in zip(other.parameters(), model.parameters(), strict=True))
        other.load_state_dict(model.state_dict())
        step(other, inputs)
        assert not equal(other.state_dict(), model.state_dict())


class TimeLoop(nn.Module):
    def __init__(self, cell: nn.Module) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        found = []
        for step in x.unbind(1):
            state = self.cell(step, state)
            found.append(state[0] if isinstance(state, tuple) else state)
        return torch.stack(found, 1), state


class Looping(nn.Module):
    def __init__(self, cell: nn.Module) -> None:
        super().__init__()
        self.rnn = TimeLoop(cell)

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        return self.rnn(x)


LOOP = """
- rnn:
    type: loop
    over: x
    carry: h
    nodes:
      - cell: {CELL: [4, 5], inputs: [step, h]}
    outputs: [out, last]
"""
LSTM_LOOP = """
- rnn:
    type: loop
    over: {now: x}
    carry: {state: null}
    nodes:
      - cell: {LSTMCell: [4, 5], inputs: [now, state], outputs: [h, c]}
    each: h
    next: {state: [h, c]}
    outputs: [out, last]
"""


@pytest.mark.parametrize("kind", ["RNNCell", "GRUCell", "LSTMCell"])
def test_a_loop_over_time_equals_the_loop_by_hand(kind: str) -> None:
    nodes = LSTM_LOOP if kind == "LSTMCell" else LOOP.replace("CELL", kind)
    indented = "nodes:\n" + "\n".join("  " + line for line in nodes.strip().splitlines()) + "\noutputs: [out, last]\n"
    by_hand, model = made(lambda: Looping(getattr(nn, kind)(4, 5))), made(lambda: Graph.from_yaml(indented))
    x = torch.randn(2, 6, 4)
    assert list(by_hand.state_dict()) == list(model.state_dict())
    assert equal(model(x), by_hand(x))
    assert equal(step(model, (x,)), step(by_hand, (x,)))


def test_two_sequences_and_two_states_go_through_one_loop() -> None:
    nodes = [
        {
            "type": "loop",
            "name": "sums",
            "over": {"a": "x", "b": "y"},
            "carry": {"s": "start", "n": "start"},
            "dim": 0,
            "nodes": [
                {"type": "add", "name": "t", "inputs": ["a", "b", "s"]},
                {"type": "add", "name": "m", "inputs": ["n", 1]},
            ],
            "each": "t",
            "next": {"s": "t", "n": "m"},
            "outputs": ["all", ["s", "n"]],
        }
    ]
    model = graph(nodes, inputs=["x", "y", "start"], outputs=["all", "s", "n"])
    x, y = torch.arange(3.0), torch.ones(3)
    every, total, count = model(x, y, torch.tensor(0.0))
    assert every.tolist() == [1.0, 3.0, 6.0]
    assert (float(total), float(count)) == (6.0, 3.0)


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.acts = nn.ModuleDict({"lrelu": nn.LeakyReLU(), "prelu": nn.PReLU()})
        self.scales = nn.ParameterDict({"one": nn.Parameter(torch.ones(3)), "zero": nn.Parameter(torch.zeros(3))})

    def forward(self, x: Tensor, kind: str, scale: str) -> Tensor:
        return self.acts[kind](x) * self.scales[scale]


def test_a_branch_is_chosen_by_a_key_when_it_runs() -> None:
    nodes = [
        {"acts": {"ModuleDict": {"lrelu": "LeakyReLU", "prelu": "PReLU"}, "choose": "kind", "inputs": "x"}},
        {"scales": {"ParameterDict": {"one": {"shape": [3], "init": "ones"}, "zero": {"shape": [3]}}, "choose": "scale"}},
        {"type": "mul", "inputs": ["acts", "scales"]},
    ]
    model, by_hand = graph(nodes, inputs=["x", "kind", "scale"]), Branches()
    x = torch.randn(2, 3)
    for kind in ("lrelu", "prelu"):
        for scale in ("one", "zero"):
            assert torch.equal(model(x, kind, scale), by_hand(x, kind, scale))
    assert list(model.state_dict()) == list(by_hand.state_dict())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["residual", "nested", "repeated", "translator", "unpooling"])
def test_a_graph_compiles_whole(name: str) -> None:
    _, text, inputs = NETS[name]
    model, given = made(lambda: Graph.from_yaml(text)), inputs()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    for a, b in zip(tensors(compiled(*given)), tensors(model(*given)), strict=True):
        torch.testing.assert_close(a, b)


def test_the_forward_of_a_graph_has_its_inputs_as_parameters() -> None:
    import inspect

    model = graph([{"Bilinear": [2, 3, 4], "inputs": ["left", "right"]}], inputs=["left", "right"])
    assert list(inspect.signature(model.forward).parameters) == ["left", "right"]
    left, right = torch.randn(5, 2), torch.randn(5, 3)
    assert torch.equal(model(right=right, left=left), model(left, right))
