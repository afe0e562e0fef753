"""How layers are made: lazy sizes, weights left out or read, data types, parameters and buffers, code of the user's own."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn
from torch.nn.parameter import UninitializedParameter

from trainwright.config.compose import Composed
from trainwright.config.errors import ConfigError, ManyErrors
from trainwright.config.foreign import looking_in
from trainwright.config.located import validate
from trainwright.config.reading import read_yaml
from trainwright.tools.graph import PARTS, Graph, GraphOptions, graph

OWN = """
import torch
from torch import nn


class Scale(nn.Module):
    def __init__(self, by: float = 2.0, sizes: list[int] = []) -> None:
        super().__init__()
        self.by = nn.Parameter(torch.tensor(by))
        self.sizes = sizes

    def forward(self, x, shift=0.0):
        return x * self.by + shift


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x ** 3

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return 3 * x ** 2 * grad


def twice(x, plus=0):
    return 2 * x + plus


def made(width: int) -> nn.Linear:
    return nn.Linear(width, 1)
"""


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text)
    return file


def test_the_table_names_the_class_that_is_made() -> None:
    from trainwright.tools.graph import model

    assert PARTS["graph"].path == "trainwright.tools.graph.model:Graph"
    assert PARTS["graph"].config is GraphOptions
    assert model.Graph is Graph


def test_lazy_layers_get_their_sizes_from_a_stated_shape() -> None:
    inputs = {"x": {"shape": [3, 8, 8]}}
    nodes = [{"LazyConv2d": [4, 3]}, "LazyBatchNorm2d", "Flatten", {"head": {"LazyLinear": 2}}]
    model = graph(nodes, inputs=inputs)
    assert [tuple(each.shape) for each in model.parameters()] == [(4, 3, 3, 3), (4,), (4,), (4,), (2, 144), (2,)]
    assert model.training and all(each.training for each in model.modules())
    assert float(model.get_buffer("lazy_batch_norm2d.running_mean").abs().sum()) == 0  # the example left no trace


def test_lazy_layers_get_their_sizes_from_a_dry_run_later() -> None:
    model = graph([{"LazyLinear": 2}])
    assert isinstance(next(model.parameters()), UninitializedParameter)
    assert model.dry_run(torch.randn(4, 7)).shape == (4, 2)
    assert model.lazy_linear.weight.shape == (2, 7)  # type: ignore[union-attr]


def test_an_example_may_have_whole_numbers_and_a_batch_elsewhere() -> None:
    inputs = {"tokens": {"shape": [5], "dtype": "int64", "batch": 1}, "table": {"shape": [4, 3], "batch": None}}
    model = graph(
        [{"Embedding": [9, 3], "inputs": "tokens"}, {"torch.matmul": {}, "inputs": ["embedding", "table.mT"]}, {"LazyLinear": 2}],
        inputs=inputs,
    )
    assert model.lazy_linear.in_features == 4  # type: ignore[union-attr]


def test_draws_are_left_out_where_weights_follow_and_buffers_are_right() -> None:
    state = torch.get_rng_state()
    model = graph([{"Linear": [4, 3]}, {"BatchNorm1d": 3}], init="skip")
    assert torch.equal(state, torch.get_rng_state())
    assert model.get_buffer("batch_norm1d.running_var").tolist() == [1, 1, 1]
    weights = graph([{"Linear": [4, 3]}, {"BatchNorm1d": 3}])
    model.load_state_dict(weights.state_dict())
    x = torch.randn(5, 4)
    assert torch.equal(model(x), weights(x))


def test_a_graph_on_meta_takes_no_memory_and_is_filled_afterwards() -> None:
    model = graph([{"Linear": [4, 3]}], inputs={"x": {"shape": [4]}}, device="meta")
    assert all(each.is_meta for each in model.parameters())
    weights = nn.Linear(4, 3)
    model.to_empty(device="cpu").load_state_dict({f"linear.{key}": value for key, value in weights.state_dict().items()})
    x = torch.randn(2, 4)
    assert torch.equal(model(x), weights(x))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "complex64"])
def test_a_graph_computes_in_the_type_it_is_given(dtype: str) -> None:
    wanted = getattr(torch, dtype)
    model = graph([{"Linear": [4, 3]}, {"Linear": [3, 2], "dtype": "complex64" if dtype == "complex64" else None}], dtype=dtype)
    assert {each.dtype for each in model.parameters()} == {wanted}
    result = model(torch.randn(2, 4).to(wanted))
    result.abs().sum().backward()
    assert result.dtype == wanted


def test_a_single_layer_has_a_type_of_its_own() -> None:
    model = graph([{"Linear": [4, 3]}, {"Tensor.to": ["torch.float16"]}, {"out": {"Linear": [3, 2], "dtype": "float16"}}])
    assert model(torch.randn(2, 4)).dtype == torch.float16
    assert graph([{"torch.sum": {"dim": 0, "dtype": "float64"}}])(torch.ones(3)).dtype == torch.float64


def test_an_embedding_starts_from_a_file(tmp_path: Path) -> None:
    matrix = torch.randn(6, 3)
    np.save(tmp_path / "vectors.npy", matrix.numpy())
    save_file({"words": matrix, "other": matrix + 1}, tmp_path / "all.safetensors")
    with looking_in([tmp_path]):
        free = graph([{"type": "Embedding", "weights": "vectors.npy", "freeze": False, "padding_idx": 0}])
        frozen = graph([{"type": "Embedding", "weights": "all.safetensors:words", "freeze": True}])
        bag = graph([{"type": "EmbeddingBag", "weights": "all.safetensors:words", "mode": "sum"}])
    tokens = torch.tensor([[0, 5]])
    assert torch.equal(free(tokens), matrix[tokens]) and torch.equal(frozen(tokens), matrix[tokens])
    torch.testing.assert_close(bag(tokens), matrix[tokens].sum(1))
    assert [each.requires_grad for model in (free, frozen) for each in model.parameters()] == [True, False]
    free(tokens).sum().backward()
    assert free.embedding.weight.grad[0].abs().sum() == 0  # type: ignore[union-attr,index]
    with looking_in([tmp_path]), pytest.raises(ConfigError, match="did you mean 'words'"):
        graph([{"type": "Embedding", "weights": "all.safetensors:word"}])


def test_weights_in_a_pickle_are_refused(tmp_path: Path) -> None:
    torch.save(torch.randn(2, 2), tmp_path / "vectors.pt")
    with looking_in([tmp_path]), pytest.raises(ConfigError, match=r"only \.npy and \.safetensors hold nothing that can run"):
        graph([{"type": "Embedding", "weights": "vectors.pt"}])


def test_parameters_and_buffers_are_nodes() -> None:
    nodes = [
        {"w": {"Parameter": {"value": [1.0, 2.0]}}},
        {"b": {"Buffer": {"shape": [2], "init": {"constant": {"val": 3.0}}}}},
        {"m": {"Buffer": {"value": [True, False], "persistent": False}}},
        {"y": {"type": "mul", "inputs": ["x", "w", "m"]}},
        {"type": "add", "inputs": ["y", "b"]},
    ]
    model = graph(nodes)
    assert model(torch.ones(2)).tolist() == [4, 3]
    assert list(model.state_dict()) == ["w", "b"] or list(model.state_dict()) == ["b", "w"]
    assert [name for name, _ in model.named_buffers()] == ["b", "m"]


def test_parameters_are_passed_over_by_the_nodes_after_them() -> None:
    model = graph(
        [
            {"w": {"Parameter": {"value": [3.0]}}},
            "ReLU",
            {"type": "mul", "inputs": ["relu", "w"]},
            {"b": {"Buffer": {"shape": [1]}}},
            {"type": "add", "inputs": ["mul", "b"]},
        ]
    )
    assert model(torch.tensor([-1.0, 2.0])).tolist() == [0, 6]


def test_own_modules_functions_and_gradients_are_named_by_path(tmp_path: Path) -> None:
    write(tmp_path, "own_parts.py", OWN)
    file = write(
        tmp_path,
        "net.yaml",
        """
model:
  nodes:
    - scale: {type: "./own_parts.py:Scale", by: 3.0, sizes: [1, 2], inputs: {x: x, shift: 1.0}}
    - {type: "./own_parts.py:twice", plus: 1}
    - {type: "./own_parts.py:Cube"}
    - {"./own_parts.py:made": 1}
""",
    )
    model = Graph.from_yaml(file)
    assert model.scale.sizes == [1, 2]
    x = torch.tensor([[1.0]], requires_grad=True)
    expected = model.made((2 * (x * 3 + 1) + 1) ** 3)
    assert torch.equal(model(x), expected)
    model(x).sum().backward()
    torch.testing.assert_close(x.grad, 3 * (2 * (x * 3 + 1) + 1).detach() ** 2 * 6 * model.made.weight.detach())  # type: ignore[union-attr]


def test_a_pickled_graph_finds_the_code_of_its_own_modules_again(tmp_path: Path) -> None:
    file = write(tmp_path, "own_scale.py", OWN)
    model = graph([{"scale": {"type": f"{file}:Scale", "by": 3.0}}])
    pickled = pickle.dumps(model)
    for name in [each for each in sys.modules if each.startswith("trainwright_file_own_scale")]:
        del sys.modules[name]
    again = pickle.loads(pickled)
    assert again(torch.ones(1)).item() == 3


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from([{"Linear": [4, 4]}, "Tanh", {"LayerNorm": 4}, {"Dropout": 0.5}, {"Softmax": 1}]), min_size=1, max_size=8))
def test_any_chain_of_layers_equals_the_sequence_of_the_same_layers(nodes: list[Any]) -> None:
    torch.manual_seed(3)
    layers = []
    for each in nodes:
        name, args = (each, []) if isinstance(each, str) else next(iter(each.items()))
        layers.append(getattr(nn, name)(*(args if isinstance(args, list) else [args])))
    sequence = nn.Sequential(*layers)
    torch.manual_seed(3)
    model = graph(nodes)
    x = torch.randn(2, 4)
    torch.manual_seed(4)
    expected = sequence(x)
    torch.manual_seed(4)
    assert torch.equal(model(x), expected)


def test_a_mistake_in_a_file_is_told_with_its_line(tmp_path: Path) -> None:
    file = write(tmp_path, "net.yaml", "type: graph\nnodes:\n  - Flatten\n  - fc: {Linear: [4, 2], inputs: flaten}\n  - ReLU\n")
    with pytest.raises(ManyErrors) as caught:
        validate(GraphOptions, Composed(read_yaml(file), GraphOptions, [file]))
    told = caught.value.errors[0]
    assert told.where == f"{file}:4:5"
    assert told.what == "nodes.3: node 'fc': unknown input 'flaten'".replace("3", "1")
    assert "did you mean 'flatten'" in told.fix


def test_options_are_their_own_dump() -> None:
    options = GraphOptions(nodes=[{"Linear": [4, 2]}, {"Threshold": [float("inf"), 1.0]}])
    again = GraphOptions.model_validate(options.model_dump())
    assert again == options
    assert isinstance(Graph(options), Graph)


def test_infinities_and_nothing_are_values() -> None:
    assert graph([{"torch.clamp": {"min": 0.0, "max": "inf"}}])(torch.tensor([-1.0, 5.0])).tolist() == [0, 5]
    assert graph([{"torch.clamp": {"min": None, "max": 1}}])(torch.tensor([-1.0, 5.0])).tolist() == [-1, 1]
    assert graph([{"torch.nan_to_num": {"posinf": float("inf")}}])(torch.tensor([float("inf")])).tolist() == [float("inf")]


def test_tuples_mappings_and_attributes_are_picked_from() -> None:
    nodes: list[Any] = [
        {"top": {"torch.topk": {"k": 2}, "inputs": "batch.scores"}},
        {"type": "mul", "name": "y", "inputs": ["top.values", "batch['weight']"]},
        {"torch.sum": {"dim": -1}, "name": "total"},
    ]
    model = graph(nodes, inputs="batch", outputs={"total": "total", "where": ["top.indices", "y[..., 0]"]})
    found = model({"scores": torch.tensor([1.0, 5.0, 3.0]), "weight": torch.tensor(2.0)})
    assert float(found["total"]) == 16
    assert found["where"][0].tolist() == [1, 2] and float(found["where"][1]) == 10
