"""A graph with stated shapes is tried on zeros; what zeros alone are refused for is decided by rows of the run."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import trainwright as tw
from trainwright.config.errors import ConfigError
from trainwright.systems.plain import PlainSystem
from trainwright.systems.plain_options import PlainOptions
from trainwright.tools.graph.dry import rows_decide
from trainwright.tools.graph.model import graph

PACKED = {
    "inputs": {"src": {"shape": [9], "dtype": "int64"}, "lengths": {"shape": [], "dtype": "int64"}},
    "nodes": [
        {"emb": {"Embedding": [20, 12], "inputs": "src"}},
        {
            "packed": {
                "torch.nn.utils.rnn.pack_padded_sequence": {"batch_first": True, "enforce_sorted": False},
                "inputs": ["emb", "lengths"],
            }
        },
        {"enc": {"GRU": [12, 16], "batch_first": True, "outputs": ["_", "h"]}},
        {"head": {"LazyLinear": [3], "inputs": "h[-1]"}},
    ],
}


def test_lengths_of_zero_are_no_reason_to_refuse_a_packed_sequence() -> None:
    made = graph(PACKED["nodes"], PACKED["inputs"])
    assert not isinstance(made.head.weight, nn.parameter.UninitializedParameter)  # ones have settled what is lazy
    assert made(torch.randint(1, 20, (4, 9)), torch.tensor([9, 2, 3, 1])).shape == (4, 3)


def test_a_shape_that_does_not_fit_is_refused_at_once_also_where_rows_will_come() -> None:
    nodes = [{"Linear": [7, 3]}]
    with rows_decide(), pytest.raises(ConfigError, match="last dimension is 8"):
        graph(nodes, {"x": {"shape": [8]}})


def test_a_value_that_no_example_has_is_left_to_the_rows_of_the_run(tmp_path) -> None:
    own = tmp_path / "mine.py"
    own.write_text("def at_least_two(lengths):\n    assert lengths.min() > 1, 'lengths of two and more'\n    return lengths\n")
    nodes = [
        {"lengths_seen": {f"{own}:at_least_two": {}, "inputs": "lengths"}},
        {"scaled": {"torch.mul": {}, "inputs": ["x", "lengths_seen[:, None]"]}},
        {"Linear": [4, 3]},
    ]
    inputs = {"x": {"shape": [4]}, "lengths": {"shape": [], "dtype": "int64"}}
    with pytest.raises(ConfigError, match="lengths of two and more"):
        graph(nodes, inputs)
    system = PlainSystem.from_options(PlainOptions(model={"type": "graph", "inputs": inputs, "nodes": nodes}))
    rows = {"x": torch.randn(6, 4), "lengths": torch.full((6,), 3), "target": torch.zeros(6, dtype=torch.long)}
    system.check(rows)
    with pytest.raises(ConfigError) as refused:
        system.check({**rows, "lengths": torch.ones(6, dtype=torch.long)})
    assert "lengths_seen" in refused.value.where
    assert f"AssertionError: lengths of two and more ({own}:2)" in refused.value.why
    assert "at_least_two(lengths)" in refused.value.fix


def test_a_graph_trains_by_its_lengths(tmp_path) -> None:
    made = graph(PACKED["nodes"], PACKED["inputs"])
    rows = {"src": torch.randint(1, 20, (16, 9)), "lengths": torch.randint(2, 10, (16,)), "target": torch.randint(0, 3, (16,))}
    fitted = tw.fit(made, torch.utils.data.StackDataset(**rows), loss="cross_entropy", max_steps=1, console=False, run_dir=tmp_path / "r")
    assert fitted.steps == 1
