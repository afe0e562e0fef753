"""Every mistake in a graph gets one answer: where it is, what is wrong, and the nearest fix."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from trainwright.config import torch_names
from trainwright.config.errors import ConfigError, ManyErrors, RequestError
from trainwright.tools.graph import Graph, graph
from trainwright.tools.graph.naming import layer_names

IMAGE = {"x": {"shape": [3, 4, 4]}}


def told(nodes: Any, inputs: Any = None, outputs: Any = None, **options: Any) -> str:
    with pytest.raises(RequestError) as caught:
        graph(nodes, inputs, outputs, **options)
    assert isinstance(caught.value, ConfigError | ManyErrors)
    return str(caught.value)


STRUCTURE: dict[str, tuple[Any, list[str]]] = {
    "an unknown input": (
        [{"fc1": {"Linear": [4, 2]}}, {"ReLU": None, "inputs": "fc"}],
        ["model.nodes[1] (relu): unknown input 'fc'", "did you mean 'fc1'?"],
    ),
    "a cycle": (
        [{"a": {"Linear": [4, 4], "inputs": "b"}}, {"b": {"Linear": [4, 4], "inputs": "a"}}],
        ["model.nodes[0] (a): a cycle: a → b → a", "is a `loop`"],
    ),
    "a longer cycle": (
        [{"a": {"Linear": [4, 4], "inputs": "c"}}, {"b": "ReLU", "inputs": "a"}, {"c": "Tanh", "inputs": "b"}],
        ["a cycle: a → b → c → a"],
    ),
    "use before definition": (
        [{"a": "ReLU", "inputs": "b"}, {"b": "Tanh", "inputs": "x"}, {"type": "add", "inputs": ["a", "b"]}],
        ["model.nodes[0] (a): 'b' is used before it is made", "it is made at model.nodes[1] (b)", "move that node up"],
    ),
    "itself": ([{"a": "ReLU", "inputs": "a"}], ["a cycle: a → a"]),
    "a name twice": (
        [{"a": "ReLU"}, {"a": "Tanh"}],
        ["model.nodes[1] (a): the name 'a' is used twice", "given before at model.nodes[0] (a)"],
    ),
    "the name of an input": ([{"x": "ReLU"}], ["the name 'x' is used twice", "model.inputs"]),
    "an unused node": (
        [{"a": "ReLU"}, {"b": "Tanh", "inputs": "x"}],
        ["model.nodes[0] (a): the result of 'a' is not used", "leave it out"],
    ),
    "no nodes": ([], ["model.nodes: a graph needs nodes"]),
    "a number": ([3], ["model.nodes[0]: 3 is not a node", "write ReLU, {Linear: [64, 10]}"]),
    "no type": ([{"in_features": 3, "out_features": 4}], ["model.nodes[0]: a node without `type`"]),
    "two types": ([{"ReLU": None, "Tanh": None}], ["it names ReLU and Tanh"]),
    "a word of Python": ([{"name": "class", "type": "ReLU"}], ["'class' cannot be the name of a node"]),
    "repeat": ([{"ReLU": None, "repeat": 0}], ["`repeat` is 0", "at least 1"]),
    "an expression": ([{"ReLU": None, "inputs": "x + 1"}], ["'x + 1' is not something a node can be given", "a[:, -1]"]),
    "a call": ([{"ReLU": None, "inputs": "print(x)"}], ["'print(x)' is not something a node can be given"]),
    "unknown use": ([{"fc1": {"Linear": [4, 4]}}, {"use": "fc2"}], ["`use` names an unknown node 'fc2'", "did you mean 'fc1'?"]),
    "use with arguments": ([{"a": "ReLU"}, {"use": "a", "inplace": True}], ["makes none of its own"]),
    "a loop without next": (
        [{"type": "loop", "carry": ["h", "c"], "nodes": [{"y": "ReLU", "inputs": "step"}]}],
        ["`next` must say what each carried state becomes", "{h: …, c: …}"],
    ),
    "an option of a graph": ([{"type": "graph", "node": [], "nodes": ["ReLU"]}], ["unknown option 'node' of a graph"]),
    "a node inside": (
        [{"type": "graph", "name": "block", "nodes": ["ReLU", {"Tanh": None, "inputs": "y"}]}],
        ["model.nodes[0].nodes[1] (tanh): unknown input 'y'"],
    ),
}


@pytest.mark.parametrize("case", STRUCTURE)
def test_a_mistake_in_the_structure_is_told_with_its_place(case: str) -> None:
    nodes, expected = STRUCTURE[case]
    text = told(nodes)
    for each in expected:
        assert each in text, text


LAYERS: dict[str, tuple[Any, list[str]]] = {
    "an unknown layer": ([{"Liner": [4, 2]}], ["model.nodes[0] (liner): unknown layer type 'Liner'", "did you mean 'Linear'?"]),
    "a bare function": ([{"a": {"type": "relu"}}], ["unknown layer type 'relu'", "did you mean 'torch.nn.functional.relu'?"]),
    "a class that is no layer": ([{"type": "Module_"}], ["unknown layer type 'Module_'"]),
    "an unknown path": ([{"torch.nn.functional.rellu": None}], ["may name", "did you mean 'torch.nn.functional.relu'?"]),
    "no such package": ([{"nowhere.nets:Net": None}], ["cannot import 'nowhere.nets:Net'"]),
    "a misspelt argument": (
        [{"conv2": {"type": "Conv2d", "in_channel": 3, "out_channels": 8, "kernel_size": 3}}],
        [
            "model.nodes[0] (conv2): wrong arguments for Conv2d",
            "it is Conv2d(in_channels, out_channels, kernel_size, stride=1",
            "did you mean 'in_channels' instead of 'in_channel'?",
        ],
    ),
    "a missing argument": ([{"Linear": [4]}], ["missing a required argument: 'out_features'", "it needs in_features, out_features"]),
    "too many arguments": ([{"ReLU": [1, 2, 3]}], ["too many positional arguments; it is ReLU(inplace=False)"]),
    "a value that the layer refuses": (
        [{"Conv2d": [3, 8, 3], "groups": 2}],
        ["Conv2d cannot be made", "ValueError: in_channels must be divisible"],
    ),
    "an argument of a function": (
        [{"torch.nn.functional.dropout": {"prob": 0.5}}],
        ["wrong arguments for torch.nn.functional.dropout", "'prob'", "it is torch.nn.functional.dropout(input, p=0.5"],
    ),
    "a key of the node": ([{"ReLU": None, "input": "x"}], ["did you mean the key 'inputs' of a node?"]),
    "a data type": ([{"Linear": [4, 2], "dtype": "float15"}], ["unknown data type 'float15'", "did you mean 'float16'?"]),
    "a name of Module": ([{"train": {"Linear": [4, 2]}}], ["the name 'train' is taken by the model itself", "'train_layer'"]),
    "what every module has": ([{"training": {"Linear": [4, 2]}}], ["the name 'training' is taken by the model itself"]),
    "an argument that is none": ([{"type": "torch.relu", "kwargs": {"a=1) or print(": 1}}], ["cannot be the name of an argument"]),
    "a ModuleDict alone": ([{"ModuleDict": {"a": "ReLU"}}], ["does not say which of its layers runs", "choose:"]),
    "choose without choices": ([{"ReLU": None, "choose": "x"}], ["nothing to choose from in 'ReLU'"]),
    "add of one": ([{"type": "add"}], ["'add' joins two inputs or more"]),
    "cat without dim": ([{"type": "cat", "inputs": ["x", "x"]}], ["'cat' needs `dim`"]),
    "a function in a container": ([{"Sequential": [{"torch.relu": None}]}], ["'torch.relu' is no layer", "nested graph"]),
    "a layer inside a layer": ([{"Sequential": ["ReLU", {"Liner": [3, 4]}]}], ["model.nodes[0][1]", "did you mean 'Linear'?"]),
    "a parameter without shape": (
        [{"w": {"Parameter": {}}}, {"type": "add", "inputs": ["x", "w"]}],
        ["a Parameter needs a shape or a value"],
    ),
    "an init": (
        [{"w": {"Parameter": {"shape": [2], "init": "norml"}}}, {"type": "add", "inputs": ["x", "w"]}],
        ["unknown init 'norml'", "did you mean 'normal'?"],
    ),
    "an unknown parameter": (
        [{"fc": {"Linear": [4, 2]}}, {"torch.mul": {}, "inputs": ["fc", {"parameter": "fc.weigt"}]}],
        ["unknown parameter 'fc.weigt'", "did you mean 'fc.weight'?"],
    ),
    "an unknown inner layer": (
        [{"s": {"Sequential": [{"fc": {"Linear": [4, 4]}}]}}, {"use": "s.fd"}],
        ["`use` names 's.fd', which is no layer", "did you mean 's.fc'?"],
    ),
}


@pytest.mark.parametrize("case", LAYERS)
def test_a_layer_that_cannot_be_made_says_why(case: str) -> None:
    nodes, expected = LAYERS[case]
    text = told(nodes)
    for each in expected:
        assert each in text, text


SHAPES: dict[str, tuple[Any, Any, list[str]]] = {
    "features": (
        [{"Conv2d": [3, 8, 3], "padding": 1}, "Flatten", {"fc": {"Linear": [64, 10]}}],
        IMAGE,
        [
            "model.nodes[2] (fc): Linear cannot take 'flatten' of shape (2, 128)",
            "in_features is 64, but the last dimension is 128 = 8 × 4 × 4",
            "set in_features to 128",
        ],
    ),
    "channels": (
        [{"Conv2d": [3, 8, 3]}, {"conv2": {"Conv2d": [16, 8, 1]}}],
        IMAGE,
        ["(conv2): Conv2d cannot take 'conv2d' of shape (2, 8, 2, 2)", "in_channels is 16, but dimension 1 is 8"],
    ),
    "kernel": ([{"Conv2d": [3, 8, 7], "padding": 1}], IMAGE, ["the kernel covers 7, but there are only 4 + 2 × 1 = 6"]),
    "dimensions": (["Flatten", {"Conv2d": [48, 8, 1]}], IMAGE, ["it wants 4 dimensions", "and gets 2"]),
    "norm": ([{"BatchNorm2d": 8}], IMAGE, ["num_features is 8, but dimension 1 is 3"]),
    "layer norm": ([{"LayerNorm": 8}], IMAGE, ["normalized_shape is (8,), but the last dimensions are (4,)"]),
    "sum": (
        [{"a": {"Linear": [4, 6]}}, {"type": "add", "inputs": ["x", "a"]}],
        {"x": {"shape": [4]}},
        ["model.nodes[1] (add): add cannot take 'x' of shape (2, 4) and 'a' of shape (2, 6)", "dimension 1 is 4 and 6"],
    ),
    "kind of index": ([{"Embedding": [4, 2]}], {"x": {"shape": [3]}}, ["looks rows up by whole numbers, and gets float32", "dtype: int64"]),
    "type": (
        [{"Linear": [4, 2], "dtype": "float64"}],
        {"x": {"shape": [4]}},
        ["the input is float32, the weights are float64", "torch.float64"],
    ),
    "bilinear": (
        [{"Bilinear": [4, 5, 2], "inputs": ["x", "y"]}],
        {"x": {"shape": [4]}, "y": {"shape": [4]}},
        ["'x' of shape (2, 4) and 'y' of shape (2, 4)", "in2_features is 5, but the last dimension is 4"],
    ),
    "inside": (
        [{"type": "graph", "name": "block", "nodes": [{"fc": {"Linear": [5, 5]}}]}],
        {"x": {"shape": [4]}},
        ["model.nodes[0].nodes[0] (fc): Linear cannot take 'x' of shape (2, 4)", "in_features is 5"],
    ),
    "a repeat": (
        [{"fc": {"Linear": [4, 5], "repeat": 2}}],
        {"x": {"shape": [4]}},
        ["(fc): Linear cannot take 'fc' of shape (2, 5)", "in_features is 4"],
    ),
    "results that are fewer": (
        [{"LSTM": [4, 3], "outputs": ["o", ["h"]]}],
        {"x": {"shape": [2, 4]}},
        ["the results of LSTM do not fit `outputs`", "it gives (of shape (2, 2, 3), (of shape (1, 2, 3), of shape (1, 2, 3)))"],
    ),
    "several results where one is wanted": (
        [{"LSTM": [4, 3]}, {"Linear": [3, 2]}],
        {"x": {"shape": [2, 4]}},
        ["(linear): Linear cannot take 'lstm'", "'lstm' holds 2 results", 'inputs: "lstm[0]"'],
    ),
    "a step of a loop": (
        [{"type": "loop", "carry": "h", "nodes": [{"cell": {"GRUCell": [4, 5], "inputs": ["step", "h"]}}], "outputs": ["o", "_"]}],
        {"x": {"shape": [6, 3]}},
        ["model.nodes[0].nodes[0] (cell): GRUCell cannot take 'step' of shape (2, 3)", "input_size is 4, but the last dimension is 3"],
    ),
    "inside a container": (
        [{"net": {"Sequential": [{"Linear": [4, 6]}, "ReLU", {"head": {"Linear": [5, 2]}}]}}],
        {"x": {"shape": [4]}},
        ["(net): Sequential cannot take 'x' of shape (2, 4)", "inside, Linear 'head': in_features is 5, but the last dimension is 6"],
    ),
    "something else": (
        [{"Tensor.view": [7]}],
        {"x": {"shape": [4]}},
        ["Tensor.view cannot take 'x' of shape (2, 4)", "RuntimeError: shape"],
    ),
}


@pytest.mark.parametrize("case", SHAPES)
def test_a_shape_that_does_not_fit_is_told_with_the_arithmetic(case: str) -> None:
    nodes, inputs, expected = SHAPES[case]
    text = told(nodes, inputs)
    for each in expected:
        assert each in text, text


def test_a_row_beyond_the_table_is_told_at_a_dry_run() -> None:
    model = graph([{"Embedding": [4, 2]}])
    with pytest.raises(ConfigError, match=r"it has 4 rows \(0 to 3\), and is asked for 9"):
        model.dry_run(torch.tensor([9]))


def test_a_dry_run_without_all_inputs_says_what_there_is() -> None:
    model = graph([{"type": "add", "inputs": ["x", "y"]}], inputs=["x", "y"])
    with pytest.raises(ConfigError, match="the inputs are x, y; given: 1 by position"):
        model.dry_run(torch.ones(2))
    assert model.dry_run(torch.ones(2), y=torch.ones(2)).tolist() == [2, 2]


def test_all_mistakes_are_told_at_once() -> None:
    text = told([{"ReLU": None, "inputs": "y"}, {"Tanh": None, "inputs": "z"}])
    assert "'y'" in text and "'z'" in text
    text = told([{"Liner": [3, 4]}, {"ReLu": None, "inputs": "z"}])
    assert "'Liner'" in text and "'ReLu'" in text and "'z'" in text
    text = told([{"Linear": [3]}, {"Conv2d": [4]}])
    assert "out_features" in text and "out_channels" in text


INPUTS: dict[str, tuple[Any, str]] = {
    "unused": (["x", "y"], "model.inputs: the input 'y' is not used"),
    "no name": ([3], "3 cannot be the name of an input"),
    "an option": ({"x": {"shapes": [3]}}, "unknown option 'shapes' of input 'x'"),
    "a shape": ({"x": {"shape": "3"}}, "the shape of input 'x' is '3'"),
    "a batch": ({"x": {"shape": [3], "batch": 4}}, "a position from 0 to 1"),
    "a type": ({"x": {"shape": [3], "dtype": "flot32"}}, "did you mean 'float32'"),
    "a number": (5, "inputs must be names, not 5"),
}


@pytest.mark.parametrize("case", INPUTS)
def test_a_mistake_in_the_inputs_is_told(case: str) -> None:
    inputs, expected = INPUTS[case]
    assert expected in told(["ReLU"] if not isinstance(inputs, list) else [{"ReLU": None, "inputs": "x"}], inputs)


def test_outputs_name_what_is_there() -> None:
    assert "model.outputs: unknown name 'relus'" in told(["ReLU"], outputs={"y": "relus"})


def test_a_device_that_is_not_there_is_told() -> None:
    assert "model.device: the device 'gpu' cannot be used" in told(["ReLU"], device="gpu")


def test_yaml_that_is_wrong_is_told_with_line_and_column() -> None:
    with pytest.raises(ConfigError) as caught:
        Graph.from_yaml("nodes:\n  - ReLU\n  - {Tanh: , inputs: rel}\n")
    assert "text:3:5" in str(caught.value) and "unknown input 'rel'" in str(caught.value)
    with pytest.raises(ConfigError, match="unknown option 'node'"):
        Graph.from_yaml("node: [ReLU]\nnodes: [ReLU]\n")


def test_the_table_of_layers_has_those_of_torch() -> None:
    missing, gone = sorted(set(layer_names()) - torch_names.LAYERS), sorted(torch_names.LAYERS - set(layer_names()))
    told = "write sorted(trainwright.tools.graph.naming.layer_names()) into config/torch_names.py"
    assert not missing, f"torch.nn has {missing}: {told}"
    assert not gone, f"torch.nn has no {gone}: {told}"


def test_an_unknown_layer_is_refused_while_the_config_is_read_at_its_place(tmp_path: Path) -> None:
    file = tmp_path / "net.yaml"
    nodes = "[{Linear: [4, 16]}, {Linaer: [16, 2]}, {type: graph, nodes: [RelU]}, {type: Sequential, args: [{Linear: [2, 2]}, Tahn]}]"
    file.write_text("model:\n  nodes: " + nodes.replace(", {", ",\n    {").replace("[{L", "\n    [{L", 1) + "\n")
    with pytest.raises(ManyErrors) as caught:
        Graph.from_yaml(file)
    said = [(each.where, each.what, each.fix) for each in caught.value.errors]
    assert [(what.rpartition(": ")[2], fix) for _, what, fix in said] == [
        ("unknown layer type 'Linaer'", "did you mean 'Linear'?"),
        ("unknown layer type 'RelU'", "did you mean 'ReLU'?"),
        ("unknown layer type 'Tahn'", "did you mean 'Tanh'?"),
    ]
    assert all("net.yaml:" in where for where, _, _ in said), said


def test_reading_known_layers_words_and_paths_needs_no_torch() -> None:
    nodes = ["ReLU", {"Sequential": ["Tanh", {"ModuleList": ["ReLU"]}]}, {"type": "add", "inputs": ["x", "relu"]}, "torch.relu"]
    given = {"nodes": [*nodes[:1], {"a": nodes[2]}, {"b": nodes[1]}, nodes[3], "./net.py:Net"]}
    program = f"import sys\nfrom trainwright.tools.graph import GraphOptions\nGraphOptions(**{given!r})\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_failure_without_stated_shapes_is_named_when_asked_for() -> None:
    model = graph([{"Linear": [4, 16]}, "ReLU", {"out": {"Linear": [15, 2]}}])
    model.train()
    rows = torch.zeros(3, 4)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        model(rows)
    found = model.find_failure((rows,), {})
    assert str(found) == (
        "model.nodes[2] (out): Linear cannot take 'relu' of shape (3, 16)\n"
        "  why: in_features is 15, but the last dimension is 16\n"
        "  fix: set in_features to 16, or use a lazy layer"
    )
    assert model.training and all(each.grad is None for each in model.parameters())
    assert str(model.find_failure((), {"x": rows})) == str(found)
    told = str(model.find_failure((rows, rows), {}))
    assert "the inputs are x; given: 2 by position" in told
    good = graph([{"Linear": [4, 16]}])
    assert good.find_failure((rows,), {}) is None
