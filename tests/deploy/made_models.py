"""A small model file made node by node, whose answers can be computed in the head: for tests of hosts and servers.

score = (age / 100, 0.4 where missing) + job / 10 + words of `tags` / 100 + 0 · the others; the class is `yes` from 0.5.
"""

from __future__ import annotations

import json

import onnx
from onnx import TensorProto, helper

READING = {
    "kinds": {"age": "float", "job": "text", "smoker": "boolean", "since": "text", "tags": "text", "place": "text"},
    "form": None,
    "words": {},
    "folders": [],
}
INPUTS = {
    "age": {"type": "number", "policy": "auto", "typical": 40.0, "low": 18.0, "high": 90.0, "invalid": "error", "infinity": "error"},
    "job": {
        "type": "category",
        "policy": "auto",
        "table": {"exact": {"clerk": 0, "nurse": 1, "pilot": 2}, "without_case": {}, "join": []},
        "missing": -1,
        "unknown": -2,
        "typical": "nurse",
    },
    "smoker": {
        "type": "binary",
        "policy": "auto",
        "table": {"exact": {"false": 0, "true": 1}, "without_case": {"no": 0, "yes": 1}, "join": []},
        "missing": -1,
        "unknown": -2,
        "typical": "false",
    },
    "since": {"type": "date", "policy": "auto", "formats": ["%d.%m.%Y"], "order": "day_first", "missing": -(1 << 63)},
    "tags": {
        "type": "set",
        "policy": "auto",
        "table": {"exact": {"a": 1, "b": 2, "c": 3}, "join": []},
        "unknown": 0,
        "missing": -1,
        "delimiter": "|",
    },
    "place": {"type": "vector", "policy": "auto", "length": 2},
}
TARGETS = {"well": {"type": "binary", "prediction": "the place of the class", "classes": ["no", "yes"], "returns": "text"}}
ROW = {"age": 40.0, "job": "nurse", "smoker": True, "since": "2024-05-31", "tags": ["a", "b"], "place": [1, 2.5]}
"""A row whose score is 0.4 + 0.1 + 0.02."""


def write_model(path, inputs=None, **more):
    """The model as a `.onnx` file; `more` goes into its description, `inputs` over those of it."""
    described = {name: {**each, **(inputs or {}).get(name, {})} for name, each in INPUTS.items()}
    about = {"format": 1, "name": "well", "digest": "sha256:made", "inputs": described, "targets": TARGETS, "reading": READING, **more}
    model = helper.make_model(_graph(), opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {"trainwright": json.dumps(about)})
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def _graph():
    rows, double, integer = "rows", TensorProto.DOUBLE, TensorProto.INT64
    inputs = [
        helper.make_tensor_value_info("age", double, [rows]),
        *(helper.make_tensor_value_info(name, integer, [rows]) for name in ("job", "smoker", "since", "tags.length")),
        helper.make_tensor_value_info("tags", integer, [rows, "words"]),
        helper.make_tensor_value_info("place", double, [rows, 2]),
    ]
    outputs = [
        helper.make_tensor_value_info("well.prediction", integer, [rows]),
        helper.make_tensor_value_info("well.probability", TensorProto.FLOAT, [rows, 2]),
    ]
    numbers = {"hundred": 100.0, "ten": 10.0, "filled": 40.0, "half": 0.4999999, "zero": 0.0, "one": 1.0}
    constants = [helper.make_tensor(name, double, [], [value]) for name, value in numbers.items()]
    axes = helper.make_tensor("axis", integer, [1], [1])
    nodes = [
        helper.make_node("IsNaN", ["age"], ["absent"]),
        helper.make_node("Where", ["absent", "filled", "age"], ["years"]),
        helper.make_node("Div", ["years", "hundred"], ["of_age"]),
        *_as_share("job", "ten", "of_job"),
        *_as_share("tags.length", "hundred", "of_tags"),
        *_as_share("smoker", "one", "of_smoker"),
        *_as_share("since", "one", "of_since"),
        helper.make_node("ReduceSum", ["tags", "axis"], ["all_tags"], keepdims=0),
        *_as_share("all_tags", "one", "of_words"),
        helper.make_node("ReduceSum", ["place", "axis"], ["of_place"], keepdims=0),
        helper.make_node("Sum", ["of_smoker", "of_since", "of_words", "of_place"], ["others"]),
        helper.make_node("Sum", ["of_age", "of_job", "of_tags"], ["score"]),
        helper.make_node("Greater", ["score", "half"], ["above"]),
        helper.make_node("Cast", ["above"], ["well.prediction"], to=integer),
        helper.make_node("Sub", ["one", "score"], ["below"]),
        helper.make_node("Unsqueeze", ["score", "axis"], ["yes"]),
        helper.make_node("Unsqueeze", ["below", "axis"], ["no"]),
        helper.make_node("Concat", ["no", "yes"], ["both"], axis=1),
        helper.make_node("Cast", ["both"], ["well.probability"], to=TensorProto.FLOAT),
    ]
    return helper.make_graph(nodes, "well", inputs, outputs, [*constants, axes])


def _as_share(name, of, result):
    cast = f"{result}.float"
    return [
        helper.make_node("Cast", [name], [cast], to=TensorProto.DOUBLE),
        helper.make_node("Div", [cast, of], [result]),
    ]
