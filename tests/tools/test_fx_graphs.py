"""Graphs of operations: shown as a table, rewritten by passes and patterns, refused with the line that cannot be traced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn

import trainwright as tw
from trainwright.config.errors import ConfigError, RequestError
from trainwright.tools.fx import apply_passes, graph_table, replace_pattern, trace_graph
from trainwright.tools.fx.options import PassOptions


class Top(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.param = nn.Parameter(torch.rand(3, 4))
        self.linear = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Any:
        return torch.topk(torch.sum(self.linear(x + self.linear.weight).relu(), dim=-1), 3)


class Sum(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.add(x, y)


class Rewritten(nn.Module):
    def forward(self, x: Tensor, w1: Tensor, w2: Tensor) -> Tensor:
        m1 = torch.cat([w1, w2]).sum()
        m2 = torch.cat([w1, w2]).sum()
        return x + torch.max(m1) + torch.max(m2)


class Branch(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


def pattern(w1: Tensor, w2: Tensor) -> Tensor:
    return torch.cat([w1, w2]).sum()


def replacement(w1: Tensor, w2: Tensor) -> Tensor:
    return torch.stack([w1, w2])


def swap(graph: fx.GraphModule) -> None:
    for node in graph.graph.nodes:
        if node.op == "call_function" and node.target is torch.add:
            node.target = torch.mul


PASSES = """
import torch

def swap(graph):
    for node in graph.graph.nodes:
        if node.target is torch.add:
            node.target = torch.mul

def pattern(x, y):
    return torch.add(x, y)

def replacement(x, y):
    return torch.sub(x, y)

def broken(graph):
    next(iter(graph.graph.nodes)).args[3]

def wrong(graph):
    return 3

number = 3
"""


@pytest.fixture
def passes(tmp_path: Path) -> str:
    (tmp_path / "passes.py").write_text(PASSES)
    return str(tmp_path / "passes.py")


def test_the_graph_of_a_module_is_a_table_of_its_operations() -> None:
    lines = graph_table(trace_graph(Top())).splitlines()
    assert lines[0].split() == ["operation", "name", "target", "arguments"]
    assert [line.split()[0] for line in lines[2:]] == [
        "placeholder",
        "get_attr",
        "call_function",
        "call_module",
        "call_method",
        "call_function",
        "call_function",
        "output",
    ]
    assert [line for line in lines if "operator.add" in line and "x, linear_weight" in line]
    assert [line for line in lines if "torch.topk" in line and line.endswith("sum_1, 3")]
    assert [line for line in lines if line.endswith("relu, dim=-1")]


def test_a_traced_module_runs_as_the_module_does_on_its_own_weights() -> None:
    module, x = Top(), torch.rand(5, 4)
    traced = trace_graph(module)
    assert torch.equal(traced(x).values, module(x).values)
    with torch.no_grad():
        module.linear.bias += 1
    assert torch.equal(traced(x).values, module(x).values)


def test_a_program_that_is_exported_is_shown_with_the_shapes_of_its_values() -> None:
    program = torch.export.export(nn.Linear(2, 3), (torch.zeros(4, 2),))
    assert [line for line in graph_table(program.graph).splitlines() if "aten.linear.default" in line and line.endswith("4x3 float32")]


def test_a_pass_puts_one_operation_in_the_place_of_another() -> None:
    x, y = torch.tensor([3.0]), torch.tensor([4.0])
    traced = apply_passes(trace_graph(Sum()), [swap])
    assert traced(x, y).item() == 12 and Sum()(x, y).item() == 7


def test_passes_are_named_by_their_path(passes: str) -> None:
    x, y = torch.tensor([3.0]), torch.tensor([4.0])
    assert apply_passes(trace_graph(Sum()), [f"{passes}:swap"])(x, y).item() == 12
    rewrite = PassOptions(pattern=f"{passes}:pattern", replacement=f"{passes}:replacement")
    assert apply_passes(trace_graph(Sum()), [rewrite])(x, y).item() == -1


def test_every_place_of_a_pattern_gives_way_to_its_replacement() -> None:
    traced = trace_graph(Rewritten())
    assert replace_pattern(traced, pattern, replacement) == 2
    x, w1, w2 = torch.tensor(1.0), torch.tensor([1.0, 2.0]), torch.tensor([3.0, 5.0])
    assert traced(x, w1, w2).item() == 11 and Rewritten()(x, w1, w2).item() == 23
    assert "torch.stack" in graph_table(traced) and "torch.cat" not in graph_table(traced)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("broken", r"the pass .*:broken failed\n.*IndexError.*passes\.py:16"),
        ("wrong", r"returned int\n.*return a torch.fx.GraphModule"),
        ("number", r"number' is not a class"),
        ("swop", r"did you mean 'swap'"),
    ],
)
def test_a_pass_that_cannot_be_used_is_refused(name: str, words: str, passes: str) -> None:
    with pytest.raises(RequestError, match=words):
        apply_passes(trace_graph(Sum()), [f"{passes}:{name}"])


def test_a_pattern_that_is_nowhere_is_refused() -> None:
    with pytest.raises(RequestError, match="operations of 'pattern' are nowhere"):
        replace_pattern(trace_graph(Sum()), pattern, replacement)


def test_what_decides_by_values_is_refused_with_its_line() -> None:
    with pytest.raises(RequestError, match=r"test_fx_graphs\.py:\d+: the graph of Branch cannot be traced\n.*control flow"):
        trace_graph(Branch())


@pytest.mark.parametrize("given", [{}, {"pattern": "./p.py:a"}, {"function": "./p.py:a", "pattern": "./p.py:b", "replacement": "./p.py:c"}])
def test_a_pass_is_a_function_or_a_pattern_with_its_replacement(given: dict[str, str]) -> None:
    with pytest.raises((ConfigError, ValueError), match="a pattern with its replacement"):
        PassOptions(**given)


def soften(graph: fx.GraphModule) -> None:
    """tanh in the place of the sigmoid."""
    for node in graph.graph.nodes:
        if node.op == "call_module" and isinstance(graph.get_submodule(node.target), nn.Sigmoid):
            node.op, node.target = "call_function", torch.tanh


def test_a_graph_that_was_rewritten_is_trained_as_any_model(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Sigmoid(), nn.Linear(4, 2))
    graph = trace_graph(net)
    apply_passes(graph, [soften])
    x = torch.randn(32, 3)
    given = (x, (x[:, 0] > 0).long())
    before = graph(x).detach()
    options: dict[str, Any] = {"loss": "cross_entropy", "max_steps": 5, "device": "cpu", "console": False, "evaluation": {"report": False}}
    tw.fit(graph, given, run_dir=tmp_path / "r", **options)
    assert not torch.equal(graph(x), before)
    assert torch.equal(graph(x), net[2](torch.tanh(net[0](x)))), "on the weights of the module"
