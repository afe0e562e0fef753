"""Float ONNX files of networks that know digits, written node by node: no exporter is waited for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.lib.stride_tricks import sliding_window_view
from onnx import helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

Digits = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def digits() -> Digits:
    """Training rows and labels, and others: pixels 0 to 16 as float32."""
    pixels, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(pixels))
    pixels, labels = pixels[order].astype(np.float32), labels[order]
    return pixels[:1200], labels[:1200], pixels[1200:], labels[1200:]


def write_dense(path: Path) -> Path:
    """64 → 48 → 10, trained; the scale of the pixels is a fixed table in front."""
    pixels, labels, _, _ = digits()
    made = MLPClassifier((48,), max_iter=60, tol=1e-2, random_state=0).fit(pixels / 16, labels)
    tensors = {"scale": np.full((64, 64), 0, np.float32) + np.eye(64, dtype=np.float32) / 16}
    for number, (weight, bias) in enumerate(zip(made.coefs_, made.intercepts_, strict=True)):
        tensors[f"net.{number}.weight"], tensors[f"net.{number}.bias"] = np.ascontiguousarray(weight.T), bias
    nodes = [
        helper.make_node("MatMul", ["pixels", "scale"], ["scaled"]),
        helper.make_node("Gemm", ["scaled", "net.0.weight", "net.0.bias"], ["hidden"], transB=1),
        helper.make_node("Relu", ["hidden"], ["active"]),
        helper.make_node("Gemm", ["active", "net.1.weight", "net.1.bias"], ["logits"], transB=1),
    ]
    return _write(path, nodes, tensors)


def write_convolutions(path: Path) -> Path:
    """Two convolutions of random filters with a way round the second, the mean of each quarter, and a trained layer on top."""
    pixels, labels, _, _ = digits()
    make = np.random.default_rng(1)
    filters = [make.normal(0, 0.5, (24, 1, 3, 3)), make.normal(0, 0.1, (24, 24, 3, 3))]
    first = np.maximum(_convolve(pixels.reshape(-1, 1, 8, 8) / 16, filters[0]), 0)
    second = np.maximum(_convolve(first, filters[1]) + first, 0)
    pooled = second.reshape(-1, 24, 4, 2, 4, 2).mean(axis=(3, 5)).reshape(len(second), -1)
    top = LogisticRegression(max_iter=200).fit(pooled, labels)
    tensors = {f"net.{number}.weight": each for number, each in enumerate(filters)}
    tensors |= {"net.2.weight": top.coef_, "net.2.bias": top.intercept_, "sixteen": np.array(16.0)}
    around = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Div", ["pixels", "sixteen"], ["scaled"]),
        helper.make_node("Reshape", ["scaled", "picture"], ["given"]),
        helper.make_node("Conv", ["given", "net.0.weight"], ["first"], **around),
        helper.make_node("Relu", ["first"], ["active"]),
        helper.make_node("Conv", ["active", "net.1.weight"], ["second"], **around),
        helper.make_node("Add", ["second", "active"], ["added"]),
        helper.make_node("Relu", ["added"], ["summed"]),
        helper.make_node("AveragePool", ["summed"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "net.2.weight", "net.2.bias"], ["logits"], transB=1),
    ]
    return _write(path, nodes, tensors, {"picture": np.array([-1, 1, 8, 8], np.int64)})


def _convolve(pictures: np.ndarray, filters: np.ndarray) -> np.ndarray:
    padded = np.pad(pictures, ((0, 0), (0, 0), (1, 1), (1, 1)))
    return np.einsum("ncijhw,fchw->nfij", sliding_window_view(padded, (3, 3), axis=(2, 3)), filters, optimize=True)


def _write(path: Path, nodes: list, tensors: dict[str, np.ndarray], whole: dict[str, np.ndarray] | None = None) -> Path:
    made = {name: each.astype(np.float32) for name, each in tensors.items()} | (whole or {})
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("pixels", onnx.TensorProto.FLOAT, ["rows", 64])],
        [helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["rows", 10])],
        [numpy_helper.from_array(each, name) for name, each in made.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(model, {"trainwright": "{}"})
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path
